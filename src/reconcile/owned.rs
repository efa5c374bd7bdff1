//! Entries of which some are ours: addresses, routes, rules.
//!
//! An entry is ours when it is desired, when we put it there before
//! ([`Ownership::managed`]) or when it bears our mark ([`Ownership::mark`]).
//! Entries of anybody else are never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::drift::Changes;
use super::level::{self, Pair};
use super::{Drift, Found, Plan};

/// Something in the kernel that several programs may put there.
pub trait Entry: Clone + fmt::Display {
    /// What the kernel tells entries apart by.
    type Identity: Clone + Ord + fmt::Display;

    /// What the kernel tells this one apart by.
    fn identity(&self) -> Self::Identity;

    /// Who put it there; `None`: nobody said.
    fn mark(&self) -> Option<u8>;

    /// The same entry as `mark`'s.
    #[must_use]
    fn marked(self, mark: u8) -> Self;

    /// The fields that cannot be changed in place and differ.
    fn changes(&self, observed: &Self) -> Changes;

    /// The fields that can be changed in place and differ.
    fn in_place(&self, _observed: &Self) -> Changes {
        Changes::default()
    }
}

/// Entries by identity.
pub type Table<E> = BTreeMap<<E as Entry>::Identity, E>;

/// A table of the given entries; of two with one identity the later stays.
#[must_use]
pub fn table<E: Entry>(entries: impl IntoIterator<Item = E>) -> Table<E> {
    entries
        .into_iter()
        .map(|entry| (entry.identity(), entry))
        .collect()
}

/// Which observed entries are ours although they are not desired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership<I> {
    /// Those that we added before and may not have removed yet.
    pub managed: BTreeSet<I>,
    /// Our mark: an entry that bears it is ours, and an adopted one is given
    /// it. `None` where the kernel keeps no marks; then they are not compared.
    pub mark: Option<u8>,
}

impl<I: Ord> Ownership<I> {
    /// True when an observed entry may be changed or removed, given that it is
    /// not desired.
    #[must_use]
    pub fn holds<E: Entry<Identity = I>>(&self, observed: &E) -> bool {
        let marked = self.mark.is_some() && observed.mark() == self.mark;
        marked || self.managed.contains(&observed.identity())
    }

    fn mark<E: Entry>(&self, desired: &E) -> E {
        match self.mark {
            Some(mark) => desired.clone().marked(mark),
            None => desired.clone(),
        }
    }
}

/// One thing to do to the kernel's entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op<E> {
    /// Add it; nothing is in its place.
    Add(E),
    /// Give the one that is there these values: only what the kernel changes in
    /// place differs.
    Replace(E),
    /// Remove the first, then [`Op::Add`] the second.
    Recreate {
        /// As it is.
        old: E,
        /// As it should be.
        new: E,
    },
    /// Remove it.
    Remove(E),
}

impl<E> Op<E> {
    /// The entry that was not there, or not as it is now, if this puts one.
    #[must_use]
    pub const fn added(&self) -> Option<&E> {
        match self {
            Self::Add(entry) | Self::Recreate { new: entry, .. } => Some(entry),
            Self::Replace(_) | Self::Remove(_) => None,
        }
    }

    /// Whether this only takes something away.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        matches!(self, Self::Remove(_))
    }
}

/// What has to be done so that `observed` holds `desired`, in order: gains,
/// then losses.
///
/// `desired` entries need no mark of their own: they are given
/// [`Ownership::mark`].
#[must_use]
pub fn diff<E: Entry>(
    desired: &Table<E>,
    observed: &Table<E>,
    ownership: &Ownership<E::Identity>,
) -> Vec<Op<E>> {
    let mut plan = Plan::new();
    for (_, pair) in level::join(desired, observed) {
        match pair {
            Pair::Missing(desired) => plan.gain(Op::Add(ownership.mark(desired))),
            Pair::Both { desired, observed } => {
                let desired = ownership.mark(desired);
                if !desired.changes(observed).is_empty() {
                    plan.gain(Op::Recreate {
                        old: observed.clone(),
                        new: desired,
                    });
                } else if !desired.in_place(observed).is_empty()
                    || ownership.mark.is_some() && observed.mark() != desired.mark()
                {
                    plan.gain(Op::Replace(desired));
                }
            }
            Pair::Extra(observed) if ownership.holds(observed) => {
                plan.loss(Op::Remove(observed.clone()));
            }
            Pair::Extra(_) => {}
        }
    }
    plan.into_ops()
}

