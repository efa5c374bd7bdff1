//! Two sorted maps, walked side by side.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;

/// One key of a level, as each side has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair<'a, T> {
    /// Only desired.
    Missing(&'a T),
    /// Desired and observed; they may differ.
    Both {
        /// How it should be.
        desired: &'a T,
        /// How it is.
        observed: &'a T,
    },
    /// Only observed.
    Extra(&'a T),
}

impl<'a, T> Pair<'a, T> {
    /// The pair of two optional sides; `None` when there is neither.
    #[must_use]
    pub fn of(desired: Option<&'a T>, observed: Option<&'a T>) -> Option<Self> {
        match (desired, observed) {
            (Some(desired), Some(observed)) => Some(Pair::Both { desired, observed }),
            (Some(desired), None) => Some(Pair::Missing(desired)),
            (None, Some(observed)) => Some(Pair::Extra(observed)),
            (None, None) => None,
        }
    }
}

/// Pairs up two maps, in key order, in one pass over both.
#[must_use]
pub fn join<'a, K: Ord, T>(
    desired: &'a BTreeMap<K, T>,
    observed: &'a BTreeMap<K, T>,
) -> Join<'a, K, T> {
    Join {
        desired: desired.iter().peekable(),
        observed: observed.iter().peekable(),
    }
}

/// The iterator that [`join`] returns.
#[derive(Debug)]
pub struct Join<'a, K, T> {
    desired: Peekable<btree_map::Iter<'a, K, T>>,
    observed: Peekable<btree_map::Iter<'a, K, T>>,
}

impl<'a, K: Ord, T> Iterator for Join<'a, K, T> {
    type Item = (&'a K, Pair<'a, T>);

    fn next(&mut self) -> Option<Self::Item> {
        let order = match (self.desired.peek(), self.observed.peek()) {
            (Some((desired, _)), Some((observed, _))) => desired.cmp(observed),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let desired = match order {
            Ordering::Greater => None,
            Ordering::Less | Ordering::Equal => self.desired.next(),
        };
        let observed = match order {
            Ordering::Less => None,
            Ordering::Greater | Ordering::Equal => self.observed.next(),
        };
        let (key, _) = desired.or(observed)?;
        let pair = Pair::of(
            desired.map(|(_, item)| item),
            observed.map(|(_, item)| item),
        )?;
        Some((key, pair))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_of_either_side_comes_once_and_in_order() {
        let desired = BTreeMap::from([(1, 'a'), (3, 'b'), (4, 'c')]);
        let observed = BTreeMap::from([(0, 'w'), (3, 'x'), (5, 'y')]);
        let found: Vec<_> = join(&desired, &observed).collect();
        assert_eq!(
            found,
            [
                (&0, Pair::Extra(&'w')),
                (&1, Pair::Missing(&'a')),
                (
                    &3,
                    Pair::Both {
                        desired: &'b',
                        observed: &'x'
                    }
                ),
                (&4, Pair::Missing(&'c')),
                (&5, Pair::Extra(&'y')),
            ]
        );
    }

    #[test]
    fn two_empty_levels_have_no_pairs() {
        let empty = BTreeMap::<u8, u8>::new();
        assert_eq!(join(&empty, &empty).count(), 0);
    }
}
