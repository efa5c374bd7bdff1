//! The deadlines of all slots: the earliest at once, any changed in O(log n).

use mono::Mono;

/// A binary heap that knows where each slot stands in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Deadlines {
    heap: Vec<(Mono, u32)>,
    /// By slot: its index in `heap`, or [`NOWHERE`].
    places: Vec<usize>,
}

const NOWHERE: usize = usize::MAX;

impl Deadlines {
    /// The earliest deadline; of equal ones, that of the lowest slot.
    pub fn first(&self) -> Option<(Mono, u32)> {
        self.heap.first().copied()
    }

    /// The deadline of `slot` is now this.
    pub fn set(&mut self, slot: u32, deadline: Option<Mono>) {
        let place = self.place(slot);
        match (self.heap.get_mut(place), deadline) {
            (Some(entry), Some(new)) => {
                if entry.0 != new {
                    entry.0 = new;
                    self.settle(place);
                }
            }
            (Some(_), None) => {
                self.heap.swap_remove(place);
                self.put(slot, NOWHERE);
                if let Some((_, moved)) = self.heap.get(place).copied() {
                    self.put(moved, place);
                    self.settle(place);
                }
            }
            (None, Some(new)) => {
                let place = self.heap.len();
                self.heap.push((new, slot));
                self.put(slot, place);
                self.settle(place);
            }
            (None, None) => {}
        }
    }

    fn place(&self, slot: u32) -> usize {
        let index = usize::try_from(slot).unwrap_or(NOWHERE);
        self.places.get(index).copied().unwrap_or(NOWHERE)
    }

    fn put(&mut self, slot: u32, place: usize) {
        let index = usize::try_from(slot).unwrap_or(NOWHERE);
        if index >= self.places.len() && place != NOWHERE {
            self.places.resize(index.saturating_add(1), NOWHERE);
        }
        if let Some(entry) = self.places.get_mut(index) {
            *entry = place;
        }
    }

    /// Moves the entry at `place` up or down to where it belongs.
    fn settle(&mut self, mut place: usize) {
        while place > 0 && self.precedes(place, (place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        loop {
            let (left, right) = (place * 2 + 1, place * 2 + 2);
            let child = match self.precedes(right, left) {
                true => right,
                false => left,
            };
            if !self.precedes(child, place) {
                return;
            }
            self.swap(child, place);
            place = child;
        }
    }

    /// Whether the first of two places exists and holds the earlier deadline.
    fn precedes(&self, a: usize, b: usize) -> bool {
        match (self.heap.get(a), self.heap.get(b)) {
            (Some(a), Some(b)) => a < b,
            _ => false,
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for place in [a, b] {
            if let Some((_, slot)) = self.heap.get(place).copied() {
                self.put(slot, place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_as_good_as_an_ordered_set(
            changes in proptest::collection::vec((0..20_u32, proptest::option::of(0..50_u64)), 1..200),
        ) {
            let mut deadlines = Deadlines::default();
            let mut set = BTreeSet::new();
            for (slot, deadline) in changes {
                let deadline = deadline.map(Mono::from_millis);
                deadlines.set(slot, deadline);
                set.retain(|(_, other)| *other != slot);
                set.extend(deadline.map(|at| (at, slot)));
                prop_assert_eq!(deadlines.first(), set.first().copied());
                prop_assert_eq!(deadlines.heap.len(), set.len());
            }
        }
    }
}