/// What differs between the entries that we left (`expected`) and those that
/// are there (`observed`). A missing mark is not drift: nobody can see it but
/// us.
#[must_use]
pub fn drift<E: Entry>(
    expected: &Table<E>,
    observed: &Table<E>,
    ownership: &Ownership<E::Identity>,
) -> Vec<Drift<E::Identity>> {
    level::join(expected, observed)
        .filter_map(|(identity, pair)| {
            let found = match pair {
                Pair::Missing(_) => Found::Missing,
                Pair::Both { desired, observed } => {
                    let mut found = desired.changes(observed);
                    found.append(desired.in_place(observed));
                    found.into_found()?
                }
                Pair::Extra(observed) if ownership.holds(observed) => Found::Unexpected,
                Pair::Extra(_) => return None,
            };
            Some(Drift {
                subject: identity.clone(),
                found,
            })
        })
        .collect()
}

/// What is there after all of `ops` succeeded.
pub fn apply<E: Entry>(table: &mut Table<E>, ops: &[Op<E>]) {
    for op in ops {
        match op {
            Op::Add(entry) | Op::Replace(entry) => {
                table.insert(entry.identity(), entry.clone());
            }
            Op::Recreate { old, new } => {
                table.remove(&old.identity());
                table.insert(new.identity(), new.clone());
            }
            Op::Remove(entry) => {
                table.remove(&entry.identity());
            }
        }
    }
}

/// The properties of every level, for one kind of entry.
#[cfg(test)]
pub mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Whether each desired entry is there as desired.
    fn satisfied<E: Entry>(desired: &Table<E>, kernel: &Table<E>) -> bool {
        desired.iter().all(|(identity, wanted)| {
            kernel.get(identity).is_some_and(|present| {
                wanted.changes(present).is_empty() && wanted.in_place(present).is_empty()
            })
        })
    }

    /// Checks them for one case. `kernel` does to a table what the kernel makes
    /// of one operation, errors included.
    ///
    /// # Errors
    ///
    /// The property that does not hold.
    pub fn check<E>(
        desired: &Table<E>,
        observed: &Table<E>,
        ownership: &Ownership<E::Identity>,
        stop: prop::sample::Index,
        kernel: impl Fn(&mut Table<E>, &Op<E>) -> Result<(), String>,
    ) -> Result<(), TestCaseError>
    where
        E: Entry + fmt::Debug + PartialEq,
        E::Identity: fmt::Debug,
    {
        let ops = diff(desired, observed, ownership);
        let mut table = observed.clone();
        for op in &ops {
            kernel(&mut table, op).map_err(TestCaseError::fail)?;
        }
        // Applying gives the desired, and then nothing is left to do.
        prop_assert!(satisfied(desired, &table));
        for (identity, present) in &table {
            prop_assert!(desired.contains_key(identity) || !ownership.holds(present));
        }
        prop_assert_eq!(diff(desired, &table, ownership), []);
        prop_assert_eq!(drift(desired, &table, ownership), []);
        // What is not ours is untouched.
        for (identity, present) in observed {
            if !desired.contains_key(identity) && !ownership.holds(present) {
                prop_assert_eq!(table.get(identity), Some(present));
            }
        }
        // Nothing is removed before the last gain.
        let mut losses = ops.iter().skip_while(|op| !op.is_loss());
        prop_assert!(losses.all(Op::is_loss));
        // Stopping anywhere and comparing again arrives.
        let mut table = observed.clone();
        for op in ops.iter().take(stop.index(ops.len() + 1)) {
            kernel(&mut table, op).map_err(TestCaseError::fail)?;
        }
        for op in diff(desired, &table, ownership) {
            kernel(&mut table, &op).map_err(TestCaseError::fail)?;
        }
        prop_assert!(satisfied(desired, &table));
        Ok(())
    }
}
