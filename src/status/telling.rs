//! Trackers and notification in the status document, and for people.

use std::fmt::{self, Write};

use mono::Mono;
use serde::{Deserialize, Serialize};

use super::render::{duration, times};
use super::{ScriptsSnapshot, TrackerReport};
use crate::model::{Measure, Measured, Tracker, Watch};

/// Something tracked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrackerStatus {
    /// Name in the configuration.
    pub name: String,
    /// `script`, `file`, `process`, `ping`, `route` or `virtual_server`.
    pub kind: String,
    /// `UP`, `DOWN`, `NUMBER`, or `UNKNOWN` before the first result.
    pub state: String,
    /// The number of a file.
    pub number: Option<i32>,
    /// Seconds in this state, where that is known.
    pub for_s: Option<f64>,
    /// The last result in words.
    pub detail: String,
    /// Results since it is tracked, where they are counted.
    pub runs: Option<u64>,
    /// Runs of a script that were cut off.
    pub timeouts: u64,
}

/// Who is told of changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NotificationStatus {
    /// Programs that wait to be run.
    pub waiting: usize,
    /// Programs that run.
    pub running: usize,
    /// Programs that failed, since the start.
    pub failed: u64,
    /// Programs that took too long, since the start.
    pub timeouts: u64,
    /// FIFOs.
    pub fifos: Vec<FifoStatus>,
    /// Mail.
    pub mail: MailStatus,
}

/// A FIFO.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FifoStatus {
    /// Where it is.
    pub path: String,
    /// Lines that nobody read in time, and that are lost.
    pub dropped: u64,
    /// Why it cannot be used.
    pub error: Option<String>,
    /// Process id of the program that reads it, if there is one.
    pub reader: Option<u32>,
}

/// Mail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MailStatus {
    /// Letters that wait.
    pub waiting: usize,
    /// Letters sent since the start.
    pub sent: u64,
    /// Letters given up since the start.
    pub lost: u64,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// The kind of a tracker in one word, as the configuration has it.
#[must_use]
pub const fn kind(watch: &Watch) -> &'static str {
    match watch {
        Watch::Script(_) => "script",
        Watch::File(_) => "file",
        Watch::Process(_) => "process",
        Watch::Ping(_) => "ping",
        Watch::Route(_) => "route",
        Watch::VirtualServer(_) => "virtual_server",
    }
}

/// What is tracked: what the scripts worker measures, then what others measured.
#[must_use]
pub fn trackers(
    configured: &[Tracker],
    scripts: Option<&ScriptsSnapshot>,
    measured: &[Measured],
    now: Mono,
) -> Vec<TrackerStatus> {
    let reports = scripts.map_or(&[][..], |snapshot| &snapshot.trackers);
    let own = reports.iter().map(|report| tracker(report, now));
    let others = configured.iter().filter_map(|tracker| {
        let known = reports.iter().any(|report| report.name == tracker.name);
        let measured = measured.iter().find(|one| one.tracker == tracker.name);
        let measured = measured.filter(|_| !known)?;
        let (state, number) = state(Some(measured.value));
        Some(TrackerStatus {
            name: tracker.name.clone(),
            kind: kind(&tracker.watch).to_owned(),
            state,
            number,
            for_s: None,
            detail: measured.detail.clone(),
            runs: None,
            timeouts: 0,
        })
    });
    own.chain(others).collect()
}

fn tracker(report: &TrackerReport, now: Mono) -> TrackerStatus {
    let (state, number) = state(report.value);
    TrackerStatus {
        name: report.name.clone(),
        kind: report.kind.clone(),
        state,
        number,
        for_s: report.since.map(|since| now.since(since).as_secs_f64()),
        detail: report.detail.clone(),
        runs: Some(report.runs),
        timeouts: report.timeouts,
    }
}

fn state(value: Option<Measure>) -> (String, Option<i32>) {
    let (word, number) = match value {
        Some(Measure::Up) => ("UP", None),
        Some(Measure::Down) => ("DOWN", None),
        Some(Measure::Number(number)) => ("NUMBER", Some(number)),
        None => ("UNKNOWN", None),
    };
    (word.to_owned(), number)
}

/// Who is told of changes.
#[must_use]
pub fn notification(snapshot: &ScriptsSnapshot) -> NotificationStatus {
    let report = &snapshot.notify;
    let fifos = report.fifos.iter().map(|fifo| FifoStatus {
        path: fifo.path.display().to_string(),
        dropped: fifo.dropped,
        error: fifo.error.clone(),
        reader: fifo.reader.map(|reader| reader.pid),
    });
    NotificationStatus {
        waiting: report.waiting.len(),
        running: report.running.len(),
        failed: report.failed,
        timeouts: report.timeouts,
        fifos: fifos.collect(),
        mail: MailStatus {
            waiting: report.mail.waiting.len(),
            sent: report.mail.sent,
            lost: report.mail.lost,
            error: report.mail.error.clone(),
        },
    }
}

/// The trackers for people.
pub(super) fn render_trackers(
    out: &mut String,
    trackers: &[TrackerStatus],
    paint: impl Fn(&str) -> String,
) -> fmt::Result {
    if trackers.is_empty() {
        return Ok(());
    }
    writeln!(out, "\ntracked")?;
    let width = trackers.iter().map(|one| one.name.chars().count()).max();
    let width = width.unwrap_or(0);
    for one in trackers {
        let state = one
            .number
            .map_or_else(|| paint(&one.state), |number| number.to_string());
        write!(out, "  {:width$}  {} {state}", one.name, one.kind)?;
        if let Some(seconds) = one.for_s {
            write!(out, " for {}", duration(seconds))?;
        }
        write!(out, " ({})", one.detail)?;
        if one.timeouts > 0 {
            write!(out, ", cut off {}", times(one.timeouts))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// What is wrong with telling others, for people: nothing when all is well.
pub(super) fn render_notification(
    out: &mut String,
    status: &NotificationStatus,
    mark: &str,
) -> fmt::Result {
    let NotificationStatus {
        failed, timeouts, ..
    } = status;
    if failed + timeouts > 0 {
        writeln!(
            out,
            "{mark} notify programs: {failed} failed, {timeouts} took too long"
        )?;
    }
    if status.waiting > 0 {
        let (waiting, running) = (status.waiting, status.running);
        writeln!(out, "  notify programs: {waiting} wait, {running} run")?;
    }
    for fifo in &status.fifos {
        if let Some(error) = &fifo.error {
            writeln!(out, "{mark} {error}")?;
        }
        if fifo.dropped > 0 {
            let lost = fifo.dropped;
            writeln!(
                out,
                "{mark} FIFO {}: {lost} lines lost, nobody read them",
                fifo.path
            )?;
        }
    }
    let MailStatus {
        waiting,
        lost,
        error,
        ..
    } = &status.mail;
    if *waiting > 0 || *lost > 0 || error.is_some() {
        let error = error.as_deref().unwrap_or("it works");
        writeln!(out, "{mark} mail: {waiting} wait, {lost} given up: {error}")?;
    }
    Ok(())
}
