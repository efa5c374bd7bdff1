//! The short form of addresses, routes and rules: a string in the words of `ip`, which
//! becomes the table that says the same.

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned, Table, Value};
use super::super::section;

/// What a word is followed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing: the key is true.
    Nothing,
    /// A text.
    Text,
    /// A number or a text.
    Number,
    /// 0 or 1.
    Switch,
    /// A number of seconds; `forever` leaves the key out.
    Seconds,
}

/// One word: as it is written, the key of the table, and what follows it.
pub(super) type Word = (&'static str, &'static str, Takes);

/// The words of one kind of thing.
pub(super) struct Grammar {
    /// The key of the first text that is no word of its own.
    pub(super) bare: Option<&'static str>,
    /// Words that are themselves the value of this key.
    pub(super) kinds: (&'static str, &'static [&'static str]),
    /// Words with a meaning.
    pub(super) words: &'static [Word],
}

/// Turns `text` into a table; `None` after an error.
pub(super) fn table(
    text: &str,
    span: Span,
    grammar: &Grammar,
    findings: &mut Findings,
) -> Option<Table> {
    let mut table = Table::default();
    let mut rest = split(text, span).into_iter();
    while let Some((word, at)) = rest.next() {
        let known = grammar.words.iter().find(|(known, ..)| *known == word);
        let mut place = at;
        let (key, value) = match known {
            Some((_, key, Takes::Nothing)) => (*key, Value::Boolean(true)),
            Some((_, key, takes)) => {
                let Some((argument, argument_at)) = rest.next() else {
                    let message = format!("`{word}` is the last word and needs a value");
                    findings.error(Code::BadValue, at, message);
                    return None;
                };
                place = argument_at;
                match argument_of(argument, *takes) {
                    Some(value) => (*key, value),
                    None => continue,
                }
            }
            None if grammar.kinds.1.contains(&word) => {
                (grammar.kinds.0, Value::String(word.to_owned()))
            }
            None => match grammar.bare.filter(|bare| table.get(bare).is_none()) {
                Some(bare) => (bare, Value::String(word.to_owned())),
                None => {
                    unknown(word, at, grammar, findings);
                    return None;
                }
            },
        };
        if table.get(key).is_some() {
            findings.error(Code::Duplicate, at, format!("`{word}` comes twice"));
            return None;
        }
        let key = Spanned {
            span: at,
            value: key.to_owned(),
        };
        table.entries.push((key, Spanned { span: place, value }));
    }
    Some(table)
}

/// The words of `text` and where they are. In a string with escapes that is not known,
/// and each is at the string.
fn split(text: &str, span: Span) -> Vec<(&str, Span)> {
    let plain = span.end.saturating_sub(span.start) == text.len().saturating_add(2);
    let mut at = 0;
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let found = text.get(at..).and_then(|rest| rest.find(word));
        let start = at.saturating_add(found.unwrap_or_default());
        at = start.saturating_add(word.len());
        let start = span.start.saturating_add(1).saturating_add(start);
        let place = Span {
            start,
            end: start.saturating_add(word.len()),
        };
        words.push((word, if plain { place } else { span }));
    }
    words
}

fn argument_of(text: &str, takes: Takes) -> Option<Value> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).ok(),
        None => text.parse::<i128>().ok(),
    };
    match (takes, number) {
        (Takes::Seconds, _) if text == "forever" => None,
        (Takes::Seconds, Some(seconds)) => Some(Value::String(format!("{seconds}s"))),
        (Takes::Seconds, None) => Some(Value::String(text.replace("sec", "s"))),
        (Takes::Number, Some(number)) => Some(Value::Integer(number)),
        (Takes::Switch, Some(0)) => Some(Value::Boolean(false)),
        (Takes::Switch, Some(1)) => Some(Value::Boolean(true)),
        _ => Some(Value::String(text.to_owned())),
    }
}

fn unknown(word: &str, at: Span, grammar: &Grammar, findings: &mut Findings) {
    let words = grammar.words.iter().map(|(word, ..)| *word);
    let words = words.chain(grammar.kinds.1.iter().copied());
    let message = format!("unknown word `{word}`");
    match section::nearest(word, words.clone()) {
        Some(near) => {
            findings.error_help(
                Code::BadValue,
                at,
                message,
                format!("did you mean `{near}`?"),
            );
        }
        None => {
            let known = words.collect::<Vec<_>>().join(", ");
            findings.error_help(Code::BadValue, at, message, format!("known are {known}"));
        }
    }
}
