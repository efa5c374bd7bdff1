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

use crate::kernel::service_manager;
use crate::model::VrrpInstance;
use crate::worker::Kind;
use crate::worker::channel::{self, Sender};
use crate::worker::protocol::{FromWorker, ToWorker};

/// How often a worker is asked whether it lives.
pub const HELLO_INTERVAL: Duration = Duration::from_secs(1);
/// A worker that leaves so many hellos in a row unanswered, or answers them
/// while the part of it that must never stall does stall, is killed. Counted
/// in questions, not in time: a supervisor that was stopped itself has asked
/// nothing.
const PATIENCE: u32 = 10;
/// The same for a vrrp worker with adverts of at most [`QUICK`]: its peers have
/// taken over by then, and the addresses of a worker that hangs answer here
/// too. Not fewer, for a kill that was not needed is a restart more on a host
/// that has no time to spare.
const QUICK_PATIENCE: u32 = 4;
/// See [`QUICK_PATIENCE`].
const QUICK: Duration = Duration::from_secs(1);
/// The part that must never stall shows itself every second.
const STALLED: Duration = Duration::from_secs(3);
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
    /// Hellos not answered yet.
    unanswered: u32,
    /// Whether the last answer showed a stalled part.
    stalls: bool,
    /// Questions in a row before which it did. Not answers: those to questions
    /// that piled up come all at once.
    stalled: u32,
    /// Whether it has told its state: then it has taken over what it resumed.
    reported: bool,
    seq: u64,
    killed: bool,
    /// Whether it has answered a hello: it has come up.
    answered: bool,
    /// It was started beside its predecessor, which still works.
    beside: bool,
    /// When it was given its configuration; before that it does nothing.
    in_charge: Option<Mono>,
    /// Whether it has answered a hello since.
    steady: bool,
}

impl Running {
    /// Starts a worker; its events go to `events`. `beside`: its predecessor
    /// still works.
    ///
    /// # Errors
    ///
    /// When the process cannot be made.
    pub fn start(
        kind: Kind,
        runtime_dir: &Path,
        incarnation: u64,
        now: Mono,
        beside: bool,
        events: &UnboundedSender<(Kind, u64, Event)>,
    ) -> io::Result<Self> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        // The running binary, even when the file was replaced meanwhile.
        let mut process = Command::new("/proc/self/exe")
            .arg0("lvsd")
            .args(["worker", kind.name(), "--runtime-dir"])
            .arg(runtime_dir)
            .env_remove(service_manager::SOCKET)
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
            unanswered: 0,
            stalls: false,
            stalled: 0,
            reported: false,
            seq: 0,
            killed: false,
            answered: false,
            beside,
            in_charge: None,
            steady: false,
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

    /// It said something, whatever it was.
    pub fn heard(&mut self, now: Mono) {
        self.heard = now;
        self.unanswered = 0;
    }

    /// An answer to a hello came in.
    pub fn hello(&mut self, now: Mono, working: Mono) {
        self.answered = true;
        self.steady = self.in_charge.is_some_and(|since| working >= since);
        self.working = self.working.max(working);
        self.stalls = now.since(self.working) > STALLED;
    }

    /// Whether it can be given its configuration: its predecessor need not wait
    /// for it any longer, or there is none.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.in_charge.is_none() && (self.answered || !self.beside)
    }

    /// Whether a predecessor may hold its place.
    #[must_use]
    pub const fn is_beside(&self) -> bool {
        self.beside
    }

    /// It was given its configuration.
    pub const fn put_in_charge(&mut self, now: Mono) {
        self.in_charge = Some(now);
    }

    /// Since when it has had its configuration.
    #[must_use]
    pub const fn in_charge(&self) -> Option<Mono> {
        self.in_charge
    }

    /// Whether it works with its configuration, as far as it tells.
    #[must_use]
    pub const fn is_steady(&self) -> bool {
        self.reported && self.steady
    }

    /// It has told its state.
    pub fn reported(&mut self) {
        self.reported = true;
    }

    /// Asks for a sign of life; kills the process when it has left so many
    /// questions unanswered. One that has not come up yet has all the time
    /// there is: its host may be a slow one.
    pub fn watch(&mut self, kind: Kind, patience: u32) {
        let patience = if self.answered { patience } else { PATIENCE };
        self.stalled = if self.stalls { self.stalled + 1 } else { 0 };
        let patience_over = self.unanswered.max(self.stalled) >= patience;
        if patience_over && !self.killed {
            tracing::error!(
                event = "worker_hung", worker = %kind, pid = self.pid,
                unanswered = self.unanswered, stalled = self.stalled,
            );
            self.kill();
        }
        self.ask();
    }

    /// Asks for a sign of life.
    pub fn ask(&mut self) {
        self.seq += 1;
        self.unanswered = self.unanswered.saturating_add(1);
        self.send(&ToWorker::Hello { seq: self.seq });
    }

    /// Kills the process at once.
    pub fn kill(&mut self) {
        self.killed = true;
        super::signal(self.pid, rustix::process::Signal::KILL);
    }

    /// The last moment at which it is known to have been working, given that
    /// it lives or has just been found dead; none when it has not taken over
    /// from its predecessor yet.
    #[must_use]
    pub fn alive_until(&self, now: Mono) -> Option<Mono> {
        // Up to now, unless it had stopped answering, or working.
        let fresh = now.since(self.heard.min(self.working)) < STALLED;
        self.reported
            .then_some(if fresh { now } else { self.working })
    }

    /// Whether it worked for long enough to count as started.
    #[must_use]
    pub fn started_well(&self) -> bool {
        !self.killed && self.working.since(self.started) >= STARTED_WELL
    }

    /// When it was started.
    #[must_use]
    pub const fn started(&self) -> Mono {
        self.started
    }
}

