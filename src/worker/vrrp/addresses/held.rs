//! One kind of entry as the thread remembers it: what it left, what is there,
//! what is its own.

use std::collections::BTreeSet;

use crate::reconcile::Drift;
use crate::reconcile::owned::{self, Entry, Op, Ownership, Table};

/// Entries of one kind.
#[derive(Debug)]
pub struct Held<E: Entry> {
    /// What the last reconciliation left.
    pub expected: Table<E>,
    /// What is there.
    pub observed: Table<E>,
    /// What was put there by us or by a predecessor.
    pub managed: BTreeSet<E::Identity>,
    /// What somebody else has removed, and may.
    given_up: BTreeSet<E::Identity>,
}

impl<E: Entry> Default for Held<E> {
    fn default() -> Self {
        Self {
            expected: Table::<E>::new(),
            observed: Table::<E>::new(),
            managed: BTreeSet::new(),
            given_up: BTreeSet::new(),
        }
    }
}

/// What is to be there.
#[derive(Debug)]
pub struct Desired<E: Entry> {
    /// The entries.
    pub table: Table<E>,
    /// Those of them that somebody else may remove.
    pub untracked: BTreeSet<E::Identity>,
    /// The order of the configuration.
    pub rank: Vec<E::Identity>,
}

impl<E: Entry> Default for Desired<E> {
    fn default() -> Self {
        Self {
            table: Table::<E>::new(),
            untracked: BTreeSet::new(),
            rank: Vec::new(),
        }
    }
}

impl<E: Entry> Desired<E> {
    /// One more.
    pub fn insert(&mut self, entry: E, no_track: bool) {
        let identity = entry.identity();
        if no_track {
            self.untracked.insert(identity.clone());
        }
        self.rank.push(identity.clone());
        self.table.insert(identity, entry);
    }
}

impl<E: Entry> Held<E> {
    /// What has to be done, and what somebody else did since the last time.
    pub fn plan(
        &mut self,
        desired: &mut Desired<E>,
        ownership: &Ownership<E::Identity>,
    ) -> (Vec<Op<E>>, Vec<Drift<E::Identity>>) {
        self.forgo(desired);
        // Only what was there and still should be: a change of ours is no drift.
        let kept: Table<E> = self
            .expected
            .iter()
            .filter(|(identity, _)| desired.table.contains_key(identity))
            .map(|(identity, entry)| (identity.clone(), entry.clone()))
            .collect();
        let mut drift = owned::drift(&kept, &self.observed, ownership);
        drift.retain(|drift| kept.contains_key(&drift.subject));
        let mut ops = owned::diff(&desired.table, &self.observed, ownership);
        let rank = |op: &Op<E>| {
            let identity = op.added()?.identity();
            desired.rank.iter().position(|other| *other == identity)
        };
        if ops.len() > 1 {
            ops.sort_by_cached_key(|op| (op.is_loss(), rank(op)));
        }
        (ops, drift)
    }

    /// Takes out of `desired` what somebody else has removed and may.
    fn forgo(&mut self, desired: &mut Desired<E>) {
        for identity in &desired.untracked {
            let was = self.expected.contains_key(identity);
            if was && !self.observed.contains_key(identity) {
                self.given_up.insert(identity.clone());
            }
        }
        self.given_up
            .retain(|identity| desired.table.contains_key(identity));
        for identity in &self.given_up {
            desired.table.remove(identity);
        }
    }

    /// `done` of what was to be done is done. `all`: that is everything.
    pub fn settle(&mut self, desired: Table<E>, done: &[Op<E>], all: bool) {
        owned::apply(&mut self.observed, done);
        self.managed.extend(desired.keys().cloned());
        self.expected = desired;
        if all {
            let Self {
                managed, expected, ..
            } = self;
            managed.retain(|identity| expected.contains_key(identity));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::address::{Address, TAG};

    fn vip(last: u8) -> Address {
        Address::plain(2, [192, 0, 2, last].into(), 32)
    }

    fn ownership() -> Ownership<<Address as Entry>::Identity> {
        Ownership {
            managed: BTreeSet::new(),
            mark: Some(TAG),
        }
    }

    fn desired(addresses: &[(Address, bool)]) -> Desired<Address> {
        let mut desired = Desired::default();
        for (address, no_track) in addresses {
            desired.insert(address.clone(), *no_track);
        }
        desired
    }

    /// One round that succeeds.
    fn round(
        held: &mut Held<Address>,
        mut wanted: Desired<Address>,
    ) -> (Vec<Op<Address>>, Vec<Drift<<Address as Entry>::Identity>>) {
        let (ops, drift) = held.plan(&mut wanted, &ownership());
        held.settle(wanted.table, &ops, true);
        (ops, drift)
    }

    #[test]
    fn what_is_removed_by_hand_comes_back_and_counts() {
        let mut held = Held::default();
        let wanted = || desired(&[(vip(1), false)]);
        assert_eq!(round(&mut held, wanted()).1.len(), 0);
        held.observed.clear();
        let (ops, drift) = round(&mut held, wanted());
        assert!(
            matches!(ops[..], [Op::Add(_)]) && drift.len() == 1,
            "{ops:?}"
        );
    }

    #[test]
    fn what_is_not_tracked_stays_away_until_the_next_time() {
        let mut held = Held::default();
        let wanted = || desired(&[(vip(1), true), (vip(2), false)]);
        round(&mut held, wanted());
        held.observed.remove(&vip(1).identity());
        for _ in 0..2 {
            let (ops, drift) = round(&mut held, wanted());
            assert!(ops.is_empty() && drift.is_empty(), "{ops:?}");
        }
        // Given up and taken again.
        round(&mut held, desired(&[]));
        assert_eq!(round(&mut held, wanted()).0.len(), 2);
    }

    #[test]
    fn entries_are_added_in_the_order_of_the_configuration() {
        let mut held = Held::default();
        let (ops, _) = round(
            &mut held,
            desired(&[(vip(9), false), (vip(1), false), (vip(5), false)]),
        );
        let added: Vec<_> = ops.iter().filter_map(|op| op.added()).collect();
        let last: Vec<_> = added.iter().map(|address| address.address).collect();
        let expected: Vec<_> = [9, 1, 5].iter().map(|last| vip(*last).address).collect();
        assert_eq!(last, expected);
    }
}
