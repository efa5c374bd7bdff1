//! Interface addresses: which to add, change and remove.
//!
//! An address is ours when it is desired, when we put it there before
//! ([`Ownership::managed`]) or when it bears our tag ([`Ownership::tag`]).
//! Addresses of anybody else are never touched.
//!
//! One thing the kernel does is outside this comparison: deleting the first
//! IPv4 address of a subnet takes the others of that subnet along unless the
//! interface's `promote_secondaries` is set. The next observation shows the
//! loss, and the next comparison repairs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::drift::Changes;
use super::level::{self, Pair};
use super::{Drift, Found, Plan};

/// `IFA_PROTO` of the addresses that we add: the protocol number of VRRP.
///
/// The field exists since Linux 5.18 (`include/uapi/linux/if_addr.h`); the
/// number is not one that the kernel or a routing daemon uses there.
pub const TAG: u8 = 112;

/// What the kernel tells addresses apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Index of the interface.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of the prefix for IPv4, where one address can be there once per
    /// prefix; `None` for IPv6, where it can be there once only.
    pub subnet: Option<u8>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "address {}", self.address)?;
        if let Some(subnet) = self.subnet {
            write!(f, "/{subnet}")?;
        }
        write!(f, " on interface {}", self.interface)
    }
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Index of the interface.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of the prefix: 0..=32, or 0..=128 for IPv6.
    pub prefix_len: u8,
    /// `IFA_LABEL`. Desired: `None` leaves it to the kernel and is equal to
    /// any. IPv6 addresses have none.
    pub label: Option<String>,
    /// `ifa_scope`, an `RT_SCOPE_*`: 0 global, 253 link, 254 host. Only
    /// compared for IPv4; the kernel derives that of an IPv6 address.
    pub scope: u8,
    /// `IFA_PROTO`, who added it. `None` or 0: nobody said.
    pub proto: Option<u8>,
}

impl Address {
    /// What the kernel tells this address apart by.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        Identity {
            interface: self.interface,
            address: self.address,
            subnet: match self.address {
                IpAddr::V4(_) => Some(self.prefix_len),
                IpAddr::V6(_) => None,
            },
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "address {}/{} on interface {}",
            self.address, self.prefix_len, self.interface
        )
    }
}

/// Addresses by identity.
pub type Table = BTreeMap<Identity, Address>;

/// A table of the given addresses; of two with one identity the later stays.
#[must_use]
pub fn table(addresses: impl IntoIterator<Item = Address>) -> Table {
    addresses
        .into_iter()
        .map(|address| (address.identity(), address))
        .collect()
}

/// Which observed addresses are ours although they are not desired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// Those that we added before and may not have removed yet.
    pub managed: BTreeSet<Identity>,
    /// Our value of `IFA_PROTO`: an address that bears it is ours, and an
    /// adopted one is given it. `None` where the kernel has no `IFA_PROTO`;
    /// then it is not compared.
    pub tag: Option<u8>,
}

impl Ownership {
    /// True when an observed address may be changed or removed, given that
    /// it is not desired.
    #[must_use]
    pub fn holds(&self, observed: &Address) -> bool {
        let tagged = self.tag.is_some() && observed.proto == self.tag;
        tagged || self.managed.contains(&observed.identity())
    }
}

/// One thing to do to the kernel's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// `RTM_NEWADDR` with `NLM_F_CREATE | NLM_F_EXCL`.
    Add(Address),
    /// `RTM_NEWADDR` with `NLM_F_REPLACE`: only the tag differs.
    Retag(Address),
    /// `RTM_DELADDR` of the first, then [`Op::Add`] of the second: the kernel
    /// cannot change label, scope or IPv6 prefix in place.
    Recreate {
        /// As it is.
        old: Address,
        /// As it should be.
        new: Address,
    },
    /// `RTM_DELADDR`.
    Remove(Address),
}

/// What has to be done so that `observed` holds `desired`, in order.
///
/// `desired` addresses need no tag of their own: they are given
/// [`Ownership::tag`].
#[must_use]
pub fn diff(desired: &Table, observed: &Table, ownership: &Ownership) -> Vec<Op> {
    let mut plan = Plan::new();
    for (_, pair) in level::join(desired, observed) {
        match pair {
            Pair::Missing(desired) => plan.gain(Op::Add(tagged(desired, ownership))),
            Pair::Both { desired, observed } => {
                let desired = tagged(desired, ownership);
                if !changes(&desired, observed).is_empty() {
                    plan.gain(Op::Recreate {
                        old: observed.clone(),
                        new: desired,
                    });
                } else if ownership.tag.is_some() && observed.proto != ownership.tag {
                    plan.gain(Op::Retag(desired));
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

/// What differs between the addresses that we left (`expected`) and those
/// that are there (`observed`). A missing tag is not drift: nobody can see it
/// but us.
#[must_use]
pub fn drift(expected: &Table, observed: &Table, ownership: &Ownership) -> Vec<Drift<Identity>> {
    level::join(expected, observed)
        .filter_map(|(identity, pair)| {
            let found = match pair {
                Pair::Missing(_) => Found::Missing,
                Pair::Both { desired, observed } => changes(desired, observed).into_found()?,
                Pair::Extra(observed) if ownership.holds(observed) => Found::Unexpected,
                Pair::Extra(_) => return None,
            };
            Some(Drift {
                subject: *identity,
                found,
            })
        })
        .collect()
}

fn tagged(desired: &Address, ownership: &Ownership) -> Address {
    Address {
        proto: ownership.tag.or(desired.proto),
        ..desired.clone()
    }
}

/// The fields that cannot be changed in place and differ.
fn changes(desired: &Address, observed: &Address) -> Changes {
    let mut changes = Changes::default();
    changes.field(
        "prefix length",
        &desired.prefix_len,
        &observed.prefix_len,
        ToString::to_string,
    );
    if desired.address.is_ipv4() {
        changes.field(
            "scope",
            &desired.scope,
            &observed.scope,
            ToString::to_string,
        );
        if desired.label.is_some() {
            changes.field("label", &desired.label, &observed.label, |label| {
                label.clone().unwrap_or_else(|| "(none)".to_owned())
            });
        }
    }
    changes
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
