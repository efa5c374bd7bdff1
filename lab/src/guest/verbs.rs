//! The commands of the lab's shell: this binary under other names.
//!
//! `on d1 ipvsadm -Ln` runs a command on a host; `stop`, `crash` and `start` end a host's service
//! politely, cut its power, and bring it back.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::failure::{Attempt, Failure, Result};
use crate::job::GUEST_DIR;
use crate::net::{parent, processes_beside};
use crate::site::{INTERFACE, VIP};

/// The names under which this binary is a verb.
pub(super) const VERBS: [&str; 4] = ["on", "stop", "crash", "start"];

/// Where the verbs lie in the guest.
pub(super) const DIRECTORY: &str = "/mnt/bin";

/// What the verbs need to know of the site.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Plan {
    /// A thread inside each host.
    pub(super) threads: BTreeMap<String, i32>,
    /// The service of each host that has one.
    pub(super) services: BTreeMap<String, Vec<String>>,
}

impl Plan {
    fn path() -> PathBuf {
        Path::new(GUEST_DIR).join("site.json")
    }

    pub(super) fn store(&self) -> Result<()> {
        let text = serde_json::to_string(self)
            .map_err(|error| Failure::said(format!("encode the site: {error}")))?;
        crate::failure::write(&Self::path(), &text)
    }

    fn load() -> Result<Self> {
        serde_json::from_str(&crate::failure::read(&Self::path())?)
            .map_err(|error| Failure::said(format!("decode the site: {error}")))
    }

    fn thread(&self, host: &str) -> Result<Pid> {
        let known = || self.threads.keys().cloned().collect::<Vec<_>>().join(", ");
        self.threads
            .get(host)
            .map(|thread| Pid::from_raw(*thread))
            .ok_or_else(|| Failure::said(format!("there is no host {host}; there are {}", known())))
    }

    /// A command inside a host.
    fn inside(&self, host: &str) -> Result<Command> {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.thread(host)?))
            .args(["--net", "--mount", "--uts", "--"]);
        Ok(command)
    }
}

/// Does what the verb says.
pub(super) fn run(verb: &str) -> Result<()> {
    let mut words = env::args().skip(1);
    let usage = || Failure::said(format!("say a host: {verb} d1"));
    let host = words.next().ok_or_else(usage)?;
    let rest: Vec<String> = words.collect();
    let plan = Plan::load()?;
    match verb {
        "on" => on(&plan, &host, &rest),
        "stop" => stop(&plan, &host, Signal::SIGTERM),
        "crash" => crash(&plan, &host),
        _ => start(&plan, &host),
    }
}

fn on(plan: &Plan, host: &str, command: &[String]) -> Result<()> {
    let mut inside = plan.inside(host)?;
    if command.is_empty() {
        // A shell that says where it is.
        inside
            .args(["bash", "--norc", "-i"])
            .env("PS1", format!("{host}# "));
    } else {
        inside.args(command);
    }
    Err(inside.exec()).attempt(|| format!("run a command on {host}"))
}

/// SIGTERM goes to the services themselves, SIGKILL to every process.
fn stop(plan: &Plan, host: &str, signal: Signal) -> Result<()> {
    let all = processes_beside(plan.thread(host)?);
    for pid in &all {
        let has_parent_here = parent(*pid).is_some_and(|parent| all.contains(&parent));
        if signal == Signal::SIGKILL || !has_parent_here {
            // It may have ended meanwhile.
            let _ = kill(*pid, signal);
        }
    }
    Ok(())
}

/// No power: the cable is dead, the processes and what they put into the kernel are gone.
fn crash(plan: &Plan, host: &str) -> Result<()> {
    cable(plan, host, "down")?;
    stop(plan, host, Signal::SIGKILL)?;
    if host.starts_with('d') {
        let vip = format!("{VIP}/32");
        succeed(
            plan.inside(host)?
                .args(["ip", "addr", "flush", "to", &vip, "dev", INTERFACE]),
        )?;
        succeed(plan.inside(host)?.args(["ipvsadm", "-C"]))?;
    }
    Ok(())
}

fn start(plan: &Plan, host: &str) -> Result<()> {
    cable(plan, host, "up")?;
    let Some(service) = plan.services.get(host) else {
        return Ok(());
    };
    crate::ensure!(
        processes_beside(plan.thread(host)?).is_empty(),
        "the service of {host} is running"
    );
    let log = Path::new(GUEST_DIR).join(format!("shell/{host}.log"));
    let log = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .attempt(|| format!("open {}", log.display()))?;
    plan.inside(host)?
        .args(service)
        .stdin(Stdio::null())
        .stdout(log.try_clone().attempt(|| "share the log")?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .map(drop)
        .attempt(|| format!("start the service of {host}"))
}

fn cable(plan: &Plan, host: &str, state: &str) -> Result<()> {
    let port = format!("{host}-{INTERFACE}");
    succeed(
        plan.inside("switch")?
            .args(["ip", "link", "set", &port, state]),
    )
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().attempt(|| format!("run {command:?}"))?;
    crate::ensure!(status.success(), "{command:?} failed");
    Ok(())
}
