//! The last snapshot of each worker (and whatever else a supervisor leaves to
//! the next one), kept in the runtime directory so that it
//! survives the supervisor.
//!
//! Monotonic times in it mean something only in the boot in which they were
//! taken, so the boot's id is stored beside it and must match.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::Event;
use crate::worker::channel::MAX_FRAME;
use crate::worker::protocol::Resume;

/// The format of what is stored. To be raised when an older or a newer lvsd
/// would misread it; new fields with `#[serde(default)]` need no new number.
pub const FORMAT: u32 = 1;

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
    /// The file was written by a version that keeps its state otherwise.
    #[error("{}: state of format {found}, this version reads {FORMAT}: it starts afresh", path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
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

/// What a worker left; written by [`save_worker`].
#[derive(Clone, Debug, Deserialize)]
pub struct Left {
    /// Its state.
    pub resume: Resume,
    /// What happened while there was nobody to tell.
    pub events: Vec<Event>,
}

#[derive(Serialize, Deserialize)]
struct Stored<T> {
    format: u32,
    boot: String,
    state: T,
}

/// What every format has.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    format: u32,
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

/// Stores what becomes a [`Left`].
///
/// # Errors
///
/// As [`save`].
pub fn save_worker(path: &Path, resume: &Resume, events: &[Event]) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Left<'a> {
        resume: &'a Resume,
        events: &'a [Event],
    }
    save(path, &Left { resume, events })
}

/// Writes atomically: a reader sees the old state or the new one.
///
/// # Errors
///
/// [`Error::Io`] when the runtime directory cannot be written.
pub fn save<T: Serialize>(path: &Path, state: &T) -> Result<(), Error> {
    let stored = Stored {
        format: FORMAT,
        boot: boot_id(),
        state,
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
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io("open", path))?,
    };
    let mut text = Vec::new();
    file.take(MAX_FRAME as u64)
        .read_to_end(&mut text)
        .map_err(io("read", path))?;
    let bad = |source| Error::Format {
        path: path.to_owned(),
        source,
    };
    let Head { format } = serde_json::from_slice(&text).map_err(bad)?;
    if format != FORMAT {
        return Err(Error::OtherFormat {
            path: path.to_owned(),
            found: format,
        });
    }
    let stored: Stored<T> = serde_json::from_slice(&text).map_err(bad)?;
    Ok((stored.boot == boot_id()).then_some(stored.state))
}

/// Forgets the stored state: after everything was given up in good order.
pub fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(event = "state_not_removed", path = %path.display(), %error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vrrp.state");
        (dir, path)
    }

    #[test]
    fn what_was_saved_is_loaded_and_nothing_is_no_error() {
        let (_dir, path) = file();
        assert_eq!(load::<Vec<u8>>(&path).unwrap(), None);
        save(&path, &[1, 2]).unwrap();
        assert_eq!(load::<Vec<u8>>(&path).unwrap(), Some(vec![1, 2]));
        remove(&path);
        assert_eq!(load::<Vec<u8>>(&path).unwrap(), None);
    }

    #[test]
    fn another_boot_is_forgotten_and_another_format_is_named() {
        let (_dir, path) = file();
        fs::write(&path, r#"{"format": 1, "boot": "another", "state": [1]}"#).unwrap();
        assert_eq!(load::<Vec<u8>>(&path).unwrap(), None);
        // As the first versions wrote it, and as a later one may.
        for (text, format) in [
            (r#"{"boot": "x", "resume": {}}"#, 0),
            (r#"{"format": 9, "what": "ever"}"#, 9),
        ] {
            fs::write(&path, text).unwrap();
            let error = load::<Vec<u8>>(&path).unwrap_err().to_string();
            let said = format!("state of format {format}, this version reads 1: it starts afresh");
            assert!(error.ends_with(&said), "{error}");
        }
        fs::write(&path, "not JSON").unwrap();
        assert!(matches!(load::<Vec<u8>>(&path), Err(Error::Format { .. })));
    }
}
