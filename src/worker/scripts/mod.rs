//! The scripts worker: programs, files and processes that are tracked, and whoever is told
//! of changes.
//!
//! It alone of the workers stays root, since it runs programs as other users; it reads
//! nothing from the network and holds nothing that its end could take away. While it is
//! not there the last results stay in force, and events wait for its successor.

mod run;
mod script;
mod trackers;

use std::path::Path;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use self::run::Program;
use self::trackers::Trackers;
use super::Kind;
use super::protocol::Snapshot;
use super::session::{self, Event, Heartbeat, Session, sleep_until};
use crate::kernel::clock;
use crate::model::{self, Config, Notification};
use crate::status::ScriptsSnapshot;

/// Unasked snapshots are sent no more often than this.
const SNAPSHOT_PAUSE: Duration = Duration::from_secs(1);
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
    let mut scripts = Scripts {
        trackers: Trackers::new(findings),
        told_until: 0,
        snapshot_at: None,
    };
    loop {
        heartbeat.beat(clock::monotonic_now());
        let snapshot_at = scripts.snapshot_at;
        tokio::select! {
            event = session.next() => {
                if scripts.session_event(&session, event).await {
                    return Ok(());
                }
            }
            Some(finding) = found.recv() => {
                if let Some(measured) = scripts.trackers.found(finding) {
                    session.measured(measured);
                    scripts.want_snapshot();
                }
            }
            () = sleep_until(snapshot_at) => {
                scripts.snapshot_at = None;
                session.snapshot(None, scripts.snapshot());
            }
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

#[derive(Debug)]
struct Scripts {
    trackers: Trackers,
    /// See [`ScriptsSnapshot::told_until`].
    told_until: u64,
    /// When to send the next unasked snapshot.
    snapshot_at: Option<Instant>,
}

impl Scripts {
    /// True when the worker has to end.
    async fn session_event(&mut self, session: &Session, event: Event) -> bool {
        match event {
            Event::Configure { id, config, resume } => {
                let left = resume.and_then(|resume| match resume.snapshot {
                    Snapshot::Scripts(snapshot) => Some(snapshot),
                    _ => None,
                });
                self.configure(session, *config, left);
                session.done(id, Ok(self.trackers.in_words()));
            }
            Event::Report(id) => session.snapshot(Some(id), self.snapshot()),
            Event::Told(event) => self.told(&event),
            // Not for this worker.
            Event::Measured(_) | Event::Hold { .. } => {}
            Event::Stop => {
                session.stopped(false).await;
                return true;
            }
            Event::HandOver => {
                session.store(self.snapshot());
                tracing::info!(event = "handed_over");
                return true;
            }
            Event::Abandoned => {
                tracing::error!(event = "abandoned", reason = "no supervisor came back");
                session.store(self.snapshot());
                return true;
            }
        }
        false
    }

    fn configure(&mut self, session: &Session, config: Config, left: Option<ScriptsSnapshot>) {
        let notification = &config.global.notification;
        let mut results = Vec::new();
        if let Some(left) = left {
            self.told_until = self.told_until.max(left.told_until);
            results = left.trackers;
        }
        let known = self
            .trackers
            .set(config.vrrp.trackers, notification, results);
        known.into_iter().for_each(|one| session.measured(one));
        self.want_snapshot();
    }

    fn told(&mut self, event: &model::Event) {
        if event.sequence <= self.told_until {
            return;
        }
        self.told_until = event.sequence;
        self.want_snapshot();
    }

    fn want_snapshot(&mut self) {
        self.snapshot_at
            .get_or_insert_with(|| Instant::now() + SNAPSHOT_PAUSE);
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::Scripts(ScriptsSnapshot {
            taken: clock::monotonic_now(),
            trackers: self.trackers.report(),
            told_until: self.told_until,
            told: Vec::new(),
        })
    }
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
