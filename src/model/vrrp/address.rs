//! Addresses that follow the Master, and static ones.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::defaults;

/// An address the director puts on an interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// The prefix length it is added with, up to 32 or 128.
    pub prefix_len: u8,
    /// The interface it is added to; `None`: the instance's.
    pub dev: Option<String>,
    /// The address label (IPv4 only, at most 15 bytes).
    pub label: Option<String>,
    /// The scope it is added with.
    pub scope: AddressScope,
    /// The broadcast address (IPv4 only); `None`: none is set.
    pub broadcast: Option<Broadcast>,
    /// The other end of a point-to-point address; its prefix length is `prefix_len`.
    pub peer: Option<IpAddr>,
    /// Whether duplicate address detection is left out (IPv6). A Master that has just
    /// taken over must use the address at once, so this is the default.
    pub nodad: bool,
    /// The preferred lifetime in whole seconds; `None`: forever, but zero for a /128 of
    /// IPv6. Zero makes an address
    /// deprecated: it answers, but is no source address (IPv6).
    pub preferred_lft: Option<Duration>,
    /// A home address (RFC 6275, IPv6).
    pub home: bool,
    /// Whether no route to the prefix is made.
    pub noprefixroute: bool,
    /// Whether somebody else's removal of the address goes unrepaired.
    pub no_track: bool,
}

impl VirtualAddress {
    /// An address with nothing special about it.
    #[must_use]
    pub const fn plain(address: IpAddr, prefix_len: u8) -> Self {
        Self {
            address,
            prefix_len,
            dev: None,
            label: None,
            scope: AddressScope::Global,
            broadcast: None,
            peer: None,
            nodad: defaults::NODAD,
            preferred_lft: None,
            home: false,
            noprefixroute: false,
            no_track: false,
        }
    }
}

impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// A broadcast address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Broadcast {
    /// The highest address of the prefix (`brd +`).
    Auto,
    /// This one.
    Address(std::net::Ipv4Addr),
}

/// Where an address is valid (`RT_SCOPE_*` of `linux/rtnetlink.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressScope {
    /// Everywhere.
    #[default]
    Global,
    /// Within the site.
    Site,
    /// On this link.
    Link,
    /// In this host.
    Host,
    /// Nowhere.
    Nowhere,
    /// Another number (`/etc/iproute2/rt_scopes`).
    #[serde(untagged)]
    Number(u8),
}

impl AddressScope {
    /// The kernel's number, `RT_SCOPE_*`.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Global => 0,
            Self::Site => 200,
            Self::Link => 253,
            Self::Host => 254,
            Self::Nowhere => 255,
            Self::Number(number) => number,
        }
    }
}
