//! TOML -> the raw tree.

use std::ops::Range;

use toml::Spanned as TomlSpanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::findings::{Code, Findings};
use super::raw::{Span, Spanned, Table, Value};

/// Up to this length a text with a syntax error is read again for further ones.
const RECOVER_BYTES: usize = 1 << 20;
/// How many syntax errors are shown; the later ones are mostly echoes.
const SYNTAX_ERRORS: usize = 10;

/// Parses `text`; `None` after a syntax error, which is then among the findings.
pub(super) fn parse(text: &str, findings: &mut Findings) -> Option<Table> {
    match DeTable::parse(text) {
        Ok(root) => Some(table(root.into_inner())),
        Err(first) => {
            let mut errors = vec![first];
            if text.len() <= RECOVER_BYTES {
                errors = DeTable::parse_recoverable(text).1;
            }
            for error in errors.iter().take(SYNTAX_ERRORS) {
                let end = text.len()..text.len();
                let at = span(&error.span().unwrap_or(end));
                findings.error(Code::Syntax, at, error.message().to_owned());
            }
            None
        }
    }
}

fn span(range: &Range<usize>) -> Span {
    Span {
        start: range.start,
        end: range.end,
    }
}

fn table(entries: DeTable<'_>) -> Table {
    let mut entries: Vec<_> = entries
        .into_iter()
        .map(|(key, entry)| {
            let key = Spanned {
                span: span(&key.span()),
                value: key.into_inner().into_owned(),
            };
            (key, value(entry))
        })
        .collect();
    // The parser sorts by name; people count from the top of the file.
    entries.sort_by_key(|(key, _)| key.span);
    Table { entries }
}

fn value(spanned: TomlSpanned<DeValue<'_>>) -> Spanned<Value> {
    let span = span(&spanned.span());
    let value = match spanned.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => Value::Integer(integer(&number)),
        DeValue::Float(number) => Value::Float(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Datetime(date) => Value::Datetime(date.to_string()),
        DeValue::Array(items) => Value::Array(items.into_iter().map(value).collect()),
        DeValue::Table(entries) => Value::Table(table(entries)),
    };
    Spanned { span, value }
}

fn integer(number: &DeInteger<'_>) -> i128 {
    let text = number.as_str();
    let bound = if text.starts_with('-') {
        i128::MIN
    } else {
        i128::MAX
    };
    i128::from_str_radix(text, number.radix()).unwrap_or(bound)
}
