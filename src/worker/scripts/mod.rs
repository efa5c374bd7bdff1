//! The scripts worker: programs, files and processes that are tracked, and whoever is told
//! of changes.
//!
//! It alone of the workers stays root, since it runs programs as other users; it reads
//! nothing from the network and holds nothing that its end could take away. While it is
//! not there the last results stay in force, and events wait for its successor.

mod adopted;
mod fifo;
mod files;
mod mail;
mod notify;
mod post;
mod processes;
mod run;
mod script;
mod trackers;

pub use post::send_mail;

use std::path::Path;
use std::time::Duration;

use mono::Mono;
use thiserror::Error;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use self::notify::Notifier;
use self::run::Program;
use self::trackers::Trackers;
use super::protocol::Snapshot;
use super::session::{self, Event, Heartbeat, Session};
use super::{Kind, wait_until};
use crate::kernel::clock;
use crate::model::{self, Config, Notification};
use crate::status::ScriptsSnapshot;

/// Unasked snapshots are sent no more often than this.
const SNAPSHOT_PAUSE: Duration = Duration::from_secs(1);
/// How long a stop waits for what is still to be told; what runs then is left running.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long the readers of FIFOs get after that.
const LAST_READING: Duration = Duration::from_secs(2);
/// The worker shows at least this often that it lives.
const BEAT: Duration = Duration::from_secs(1);

/// The worker cannot start.
#[derive(Debug, Error)]
pub enum Error {
    /// No session with a supervisor.
    #[error(transparent)]
    Session(#[from] session::Error),
}

/// Runs the worker until it is told to stop. Must be called inside a tokio runtime.
///
/// # Errors
///
/// As [`enum@Error`] says; only at the start.
pub async fn run(runtime_dir: &Path) -> Result<(), Error> {
    let heartbeat = Heartbeat::default();
    let mut session = Session::open(Kind::Scripts, runtime_dir, heartbeat.clone())?;
    let (findings, mut found) = unbounded_channel();
    let (progress, mut made) = unbounded_channel();
    let mut scripts = Scripts {
        trackers: Trackers::new(findings),
        notifier: Notifier::new(progress),
        told_until: 0,
        snapshot_at: None,
        snapshot_sent: clock::monotonic_now(),
        stopping: None,
    };
    loop {
        heartbeat.beat(clock::monotonic_now());
        let snapshot_at = scripts.snapshot_at;
        let stopping = scripts.stopping;
        tokio::select! {
            event = session.next() => {
                if scripts.session_event(&session, event) {
                    return Ok(());
                }
            }
            Some(finding) = found.recv() => {
                if let Some(measured) = scripts.trackers.found(finding) {
                    session.measured(measured);
                    scripts.want_snapshot();
                }
            }
            Some(progress) = made.recv() => {
                scripts.notifier.progress(progress);
                scripts.want_snapshot();
            }
            () = wait_until(snapshot_at) => {
                scripts.snapshot_at = None;
                scripts.snapshot_sent = clock::monotonic_now();
                session.snapshot(None, scripts.snapshot());
            }
            () = wait_until(stopping) => {}
            () = tokio::time::sleep(BEAT) => {}
        }
        if scripts.has_said_all() {
            let until = Instant::now() + LAST_READING;
            scripts.notifier.close(until).await;
            session.stopped(false).await;
            return Ok(());
        }
    }
}

#[derive(Debug)]
struct Scripts {
    trackers: Trackers,
    notifier: Notifier,
    /// See [`ScriptsSnapshot::told_until`].
    told_until: u64,
    /// When to send the next unasked snapshot.
    snapshot_at: Option<Mono>,
    snapshot_sent: Mono,
    /// When a stop waits no longer.
    stopping: Option<Mono>,
}

impl Scripts {
    /// True when the worker has to end.
    fn session_event(&mut self, session: &Session, event: Event) -> bool {
        match event {
            Event::Configure { id, config, resume } => {
                let left = resume.and_then(|resume| match resume.snapshot {
                    Snapshot::Scripts(snapshot) => Some(snapshot),
                    _ => None,
                });
                self.configure(session, &config, left);
                session.done(id, Ok(self.trackers.in_words()));
            }
            Event::Report(id) => session.snapshot(Some(id), self.snapshot()),
            Event::Told(event) => self.told(event),
            // Not for this worker.
            Event::Measured(_) | Event::Hold { .. } => {}
            Event::Stop => self.stopping = Some(clock::monotonic_now() + LAST_WORDS),
            Event::HandOver => {
                session.store(self.snapshot());
                tracing::info!(event = "handed_over");
                return true;
            }
            Event::Unneeded => return true,
            Event::Abandoned => {
                tracing::error!(event = "abandoned", reason = "no supervisor came back");
                session.store(self.snapshot());
                return true;
            }
        }
        false
    }

    fn configure(&mut self, session: &Session, config: &Config, left: Option<ScriptsSnapshot>) {
        let mut results = Vec::new();
        if let Some(left) = left {
            self.told_until = self.told_until.max(left.told_until);
            self.notifier.resume(left.told, left.notify);
            results = left.trackers;
        }
        let notification = &config.global.notification;
        let trackers = config.vrrp.trackers.clone();
        let known = self.trackers.set(trackers, notification, results);
        known.into_iter().for_each(|one| session.measured(one));
        self.notifier.set(config);
        self.want_snapshot();
    }

    fn told(&mut self, event: model::Event) {
        // The supervisor repeats what it does not know to have been taken in.
        if event.sequence <= self.told_until {
            return;
        }
        self.told_until = event.sequence;
        self.notifier.tell(event);
        self.want_snapshot();
    }

    /// Whether a stop was ordered and there is nothing more to wait for.
    fn has_said_all(&self) -> bool {
        self.stopping
            .is_some_and(|until| self.notifier.is_done() || until <= clock::monotonic_now())
    }

    /// At once, unless the last one was sent a moment ago.
    fn want_snapshot(&mut self) {
        let earliest = self.snapshot_sent + SNAPSHOT_PAUSE;
        self.snapshot_at
            .get_or_insert_with(|| earliest.max(clock::monotonic_now()));
    }

    fn snapshot(&self) -> Snapshot {
        let (told, notify) = self.notifier.report();
        Snapshot::Scripts(ScriptsSnapshot {
            taken: clock::monotonic_now(),
            trackers: self.trackers.report(),
            told_until: self.told_until,
            told,
            notify,
        })
    }
}

/// The configured name of this director, or the host's.
fn router_id(config: &Config) -> String {
    let host = || {
        let name = rustix::system::uname();
        name.nodename().to_string_lossy().into_owned()
    };
    config.global.router_id.clone().unwrap_or_else(host)
}

/// A configured command as it is to be run.
fn program(command: &model::Command, notification: &Notification) -> Program {
    let user = command.user.as_ref().or(notification.script_user.as_ref());
    Program {
        words: command.words.clone(),
        user: user.cloned(),
        secure: notification.script_security,
    }
}
