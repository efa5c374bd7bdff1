//! What a configuration refers to outside of itself: files with secrets, programs.

use std::path::{Path, PathBuf};

use super::raw::Span;

/// Noted while reading.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// Where relative paths begin.
    pub(super) directory: PathBuf,
    /// Secrets that stand in the configuration itself.
    pub(super) inline_secrets: Vec<Span>,
    /// Files that hold a secret.
    pub(super) secret_files: Vec<(Span, PathBuf)>,
}

impl Surroundings {
    /// Those of the file called `name`.
    pub(super) fn of(name: &str) -> Self {
        Self {
            directory: Path::new(name)
                .parent()
                .map(Path::to_owned)
                .unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The path that `text` means.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.directory.join(text)
    }
}
