//! Routes: which to add, change and remove.
//!
//! Who installed a route is part of what tells routes apart: a virtual route and
//! one of the administrator's to the same destination are two, and the kernel
//! can hold both (for IPv4, where the one added last comes first).

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::drift::Changes;
use super::owned::Entry;

/// `rtm_protocol` of our routes and `FRA_PROTOCOL` of our rules: the protocol
/// number of VRRP, as for addresses.
///
/// `linux/rtnetlink.h` gives numbers to routing daemons (keepalived has 18) and
/// leaves the others to whoever wants one; 112 is nobody's.
pub const PROTOCOL: u8 = super::address::TAG;

/// `RTN_UNICAST`: what forwards packets.
pub const UNICAST: u8 = 1;
/// The metric of an IPv6 route for which none is given (`IP6_RT_PRIO_USER`).
pub const METRIC_V6: u32 = 1024;

/// An address prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix {
    /// The first address.
    pub address: IpAddr,
    /// Up to 32 or 128.
    pub length: u8,
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.length, self.address) {
            (0, IpAddr::V4(_)) => f.write_str("default"),
            (0, IpAddr::V6(_)) => f.write_str("default (IPv6)"),
            (length, address) => write!(f, "{address}/{length}"),
        }
    }
}

/// What the kernel tells routes apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The table; 254 is `main`.
    pub table: u32,
    /// Where to.
    pub to: Prefix,
    /// Only for packets from there (IPv6).
    pub from: Option<Prefix>,
    /// Type of service (IPv4).
    pub tos: u8,
    /// The lowest is used first.
    pub metric: u32,
    /// Who installed it, `rtm_protocol`.
    pub protocol: u8,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "route {}", self.to)?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        if self.table != MAIN {
            write!(f, " table {}", self.table)?;
        }
        if self.tos != 0 {
            write!(f, " tos {}", self.tos)?;
        }
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        Ok(())
    }
}

/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which one.
    pub identity: Identity,
    /// What it does, an `RTN_*`.
    pub kind: u8,
    /// `RT_SCOPE_*`. IPv6 has none: not compared there.
    pub scope: u8,
    /// The preferred source address.
    pub source: Option<IpAddr>,
    /// The ways on. Desired: none is equal to any (what forwards nothing has
    /// none, and the kernel shows one).
    pub next_hops: Vec<NextHop>,
    /// Path properties by `RTAX_*`; those that are 0 are as good as absent.
    pub metrics: BTreeMap<u16, u32>,
    /// Congestion control algorithm.
    pub congestion_control: Option<String>,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.identity)?;
        self.next_hops
            .iter()
            .try_for_each(|hop| write!(f, " {hop}"))
    }
}

/// One way on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextHop {
    /// The gateway.
    pub via: Option<IpAddr>,
    /// Index of the interface. Desired: `None` is equal to any.
    pub interface: Option<u32>,
    /// The share among several, 1..=256.
    pub weight: u16,
    /// `RTNH_F_ONLINK`.
    pub onlink: bool,
    /// What the packet is wrapped in.
    pub encap: Option<Encap>,
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.via, self.interface) {
            (Some(via), Some(interface)) => write!(f, "via {via} on interface {interface}"),
            (Some(via), None) => write!(f, "via {via}"),
            (None, Some(interface)) => write!(f, "on interface {interface}"),
            (None, None) => f.write_str("nowhere"),
        }
    }
}

/// A light-weight tunnel (`LWTUNNEL_ENCAP_*`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encap {
    /// These MPLS labels, outermost first.
    Mpls(Vec<u32>),
    /// An IPv4 or IPv6 header.
    Ip {
        /// Tunnel id.
        id: u64,
        /// Destination.
        dst: IpAddr,
        /// Source.
        src: Option<IpAddr>,
        /// Time to live; 0: the default.
        ttl: u8,
        /// Type of service.
        tos: u8,
    },
    /// One that is never desired, by its number.
    Other(u16),
}

impl Route {
    /// Whether the ways on are the same; their order does not matter.
    fn same_hops(&self, observed: &Self) -> bool {
        if self.next_hops.is_empty() {
            return true;
        }
        let single = self.next_hops.len() == 1;
        let mut left: Vec<&NextHop> = observed.next_hops.iter().collect();
        // Who takes any interface takes what is left.
        let (any, named): (Vec<_>, Vec<_>) = self
            .next_hops
            .iter()
            .partition(|wanted| wanted.interface.is_none());
        let all = named.into_iter().chain(any).all(|wanted| {
            let found = left.iter().position(|hop| {
                hop.via == wanted.via
                    && (wanted.interface.is_none() || hop.interface == wanted.interface)
                    && (single || hop.weight == wanted.weight)
                    && hop.onlink == wanted.onlink
                    && hop.encap == wanted.encap
            });
            found.map(|at| left.swap_remove(at)).is_some()
        });
        all && left.is_empty()
    }
}

impl Entry for Route {
    type Identity = Identity;

    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn mark(&self) -> Option<u8> {
        Some(self.identity.protocol)
    }

    /// The protocol is part of the identity, and the configuration may say
    /// another than ours.
    fn marked(self, _: u8) -> Self {
        self
    }

    fn changes(&self, observed: &Self) -> Changes {
        let mut changes = Changes::default();
        changes.field("type", &self.kind, &observed.kind, ToString::to_string);
        if self.identity.to.address.is_ipv4() {
            changes.field("scope", &self.scope, &observed.scope, ToString::to_string);
        }
        changes.field("source", &self.source, &observed.source, |source| {
            source.map_or_else(|| "(none)".to_owned(), |source| source.to_string())
        });
        if !self.same_hops(observed) {
            changes.field("next hops", &self.next_hops, &observed.next_hops, |all| {
                hops(all)
            });
        }
        changes.field("metrics", &self.metrics, &observed.metrics, |metrics| {
            format!("{metrics:?}")
        });
        changes.field(
            "congestion control",
            &self.congestion_control,
            &observed.congestion_control,
            |name| name.clone().unwrap_or_else(|| "(none)".to_owned()),
        );
        changes
    }
}

fn hops(hops: &[NextHop]) -> String {
    let words: Vec<String> = hops.iter().map(ToString::to_string).collect();
    words.join(" and ")
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
