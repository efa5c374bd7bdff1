//! Texts that diagnostics point into.

use super::diagnostic::Location;
use super::raw::Span;

/// How much of a line a diagnostic shows, in characters.
const EXCERPT_CHARS: usize = 120;

/// A key with one of these words has a value that is not shown, be it misspelt, unless
/// it names a file.
const SECRET_WORDS: &[&str] = &["secret", "pass"];

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
            &without_secrets(content),
        )
    }
}

/// `line` with the values of secret keys replaced by asterisks, as many as they have
/// characters: what is shown may end in a log.
///
/// It goes by the line alone, as there may be a syntax error in it.
fn without_secrets(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((key, value)) = rest.split_once('=') {
        shown.push_str(key);
        shown.push('=');
        rest = value;
        let word = key.trim_end().trim_end_matches(['"', '\'']);
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let word = word.rsplit(|c| !name(c)).next().unwrap_or_default();
        let secret = SECRET_WORDS.iter().any(|part| word.contains(part));
        if secret && !word.ends_with("_file") {
            let blank = value.len().saturating_sub(value.trim_start().len());
            let (blank, value) = value.split_at(blank);
            let (secret, after) = value.split_at(end_of_value(value));
            shown.push_str(blank);
            shown.extend(secret.chars().map(|_| '*'));
            rest = after;
        }
    }
    shown.push_str(rest);
    shown
}

/// Where the value at the beginning of `text` ends: after its quotation mark, or
/// before what cannot be part of it.
fn end_of_value(text: &str) -> usize {
    for quotes in ["\"\"\"", "'''"] {
        if let Some(inner) = text.strip_prefix(quotes) {
            let length = inner.find(quotes).map(|at| at.saturating_add(6));
            return length.unwrap_or(text.len());
        }
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let mut escaped = false;
    let mut opened = false;
    for (at, character) in text.char_indices() {
        match quote {
            None if character.is_whitespace() || matches!(character, ',' | '}') => return at,
            Some('"') if escaped => escaped = false,
            Some('"') if character == '\\' => escaped = true,
            Some(quote) if character == quote && opened => return at.saturating_add(1),
            _ => opened = true,
        }
    }
    text.len()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (line, shown) in [
            (r#"auth_pass = "secret" # x"#, r#"auth_pass = ******** # x"#),
            (r#"password='a b' , x = 1"#, r#"password=***** , x = 1"#),
            (
                r#"{ id = 1, secret = "a\"b", secret_hex = "00" }, { id = 2 }"#,
                r#"{ id = 1, secret = ******, secret_hex = **** }, { id = 2 }"#,
            ),
            (r#""auth_pass" = "x"#, r#""auth_pass" = **"#),
            ("auth_pass = word", "auth_pass = ****"),
            (
                r#"a.password = """two lines"#,
                r#"a.password = ************"#,
            ),
            (r#"secret = """x""" # y"#, r#"secret = ******* # y"#),
            ("auth_passs = 1", "auth_passs = *"),
            (r#"secret = "" # y"#, r#"secret = ** # y"#),
            (r#"secret = "é" # y"#, r#"secret = *** # y"#),
        ] {
            assert_eq!(without_secrets(line), shown);
        }
    }

    #[test]
    fn all_else_is() {
        for line in [
            r#"secret_file = "/etc/lvsd/key""#,
            "x = 'password'",
            "= =",
            "",
        ] {
            assert_eq!(without_secrets(line), line);
        }
    }
}
