//! What the scripts worker knows, as it sends it to the supervisor.

use mono::Mono;
use serde::{Deserialize, Serialize};

use crate::model::{Measure, Subject, What};

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
