//! Waiting for something to come to be, or to stay.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::failure::{Failure, Result};

/// Time between two looks: short enough for the times that scenarios state, long enough to leave
/// the one CPU of the booted kernel to those who work.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The clock of all times in the lab: since the Unix epoch, the same that stamps packets.
#[must_use]
pub fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Looks until `look` succeeds, and returns what it found.
///
/// # Errors
/// After `limit`, with what the last look said.
pub fn eventually<T>(
    limit: Duration,
    what: &(impl Display + ?Sized),
    mut look: impl FnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(last) if start.elapsed() >= limit => {
                return Err(Failure::Timeout {
                    what: what.to_string(),
                    waited: start.elapsed(),
                    last: last.to_string(),
                });
            }
            Err(_) => thread::sleep(LOOK_EVERY),
        }
    }
}

/// Looks again and again for `span` and expects every look to succeed.
///
/// # Errors
/// The first look that failed.
pub fn steadily(span: Duration, mut look: impl FnMut() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < span {
        look()?;
        thread::sleep(LOOK_EVERY);
    }
    look()
}
