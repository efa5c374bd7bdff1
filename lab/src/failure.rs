//! What goes wrong in the lab, with what was attempted.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Shorthand for results in the lab.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a scenario, or the lab itself, failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// An expectation did not hold, or the lab cannot go on; the text says which.
    #[error("{0}")]
    Said(String),
    /// A system call or file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A command ended with a status other than 0.
    #[error("`{command}` on {host} ended with {status}\n{output}")]
    Command {
        /// The host it ran on.
        host: String,
        /// The command line.
        command: String,
        /// Its exit status in words.
        status: String,
        /// What it printed on both streams.
        output: String,
    },
    /// Something awaited did not come to be.
    #[error("waited {waited:.1?} for {what}; last seen: {last}")]
    Timeout {
        /// What was awaited.
        what: String,
        /// How long.
        waited: Duration,
        /// The last observation.
        last: String,
    },
}

impl Failure {
    /// A failure in words.
    pub fn said(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }

    /// The same failure with what was being done in front.
    #[must_use]
    pub fn during(self, doing: impl Display) -> Self {
        Self::Said(format!("{doing}: {self}"))
    }
}

/// Names what was attempted when an operating-system call fails.
pub trait Attempt<T> {
    /// Turns the error into a [`Failure::Io`] that says `what`.
    ///
    /// # Errors
    /// The error of `self`.
    fn attempt<W: Display>(self, what: impl FnOnce() -> W) -> Result<T>;
}

impl<T, E: Into<io::Error>> Attempt<T> for std::result::Result<T, E> {
    fn attempt<W: Display>(self, what: impl FnOnce() -> W) -> Result<T> {
        self.map_err(|error| Failure::Io {
            what: what().to_string(),
            source: error.into(),
        })
    }
}

/// Reads a text file.
///
/// # Errors
/// Names the file.
pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).attempt(|| format!("read {}", path.display()))
}

/// Writes a text file, and the directories above it where they are missing.
///
/// # Errors
/// Names the file.
pub fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).attempt(|| format!("create {}", parent.display()))?;
    }
    std::fs::write(path, text).attempt(|| format!("write {}", path.display()))
}

/// Returns a [`Failure::Said`] from the enclosing function unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::failure::Failure::said(format!($($text)+)));
        }
    };
}
