//! The last snapshot of each worker, kept in the runtime directory so that it
//! survives the supervisor.
//!
//! Monotonic times in it mean something only in the boot in which they were
//! taken, so the boot's id is stored beside it and must match.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::worker::channel::MAX_FRAME;
use crate::worker::protocol::Resume;

/// State cannot be stored or read.
#[derive(Debug, Error)]
pub enum Error {
    /// A file operation failed.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The file is not a snapshot of this version.
    #[error("{}: not a snapshot that this version reads: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Stored<R> {
    boot: String,
    resume: R,
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}

/// The id of the running boot; empty when the kernel does not tell.
fn boot_id() -> String {
    let mut id = String::new();
    if let Ok(file) = File::open("/proc/sys/kernel/random/boot_id") {
        // An unreadable id only means that a stored state is not used.
        let _ = file.take(64).read_to_string(&mut id);
    }
    id.trim().to_owned()
}

/// Writes atomically: a reader sees the old state or the new one.
///
/// # Errors
///
/// [`Error::Io`] when the runtime directory cannot be written.
pub fn save(path: &Path, resume: &Resume) -> Result<(), Error> {
    let stored = Stored {
        boot: boot_id(),
        resume,
    };
    let text = serde_json::to_vec(&stored).map_err(|source| Error::Format {
        path: path.to_owned(),
        source,
    })?;
    let temporary = path.with_extension("state.new");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(io("open", &temporary))?;
    file.write_all(&text).map_err(io("write", &temporary))?;
    fs::rename(&temporary, path).map_err(io("rename to", path))
}

/// The stored state, none when there is none or it is of another boot.
///
/// # Errors
///
/// [`enum@Error`] when there is one that cannot be read.
pub fn load(path: &Path) -> Result<Option<Resume>, Error> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io("open", path))?,
    };
    let mut text = Vec::new();
    file.take(MAX_FRAME as u64)
        .read_to_end(&mut text)
        .map_err(io("read", path))?;
    let stored: Stored<Resume> = serde_json::from_slice(&text).map_err(|source| Error::Format {
        path: path.to_owned(),
        source,
    })?;
    Ok((stored.boot == boot_id()).then_some(stored.resume))
}

/// Forgets the stored state: after everything was given up in good order.
pub fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(event = "state_not_removed", path = %path.display(), %error);
    }
}
