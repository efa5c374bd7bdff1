//! Reading configuration files: text -> raw tree -> [`crate::model::Config`], and
//! diagnostics that show the line they are about.
//!
//! * `toml` turns text into the raw tree of `raw`, in which every key and value knows
//!   where it was written. Another dialect would be a sibling of it.
//! * `reader` turns the raw tree into the model; it checks everything that can be
//!   checked without the kernel, and goes on after an error to find the next.
//! * `schema` lists every key with its type, range and default: the reader asks it,
//!   and `docs/configuration.md` is generated from it.
//!
//! The entry points are [`load`] for a file and [`parse_toml`] for a text.

mod diagnostic;
mod file;
mod findings;
mod keepalived_words;
mod raw;
mod reader;
pub mod reference;
mod schema;
mod section;
mod source;
mod surroundings;
mod toml;
mod value;

pub use diagnostic::{Diagnostic, Location, Severity, Style, render_all};
pub use file::MAX_FILE_BYTES;

use std::path::Path;

use crate::model::Config;
use findings::Findings;
use source::Sources;

/// A configuration without errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is allowed, and probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// A configuration with errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", render_all(diagnostics, Style::Plain).trim_end())]
pub struct ConfigError {
    /// The errors, and the warnings found beside them, in the order of the file.
    /// At least one is an error.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads the configuration file at `path`: TOML, and its name ends in `.toml`.
///
/// Fails if it cannot be read (missing, not a regular file, above
/// [`MAX_FILE_BYTES`], not UTF-8), or has at least one error. Looks at the programs and
/// files it names, too, and warns where they are not as they should be.
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let name = path.display().to_string();
    match file::read(path) {
        Ok(text) => read(&name, &text, Some(path)),
        Err(problem) => Err(ConfigError {
            diagnostics: vec![Diagnostic::about_file(&name, &problem)],
        }),
    }
}

/// Reads a configuration in TOML from `text`; `name` is what diagnostics call it, and
/// where relative paths begin.
///
/// Of all that it names, only files with secrets are read.
pub fn parse_toml(name: &str, text: &str) -> Result<Loaded, ConfigError> {
    read(name, text, None)
}

fn read(name: &str, text: &str, file: Option<&Path>) -> Result<Loaded, ConfigError> {
    let sources = Sources::new(name, text);
    let mut findings = Findings::about(name);
    let config = toml::parse(text, &mut findings)
        .map(|root| reader::read(&root, &mut findings))
        .unwrap_or_default();
    if let Some(file) = file {
        surroundings::inspect(file, &config.global.notification, &mut findings);
    }
    let failed = findings.failed();
    let diagnostics = findings.into_diagnostics(&sources);
    if failed {
        Err(ConfigError { diagnostics })
    } else {
        Ok(Loaded {
            config,
            warnings: diagnostics,
        })
    }
}
