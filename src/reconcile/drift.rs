//! What somebody else changed, in words.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One difference between what we left in the kernel and what is there now.
///
/// `S` names the thing; its `Display` starts the sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift<S> {
    /// The thing that differs.
    pub subject: S,
    /// How it differs.
    pub found: Found,
}

/// How a thing differs from what we left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It is gone.
    Missing,
    /// It is there, with other values; never empty.
    Altered(Vec<Change>),
    /// It is there, and we neither put it there nor want it.
    Unexpected,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The field's name, as users know it.
    pub field: Cow<'static, str>,
    /// The value it should have.
    pub expected: String,
    /// The value it has.
    pub found: String,
}

impl<S: fmt::Display> fmt::Display for Drift<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.subject)?;
        match &self.found {
            Found::Missing => f.write_str("is missing"),
            Found::Unexpected => f.write_str("is there, but should not be"),
            Found::Altered(changes) => {
                f.write_str("was altered: ")?;
                for (position, change) in changes.iter().enumerate() {
                    let comma = if position == 0 { "" } else { ", " };
                    write!(f, "{comma}{change}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {}, should be {}",
            self.field, self.found, self.expected
        )
    }
}

/// Collects the fields in which two versions of a thing differ.
///
/// The one comparison serves both questions, "is an edit needed" and "what
/// changed", so that the answers cannot disagree.
#[derive(Debug, Default)]
pub struct Changes(Vec<Change>);

impl Changes {
    /// Notes the field when the values differ.
    pub(super) fn field<T: PartialEq>(
        &mut self,
        name: &'static str,
        expected: &T,
        found: &T,
        show: impl Fn(&T) -> String,
    ) {
        if expected != found {
            self.0.push(Change {
                field: Cow::Borrowed(name),
                expected: show(expected),
                found: show(found),
            });
        }
    }

    /// Takes over what `other` has found.
    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// True when nothing differs.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The differences, when there are any.
    pub(super) fn into_found(self) -> Option<Found> {
        (!self.0.is_empty()).then_some(Found::Altered(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_reads_as_a_sentence() {
        let mut changes = Changes::default();
        changes.field("scheduler", &"rr", &"wlc", ToString::to_string);
        changes.field("weight", &1, &1, ToString::to_string);
        changes.field("timeout", &300, &60, |seconds| format!("{seconds} s"));
        let drift = Drift {
            subject: "TCP 192.0.2.1:80",
            found: changes.into_found().expect("two fields differ"),
        };
        assert_eq!(
            drift.to_string(),
            "TCP 192.0.2.1:80 was altered: scheduler is wlc, should be rr, \
             timeout is 60 s, should be 300 s"
        );
    }
}
