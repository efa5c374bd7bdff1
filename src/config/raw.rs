//! The raw tree: what a file says, before what it means, and where it says it.
//!
//! Dialects produce it; the reader and its diagnostics need nothing else of them.

/// Where something was written: bytes `start..end` of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Span {
    /// The first byte.
    pub(super) start: usize,
    /// The byte after the last.
    pub(super) end: usize,
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spanned<T> {
    /// Where.
    pub(super) span: Span,
    /// What.
    pub(super) value: T,
}

/// A value of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Text.
    String(String),
    /// A whole number; one out of the type's range is its nearest bound.
    Integer(i128),
    /// A number with a fraction, as it was written.
    Float(String),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or time, as it was written.
    Datetime(String),
    /// A list.
    Array(Vec<Spanned<Value>>),
    /// A table.
    Table(Table),
}

impl Value {
    /// The kind of the value, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a fraction",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Keys and values, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The entries; a dialect reports a key that comes twice.
    pub(super) entries: Vec<(Spanned<String>, Spanned<Value>)>,
}

impl Table {
    /// The entry of `key`. Reads the whole table, so ask for a fixed set of keys only.
    pub(super) fn get(&self, key: &str) -> Option<(&Spanned<String>, &Spanned<Value>)> {
        self.entries
            .iter()
            .find(|(name, _)| name.value == key)
            .map(|(name, value)| (name, value))
    }

    /// The table with the entry of `key` only.
    pub(super) fn only(&self, key: &str) -> Self {
        let entries = self.entries.iter();
        Self {
            entries: entries
                .filter(|(name, _)| name.value == key)
                .cloned()
                .collect(),
        }
    }
}
