//! A table of the raw tree, asked for its keys by the schema's.

use super::findings::{Code, Findings};
use super::keepalived_words;
use super::raw::{Span, Spanned, Table, Value};
use super::schema::{Choice, Describe, Flag, Free, Key, Preset, TABLES, TableKind};
use super::value::Unit;

/// How unlike (Jaro-Winkler) two words may be for one to be suggested for the other.
const UNLIKENESS: f64 = 0.2;
/// The longest word a suggestion is looked for, in bytes.
const SUGGESTION_BYTES: usize = 64;

/// One table of the file.
#[derive(Clone, Copy)]
pub(super) struct Section<'t> {
    table: &'t Table,
    /// Where keys are looked for that `table` does not have.
    defaults: Option<&'t Table>,
    at: Span,
    kind: &'static TableKind,
}

impl<'t> Section<'t> {
    /// The table at `at` as one of `kind`; keys of no use in it are errors.
    pub(super) fn open(
        table: &'t Table,
        at: Span,
        kind: &'static TableKind,
        findings: &mut Findings,
    ) -> Self {
        for (key, _) in &table.entries {
            if kind.has(&key.value) {
                continue;
            }
            let message = format!("unknown key `{}` in {}", key.value, kind.header);
            // Looking for a suggestion takes time; a flood of keys gets none.
            let help = (!findings.full()).then(|| unknown_key_help(&key.value, kind));
            match help.flatten() {
                Some(help) => findings.error_help(Code::UnknownKey, key.span, message, help),
                None => findings.error(Code::UnknownKey, key.span, message),
            }
        }
        Self {
            table,
            defaults: None,
            at,
            kind,
        }
    }

    /// The section, with what it does not say taken from `defaults`.
    pub(super) fn or(self, defaults: Option<&Section<'t>>) -> Self {
        Self {
            defaults: defaults.map(|section| section.table),
            ..self
        }
    }

    /// The table that is the value of `key`, as one of `kind`; `None` if it is absent or,
    /// which is an error, no table.
    pub(super) fn sub(
        &self,
        key: &Free,
        kind: &'static TableKind,
        findings: &mut Findings,
    ) -> Option<Self> {
        let defaults = self.defaults.and_then(|defaults| defaults.get(key.name));
        let (name, raw) = self.table.get(key.name).or(defaults)?;
        let table = table(kind.header, raw, findings)?;
        Some(Self::open(table, place(name, raw), kind, findings))
    }

    /// Where the table begins: its header.
    pub(super) fn at(&self) -> Span {
        self.at
    }

    /// Where the value of `key` is, or the header if it is absent.
    pub(super) fn value_span(&self, key: &str) -> Span {
        self.raw(key).map_or(self.at, |value| value.span)
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    /// Whether the table says it itself, and no default for many does.
    pub(super) fn own(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    fn raw(&self, key: &str) -> Option<&'t Spanned<Value>> {
        let defaults = self.defaults.and_then(|defaults| defaults.get(key));
        self.table.get(key).or(defaults).map(|(_, value)| value)
    }

    /// The value of a key with a grammar of its own.
    pub(super) fn free(&self, key: &Free) -> Option<&'t Spanned<Value>> {
        self.raw(key.name)
    }

    /// The same, where the key must be there.
    pub(super) fn required(
        &self,
        key: &Free,
        findings: &mut Findings,
    ) -> Option<&'t Spanned<Value>> {
        let value = self.raw(key.name);
        if value.is_none() {
            self.missing(key, findings);
        }
        value
    }

    fn missing(&self, key: &dyn Describe, findings: &mut Findings) {
        let message = format!("{} needs the key `{}`", self.kind.header, key.name());
        let help = format!("{}: {}", key.name(), key.doc());
        findings.error_help(Code::MissingKey, self.at, message, help);
    }

    /// The value of a key with a range, or its default. After an error it is the
    /// default, too, so that reading can go on.
    pub(super) fn get<T: Unit + Sync>(&self, key: &Key<T>, findings: &mut Findings) -> Option<T> {
        let preset = key.preset.value();
        let Some(raw) = self.raw(key.name) else {
            if matches!(key.preset, Preset::Required) {
                self.missing(key, findings);
            }
            return preset;
        };
        match T::read(&raw.value) {
            Err(problem) => {
                let message = format!("{} must be {problem}", key.name);
                findings.error(Code::WrongType, raw.span, message);
                preset
            }
            Ok(value) if value < key.min || value > key.max || T::overflows(&raw.value) => {
                let is = match &raw.value {
                    Value::Integer(number) => number.to_string(),
                    _ => value.show(),
                };
                let message = format!("{} must be {}, is {is}", key.name, key.range_text());
                findings.error(Code::OutOfRange, raw.span, message);
                preset
            }
            Ok(value) => Some(value),
        }
    }

    /// Whether the key is there and its value within its range.
    pub(super) fn good<T: Unit + Sync>(&self, key: &Key<T>) -> bool {
        let mut aside = Findings::default();
        self.has(key.name) && self.get(key, &mut aside).is_some() && !aside.failed()
    }

    /// [`Section::get`] for a key that has a default or is required; the lower bound
    /// stands in for a required value that is absent or wrong.
    pub(super) fn value<T: Unit + Sync>(&self, key: &Key<T>, findings: &mut Findings) -> T {
        self.get(key, findings).unwrap_or(key.min)
    }

    /// The value of a key that is `true` or `false`, or its default.
    pub(super) fn flag(&self, key: &Flag, findings: &mut Findings) -> bool {
        self.boolean(key.name, findings).unwrap_or(key.default)
    }

    /// The value of a key that is `true`, `false` or absent.
    pub(super) fn optional_flag(&self, key: &Free, findings: &mut Findings) -> Option<bool> {
        self.boolean(key.name, findings)
    }

    fn boolean(&self, name: &str, findings: &mut Findings) -> Option<bool> {
        match self.raw(name) {
            None => None,
            Some(Spanned {
                value: Value::Boolean(flag),
                ..
            }) => Some(*flag),
            Some(raw) => {
                let kind = raw.value.kind();
                let message = format!("{name} must be true or false, is {kind}");
                findings.error(Code::WrongType, raw.span, message);
                None
            }
        }
    }

    /// The value of a key that is one of some words, or its default.
    pub(super) fn choice<T: Copy + PartialEq + Sync>(
        &self,
        key: &Choice<T>,
        findings: &mut Findings,
    ) -> Option<T> {
        let preset = key.preset.value();
        let Some(raw) = self.raw(key.name) else {
            if matches!(key.preset, Preset::Required) {
                self.missing(key, findings);
            }
            return preset;
        };
        let words: Vec<_> = key.words.iter().map(|(word, _)| *word).collect();
        let word = one_of(key.name, raw, &words, findings);
        word.and_then(|word| key.words.iter().find(|(known, _)| *known == word))
            .map(|(_, meaning)| *meaning)
            .or(preset)
    }
}

