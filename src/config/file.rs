//! Reading a configuration file from disk, within bounds.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::value::{Bytes, Unit};

/// The largest configuration file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// The largest file with a secret, in bytes.
const MAX_SECRET_BYTES: u64 = 4 << 10;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("cannot open the file: {0}")]
    Open(io::Error),
    #[error("cannot read the file: {0}")]
    Read(io::Error),
    #[error("the file is {0}, not a regular file")]
    NotRegular(&'static str),
    #[error("the file is larger than {}", Bytes(*.0).show())]
    TooLarge(u64),
    #[error("the file is not UTF-8: byte {at} (line {line}) belongs to no character")]
    NotUtf8 { at: usize, line: usize },
    #[error("keepalived.conf is not read by this version yet; write TOML")]
    Dialect,
}

impl ReadError {
    /// What to do about it.
    pub(super) fn help(&self) -> Option<String> {
        match self {
            Self::Dialect => {
                Some("a TOML configuration is in a file whose name ends in `.toml`".to_owned())
            }
            Self::Open(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Some("run as root, or make the file readable".to_owned())
            }
            _ => None,
        }
    }
}

/// The text of the file at `path`.
pub(super) fn read(path: &Path) -> Result<String, ReadError> {
    if path.extension().is_none_or(|ending| ending != "toml") {
        return Err(ReadError::Dialect);
    }
    let bytes = bounded(path, MAX_FILE_BYTES)?;
    String::from_utf8(bytes).map_err(|error| not_utf8(&error))
}

/// The bytes of the file at `path`, which holds a secret.
pub(super) fn secret(path: &Path) -> Result<Vec<u8>, ReadError> {
    let mut bytes = bounded(path, MAX_SECRET_BYTES)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(bytes)
}

fn bounded(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    // Opening a FIFO would block, so ask what it is first.
    let metadata = std::fs::metadata(path).map_err(ReadError::Open)?;
    if metadata.is_dir() {
        return Err(ReadError::NotRegular("a directory"));
    }
    if !metadata.is_file() {
        return Err(ReadError::NotRegular("a device, pipe or socket"));
    }
    let file = File::open(path).map_err(ReadError::Open)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(ReadError::Read)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(ReadError::TooLarge(limit));
    }
    Ok(bytes)
}

fn not_utf8(error: &std::string::FromUtf8Error) -> ReadError {
    let at = error.utf8_error().valid_up_to();
    let before = error.as_bytes().iter().take(at);
    let line = before
        .filter(|byte| **byte == b'\n')
        .count()
        .saturating_add(1);
    ReadError::NotUtf8 { at, line }
}
