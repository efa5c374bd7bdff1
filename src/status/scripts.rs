//! What the scripts worker knows, as it sends it to the supervisor.

use std::path::PathBuf;

use mono::Mono;
use serde::{Deserialize, Serialize};

use crate::kernel::process::Mark;
use crate::model::{Measure, Subject, What};
use crate::telling::{Job, Letter};

/// State of the scripts worker, from which a successor resumes: it neither repeats nor
/// forgets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScriptsSnapshot {
    /// When it was made.
    pub taken: Mono,
    /// What is tracked by this worker, in the order of the configuration.
    pub trackers: Vec<TrackerReport>,
    /// The sequence number up to which events were taken in; those in `queued` are among
    /// them.
    pub told_until: u64,
    /// What was told last, by subject.
    pub told: Vec<Told>,
    /// Programs and FIFOs that are told.
    pub notify: NotifyReport,
}

/// Programs and FIFOs that are told of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyReport {
    /// Programs that wait to be run.
    pub waiting: Vec<Job>,
    /// Programs that run: they go on whatever becomes of us.
    pub running: Vec<RunningJob>,
    /// Programs that failed or could not be started, since the start of the director.
    pub failed: u64,
    /// Programs that took too long and were ended.
    pub timeouts: u64,
    /// FIFOs.
    pub fifos: Vec<FifoReport>,
    /// Mail.
    pub mail: MailReport,
}

/// Mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailReport {
    /// Letters that wait to be sent.
    pub waiting: Vec<Letter>,
    /// Letters that were sent, since the start of the director.
    pub sent: u64,
    /// Letters that were given up: refused, too old, or too many.
    pub lost: u64,
    /// Why the last attempt failed, in words; none when it did not.
    pub error: Option<String>,
}

/// A program that runs because of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningJob {
    /// Whom the event is about.
    pub subject: Subject,
    /// Its process.
    pub mark: Mark,
}

/// A FIFO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FifoReport {
    /// Where it is.
    pub path: PathBuf,
    /// Whether we made it, and remove it at the end.
    pub made: bool,
    /// Lines that were lost because nobody read.
    pub dropped: u64,
    /// Why it cannot be used, in words.
    pub error: Option<String>,
    /// The program that reads it, while it runs.
    pub reader: Option<Mark>,
}

/// One tracker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerReport {
    /// Its name in the configuration.
    pub name: String,
    /// `script`, `file` or `process`.
    pub kind: String,
    /// Its state; none before the first result.
    pub value: Option<Measure>,
    /// When that state began.
    pub since: Option<Mono>,
    /// The last result in words.
    pub detail: String,
    /// Results in a row that speak for the other state: `rise` or `fall` of them change it.
    pub streak: u32,
    /// Results since the start.
    pub runs: u64,
    /// Those of a script that were cut off.
    pub timeouts: u64,
}

/// What a subject's listeners were told last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Whom it was about.
    pub subject: Subject,
    /// Its state.
    pub what: What,
}
