//! Routes and rules, those of a Master and static ones.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::AddressScope;
use crate::model::Family;

/// An address prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix {
    /// The first address; its host bits are zero.
    pub address: IpAddr,
    /// Up to 32 or 128.
    pub length: u8,
}

/// A route, in the words of `ip route` (`rtnetlink(7)`, `RTM_NEWROUTE`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Where to; length 0 is the default route.
    pub to: Prefix,
    /// What it does with a packet.
    pub kind: RouteKind,
    /// The next hops; none for `kind`s that need none. More than one shares the load.
    pub next_hops: Vec<NextHop>,
    /// The preferred source address.
    pub source: Option<IpAddr>,
    /// Only for packets from this prefix (IPv6).
    pub from: Option<Prefix>,
    /// The table; 254 is `main`.
    pub table: u32,
    /// The metric; `None`: the kernel's default.
    pub metric: Option<u32>,
    /// The scope; `None`: `link` without a gateway, else `global`.
    pub scope: Option<AddressScope>,
    /// The protocol number (`rt_protos`); `None`: 112, which marks it as ours. A route
    /// with another number is recognised by its place only.
    pub protocol: Option<u8>,
    /// Type of service.
    pub tos: u8,
    /// Path properties.
    pub metrics: RouteMetrics,
    /// Whether somebody else's removal of the route goes unrepaired.
    pub no_track: bool,
}

/// What a route does (`RTN_*` of `linux/rtnetlink.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    /// Forwards.
    #[default]
    Unicast,
    /// Delivers to this host.
    Local,
    /// Sends as link broadcast.
    Broadcast,
    /// Drops.
    Blackhole,
    /// Answers "host unreachable".
    Unreachable,
    /// Answers "administratively prohibited".
    Prohibit,
    /// Ends the lookup in this table.
    Throw,
}

/// One way on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NextHop {
    /// The gateway; `None`: the destination is on the link.
    pub via: Option<IpAddr>,
    /// The interface; `None`: where the gateway is.
    pub dev: Option<String>,
    /// The share among several, 1..=256.
    pub weight: u16,
    /// Whether the gateway is taken to be on the link even if no address says so.
    pub onlink: bool,
    /// What the packet is wrapped in.
    pub encap: Option<Encap>,
}

/// A light-weight tunnel (`LWTUNNEL_ENCAP_*` of `linux/lwtunnel.h`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encap {
    /// These MPLS labels, outermost first, each up to 2^20 - 1.
    Mpls(Vec<u32>),
    /// An IPv4 or IPv6 header for a collect-metadata tunnel device.
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
}

/// Path properties (`RTAX_*` of `linux/rtnetlink.h`); `None`: not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteMetrics {
    /// Maximum transmission unit, in bytes.
    pub mtu: Option<u32>,
    /// Whether the kernel may not lower the MTU.
    pub mtu_lock: bool,
    /// Advertised maximum segment size, in bytes.
    pub advmss: Option<u32>,
    /// Hop limit.
    pub hoplimit: Option<u32>,
    /// Initial congestion window, in packets.
    pub initcwnd: Option<u32>,
    /// Initial receive window, in packets.
    pub initrwnd: Option<u32>,
    /// Smallest retransmission timeout.
    pub rto_min: Option<Duration>,
    /// Round-trip time estimate.
    pub rtt: Option<Duration>,
    /// Clamp of the congestion window, in packets.
    pub window: Option<u32>,
    /// Whether acknowledgements are sent at once.
    pub quickack: Option<bool>,
    /// Congestion control algorithm.
    pub congctl: Option<String>,
}

/// A routing rule, in the words of `ip rule` (`RTM_NEWRULE`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// The family.
    pub family: Family,
    /// Its place in the order, 1..=2^32 - 1. The configuration must say it: rules are
    /// told apart by it.
    pub priority: u32,
    /// Whether the selectors are negated.
    pub not: bool,
    /// Source prefix.
    pub from: Option<Prefix>,
    /// Destination prefix.
    pub to: Option<Prefix>,
    /// Firewall mark and mask.
    pub fwmark: Option<(u32, u32)>,
    /// Incoming interface.
    pub iif: Option<String>,
    /// Outgoing interface.
    pub oif: Option<String>,
    /// Type of service.
    pub tos: u8,
    /// IP protocol.
    pub ipproto: Option<u8>,
    /// Source ports, first and last.
    pub sport: Option<(u16, u16)>,
    /// Destination ports, first and last.
    pub dport: Option<(u16, u16)>,
    /// User ids, first and last.
    pub uidrange: Option<(u32, u32)>,
    /// What it does.
    pub action: RuleAction,
    /// Whether routes with a prefix of at most this length are passed over.
    pub suppress_prefixlength: Option<u32>,
    /// Whether somebody else's removal of the rule goes unrepaired.
    pub no_track: bool,
}

/// What a rule does (`FR_ACT_*` of `linux/fib_rules.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// Looks into this table.
    Table(u32),
    /// Goes on at this priority.
    Goto(u32),
    /// Does nothing.
    Nop,
    /// Drops.
    Blackhole,
    /// Answers "network unreachable".
    Unreachable,
    /// Answers "administratively prohibited".
    Prohibit,
}

/// What this director keeps in place whatever the state of its instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticNetwork {
    /// Addresses; each names its interface.
    pub addresses: Vec<super::VirtualAddress>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Rules.
    pub rules: Vec<Rule>,
}
