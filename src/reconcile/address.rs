//! Interface addresses: which to add, change and remove.
//!
//! One thing the kernel does is outside this comparison: deleting the first
//! IPv4 address of a subnet takes the others of that subnet along unless the
//! interface's `promote_secondaries` is set. The next observation shows the
//! loss, and the next comparison repairs it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::drift::Changes;
use super::owned::Entry;

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
    /// The other end of an IPv4 point-to-point address: one address can be there
    /// once per peer.
    pub peer: Option<Ipv4Addr>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "address {}", self.address)?;
        if let Some(peer) = self.peer {
            write!(f, " peer {peer}")?;
        }
        if let Some(subnet) = self.subnet {
            write!(f, "/{subnet}")?;
        }
        write!(f, " on interface {}", self.interface)
    }
}

/// What a lifetime without end is in seconds (`INFINITY_LIFE_TIME`).
pub const FOREVER: u32 = u32::MAX;

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
    /// `IFA_BROADCAST`, IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// The other end of a point-to-point address; `prefix_len` is then its.
    pub peer: Option<IpAddr>,
    /// Preferred lifetime, in seconds: [`FOREVER`], or 0 for an address that is
    /// no source of connections. One that ends runs down, so it is only compared
    /// whether it does.
    pub preferred: u32,
    /// `IFA_F_HOMEADDRESS`, IPv6 only.
    pub home: bool,
    /// `IFA_F_NOPREFIXROUTE`.
    pub noprefixroute: bool,
    /// `IFA_F_NODAD` when it is added. The kernel does not keep it; not compared.
    pub nodad: bool,
    /// `IFA_PROTO`, who added it. `None` or 0: nobody said.
    pub proto: Option<u8>,
}

impl Address {
    /// An address with nothing special about it.
    #[must_use]
    pub const fn plain(interface: u32, address: IpAddr, prefix_len: u8) -> Self {
        Self {
            interface,
            address,
            prefix_len,
            label: None,
            scope: 0,
            broadcast: None,
            peer: None,
            preferred: FOREVER,
            home: false,
            noprefixroute: false,
            nodad: true,
            proto: None,
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

impl Entry for Address {
    type Identity = Identity;

    fn identity(&self) -> Identity {
        Identity {
            interface: self.interface,
            address: self.address,
            subnet: match self.address {
                IpAddr::V4(_) => Some(self.prefix_len),
                IpAddr::V6(_) => None,
            },
            peer: match (self.address, self.peer) {
                (IpAddr::V4(_), Some(IpAddr::V4(peer))) => Some(peer),
                _ => None,
            },
        }
    }

    fn mark(&self) -> Option<u8> {
        self.proto
    }

    fn marked(self, mark: u8) -> Self {
        Self {
            proto: Some(mark),
            ..self
        }
    }

    fn changes(&self, observed: &Self) -> Changes {
        changes(self, observed)
    }

    fn in_place(&self, observed: &Self) -> Changes {
        in_place(self, observed)
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
        changes.field(
            "broadcast address",
            &desired.broadcast,
            &observed.broadcast,
            or_none,
        );
        if desired.label.is_some() {
            changes.field("label", &desired.label, &observed.label, or_none);
        }
        changes.field(
            "noprefixroute",
            &desired.noprefixroute,
            &observed.noprefixroute,
            ToString::to_string,
        );
    } else {
        changes.field("peer", &desired.peer, &observed.peer, or_none);
    }
    changes
}

/// The fields that can be changed in place and differ.
fn in_place(desired: &Address, observed: &Address) -> Changes {
    let mut changes = Changes::default();
    let lasts = |address: &Address| address.preferred == FOREVER;
    let is_source = |address: &Address| address.preferred != 0;
    // A lifetime that ends has run down since it was given.
    if lasts(desired) != lasts(observed) || is_source(observed) && !is_source(desired) {
        changes.field(
            "preferred lifetime",
            &desired.preferred,
            &observed.preferred,
            |seconds| match *seconds {
                FOREVER => "forever".to_owned(),
                seconds => format!("{seconds} s"),
            },
        );
    }
    if desired.address.is_ipv6() {
        changes.field("home", &desired.home, &observed.home, ToString::to_string);
        changes.field(
            "noprefixroute",
            &desired.noprefixroute,
            &observed.noprefixroute,
            ToString::to_string,
        );
    }
    changes
}

fn or_none<T: ToString>(value: &Option<T>) -> String {
    value
        .as_ref()
        .map_or_else(|| "(none)".to_owned(), ToString::to_string)
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