/// Where a table is: its header, or its name where it has none (a dotted key).
pub(super) fn place(name: &Spanned<String>, raw: &Spanned<Value>) -> Span {
    if raw.span == Span::default() {
        name.span
    } else {
        raw.span
    }
}

/// The word of `words` that `raw` is; anything else is an error with a suggestion.
pub(super) fn one_of<'w>(
    name: &str,
    raw: &Spanned<Value>,
    words: &[&'w str],
    findings: &mut Findings,
) -> Option<&'w str> {
    let text = string(name, raw, findings)?;
    let found = words.iter().find(|word| **word == text);
    if found.is_none() {
        let message = format!("{name} cannot be \"{text}\"");
        let mut help = format!("it is one of {}", words.join(", "));
        if let Some(word) = nearest(text, words.iter().copied()) {
            help = format!("did you mean \"{word}\"? {help}");
        }
        findings.error_help(Code::BadValue, raw.span, message, help);
    }
    found.copied()
}

/// The text of a string; anything else is an error.
pub(super) fn string<'t>(
    name: &str,
    raw: &'t Spanned<Value>,
    findings: &mut Findings,
) -> Option<&'t str> {
    match &raw.value {
        Value::String(text) => Some(text),
        other => {
            let message = format!("{name} must be a string, is {}", other.kind());
            findings.error(Code::WrongType, raw.span, message);
            None
        }
    }
}

/// The items of a list; anything else is an error.
pub(super) fn list<'t>(
    name: &str,
    raw: &'t Spanned<Value>,
    findings: &mut Findings,
) -> &'t [Spanned<Value>] {
    match &raw.value {
        Value::Array(items) => items,
        other => {
            let message = format!("{name} must be a list, is {}", other.kind());
            findings.error(Code::WrongType, raw.span, message);
            &[]
        }
    }
}

/// The items of a list of tables; anything else is an error that says how it is
/// written.
pub(super) fn tables<'t>(
    header: &str,
    raw: &'t Spanned<Value>,
    findings: &mut Findings,
) -> &'t [Spanned<Value>] {
    match &raw.value {
        Value::Array(items) => items,
        other => {
            let message = format!("a list of tables is needed here, this is {}", other.kind());
            let help = format!("it is written {header}, with two brackets each");
            findings.error_help(Code::WrongType, raw.span, message, help);
            &[]
        }
    }
}

/// The entries of a table; anything else is an error that says how it is written.
pub(super) fn table<'t>(
    header: &str,
    raw: &'t Spanned<Value>,
    findings: &mut Findings,
) -> Option<&'t Table> {
    match &raw.value {
        Value::Table(table) => Some(table),
        other => {
            let message = format!("a table is needed here, this is {}", other.kind());
            let help = format!("it is written {header}");
            findings.error_help(Code::WrongType, raw.span, message, help);
            None
        }
    }
}

fn unknown_key_help(key: &str, kind: &TableKind) -> Option<String> {
    let own = kind.keys.iter().map(|known| known.name());
    if let Some(advice) = keepalived_words::advice(key) {
        return Some(advice.to_owned());
    }
    let elsewhere: Vec<_> = TABLES
        .iter()
        .filter(|table| table.has(key))
        .map(|table| table.header)
        .collect();
    if !elsewhere.is_empty() {
        return Some(format!("`{key}` is a key of {}", elsewhere.join(", or ")));
    }
    if let Some(name) = nearest(key, own) {
        return Some(format!("did you mean `{name}`?"));
    }
    TABLES.iter().find_map(|table| {
        let name = nearest(key, table.keys.iter().map(|known| known.name()))?;
        Some(format!("did you mean `{name}`, a key of {}?", table.header))
    })
}

/// The word most like `word`, if one is alike enough: one letter more, less, changed or
/// swapped, another case, or a long common beginning.
pub(super) fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    if word.len() > SUGGESTION_BYTES {
        return None;
    }
    let word = word.to_lowercase();
    words
        .map(|candidate| {
            let lower = candidate.to_lowercase();
            let edits = strsim::osa_distance(&word, &lower);
            let unlikeness = 1.0 - strsim::jaro_winkler(&word, &lower);
            (edits, unlikeness, candidate)
        })
        .filter(|(edits, unlikeness, _)| *edits <= 1 || *unlikeness <= UNLIKENESS)
        .min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)))
        .map(|(_, _, candidate)| candidate)
}
