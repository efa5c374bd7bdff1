//! Programs and who runs them.

use super::super::findings::{Code, Findings};
use super::super::raw::{Spanned, Value};
use super::super::schema::{Free, TableKind, notify as keys};
use super::super::section::{self, Section};
use crate::model::{Command, RunAs};

/// The command in the value of `key`, if there is one.
pub(super) fn optional(
    section: &Section<'_>,
    key: &Free,
    findings: &mut Findings,
) -> Option<Command> {
    read(key.name, section.free(key)?, findings)
}

/// A command in any of its forms: a string, a list of words, a table.
pub(super) fn read(name: &str, raw: &Spanned<Value>, findings: &mut Findings) -> Option<Command> {
    from(&keys::COMMAND_TABLE, name, raw, findings).map(|(section, command)| Command {
        timeout: section.and_then(|section| section.get(&keys::TIMEOUT, findings)),
        ..command
    })
}

/// The same of a program that has no end: without a timeout.
pub(super) fn endless(
    section: &Section<'_>,
    key: &Free,
    findings: &mut Findings,
) -> Option<Command> {
    let raw = section.free(key)?;
    from(&keys::READER_TABLE, key.name, raw, findings).map(|(_, command)| command)
}

/// The command, and the table of `kind` if it is in one.
fn from<'t>(
    kind: &'static TableKind,
    name: &str,
    raw: &'t Spanned<Value>,
    findings: &mut Findings,
) -> Option<(Option<Section<'t>>, Command)> {
    let Value::Table(table) = &raw.value else {
        let command = Command {
            words: program(name, raw, None, findings)?,
            user: None,
            timeout: None,
        };
        return Some((None, command));
    };
    let section = Section::open(table, raw.span, kind, findings);
    let user = run_as(&section, &keys::USER, findings);
    let written = section.required(&keys::COMMAND, findings)?;
    let command = Command {
        words: program(keys::COMMAND.name, written, user.as_ref(), findings)?,
        user,
        timeout: None,
    };
    Some((Some(section), command))
}

/// The words of a command that `user` runs, the first of which is the path of a
/// program.
pub(super) fn program(
    name: &str,
    raw: &Spanned<Value>,
    user: Option<&RunAs>,
    findings: &mut Findings,
) -> Option<Vec<String>> {
    let words = words(name, raw, findings)?;
    match words.first() {
        Some(program) if program.starts_with('/') => {
            findings.around.program(raw.span, program, user);
        }
        Some(program) => {
            let message = format!("{name}: \"{program}\" is not the path of a program");
            let help = format!("write the whole path, such as \"/usr/local/bin/{program}\"");
            findings.error_help(Code::BadValue, raw.span, message, help);
            return None;
        }
        None => {
            findings.error(Code::BadValue, raw.span, format!("{name} has no word"));
            return None;
        }
    }
    Some(words)
}

/// A list of words, or a string that is split as a shell would.
pub(super) fn words(
    name: &str,
    raw: &Spanned<Value>,
    findings: &mut Findings,
) -> Option<Vec<String>> {
    let words = match &raw.value {
        Value::String(text) => {
            let words = shlex::split(text);
            if words.is_none() {
                let message = format!("{name} has a quotation mark without an end");
                findings.error(Code::BadValue, raw.span, message);
            }
            words?
        }
        Value::Array(items) => items
            .iter()
            .map(|item| section::string(name, item, findings).map(str::to_owned))
            .collect::<Option<_>>()?,
        other => {
            let message = format!(
                "{name} must be a string or a list of words, is {}",
                other.kind()
            );
            findings.error(Code::WrongType, raw.span, message);
            return None;
        }
    };
    if words.iter().any(|word| word.contains('\0')) {
        let message = format!("{name} has a zero character, which no program can be given");
        findings.error(Code::BadValue, raw.span, message);
        return None;
    }
    Some(words)
}

/// `USER` or `USER:GROUP`, names or numbers.
pub(super) fn run_as(section: &Section<'_>, key: &Free, findings: &mut Findings) -> Option<RunAs> {
    let raw = section.free(key)?;
    let text = section::string(key.name, raw, findings)?;
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let bad = |name: &str| {
        name.is_empty()
            || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':' || c == '/')
    };
    if bad(user) || group.is_some_and(bad) {
        let message = format!("{} must be \"USER\" or \"USER:GROUP\"", key.name);
        findings.error(Code::BadValue, raw.span, message);
        return None;
    }
    Some(RunAs {
        user: user.to_owned(),
        group: group.map(str::to_owned),
    })
}

/// An absolute path.
pub(super) fn path(
    key: &Free,
    raw: &Spanned<Value>,
    findings: &mut Findings,
) -> Option<std::path::PathBuf> {
    let text = section::string(key.name, raw, findings)?;
    if !text.starts_with('/') || text.ends_with('/') || text.contains('\0') {
        let message = format!("{} must be the whole path of a file", key.name);
        let help = "it begins with \"/\"".to_owned();
        findings.error_help(Code::BadValue, raw.span, message, help);
        return None;
    }
    Some(text.into())
}
