//! Kernel parameters that we change, and give back as they were.
//!
//! The value that was there before is remembered until the parameter is no longer
//! wanted; then it is written back, unless somebody else has changed the parameter
//! since.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The value that a parameter is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// This one.
    Exactly(String),
    /// This number, or what it was if that was higher.
    AtLeast(i64),
}

impl Want {
    fn value(&self, original: &str) -> String {
        match self {
            Self::Exactly(value) => value.clone(),
            Self::AtLeast(least) => match original.parse::<i64>() {
                Ok(number) if number >= *least => original.to_owned(),
                _ => least.to_string(),
            },
        }
    }
}

/// A parameter that we have changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Its value before.
    pub original: String,
    /// The value that we gave it.
    pub ours: String,
}

/// One value to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The parameter.
    pub key: String,
    /// The value.
    pub value: String,
    /// Whether we had given it this value before, and somebody else has changed it.
    pub repair: bool,
}

/// What has to be written so that `observed` is as `desired`, and what is saved
/// afterwards. A parameter that is absent from `observed` does not exist: it went
/// with its interface, and with it what it was.
#[must_use]
pub fn plan(
    desired: &BTreeMap<String, Want>,
    observed: &BTreeMap<String, String>,
    saved: &BTreeMap<String, Saved>,
) -> (Vec<Write>, BTreeMap<String, Saved>) {
    let mut writes = Vec::new();
    let mut kept = BTreeMap::new();
    for (key, want) in desired {
        let Some(present) = observed.get(key) else {
            continue;
        };
        let before = saved.get(key);
        let original = before.map_or(present, |saved| &saved.original);
        let ours = want.value(original);
        if ours != *present {
            writes.push(Write {
                key: key.clone(),
                value: ours.clone(),
                repair: before.is_some_and(|saved| saved.ours == ours),
            });
        }
        let original = original.clone();
        kept.insert(key.clone(), Saved { original, ours });
    }
    for (key, saved) in saved {
        let untouched = observed.get(key) == Some(&saved.ours);
        if !desired.contains_key(key) && untouched && saved.original != saved.ours {
            writes.push(Write {
                key: key.clone(),
                value: saved.original.clone(),
                repair: false,
            });
        }
    }
    (writes, kept)
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = String> {
        prop_oneof![Just("a"), Just("b"), Just("c")].prop_map(str::to_owned)
    }

    fn value() -> impl Strategy<Value = String> {
        (0..4_u8).prop_map(|value| value.to_string())
    }

    fn want() -> impl Strategy<Value = Want> {
        prop_oneof![
            value().prop_map(Want::Exactly),
            (0..4_i64).prop_map(Want::AtLeast)
        ]
    }

    fn apply(kernel: &mut BTreeMap<String, String>, writes: &[Write]) {
        for write in writes {
            kernel.insert(write.key.clone(), write.value.clone());
        }
    }

    proptest! {
        #[test]
        fn what_is_wanted_is_so_and_then_as_it_was(
            first in btree_map(key(), want(), 0..3),
            second in btree_map(key(), want(), 0..3),
            start in btree_map(key(), value(), 0..4),
        ) {
            let mut kernel = start.clone();
            let mut saved = BTreeMap::new();
            for desired in [&first, &second] {
                let (writes, kept) = plan(desired, &kernel, &saved);
                prop_assert!(writes.iter().all(|write| kernel.contains_key(&write.key)));
                apply(&mut kernel, &writes);
                saved = kept;
                for (key, want) in desired {
                    let expected = start.get(key).map(|original| want.value(original));
                    prop_assert_eq!(kernel.get(key).cloned(), expected);
                }
                prop_assert_eq!(plan(desired, &kernel, &saved), (vec![], saved.clone()));
            }
            let (writes, saved) = plan(&BTreeMap::new(), &kernel, &saved);
            apply(&mut kernel, &writes);
            prop_assert_eq!(kernel, start);
            prop_assert!(saved.is_empty());
        }
    }

    #[test]
    fn what_somebody_else_has_set_since_stays() {
        let key = "rp_filter".to_owned();
        let one = |value: &str| BTreeMap::from([(key.clone(), value.to_owned())]);
        let desired = BTreeMap::from([(key.clone(), Want::Exactly("0".into()))]);
        let (_, saved) = plan(&desired, &one("1"), &BTreeMap::new());
        let (writes, _) = plan(&BTreeMap::new(), &one("2"), &saved);
        assert_eq!(writes, []);
        let (writes, _) = plan(&desired, &one("2"), &saved);
        assert!(writes[0].repair);
    }
}
