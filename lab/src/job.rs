//! What the machine tells the guest to do, and what the guest tells back.
//!
//! Both are files in the boot's directory, the one place that both sides see and may write:
//! `job.json` once, and `events.jsonl` line by line as things happen.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::{Attempt, Failure, Result};

/// The environment variable that carries the boot's directory, as the machine names it.
pub const JOB_VARIABLE: &str = "LAB_JOB";

/// Where the guest sees the boot's directory.
pub const GUEST_DIR: &str = "/mnt/lab";

/// On what the hosts live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ground {
    /// A user-mode Linux kernel of our own: IPVS and every device, one CPU.
    Uml,
    /// Namespaces of the running kernel: all CPUs, and only what that kernel has.
    Native,
}

/// What a guest is booted for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Task {
    /// Run these scenarios, at most `at_once` at a time.
    Scenarios {
        /// Their names.
        names: Vec<String>,
        /// How many may run together.
        at_once: usize,
    },
    /// Tell the story of a failover, with real output.
    Demo,
    /// Give the user a shell inside the running site.
    Shell,
}

/// Everything a guest needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// On what it runs.
    pub ground: Ground,
    /// What to do.
    pub task: Task,
    /// The daemon under test, relative to the boot's directory.
    pub daemon: Option<PathBuf>,
    /// What decides everything that is left to chance.
    pub seed: u64,
}

impl Job {
    /// Leaves the job in the boot's directory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn store(&self, directory: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::said(format!("encode the job: {error}")))?;
        crate::failure::write(&directory.join("job.json"), &text)
    }

    /// Reads the job from the boot's directory.
    ///
    /// # Errors
    /// When the file is missing or is not a job.
    pub fn load(directory: &Path) -> Result<Self> {
        let path = directory.join("job.json");
        serde_json::from_str(&crate::failure::read(&path)?)
            .map_err(|error| Failure::said(format!("decode {}: {error}", path.display())))
    }
}

/// One thing that happened in the guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The guest is up; `seconds` after its kernel started (after its start, on native ground).
    Ready {
        /// Seconds.
        seconds: f64,
    },
    /// A scenario began.
    Started {
        /// Its name.
        name: String,
    },
    /// A scenario ended.
    Finished {
        /// Its name.
        name: String,
        /// What failed, if anything did.
        failure: Option<String>,
        /// Measurements and remarks.
        notes: Vec<String>,
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// A line of the story that the demo tells.
    Said {
        /// The line.
        line: String,
    },
    /// The lab itself could not go on.
    Broken {
        /// Why.
        failure: String,
    },
}

impl Event {
    /// Appends the event to the boot's `events.jsonl`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn tell(&self, directory: &Path) -> Result<()> {
        let path = directory.join("events.jsonl");
        let mut line = serde_json::to_string(self)
            .map_err(|error| Failure::said(format!("encode an event: {error}")))?;
        line.push('\n');
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .attempt(|| format!("append to {}", path.display()))
    }
}
