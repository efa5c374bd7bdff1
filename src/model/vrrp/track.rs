//! What an instance watches besides its interface.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::notify::Command;

/// Something that can be tracked, by its name in the configuration. Interfaces are
/// tracked by their own names and have no `Tracker`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracker {
    /// The name, unique among all trackers.
    pub name: String,
    /// The weight where a user of it says none.
    pub weight: Weight,
    /// What is watched.
    pub watch: Watch,
}

/// What a success or a failure does.
///
/// 0: a failure is a fault. Above: added to the priority while it is up. Below: added
/// (that is, subtracted) while it is down. Reversed: up and down exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Weight {
    /// -253..=253.
    pub value: i16,
    /// Whether up counts as down, and down as up.
    pub reverse: bool,
}

/// A watched thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// The exit status of a program: 0 is up.
    Script(TrackScript),
    /// The number in a file. Its effect is value x weight; a weight of 0 makes any value
    /// but 0 a fault, and so does an effect below -253.
    File(TrackFile),
    /// Running processes.
    Process(TrackProcess),
    /// Answers to ICMP echo requests.
    Ping(TrackPing),
    /// A route in the kernel.
    Route(TrackRoute),
    /// The quorum of a virtual server of this director, by its name.
    VirtualServer(String),
}

/// A program that says whether something works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackScript {
    /// The program.
    pub command: Command,
    /// From the start of one run to the start of the next; a run that lasts longer skips.
    pub interval: Duration,
    /// After which a run is ended (SIGTERM, then SIGKILL) and has failed.
    pub timeout: Duration,
    /// Successes in a row until it is up, at least 1.
    pub rise: u32,
    /// Failures in a row until it is down, at least 1.
    pub fall: u32,
    /// Whether it counts as down until the first result; otherwise an unweighted one
    /// keeps its instances waiting for it.
    pub init_fail: bool,
}

/// A file with a number in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackFile {
    /// The file; an absent one is 0.
    pub path: PathBuf,
    /// Written when the director starts.
    pub init: Option<InitFile>,
}

/// What is written into a tracked file at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitFile {
    /// This number.
    pub value: i32,
    /// Also if the file is there.
    pub overwrite: bool,
}

/// Processes to be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackProcess {
    /// The name: `comm` of 15 bytes at most, or with `full_command` the first argument.
    pub process: String,
    /// Arguments that must match.
    pub arguments: Vec<String>,
    /// How.
    pub arguments_match: ArgumentsMatch,
    /// Whether `/proc/PID/cmdline` is compared, not `comm`.
    pub full_command: bool,
    /// At least so many, 1..=65535.
    pub quorum: u32,
    /// At most so many.
    pub quorum_max: Option<u32>,
    /// How long there must be enough until it is up.
    pub fork_delay: Duration,
    /// How long there must be too few until it is down.
    pub terminate_delay: Duration,
}

/// How a process's arguments are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArgumentsMatch {
    /// Not at all.
    #[default]
    Ignore,
    /// All of them.
    Exact,
    /// The first ones; more may follow.
    Initial,
    /// The first ones, and the last of these only with its beginning.
    Partial,
}

/// A host to be reachable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackPing {
    /// Its address.
    pub target: IpAddr,
    /// Between two requests.
    pub interval: Duration,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// Answers in a row until it is up, at least 1.
    pub rise: u32,
    /// Misses in a row until it is down, at least 1.
    pub fall: u32,
}

/// A route to be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackRoute {
    /// Where to; length 0 is the default route.
    pub to: super::Prefix,
    /// The table; 254 is `main`.
    pub table: u32,
    /// By this gateway only.
    pub via: Option<IpAddr>,
    /// By this interface only.
    pub dev: Option<String>,
}

/// What an instance or a group tracks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    /// Interfaces.
    pub interfaces: Vec<Use>,
    /// Trackers by name.
    pub trackers: Vec<Use>,
}

impl Tracking {
    /// Whether nothing is tracked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.interfaces.is_empty() && self.trackers.is_empty()
    }
}

/// One thing that is tracked, and what it does here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Of the interface or the tracker.
    pub name: String,
    /// The weight in force here: the user's, or the tracker's.
    pub weight: Weight,
}

/// The last result of a tracker, as it travels between the processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The tracker's name.
    pub tracker: String,
    /// Its state.
    pub value: Measure,
    /// The result in words, for people: `exit status 1`, `3 of 2 processes`.
    pub detail: String,
}

/// The state of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// It works.
    Up,
    /// It does not.
    Down,
    /// A file's number.
    Number(i32),
}
