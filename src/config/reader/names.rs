//! Names that refer to something else in the file.

use super::super::findings::{Code, Findings};
use super::super::raw::Span;
use super::super::section;

/// Complains of a name that nothing has, with the likely one.
pub(super) fn unknown<'n>(
    table: &str,
    name: &str,
    known: impl Iterator<Item = &'n str>,
    span: Span,
    findings: &mut Findings,
) {
    let message = format!("there is no {table} \"{name}\"");
    let help = match section::nearest(name, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("add a [{table}.{}]", quoted(name)),
    };
    findings.error_help(Code::BadValue, span, message, help);
}

/// A name as a key of TOML.
fn quoted(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}
