//! The table thread: makes the kernel's IPVS table equal to the desired one.
//!
//! Two speeds. What a health change touches is compared with the cached
//! observation and sent at once. The whole table is observed and compared at
//! the start, at each new configuration, after any error, and every
//! [`RESYNC`], so that what somebody else changed heals by itself; that is
//! logged and counted as drift. Entries that are not ours are left alone.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use ipvs_sys::ServiceId;
use mono::Mono;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::kernel::clock;
use crate::kernel::ipvs::{Action, Error, Ipvs, ObservedTable, comparable};
use crate::reconcile::ipvs::{self, Entry, Op, Table};
use crate::status::TableReport;

/// The whole table is compared at least this often: below 30 s, so that drift
/// heals within 30 s.
const RESYNC: Duration = Duration::from_secs(25);
/// After an error, this soon again.
const RETRY: Duration = Duration::from_secs(1);
/// Drifts logged per comparison: after a flush there may be thousands.
const LOGGED_DRIFTS: usize = 10;

/// To the table thread.
#[derive(Debug)]
pub enum ToTable {
    /// This is the whole desired table from now on.
    Desired {
        /// To be acknowledged under this id.
        id: u64,
        /// The table.
        table: Table,
        /// Services that a predecessor had programmed.
        managed: BTreeSet<ServiceId>,
    },
    /// This service is desired so; none: it is not desired.
    Touch(ServiceId, Option<Entry>),
    /// Report; with the kernel's counters when somebody asked.
    Report(Option<u64>),
    /// Remove all that is ours, and end.
    Clear,
    /// Leave everything as it is, and end.
    Leave,
}

/// From the table thread.
#[derive(Debug)]
pub enum FromTable {
    /// The configuration is in force, or what of it is not.
    Done(u64, Result<String, String>),
    /// The report.
    Report {
        /// Request id.
        id: Option<u64>,
        /// Services that we programmed.
        managed: BTreeSet<ServiceId>,
        /// State of the table.
        table: TableReport,
        /// The kernel's table, when asked for.
        observed: ObservedTable,
    },
    /// Nothing more is done.
    Ended {
        /// Entries of ours are still in the kernel.
        left: bool,
    },
}

/// Handle of the thread.
#[derive(Debug)]
pub struct TableThread {
    queue: Sender<ToTable>,
}

impl TableThread {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the thread cannot be made.
    pub fn spawn() -> io::Result<(Self, UnboundedReceiver<FromTable>)> {
        let (queue, commands) = channel();
        let (answers, from_table) = unbounded_channel();
        let keeper = move || Keeper::new(answers).run(&commands);
        std::thread::Builder::new()
            .name("table".into())
            .spawn(keeper)?;
        Ok((Self { queue }, from_table))
    }

    /// Sends a message; the thread ends only with the process.
    pub fn send(&self, message: ToTable) {
        let _ = self.queue.send(message);
    }
}

struct Keeper {
    answers: UnboundedSender<FromTable>,
    ipvs: Option<Ipvs>,
    desired: Table,
    /// What the kernel is believed to hold, ours and others': also the base for drift.
    observed: Table,
    /// Services that we programmed: ours even when they are not desired.
    managed: BTreeSet<ServiceId>,
    /// Nothing is programmed before the first configuration.
    configured: bool,
    /// Whether `observed` is what the kernel has, as far as we know.
    trusted: bool,
    resync_at: Mono,
    report: TableReport,
}

impl Keeper {
    fn new(answers: UnboundedSender<FromTable>) -> Self {
        Self {
            answers,
            ipvs: None,
            desired: Table::new(),
            observed: Table::new(),
            managed: BTreeSet::new(),
            configured: false,
            trusted: false,
            resync_at: Mono::MAX,
            report: TableReport::default(),
        }
    }

