//! One daemon at a time: a lock file with the number of its holder inside.
//!
//! The lock is `flock`, which ends with the process however it ends: a file
//! that a crash left behind locks nobody out. The descriptor is not handed
//! to children, so workers that outlive their supervisor do not hold it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// Longest content read from a lock file, in bytes.
const MAX_CONTENT: u64 = 32;

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it.
    #[error("another lvsd is running{} (it holds {})", pid_text(*.pid), .path.display())]
    Held {
        /// Its process number, where the file tells it.
        pid: Option<u32>,
        /// The lock file.
        path: PathBuf,
    },
    /// The file cannot be made, locked or written.
    #[error("cannot {attempt} the lock file {}: {source}", .path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// The lock file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

/// Whether another process has the lock at `path`.
#[must_use]
pub fn is_held(path: &Path) -> bool {
    matches!(acquire(path), Err(Error::Held { .. }))
}

/// Whether another process took the lock at `path` as [`acquire`] does, and lives: who
/// holds it without having said its number is none of us.
#[must_use]
pub fn is_held_by_one_of_us(path: &Path) -> bool {
    let Err(Error::Held { pid: Some(pid), .. }) = acquire(path) else {
        return false;
    };
    pid != std::process::id() && Path::new("/proc").join(pid.to_string()).exists()
}

impl Guard {
    /// The lock as an earlier image of this process took it.
    #[must_use]
    pub fn inherited(descriptor: OwnedFd) -> Self {
        Self {
            file: descriptor.into(),
        }
    }
}

impl From<Guard> for OwnedFd {
    fn from(guard: Guard) -> Self {
        guard.file.into()
    }
}

/// The lock, held until this is dropped. The file stays: removing it would
/// let two processes lock two files of one name.
#[derive(Debug)]
pub struct Guard {
    file: File,
}

/// Takes the lock at `path` and writes this process's number into it. Does
/// not wait.
///
/// # Errors
///
/// [`Error::Held`] when another process has it; [`Error::Io`] when the file
/// is out of reach.
pub fn acquire(path: &Path) -> Result<Guard, Error> {
    let failed = |attempt| {
        move |source: io::Error| Error::Io {
            attempt,
            path: path.to_owned(),
            source,
        }
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(failed("open"))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            return Err(Error::Held {
                pid: holder(&mut file),
                path: path.to_owned(),
            });
        }
        Err(errno) => return Err(failed("lock")(errno.into())),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed("write"))?;
    Ok(Guard { file })
}

/// The number in the file; the holder may not have written it yet.
fn holder(file: &mut File) -> Option<u32> {
    let mut content = String::new();
    file.take(MAX_CONTENT).read_to_string(&mut content).ok()?;
    content.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, "a long line that a crash left behind\n").unwrap();
        let guard = acquire(&path).unwrap();
        let error = acquire(&path).unwrap_err();
        let expected = format!(
            "another lvsd is running (pid {}) (it holds {})",
            std::process::id(),
            path.display()
        );
        assert_eq!(error.to_string(), expected);
        std::fs::write(&path, "").unwrap();
        assert!(matches!(acquire(&path), Err(Error::Held { pid: None, .. })));
        assert!(is_held(&path));
        assert!(!is_held_by_one_of_us(&path), "nobody says so");
        std::fs::write(&path, "1\n").unwrap();
        assert!(is_held_by_one_of_us(&path), "process 1 lives");
        // Above the kernel's limit of process numbers.
        std::fs::write(&path, "4194305\n").unwrap();
        assert!(!is_held_by_one_of_us(&path), "nobody has this number");
        drop(guard);
        assert!(!is_held(&path));
        acquire(&path).unwrap();
    }

    #[test]
    fn a_file_out_of_reach_is_named() {
        let error = acquire(Path::new("/nonexistent/lock")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot open the lock file /nonexistent/lock: No such file or directory (os error 2)"
        );
    }
}
