//! The Debian packages that the lab stands on.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use crate::failure::{Attempt, Failure, Result};

const PACKAGES: [&str; 18] = [
    "user-mode-linux",
    "kmod",
    "iproute2",
    "ipvsadm",
    "curl",
    "nginx-light",
    "tcpdump",
    "arping",
    "keepalived",
    "frr",
    "tshark",
    "iputils-ping",
    "nftables",
    "iptables",
    "procps",
    "strace",
    "util-linux",
    "bash",
];

/// Keeps daemons from being started by their installation.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Says which packages are missing and installs them; silent when there is nothing to do.
///
/// # Errors
/// When this is no Debian, when neither root nor sudo is at hand, or when apt-get fails.
pub fn setup() -> Result<()> {
    let missing = missing()?;
    if missing.is_empty() {
        return Ok(());
    }
    println!("The lab needs these Debian packages: {}", missing.join(" "));
    let runner = Privileged::find(&missing)?;
    let _quiet = Quiet::begin(&runner)?;
    if !runner.succeeds(&["apt-get", "update"])? {
        println!("apt-get update failed; trying with the package lists at hand");
    }
    let mut command = vec![
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
    ];
    command.extend(["--yes", "--no-install-recommends"]);
    command.extend(&missing);
    crate::ensure!(
        runner.succeeds(&command)?,
        "apt-get could not install {}; its messages are above",
        missing.join(" ")
    );
    Ok(())
}

fn missing() -> Result<Vec<&'static str>> {
    crate::ensure!(
        Path::new("/etc/debian_version").exists(),
        "the lab installs its tools with apt-get and this is no Debian; it needs: {}",
        PACKAGES.join(" ")
    );
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"])
        .args(PACKAGES)
        .stderr(Stdio::null())
        .output()
        .attempt(|| "run dpkg-query")?;
    let listed = String::from_utf8_lossy(&output.stdout);
    let installed: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    Ok(PACKAGES
        .into_iter()
        .filter(|package| !installed.contains(package))
        .collect())
}

/// How commands get root's rights.
enum Privileged {
    Root,
    Sudo,
}

impl Privileged {
    fn find(missing: &[&str]) -> Result<Self> {
        if geteuid().is_root() {
            return Ok(Self::Root);
        }
        let sudo = Command::new("sudo")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match sudo {
            Ok(status) if status.success() => Ok(Self::Sudo),
            _ => Err(Failure::said(format!(
                "neither root nor sudo: have an administrator run `apt-get install {}`",
                missing.join(" ")
            ))),
        }
    }

    fn succeeds(&self, command: &[&str]) -> Result<bool> {
        let (program, arguments) = match (self, command) {
            (Self::Root, [program, arguments @ ..]) => (*program, arguments),
            (_, command) => ("sudo", command),
        };
        Command::new(program)
            .args(arguments)
            .status()
            .map(|status| status.success())
            .attempt(|| format!("run {program} {}", arguments.join(" ")))
    }
}

/// While it lives, no installed daemon is started. An administrator's own policy is left alone.
struct Quiet<'a>(Option<&'a Privileged>);

impl<'a> Quiet<'a> {
    fn begin(runner: &'a Privileged) -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self(None));
        }
        let draft = std::env::temp_dir().join(format!("lab-policy-{}", std::process::id()));
        crate::failure::write(&draft, "#!/bin/sh\nexit 101\n")?;
        let path = draft.to_string_lossy().into_owned();
        let installed = runner.succeeds(&["install", "-m", "755", &path, POLICY])?;
        std::fs::remove_file(&draft).attempt(|| format!("remove {path}"))?;
        crate::ensure!(installed, "could not write {POLICY}");
        Ok(Self(Some(runner)))
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        if let Some(runner) = self.0
            && !runner.succeeds(&["rm", "-f", POLICY]).unwrap_or(false)
        {
            eprintln!("lab: {POLICY} could not be removed; no daemon starts while it is there");
        }
    }
}
