//! The kinds of keys.

use super::super::value::Unit;

/// What the documentation and the search for a misspelt key ask of every key.
pub(in crate::config) trait Describe: Sync {
    /// The key.
    fn name(&self) -> &'static str;
    /// Its type in a word.
    fn kind(&self) -> String;
    /// Its default, for people.
    fn default_text(&self) -> String;
    /// Its range or its words, for people.
    fn range_text(&self) -> String;
    /// What it is for.
    fn doc(&self) -> &'static str;
}

/// What holds where the key is absent.
#[derive(Clone, Copy)]
pub(in crate::config) enum Preset<T> {
    /// Nothing; the text says what that means.
    Unset(&'static str),
    /// This value.
    Value(T),
    /// The key must be there.
    Required,
}

impl<T: Copy> Preset<T> {
    /// The value, if there is one.
    pub(in crate::config) fn value(&self) -> Option<T> {
        match self {
            Self::Value(value) => Some(*value),
            Self::Unset(_) | Self::Required => None,
        }
    }
}

/// A key whose value lies between two others.
pub(in crate::config) struct Key<T> {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) preset: Preset<T>,
    pub(in crate::config) min: T,
    pub(in crate::config) max: T,
    pub(in crate::config) doc: &'static str,
}

impl<T: Unit + Sync> Describe for Key<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> String {
        T::KIND.to_owned()
    }

    fn default_text(&self) -> String {
        match self.preset {
            Preset::Required => "required".to_owned(),
            Preset::Unset(meaning) => meaning.to_owned(),
            Preset::Value(value) => format!("`{}`", value.written()),
        }
    }

    fn range_text(&self) -> String {
        format!("{}..={}", self.min.show(), self.max.show())
    }

    fn doc(&self) -> &'static str {
        self.doc
    }
}

/// A key that is `true` or `false`.
pub(in crate::config) struct Flag {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) default: bool,
    pub(in crate::config) doc: &'static str,
}

impl Describe for Flag {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> String {
        "boolean".to_owned()
    }

    fn default_text(&self) -> String {
        format!("`{}`", self.default)
    }

    fn range_text(&self) -> String {
        "`true`, `false`".to_owned()
    }

    fn doc(&self) -> &'static str {
        self.doc
    }
}

/// A key whose value is one of some words.
pub(in crate::config) struct Choice<T: 'static> {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) preset: Preset<T>,
    pub(in crate::config) words: &'static [(&'static str, T)],
    pub(in crate::config) doc: &'static str,
}

impl<T: Copy + PartialEq + Sync> Describe for Choice<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> String {
        "word".to_owned()
    }

    fn default_text(&self) -> String {
        match self.preset {
            Preset::Required => "required".to_owned(),
            Preset::Unset(meaning) => meaning.to_owned(),
            Preset::Value(value) => self
                .words
                .iter()
                .find(|(_, meaning)| *meaning == value)
                .map(|(word, _)| format!("`\"{word}\"`"))
                .unwrap_or_default(),
        }
    }

    fn range_text(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|(w, _)| format!("`{w}`")).collect();
        words.join(", ")
    }

    fn doc(&self) -> &'static str {
        self.doc
    }
}

/// A key with a grammar of its own, which the reader knows.
pub(in crate::config) struct Free {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) kind: &'static str,
    pub(in crate::config) default: &'static str,
    pub(in crate::config) range: &'static str,
    pub(in crate::config) doc: &'static str,
}

impl Describe for Free {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> String {
        self.kind.to_owned()
    }

    fn default_text(&self) -> String {
        self.default.to_owned()
    }

    fn range_text(&self) -> String {
        self.range.to_owned()
    }

    fn doc(&self) -> &'static str {
        self.doc
    }
}
