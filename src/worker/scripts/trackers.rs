//! What is tracked by this worker: its results, and the tasks that fetch them.

use std::collections::BTreeMap;
use std::mem;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::script::{self, Slots};
use crate::kernel::clock;
use crate::model::{Measure, Measured, Notification, Tracker, Watch};
use crate::status::TrackerReport;
use crate::tracking::Verdict;

/// A result, on its way from a task.
#[derive(Debug)]
pub(super) struct Finding {
    /// Which tracker.
    pub(super) tracker: String,
    /// Tells late results of a predecessor from those of this task.
    pub(super) incarnation: u64,
    /// What was found.
    pub(super) result: Found,
    /// In words.
    pub(super) detail: String,
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
}

#[derive(Debug)]
struct Entry {
    tracker: Tracker,
    notification: Notification,
    verdict: Verdict,
    report: TrackerReport,
    incarnation: u64,
    task: JoinHandle<()>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All that is tracked by this worker.
#[derive(Debug)]
pub(super) struct Trackers {
    entries: BTreeMap<String, Entry>,
    incarnations: u64,
    slots: Slots,
    findings: UnboundedSender<Finding>,
}

impl Trackers {
    /// None yet; results go to `findings`.
    pub(super) fn new(findings: UnboundedSender<Finding>) -> Self {
        Self {
            entries: BTreeMap::new(),
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
        known
    }

    fn entry(
        &mut self,
        tracker: Tracker,
        notification: &Notification,
        left: Option<TrackerReport>,
    ) -> Entry {
        self.incarnations += 1;
        let kind = kind(&tracker.watch);
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
        let report = begin(report, &tracker.watch);
        Entry {
            task: self.task(&tracker, notification),
            tracker,
            notification: notification.clone(),
            verdict,
            report,
            incarnation: self.incarnations,
        }
    }

    fn task(&self, tracker: &Tracker, notification: &Notification) -> JoinHandle<()> {
        let findings = self.findings.clone();
        let name = tracker.name.clone();
        let incarnation = self.incarnations;
        let tell = move |result, detail| {
            let finding = Finding {
                tracker: name.clone(),
                incarnation,
                result,
                detail,
            };
            // Nobody listens only while everything ends.
            let _ = findings.send(finding);
        };
        match &tracker.watch {
            Watch::Script(script) => {
                let script = script.clone();
                let program = super::program(&script.command, notification);
                tokio::spawn(script::watch(script, program, self.slots.clone(), tell))
            }
            _ => tokio::spawn(std::future::pending()),
        }
    }

    /// Takes a result in; returns it when it changed the state.
    pub(super) fn found(&mut self, finding: Finding) -> Option<Measured> {
        let entry = self.entries.get_mut(&finding.tracker);
        let entry = entry.filter(|entry| entry.incarnation == finding.incarnation);
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

fn kind(watch: &Watch) -> &'static str {
    match watch {
        Watch::Script(_) => "script",
        Watch::File(_) => "file",
        Watch::Process(_) => "process",
        Watch::Ping(_) => "ping",
        Watch::Route(_) => "route",
        Watch::VirtualServer(_) => "virtual_server",
    }
}

impl Entry {
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
