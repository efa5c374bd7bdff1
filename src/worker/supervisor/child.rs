//! One worker process: started, watched, killed, started again.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use mono::Mono;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::mpsc::UnboundedSender;

use crate::worker::Kind;
use crate::worker::channel::{self, Sender};
use crate::worker::protocol::{FromWorker, ToWorker};

/// How often a worker is asked whether it lives.
pub const HELLO_INTERVAL: Duration = Duration::from_secs(1);
/// A worker (or the part of it that must never stall) that has been silent
/// for this long is killed.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// A worker that ran for this long has started well: the back-off begins anew.
const STARTED_WELL: Duration = Duration::from_secs(10);
/// Waits before the restarts of a worker that does not start well.
const BACKOFF_MS: [u64; 9] = [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000];
/// So many failed starts in a row mean that it cannot be brought back.
pub const LOST_AFTER: u32 = 5;

/// What happens to a child.
#[derive(Debug)]
pub enum Event {
    /// It said something.
    Message(FromWorker),
    /// It has ended.
    Exited(io::Result<ExitStatus>),
}

/// A running worker.
#[derive(Debug)]
pub struct Running {
    /// Process id.
    pub pid: u32,
    sender: Sender,
    /// Tells late events of a predecessor from those of this process.
    pub incarnation: u64,
    started: Mono,
    heard: Mono,
    /// Last proof that the part which must not stall worked.
    working: Mono,
    seq: u64,
    killed: bool,
}

impl Running {
    /// Starts a worker; its events go to `events`.
    ///
    /// # Errors
    ///
    /// When the process cannot be made.
    pub fn start(
        kind: Kind,
        runtime_dir: &Path,
        incarnation: u64,
        now: Mono,
        events: &UnboundedSender<(Kind, u64, Event)>,
    ) -> io::Result<Self> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        // The running binary, even when the file was replaced meanwhile.
        let mut process = Command::new("/proc/self/exe")
            .args(["worker", kind.name(), "--runtime-dir"])
            .arg(runtime_dir)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .process_group(0)
            .spawn()?;
        let pid = process.id().unwrap_or_default();
        let (sender, receiver) = channel::split(UnixStream::from_std(ours)?);
        let mut messages = channel::reader::<FromWorker>(receiver);
        let events = events.clone();
        tokio::spawn(async move {
            let tell = |event| events.send((kind, incarnation, event)).is_ok();
            // What it said last (a snapshot, a good-bye) comes before its end.
            while let Some(message) = messages.recv().await {
                if !tell(Event::Message(message)) {
                    return;
                }
            }
            tell(Event::Exited(process.wait().await));
        });
        Ok(Self {
            pid,
            sender,
            incarnation,
            started: now,
            heard: now,
            working: now,
            seq: 0,
            killed: false,
        })
    }

    /// Sends a message; false when it cannot be a frame.
    pub fn send(&self, message: &ToWorker) -> bool {
        match self.sender.send(message) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(event = "channel_error", pid = self.pid, %error);
                false
            }
        }
    }

    /// An answer to a hello came in.
    pub fn hello(&mut self, now: Mono, working: Mono) {
        self.heard = now;
        self.working = self.working.max(working);
    }

    /// Asks for a sign of life; kills the process when it has given none.
    pub fn watch(&mut self, kind: Kind, now: Mono) {
        let silent = now.since(self.heard).max(now.since(self.working));
        if silent > HELLO_TIMEOUT && !self.killed {
            tracing::error!(
                event = "worker_hung", worker = %kind, pid = self.pid,
                silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX),
            );
            self.kill();
        }
        self.seq += 1;
        self.send(&ToWorker::Hello { seq: self.seq });
    }

    /// Kills the process at once.
    pub fn kill(&mut self) {
        self.killed = true;
        super::signal(self.pid, rustix::process::Signal::KILL);
    }

    /// The last moment at which it is known to have been working, given that
    /// it has just been found dead.
    #[must_use]
    pub fn alive_until(&self, now: Mono) -> Mono {
        // Up to its death, unless it had already stopped answering.
        if now.since(self.heard) < HELLO_INTERVAL * 3 {
            now
        } else {
            self.working
        }
    }

    /// Whether it ran long enough to count as started.
    #[must_use]
    pub fn started_well(&self, now: Mono) -> bool {
        now.since(self.started) >= STARTED_WELL
    }

    /// When it was started.
    #[must_use]
    pub const fn started(&self) -> Mono {
        self.started
    }
}

/// The wait before a worker is started again after `failures` bad starts.
#[must_use]
pub fn backoff(failures: u32) -> Duration {
    let last = BACKOFF_MS.len() - 1;
    let index = usize::try_from(failures).unwrap_or(last).min(last);
    Duration::from_millis(BACKOFF_MS[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_and_the_wait_is_bounded() {
        assert_eq!(backoff(0), Duration::ZERO);
        assert!(backoff(1) > Duration::ZERO);
        assert_eq!(backoff(u32::MAX), Duration::from_secs(30));
    }
}
