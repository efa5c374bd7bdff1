//! A process between the lab and a guest, so that no part of the guest outlives the lab.
//!
//! A booted kernel is a handful of processes, and some of them stay when their first one is
//! killed. The keeper holds the end of a pipe from the lab: when that
//! closes, however the lab ended, it kills them all.

use std::env;
use std::io::{self, Read};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpgrp};

/// The argument that makes this binary a keeper; the guest's command line follows.
const KEEP: &str = "keep-guest";

/// The command that runs `guest` under a keeper: to be given a group of its own, and a pipe
/// as standard input.
pub(super) fn kept(own: &std::path::Path, guest: &Command) -> Command {
    let mut command = Command::new(own);
    command
        .arg(KEEP)
        .arg(guest.get_program())
        .args(guest.get_args())
        .stdin(Stdio::piped());
    for (name, value) in guest.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
}

/// Keeps a guest, if that is what this process was started for.
#[must_use]
pub(crate) fn part() -> Option<ExitCode> {
    let mut words = env::args_os().skip(1);
    if words.next()? != KEEP {
        return None;
    }
    let program = words.next()?;
    let guest = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .spawn();
    let mut guest = match guest {
        Ok(guest) => guest,
        Err(error) => {
            eprintln!("lab: start the guest: {error}");
            return Some(ExitCode::FAILURE);
        }
    };
    let group = Pid::from_raw(i32::try_from(guest.id()).unwrap_or(i32::MAX));
    thread::spawn(move || {
        let mut nothing = Vec::new();
        // The lab never writes: this ends when the lab does, or lets go of the guest.
        let _ = io::stdin().read_to_end(&mut nothing);
        end(group);
    });
    // However it ends, its helpers have to.
    let _ = guest.wait();
    end(group);
    Some(ExitCode::SUCCESS)
}

/// Ends what is left of the guest, and this process. The booted kernel makes itself the leader
/// of a group; what runs in namespaces stays in this one.
fn end(group: Pid) {
    for group in [group, getpgrp()] {
        // There may be no such group.
        let _ = killpg(group, Signal::SIGKILL);
    }
}
