//! The outside: the machine that has the packages, builds the daemon, boots the guests and
//! reports what they found.

mod boot;
mod build;
mod keeper;
mod packages;
mod report;
mod runner;

pub use boot::Boot;
pub use build::daemon;
pub(crate) use keeper::part;
pub use packages::setup;
pub use runner::{Choice, test};

use std::path::PathBuf;
use std::time::SystemTime;

use crate::failure::{Attempt, Result};

/// How many runs are kept on disk.
const RUNS_KEPT: usize = 8;

/// A fresh directory for the logs of a run, beside the build's own output. Old runs go.
///
/// # Errors
/// When it cannot be made.
pub fn run_directory() -> Result<PathBuf> {
    let own = std::env::current_exe().attempt(|| "find the lab's own binary")?;
    let target = own
        .parent()
        .and_then(std::path::Path::parent)
        .unwrap_or(std::path::Path::new("/tmp"));
    let runs = target.join("lab-runs");
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let directory = runs.join(format!("{seconds}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).attempt(|| format!("create {}", directory.display()))?;
    if let Ok(entries) = std::fs::read_dir(&runs) {
        let mut old: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        old.sort();
        let surplus = old.len().saturating_sub(RUNS_KEPT);
        for path in old.iter().take(surplus) {
            // Another run may be removing it as well.
            let _ = std::fs::remove_dir_all(path);
        }
    }
    Ok(directory)
}