/// How many questions in a row a worker may leave unanswered.
#[must_use]
pub fn patience(kind: Kind, instances: &[VrrpInstance]) -> u32 {
    let quick = instances.iter().any(|one| one.advert_interval <= QUICK);
    if kind == Kind::Vrrp && quick {
        QUICK_PATIENCE
    } else {
        PATIENCE
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

    /// A worker whose process is nobody's; `watch` may try to kill it.
    fn running() -> Running {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        Running {
            pid: u32::MAX,
            sender: channel::split(ours).0,
            incarnation: 1,
            started: at(0),
            heard: at(0),
            working: at(0),
            unanswered: 0,
            stalls: false,
            stalled: 0,
            reported: false,
            seq: 0,
            killed: false,
            answered: false,
            beside: false,
            in_charge: None,
            steady: false,
        }
    }

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(1_000_000 + seconds * 1_000)
    }

    #[tokio::test]
    async fn questions_count_and_not_time() {
        let mut worker = running();
        // The supervisor itself stood still for an hour, and asks again.
        worker.watch(Kind::Vrrp, PATIENCE);
        assert!(!worker.killed);
        worker.heard(at(3_600));
        for _ in 0..PATIENCE {
            worker.watch(Kind::Vrrp, PATIENCE);
        }
        assert!(!worker.killed, "the last question may still be answered");
        worker.watch(Kind::Vrrp, PATIENCE);
        assert!(worker.killed);
    }

    #[tokio::test]
    async fn a_stalled_part_is_as_bad_as_silence_and_is_not_called_alive() {
        let mut worker = running();
        worker.reported();
        for second in 1..=u64::from(PATIENCE) + 3 {
            worker.heard(at(second));
            worker.hello(at(second), at(0));
            worker.watch(Kind::Vrrp, PATIENCE);
        }
        assert!(worker.killed);
        assert_eq!(worker.alive_until(at(14)), Some(at(0)));
        assert!(!worker.started_well());
    }

    #[tokio::test]
    async fn a_slow_start_is_no_hang() {
        let mut worker = running();
        // It takes five seconds to come up, and answers all questions at once.
        for _ in 0..QUICK_PATIENCE + 1 {
            worker.watch(Kind::Vrrp, QUICK_PATIENCE);
        }
        for _ in 0..QUICK_PATIENCE + 1 {
            worker.heard(at(5));
            worker.hello(at(5), at(0));
        }
        worker.watch(Kind::Vrrp, QUICK_PATIENCE);
        assert!(!worker.killed);
        worker.heard(at(6));
        worker.hello(at(6), at(6));
        worker.watch(Kind::Vrrp, QUICK_PATIENCE);
        assert!(!worker.killed);
        // Once it is up, it is expected to answer.
        for _ in 0..QUICK_PATIENCE {
            worker.watch(Kind::Vrrp, QUICK_PATIENCE);
        }
        assert!(worker.killed);
    }

    #[tokio::test]
    async fn a_working_one_was_alive_until_now_once_it_has_taken_over() {
        let mut worker = running();
        worker.heard(at(20));
        worker.hello(at(20), at(19));
        assert_eq!(worker.alive_until(at(21)), None);
        worker.reported();
        assert_eq!(worker.alive_until(at(21)), Some(at(21)));
        assert_eq!(worker.alive_until(at(30)), Some(at(19)));
        assert!(worker.started_well());
    }

    #[test]
    fn the_first_restart_is_immediate_and_the_wait_is_bounded() {
        assert_eq!(backoff(0), Duration::ZERO);
        assert!(backoff(1) > Duration::ZERO);
        assert_eq!(backoff(u32::MAX), Duration::from_secs(30));
    }
}
