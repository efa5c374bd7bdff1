//! lvsd in a director's seat.

use std::time::Duration;

use nix::unistd::Pid;
use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::net::{Host, Lab, Leftovers, Output, Supervised};
use crate::watch::eventually;

const LVSD_FILE: &str = "/run/lab/lvsd.toml";

/// lvsd in a seat, under the stand-in for a service manager.
pub struct Lvsd {
    /// The service.
    pub service: Supervised,
    /// Where it runs.
    pub host: Host,
    program: String,
}

impl Lvsd {
    /// Starts it with this configuration.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(lab: &Lab, host: &Host, configuration: &str) -> Result<Self> {
        let program = lab.daemon()?.to_string_lossy().into_owned();
        host.write_secret(LVSD_FILE, configuration)?;
        let command = [program.as_str(), "run", "--config", LVSD_FILE];
        Ok(Self {
            service: host.supervise("lvsd", &command, Leftovers::Leave)?,
            host: host.clone(),
            program,
        })
    }

    /// Replaces the configuration file; it is read at the next reload.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        self.host.write_secret(LVSD_FILE, configuration)
    }

    /// Runs `lvsd` with these words on the host.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn command(&self, words: &[&str]) -> Result<Output> {
        let mut command = vec![self.program.as_str()];
        command.extend(words);
        self.host.run_list(&command)
    }

    /// Runs `lvsd` with these words, which must not succeed; what it says.
    ///
    /// # Errors
    /// When it cannot be run, or succeeds.
    pub fn refusal(&self, words: &[&str]) -> Result<String> {
        let mut command = vec![self.program.as_str()];
        command.extend(words);
        let output = self.host.try_run(&command, Duration::from_secs(60))?;
        let text = format!("{}{}", output.stdout, output.stderr);
        crate::ensure!(output.code == Some(1), "status {:?}: {text}", output.code);
        Ok(text)
    }

    /// `lvsd reload`.
    ///
    /// # Errors
    /// When the configuration is refused.
    pub fn reload(&self) -> Result<()> {
        self.command(&["reload"]).map(drop)
    }

    /// `lvsd status --json`.
    ///
    /// # Errors
    /// When it does not run or says something else than JSON.
    pub fn status(&self) -> Result<Value> {
        let output = self.command(&["status", "--json"])?.stdout;
        serde_json::from_str(&output)
            .map_err(|error| Failure::said(format!("decode the status: {error}: {output}")))
    }

    /// The state of its VRRP instance.
    ///
    /// # Errors
    /// When the status says none.
    pub fn state(&self) -> Result<String> {
        let status = self.status()?;
        status
            .pointer("/vrrp/0/state")
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
            .ok_or_else(|| Failure::said(format!("no VRRP state in {status}")))
    }

    /// Waits until its VRRP instance is in a state.
    ///
    /// # Errors
    /// When it is not within `limit`.
    pub fn wait_for(&self, state: &str, limit: Duration) -> Result<()> {
        let what = format!("lvsd on {} to be {state}", self.host.name());
        eventually(limit, &what, || {
            let now = self.state()?;
            crate::ensure!(now == state, "{now}");
            Ok(())
        })
    }

    /// The process id of a worker, `vrrp` or `checker`.
    ///
    /// # Errors
    /// When the status names none.
    pub fn worker(&self, name: &str) -> Result<Pid> {
        let status = self.status()?;
        let workers = status.get("workers").and_then(Value::as_array);
        workers
            .into_iter()
            .flatten()
            .find(|worker| worker.get("name").and_then(Value::as_str) == Some(name))
            .and_then(|worker| worker.get("pid")?.as_i64())
            .and_then(|pid| i32::try_from(pid).ok())
            .map(Pid::from_raw)
            .ok_or_else(|| Failure::said(format!("no worker {name} in {status}")))
    }

    /// Ends the service for good and all its processes at once, as a power cut would.
    pub fn cut_power(self) {
        drop(self.service);
        self.host.kill_everything();
    }

    /// What it logged.
    ///
    /// # Errors
    /// When there is no log.
    pub fn log(&self) -> Result<String> {
        let path = self
            .host
            .directory()
            .join(format!("{}.lvsd.log", self.host.name()));
        crate::failure::read(&path)
    }
}
