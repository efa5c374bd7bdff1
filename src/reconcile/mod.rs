//! Desired and observed state, compared: what has to be done to the kernel.
//!
//! Everything here is a pure function of plain data. Each kind of kernel state
//! (the IPVS table in [`ipvs`], interface addresses in [`address`], routes and
//! rules in [`route`] and [`rule`]) is a
//! *level*: a map from what the kernel uses as identity to the fields that can
//! be changed. All of them share the comparison ([`level`]), the order of
//! operations ([`Plan`]) and the words for what somebody else changed
//! ([`Drift`]).
//!
//! What holds for every level, and is tested for every level:
//!
//! - applying the operations to the observed state gives the desired one;
//! - comparing again then finds nothing to do;
//! - what is not ours is never touched;
//! - whatever gives capacity comes before whatever takes some away;
//! - stopping after any prefix of the operations, observing again and
//!   comparing again still arrives.

pub mod address;
mod drift;
pub mod ipvs;
pub mod level;
pub mod link;
pub mod owned;
pub mod route;
pub mod rule;
pub mod sysctl;

pub use drift::{Change, Changes, Drift, Found};

/// Operations in an order that is safe to apply: gains, then losses.
///
/// A *gain* adds something or keeps capacity as it is (an edit that lowers
/// nothing), a *loss* takes something away. Between the two halves the kernel
/// holds the union of old and new, so nobody is without an entry that both
/// states contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<Op> {
    gains: Vec<Op>,
    losses: Vec<Op>,
}

impl<Op> Plan<Op> {
    /// Nothing to do yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            gains: Vec::new(),
            losses: Vec::new(),
        }
    }

    /// Appends an operation that takes nothing away.
    pub fn gain(&mut self, op: Op) {
        self.gains.push(op);
    }

    /// Appends an operation that takes something away.
    pub fn loss(&mut self, op: Op) {
        self.losses.push(op);
    }

    /// All operations, in the order in which to apply them.
    #[must_use]
    pub fn into_ops(mut self) -> Vec<Op> {
        self.gains.append(&mut self.losses);
        self.gains
    }
}

impl<Op> Default for Plan<Op> {
    fn default() -> Self {
        Self::new()
    }
}
