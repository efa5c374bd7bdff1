//! Diagnostics: one problem, where it is, and what to do about it.

use std::fmt;

use serde::Serialize;

use super::source::printable;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is accepted, and probably not what was meant.
    Warning,
}

/// One problem of a configuration. Its `Display` is the plain rendering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of problem, a stable word such as `unknown-key`.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// The file it is in, as it was named.
    pub file: String,
    /// The place in the file; `None` if it is about the file as a whole.
    pub location: Option<Location>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line's text, or a part of it where it is long; control characters are
    /// replaced.
    pub text: String,
    /// How many characters of `text` come before the place.
    pub offset: usize,
    /// How many characters of `text` the place covers, at least 1.
    pub width: usize,
}

/// Whether a rendering is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// With ANSI colours, for a terminal.
    Coloured,
}

impl Style {
    /// Colours for a terminal, unless the environment sets `NO_COLOR` to a non-empty
    /// value (<https://no-color.org>).
    pub fn for_output(is_terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if is_terminal && !refused {
            Self::Coloured
        } else {
            Self::Plain
        }
    }

    fn paint(self, ansi: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\x1b[{ansi}m{text}\x1b[0m"),
        }
    }
}

impl Diagnostic {
    /// An error about a file as a whole.
    pub(super) fn about_file(file: &str, problem: &super::file::ReadError) -> Self {
        let help = problem.help();
        Self {
            severity: Severity::Error,
            code: "file",
            message: problem.to_string(),
            file: printable(file),
            location: None,
            help,
        }
    }

    /// The diagnostic for people: a heading, the place, the line with the part in
    /// question underlined, and the help. Ends with a newline.
    pub fn render(&self, style: Style) -> String {
        let (word, ansi) = match self.severity {
            Severity::Error => ("error", "1;31"),
            Severity::Warning => ("warning", "1;33"),
        };
        let heading = style.paint(ansi, &format!("{word}[{}]", self.code));
        let message = style.paint("1", &self.message);
        let mut out = format!("{heading}: {message}\n");
        let margin = match &self.location {
            None => {
                out.push_str(&format!("  --> {}\n", self.file));
                2
            }
            Some(place) => {
                let number = place.line.to_string();
                let blank = " ".repeat(number.len());
                let lead = " ".repeat(place.offset);
                let carets = style.paint(ansi, &"^".repeat(place.width));
                let (line, column) = (place.line, place.column);
                out.push_str(&format!("{blank}--> {}:{line}:{column}\n", self.file));
                out.push_str(&format!("{blank} |\n{number} | {}\n", place.text));
                out.push_str(&format!("{blank} | {lead}{carets}\n"));
                number.len()
            }
        };
        if let Some(help) = &self.help {
            out.push_str(&format!("{} = help: {help}\n", " ".repeat(margin)));
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(Style::Plain).trim_end())
    }
}

/// All of them, one after the other with an empty line between.
pub fn render_all(diagnostics: &[Diagnostic], style: Style) -> String {
    let rendered: Vec<_> = diagnostics.iter().map(|d| d.render(style)).collect();
    rendered.join("\n")
}
