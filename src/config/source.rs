//! Texts that diagnostics point into.

use super::diagnostic::Location;
use super::raw::Span;

/// How much of a line a diagnostic shows, in characters.
const EXCERPT_CHARS: usize = 120;

/// The text of a configuration and where its lines begin.
pub(super) struct Sources<'t> {
    name: &'t str,
    text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Sources<'t> {
    /// The text of one file, called `name` in diagnostics.
    pub(super) fn new(name: &'t str, text: &'t str) -> Self {
        let after_newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0)
            .chain(after_newlines.map(|(at, _)| at.saturating_add(1)))
            .collect();
        Self {
            name,
            text,
            line_starts,
        }
    }

    /// The name of the file `span` is in.
    pub(super) fn name(&self, _span: Span) -> String {
        printable(self.name)
    }

    /// The line `span` begins in, and the part of it the span covers.
    pub(super) fn locate(&self, span: Span) -> Location {
        let start = floor_boundary(self.text, span.start);
        let end = floor_boundary(self.text, span.end).max(start);
        let line = self.line_starts.partition_point(|first| *first <= start);
        let first = self.line_starts.get(line.saturating_sub(1)).copied();
        let first = first.unwrap_or_default();
        let rest = self.text.get(first..).unwrap_or_default();
        let content = rest.lines().next().unwrap_or_default();
        let before = self.text.get(first..start).unwrap_or_default();
        let covered = self.text.get(start..end).unwrap_or_default();
        let covered = covered.lines().next().unwrap_or_default();
        excerpt(
            line,
            before.chars().count(),
            covered.chars().count(),
            content,
        )
    }
}

/// The greatest character boundary of `text` that is not above `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

/// A window of the line around the column, free of characters that would upset a
/// terminal.
fn excerpt(line: usize, skipped: usize, width: usize, content: &str) -> Location {
    let from = if skipped.saturating_add(width) <= EXCERPT_CHARS {
        0
    } else {
        skipped.saturating_sub(EXCERPT_CHARS / 3)
    };
    let text: String = content.chars().skip(from).take(EXCERPT_CHARS).collect();
    let offset = skipped.saturating_sub(from);
    let room = text.chars().count().saturating_sub(offset);
    Location {
        line,
        column: skipped.saturating_add(1),
        text: printable(&text),
        offset,
        width: width.min(room).max(1),
    }
}

/// `text` with every control character replaced, tabs by a blank.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}
