//! The checker worker: probes, pools, and the IPVS table.
//!
//! The main thread runs the checks and turns health into the desired table;
//! the table thread ([`table`]) makes the kernel's table equal to it. Desired
//! state travels as a level: whatever was lost on the way is made good by the
//! next comparison.

mod pools;
mod quorum;
mod table;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use checks::{Event as CheckEvent, Health, Limits, Runner};
use ipvs_sys::ServiceId;
use mono::Mono;
use thiserror::Error;
use tokio::sync::mpsc::UnboundedReceiver;

use self::quorum::Quorums;
use self::table::{FromTable, TableThread, ToTable};
use super::protocol::Snapshot;
use super::session::{self, Event, Heartbeat, Session};
use super::{Kind, wait_until};
use crate::director::{self, CheckId, Director, HealthMap};
use crate::kernel::clock;
use crate::model::{Config, OnStop};
use crate::status::{CheckerSnapshot, TableReport};

/// Unasked snapshots are sent no more often than this: a storm of failures
/// must not become a storm of snapshots.
const SNAPSHOT_PAUSE: Duration = Duration::from_secs(1);
/// The main thread shows at least this often that it lives.
const BEAT: Duration = Duration::from_secs(1);

/// The worker cannot start.
#[derive(Debug, Error)]
pub enum Error {
    /// No session with a supervisor.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// The table thread cannot be made.
    #[error("cannot start the table thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Runs the worker until it is told to stop. Must be called inside a tokio
/// runtime.
///
/// # Errors
///
/// As [`enum@Error`] says; only at the start.
pub async fn run(runtime_dir: &Path) -> Result<(), Error> {
    let heartbeat = Heartbeat::default();
    let mut session = Session::open(Kind::Checker, runtime_dir, heartbeat.clone())?;
    let (table, mut from_table) = TableThread::spawn()?;
    let seed = u64::from(std::process::id());
    let mut checker = Checker {
        runner: Runner::new(Limits::default(), seed, clock::monotonic_now),
        director: Director::new(Vec::new(), HealthMap::new()),
        quorums: Quorums::default(),
        configured: false,
        on_stop: OnStop::default(),
        table,
        snapshot_at: None,
        handing_over: false,
    };
    checker
        .serve(&mut session, &mut from_table, &heartbeat)
        .await;
    Ok(())
}

struct Checker {
    runner: Runner<CheckId>,
    director: Director,
    quorums: Quorums,
    configured: bool,
    on_stop: OnStop,
    table: TableThread,
    /// When to send the next unasked snapshot.
    snapshot_at: Option<Mono>,
    handing_over: bool,
}

impl Checker {
    async fn serve(
        &mut self,
        session: &mut Session,
        from_table: &mut UnboundedReceiver<FromTable>,
        heartbeat: &Heartbeat,
    ) {
        loop {
            heartbeat.beat(clock::monotonic_now());
            for measured in self.quorums.news(&self.director) {
                session.measured(measured);
            }
            let snapshot_at = self.snapshot_at;
            tokio::select! {
                event = session.next() => {
                    if self.session_event(session, event) {
                        return;
                    }
                }
                event = self.runner.next() => self.check_event(&event),
                message = from_table.recv() => match message {
                    Some(message) => {
                        if self.table_message(session, message).await {
                            return;
                        }
                    }
                    // The thread has died: the supervisor starts us again.
                    None => return,
                },
                () = wait_until(snapshot_at) => {
                    self.snapshot_at = None;
                    self.table.send(ToTable::Report(None));
                }
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }

    /// True when the worker has to end.
    fn session_event(&mut self, session: &Session, event: Event) -> bool {
        match event {
            Event::Configure { id, config, resume } => {
                let left = resume.and_then(|resume| match resume.snapshot {
                    Snapshot::Checker(snapshot) => Some(snapshot),
                    _ => None,
                });
                self.configure(id, *config, left);
            }
            Event::Report(id) => self.table.send(ToTable::Report(Some(id))),
            // Not for this worker.
            Event::Measured(_) | Event::Hold { .. } | Event::Told(_) => {}
            Event::Stop => self.table.send(match self.on_stop {
                OnStop::Remove => ToTable::Clear,
                OnStop::Keep => ToTable::Leave,
            }),
            Event::HandOver => {
                self.handing_over = true;
                self.table.send(ToTable::Report(None));
            }
            Event::Unneeded => return true,
            // Without virtual addresses the table does no harm, and whoever
            // starts next finds it as it was.
            Event::Abandoned => {
                tracing::error!(event = "abandoned", reason = "no supervisor came back");
                let managed = self.director.desired().keys().copied().collect();
                session.store(Snapshot::Checker(
                    self.snapshot(managed, TableReport::default()),
                ));
                return true;
            }
        }
        false
    }

    fn configure(&mut self, id: u64, config: Config, left: Option<CheckerSnapshot>) {
        let managed = left
            .as_ref()
            .map(|left| left.managed.clone())
            .unwrap_or_default();
        if let Some(left) = left {
            self.runner.restore(left.checks);
        }
        let wanted = director::wanted_checks(&config.virtual_servers);
        // At the first configuration the checks bring the health along that a
        // predecessor left. Later the table goes first: the kernel need not
        // wait for the checks to be sorted.
        if !self.configured {
            self.runner.set(wanted.clone());
        }
        let checks = self
            .runner
            .checks()
            .filter(|(id, _)| wanted.contains_key(id));
        let health = checks.map(|(id, check)| (*id, check.health())).collect();
        self.on_stop = config.global.ipvs_on_stop;
        self.director = Director::new(config.virtual_servers, health);
        self.quorums.set(&config.vrrp.trackers);
        let table = self.director.desired().clone();
        self.table.send(ToTable::Desired { id, table, managed });
        if self.configured {
            self.runner.set(wanted);
            self.take_health();
        }
        self.configured = true;
        self.want_snapshot();
    }

    fn check_event(&mut self, event: &CheckEvent<CheckId>) {
        if !event.changed {
            return;
        }
        match (&event.outcome, event.health) {
            (Err(failure), Health::Down) => tracing::warn!(
                event = "check_down", check = %event.id, reason = %failure,
            ),
            _ => tracing::info!(event = "check_up", check = %event.id),
        }
        self.set_health(&event.id, event.health);
        self.want_snapshot();
    }

    /// A check that joined one which runs already has its health from the
    /// start, and no event tells.
    fn take_health(&mut self) {
        let health: Vec<_> = self
            .runner
            .checks()
            .map(|(id, check)| (*id, check.health()))
            .collect();
        for (id, health) in health {
            self.set_health(&id, health);
        }
    }

    fn set_health(&mut self, id: &CheckId, health: Health) {
        let mut notices = Vec::new();
        if let Some(service) = self.director.set_health(id, health, &mut notices) {
            self.quorums.touched();
            let entry = self.director.desired().get(&service).cloned();
            self.table.send(ToTable::Touch(service, entry));
        }
        for notice in notices {
            tracing::info!(event = "pool_changed", %notice);
        }
    }

    fn want_snapshot(&mut self) {
        self.snapshot_at
            .get_or_insert_with(|| clock::monotonic_now() + SNAPSHOT_PAUSE);
    }

    /// True when the worker has to end.
    async fn table_message(&mut self, session: &Session, message: FromTable) -> bool {
        match message {
            FromTable::Done(id, outcome) => session.done(id, outcome),
            FromTable::Report { managed, table, .. } if self.handing_over => {
                session.store(Snapshot::Checker(self.snapshot(managed, table)));
                tracing::info!(event = "handed_over");
                return true;
            }
            FromTable::Report {
                id,
                managed,
                table,
                observed,
            } => {
                let mut snapshot = self.snapshot(managed, table);
                if id.is_some() {
                    snapshot.pools = pools::report(&self.director, &self.runner, &observed);
                }
                session.snapshot(id, Snapshot::Checker(snapshot));
            }
            FromTable::Ended { left } => {
                session.stopped(left).await;
                return true;
            }
        }
        false
    }

    fn snapshot(&self, managed: BTreeSet<ServiceId>, table: TableReport) -> CheckerSnapshot {
        CheckerSnapshot {
            taken: clock::monotonic_now(),
            checks: self.runner.save(),
            managed,
            pools: Vec::new(),
            table,
        }
    }
}