    fn run(mut self, commands: &Receiver<ToTable>) {
        loop {
            let wait = self.resync_at.since(clock::monotonic_now());
            match commands.recv_timeout(wait) {
                Ok(command) => {
                    let mut touched = BTreeSet::new();
                    self.command(command, &mut touched);
                    // What came in meanwhile travels together.
                    while let Ok(command) = commands.try_recv() {
                        self.command(command, &mut touched);
                    }
                    self.apply_touched(&touched);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.resync();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn command(&mut self, command: ToTable, touched: &mut BTreeSet<ServiceId>) {
        match command {
            ToTable::Touch(id, entry) => {
                match entry {
                    Some(entry) => self.desired.insert(id, entry),
                    None => self.desired.remove(&id),
                };
                touched.insert(id);
            }
            ToTable::Desired { id, table, managed } => {
                // The new table contains what the touches wanted.
                touched.clear();
                self.configure(id, table, managed);
            }
            ToTable::Report(id) => {
                self.apply_touched(&std::mem::take(touched));
                self.send_report(id);
            }
            ToTable::Clear => {
                touched.clear();
                self.managed.extend(self.desired.keys());
                self.desired.clear();
                self.resync();
                self.end(self.report.error.is_some());
            }
            ToTable::Leave => {
                touched.clear();
                self.end(true);
            }
        }
    }

    /// Nothing is programmed any more: checks that fail while the host goes
    /// down must not put services back.
    fn end(&mut self, left: bool) {
        self.configured = false;
        self.tell(FromTable::Ended { left });
    }

    fn tell(&self, message: FromTable) {
        // The main thread ends only with the process.
        let _ = self.answers.send(message);
    }

    fn configure(&mut self, id: u64, table: Table, managed: BTreeSet<ServiceId>) {
        self.managed.extend(managed);
        self.managed.extend(self.desired.keys());
        self.desired = table;
        let mut sent = 0;
        if self.configured && self.trusted {
            // First what the change needs, which is quick...
            let before = self.report.error.clone();
            let ops = ipvs::diff(&self.desired, &self.observed, &self.managed);
            sent += self.program(&ops, before.as_deref());
        }
        self.configured = true;
        // ... then the comparison with the kernel.
        sent += self.resync();
        let outcome = match &self.report.error {
            None => Ok(format!(
                "{} services, {sent} changes made",
                self.desired.len()
            )),
            Some(error) => Err(error.clone()),
        };
        self.tell(FromTable::Done(id, outcome));
    }

    fn apply_touched(&mut self, touched: &BTreeSet<ServiceId>) {
        // What is not known for certain is left to the next full comparison.
        if touched.is_empty() || !self.configured || !self.trusted {
            return;
        }
        let before = self.report.error.clone();
        let ops = ipvs::diff_keys(touched, &self.desired, &self.observed, &self.managed);
        self.program(&ops, before.as_deref());
    }

    /// Observes the whole table, notes drift, and repairs. Returns how many
    /// operations were needed.
    fn resync(&mut self) -> usize {
        if !self.configured {
            self.resync_at = Mono::MAX;
            return 0;
        }
        self.resync_at = clock::monotonic_now() + RESYNC;
        if self.ipvs.is_none() && self.desired.is_empty() && self.managed.is_empty() {
            // A host that only shares addresses needs no ip_vs.
            return 0;
        }
        let before = self.report.error.take();
        let trusted = std::mem::take(&mut self.trusted);
        let observed = match self.dump() {
            Ok(observed) => observed,
            Err(error) => {
                self.failed(&error, before.as_deref());
                return 0;
            }
        };
        self.trusted = true;
        let known = std::mem::replace(&mut self.observed, comparable(&observed));
        if trusted {
            self.note_drift(known);
        }
        self.note_foreign();
        let ops = ipvs::diff(&self.desired, &self.observed, &self.managed);
        let sent = self.program(&ops, before.as_deref());
        if self.report.error.is_none() {
            if before.is_some() {
                tracing::info!(event = "ipvs_recovered");
            }
            self.report.synced = Some(clock::monotonic_now());
            let desired = &self.desired;
            self.managed.retain(|id| desired.contains_key(id));
        }
        sent
    }

    fn dump(&mut self) -> Result<ObservedTable, Error> {
        let ipvs = match &mut self.ipvs {
            Some(ipvs) => ipvs,
            empty => empty.insert(Ipvs::open()?),
        };
        ipvs.dump()
    }

    /// Notes an error; `before` is the one that stood until now.
    fn failed(&mut self, error: &Error, before: Option<&str>) {
        let text = error.to_string();
        let known = before == Some(text.as_str());
        if !known {
            tracing::error!(event = "ipvs_failed", error = %text);
        }
        self.report.error = Some(text);
        let wait = match error.action() {
            // What has just changed under us is looked at anew at once, but
            // not again and again.
            Action::ObserveAgain if before.is_none() => Duration::ZERO,
            Action::ObserveAgain | Action::RetryLater => RETRY,
            // It takes somebody to mend it.
            Action::Degraded => RESYNC,
        };
        self.resync_at = clock::monotonic_now() + wait;
    }

    /// Notes what somebody else changed since `known` was all there was.
    fn note_drift(&mut self, mut known: Table) {
        known.retain(|id, _| self.desired.contains_key(id));
        let drifts = ipvs::drift(&known, &self.observed, &self.managed);
        for drift in drifts.iter().take(LOGGED_DRIFTS) {
            tracing::warn!(event = "drift", %drift);
        }
        if drifts.len() > LOGGED_DRIFTS {
            tracing::warn!(event = "drift", more = drifts.len() - LOGGED_DRIFTS);
        }
        if let Some(last) = drifts.last() {
            self.report.last_drift = Some(last.to_string());
        }
        self.report.drift += drifts.len() as u64;
    }

    fn note_foreign(&mut self) {
        let foreign: Vec<String> = ipvs::foreign(&self.desired, &self.observed, &self.managed)
            .map(|entry| entry.service.id.to_string())
            .collect();
        for id in foreign
            .iter()
            .filter(|id| !self.report.foreign.contains(id))
        {
            tracing::warn!(
                event = "foreign_service",
                service = id,
                action = "left alone"
            );
        }
        self.report.foreign = foreign;
    }

    /// Applies the operations; returns how many of them were done.
    fn program(&mut self, ops: &[Op], before: Option<&str>) -> usize {
        let Some(ipvs) = &mut self.ipvs else { return 0 };
        let mut done = 0;
        if !ops.is_empty() {
            match ipvs.apply(ops) {
                Ok(outcomes) => done = self.note_outcomes(ops, outcomes, before),
                Err(error) => {
                    self.trusted = false;
                    self.failed(&error, before);
                }
            }
        }
        done
    }

    fn note_outcomes(
        &mut self,
        ops: &[Op],
        outcomes: Vec<Result<(), Error>>,
        before: Option<&str>,
    ) -> usize {
        let (mut done, mut failure) = (0, None::<Error>);
        for (op, outcome) in ops.iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    done += 1;
                    if let Err(error) = ipvs::apply(&mut self.observed, op) {
                        // The cache was wrong: look again.
                        tracing::debug!(event = "cache_stale", ?op, %error);
                        self.resync_at = Mono::ZERO;
                    }
                }
                // The first is the cause: a service that cannot be added has
                // no destinations either.
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        if done > 0 {
            tracing::info!(event = "ipvs_programmed", changes = done);
        }
        if let Some(error) = failure {
            self.failed(&error, before);
        }
        done
    }

    fn send_report(&mut self, id: Option<u64>) {
        let mut observed = ObservedTable::new();
        // Counters are only fetched for somebody who looks at them.
        if id.is_some() && self.configured {
            match self.dump() {
                Ok(table) => observed = table,
                Err(error) => {
                    let before = self.report.error.clone();
                    self.failed(&error, before.as_deref());
                }
            }
        }
        let managed = self
            .managed
            .iter()
            .chain(self.desired.keys())
            .copied()
            .collect();
        self.tell(FromTable::Report {
            id,
            managed,
            table: self.report.clone(),
            observed,
        });
    }
}
