//! What is tracked by this worker: its results, and the tasks that fetch them.

use std::collections::BTreeMap;
use std::mem;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::files::{self, Tracked};
use super::processes;
use super::script::{self, Slots};
use crate::kernel::clock;
use crate::model::{Measure, Measured, Notification, Tracker, Watch};
use crate::status::{TrackerReport, telling};
use crate::tracking::Verdict;

/// A result, on its way from a task.
#[derive(Debug)]
pub(super) struct Finding {
    origin: Origin,
    result: Found,
    /// In words.
    detail: String,
}

/// Which tracker a result is of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    tracker: String,
    /// Tells late results of a predecessor from those of this one.
    incarnation: u64,
}

impl Origin {
    fn send(&self, findings: &UnboundedSender<Finding>, result: Found, detail: String) {
        let finding = Finding {
            origin: self.clone(),
            result,
            detail,
        };
        // Nobody listens only while everything ends.
        let _ = findings.send(finding);
    }
}

/// Tells the states of several trackers, by their place.
fn teller(
    origins: Vec<Origin>,
    findings: UnboundedSender<Finding>,
) -> impl Fn(usize, Measure, String) {
    move |place: usize, state, detail| {
        if let Some(origin) = origins.get(place) {
            origin.send(&findings, Found::State(state), detail);
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// One result, to be judged by rise and fall.
    One {
        /// Whether it is good.
        good: bool,
        /// Whether the program was cut off.
        cut_off: bool,
    },
    /// The state itself.
    State(Measure),
}

#[derive(Debug)]
struct Entry {
    tracker: Tracker,
    notification: Notification,
    verdict: Verdict,
    report: TrackerReport,
    incarnation: u64,
    /// Of a script; files and processes are watched all in one.
    _task: Option<Task>,
}

/// A task that ends when it is dropped.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One task for several trackers, and which these are.
#[derive(Debug, Default)]
struct Shared {
    incarnations: Vec<u64>,
    _task: Option<Task>,
}

impl Shared {
    /// Starts the task anew if it is for others now.
    fn set(&mut self, incarnations: Vec<u64>, start: impl FnOnce() -> JoinHandle<()>) {
        if self.incarnations != incarnations {
            self._task = (!incarnations.is_empty()).then(|| Task(start()));
            self.incarnations = incarnations;
        }
    }
}

/// All that is tracked by this worker.
#[derive(Debug)]
pub(super) struct Trackers {
    entries: BTreeMap<String, Entry>,
    files: Shared,
    processes: Shared,
    incarnations: u64,
    slots: Slots,
    findings: UnboundedSender<Finding>,
}

impl Trackers {
    /// None yet; results go to `findings`.
    pub(super) fn new(findings: UnboundedSender<Finding>) -> Self {
        Self {
            entries: BTreeMap::new(),
            files: Shared::default(),
            processes: Shared::default(),
            incarnations: 0,
            slots: script::slots(),
            findings,
        }
    }

    /// Tracks these from now on. What stayed the same goes on undisturbed; `left` is what
    /// a predecessor found. Returns what is known already.
    pub(super) fn set(
        &mut self,
        trackers: Vec<Tracker>,
        notification: &Notification,
        left: Vec<TrackerReport>,
    ) -> Vec<Measured> {
        let mut before = mem::take(&mut self.entries);
        let mut left: BTreeMap<_, _> = left
            .into_iter()
            .map(|report| (report.name.clone(), report))
            .collect();
        let mut known = Vec::new();
        for tracker in trackers {
            let same = before
                .remove(&tracker.name)
                .filter(|entry| entry.tracker == tracker && entry.notification == *notification);
            let entry = same.unwrap_or_else(|| {
                let left = left.remove(&tracker.name);
                let entry = self.entry(tracker, notification, left);
                known.extend(entry.measured());
                entry
            });
            self.entries.insert(entry.tracker.name.clone(), entry);
        }
        self.watch_files();
        self.watch_processes();
        known
    }

    fn watch_files(&mut self) {
        let file = |entry: &Entry| match &entry.tracker.watch {
            Watch::File(file) => Some((entry.origin(), Tracked::new(file.clone()))),
            _ => None,
        };
        let (origins, files): (Vec<_>, Vec<_>) = self.entries.values().filter_map(file).unzip();
        let incarnations = origins.iter().map(|origin| origin.incarnation).collect();
        let findings = self.findings.clone();
        self.files.set(incarnations, || {
            tokio::spawn(files::watch(files, teller(origins, findings)))
        });
    }

    fn watch_processes(&mut self) {
        let process = |entry: &Entry| match &entry.tracker.watch {
            Watch::Process(process) => {
                let up = entry.report.value.map(|value| value == Measure::Up);
                Some((entry.origin(), (process.clone(), up)))
            }
            _ => None,
        };
        let (origins, all): (Vec<_>, Vec<_>) = self.entries.values().filter_map(process).unzip();
        let incarnations = origins.iter().map(|origin| origin.incarnation).collect();
        let findings = self.findings.clone();
        self.processes.set(incarnations, || {
            tokio::spawn(processes::watch(all, teller(origins, findings)))
        });
    }

    fn entry(
        &mut self,
        tracker: Tracker,
        notification: &Notification,
        left: Option<TrackerReport>,
    ) -> Entry {
        self.incarnations += 1;
        let kind = telling::kind(&tracker.watch);
        let left = left.filter(|left| left.kind == kind && left.value.is_some());
        let mut verdict = match &tracker.watch {
            Watch::Script(script) => Verdict::new(script.rise, script.fall),
            _ => Verdict::new(1, 1),
        };
        if let Some(left) = &left {
            verdict = verdict.resumed(left.value == Some(Measure::Up), left.streak);
        }
        let report = left.unwrap_or_else(|| TrackerReport {
            name: tracker.name.clone(),
            kind: kind.to_owned(),
            value: None,
            since: None,
            detail: "no result yet".into(),
            streak: 0,
            runs: 0,
            timeouts: 0,
        });
        if let (Watch::File(file), None) = (&tracker.watch, report.value)
            && let Some(init) = file.init
        {
            files::init(&file.path, init);
        }
        let report = begin(report, &tracker.watch);
        Entry {
            _task: self.task(&tracker, notification),
            tracker,
            notification: notification.clone(),
            verdict,
            report,
            incarnation: self.incarnations,
        }
    }

    fn task(&self, tracker: &Tracker, notification: &Notification) -> Option<Task> {
        let Watch::Script(script) = &tracker.watch else {
            return None;
        };
        let findings = self.findings.clone();
        let origin = Origin {
            tracker: tracker.name.clone(),
            incarnation: self.incarnations,
        };
        let tell = move |result, detail| origin.send(&findings, result, detail);
        let program = super::program(&script.command, notification);
        let watch = script::watch(script.clone(), program, self.slots.clone(), tell);
        Some(Task(tokio::spawn(watch)))
    }

    /// Takes a result in; returns it when it changed the state.
    pub(super) fn found(&mut self, finding: Finding) -> Option<Measured> {
        let entry = self.entries.get_mut(&finding.origin.tracker);
        let entry = entry.filter(|entry| entry.incarnation == finding.origin.incarnation);
        entry?.take(finding)
    }

    /// What is tracked, counted.
    pub(super) fn in_words(&self) -> String {
        match self.entries.len() {
            1 => "1 tracker".into(),
            count => format!("{count} trackers"),
        }
    }

    /// For status and successor.
    pub(super) fn report(&self) -> Vec<TrackerReport> {
        let entries = self.entries.values();
        entries.map(|entry| entry.report.clone()).collect()
    }
}

/// Before the first result: a script may count as failed until then.
fn begin(mut report: TrackerReport, watch: &Watch) -> TrackerReport {
    if let Watch::Script(script) = watch
        && script.init_fail
        && report.value.is_none()
    {
        report.value = Some(Measure::Down);
        report.since = Some(clock::monotonic_now());
        report.detail = "counts as failed until its first result".into();
    }
    report
}

impl Entry {
    fn origin(&self) -> Origin {
        Origin {
            tracker: self.tracker.name.clone(),
            incarnation: self.incarnation,
        }
    }

    fn measured(&self) -> Option<Measured> {
        Some(Measured {
            tracker: self.tracker.name.clone(),
            value: self.report.value?,
            detail: self.report.detail.clone(),
        })
    }

    fn take(&mut self, finding: Finding) -> Option<Measured> {
        let report = &mut self.report;
        report.runs += 1;
        let value = match finding.result {
            Found::One { good, cut_off } => {
                report.timeouts += u64::from(cut_off);
                self.verdict.take(good);
                report.streak = self.verdict.streak();
                match self.verdict.up() {
                    Some(true) => Measure::Up,
                    _ => Measure::Down,
                }
            }
            Found::State(value) => value,
        };
        report.detail = finding.detail;
        if report.value == Some(value) {
            return None;
        }
        report.value = Some(value);
        report.since = Some(clock::monotonic_now());
        self.log();
        self.measured()
    }

    fn log(&self) {
        let TrackerReport {
            name,
            kind,
            value,
            detail,
            ..
        } = &self.report;
        match value {
            Some(Measure::Down) => {
                tracing::warn!(
                    event = "tracker_down",
                    tracker = name,
                    kind,
                    reason = detail
                );
            }
            Some(Measure::Up) => {
                tracing::info!(event = "tracker_up", tracker = name, kind, reason = detail);
            }
            Some(Measure::Number(number)) => {
                tracing::info!(event = "tracker_number", tracker = name, kind, number);
            }
            None => {}
        }
    }
}
