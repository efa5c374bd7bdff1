//! Routes, rules and what is static.

use std::time::Duration;

use super::TableKind;
use super::key::{Choice, Flag, Free, Key, Preset};
use crate::model::{Family, RouteKind};

pub(in crate::config) const VIRTUAL_ROUTES: Free = Free {
    name: "virtual_routes",
    kind: "list of routes",
    default: "none",
    range: "a string in the words of `ip route`, or a table of its own",
    doc: "the routes a master has, such as `\"default via 192.0.2.254 table 100\"`",
};
pub(in crate::config) const VIRTUAL_RULES: Free = Free {
    name: "virtual_rules",
    kind: "list of rules",
    default: "none",
    range: "a string in the words of `ip rule`, or a table of its own",
    doc: "the routing rules a master has, such as \
          `\"from 192.0.2.0/24 table 100 priority 1000\"`",
};

/// `[static]`.
pub(in crate::config) const STATIC: TableKind = TableKind {
    header: "[static]",
    doc: "What this director keeps in place whatever the state of its instances.",
    keys: &[&ADDRESSES, &ROUTES, &RULES],
};
pub(in crate::config) const ADDRESSES: Free = Free {
    name: "addresses",
    kind: "list of addresses",
    default: "none",
    range: "each with a `dev`",
    doc: "addresses, written as `virtual_addresses` are",
};
pub(in crate::config) const ROUTES: Free = Free {
    name: "routes",
    doc: "routes, written as `virtual_routes` are",
    ..VIRTUAL_ROUTES
};
pub(in crate::config) const RULES: Free = Free {
    name: "rules",
    doc: "routing rules, written as `virtual_rules` are",
    ..VIRTUAL_RULES
};

/// A route.
pub(in crate::config) const ROUTE: TableKind = TableKind {
    header: "virtual_routes = [{ ... }]",
    doc: "A route with more to say than a string can. The words are those of `ip route`.",
    keys: &[
        &TO,
        &TYPE,
        &VIA,
        &DEV,
        &ONLINK,
        &ENCAP,
        &NEXT_HOPS,
        &SOURCE,
        &FROM,
        &TABLE,
        &METRIC,
        &SCOPE,
        &PROTOCOL,
        &TOS,
        &MTU,
        &MTU_LOCK,
        &ADVMSS,
        &HOPLIMIT,
        &INITCWND,
        &INITRWND,
        &RTO_MIN,
        &RTT,
        &WINDOW,
        &QUICKACK,
        &CONGCTL,
        &ROUTE_NO_TRACK,
    ],
};
pub(in crate::config) const TO: Free = Free {
    name: "to",
    kind: "prefix",
    default: "required",
    range: "`\"IP/LENGTH\"` or `\"default\"`",
    doc: "where to; `default` is of the family of the gateway or the instance",
};
pub(in crate::config) const TYPE: Choice<RouteKind> = Choice {
    name: "type",
    preset: Preset::Value(RouteKind::Unicast),
    words: &[
        ("unicast", RouteKind::Unicast),
        ("local", RouteKind::Local),
        ("broadcast", RouteKind::Broadcast),
        ("blackhole", RouteKind::Blackhole),
        ("unreachable", RouteKind::Unreachable),
        ("prohibit", RouteKind::Prohibit),
        ("throw", RouteKind::Throw),
    ],
    doc: "what it does with a packet",
};
pub(in crate::config) const VIA: Free = Free {
    name: "via",
    kind: "address",
    default: "none: on the link",
    range: "of the route's family",
    doc: "the gateway",
};
pub(in crate::config) const DEV: Free = Free {
    name: "dev",
    kind: "string",
    default: "where the gateway is",
    range: "1..=15 bytes",
    doc: "the interface",
};
pub(in crate::config) const ONLINK: Flag = Flag {
    name: "onlink",
    default: false,
    doc: "whether the gateway is on the link even if no address says so",
};
pub(in crate::config) const ENCAP: Free = Free {
    name: "encap",
    kind: "table",
    default: "none",
    range: "",
    doc: "what packets are wrapped in",
};
pub(in crate::config) const NEXT_HOPS: Free = Free {
    name: "next_hops",
    kind: "list of tables",
    default: "`via` and `dev`",
    range: "",
    doc: "several ways that share the load",
};
pub(in crate::config) const SOURCE: Free = Free {
    name: "source",
    kind: "address",
    default: "the kernel's choice",
    range: "of the route's family",
    doc: "the preferred source address; `src` in a string",
};
pub(in crate::config) const FROM: Free = Free {
    name: "from",
    kind: "prefix",
    default: "any",
    range: "IPv6",
    doc: "only for packets from there",
};
pub(in crate::config) const TABLE: Free = super::track::ROUTE_TABLE;
pub(in crate::config) const METRIC: Key<u32> = Key {
    name: "metric",
    preset: Preset::Unset("the kernel's: 0, IPv6 1024"),
    min: 0,
    max: u32::MAX,
    doc: "the lower one is preferred",
};
pub(in crate::config) const SCOPE: Free = Free {
    name: "scope",
    kind: "word or number",
    default: "`\"link\"` without a gateway, else `\"global\"`",
    range: "`global`, `site`, `link`, `host`, `nowhere`, 0..=255",
    doc: "the scope of the destination (IPv4)",
};
pub(in crate::config) const PROTOCOL: Key<u32> = Key {
    name: "protocol",
    preset: Preset::Unset("112"),
    min: 1,
    max: 255,
    doc: "the number that says who made the route",
};
pub(in crate::config) const TOS: Key<u32> = Key {
    name: "tos",
    preset: Preset::Value(0),
    min: 0,
    max: 255,
    doc: "type of service",
};
pub(in crate::config) const MTU: Key<u32> = Key {
    name: "mtu",
    preset: Preset::Unset("the interface's"),
    min: 68,
    max: 65_535,
    doc: "maximum transmission unit, in bytes",
};
pub(in crate::config) const MTU_LOCK: Flag = Flag {
    name: "mtu_lock",
    default: false,
    doc: "whether the kernel may not lower it",
};
pub(in crate::config) const ADVMSS: Key<u32> = Key {
    name: "advmss",
    preset: Preset::Unset(UNSET),
    min: 1,
    max: 65_535,
    doc: "maximum segment size told to peers, in bytes",
};
pub(in crate::config) const HOPLIMIT: Key<u32> = Key {
    name: "hoplimit",
    preset: Preset::Unset(UNSET),
    min: 1,
    max: 255,
    doc: "hop limit of packets",
};
pub(in crate::config) const INITCWND: Key<u32> = Key {
    name: "initcwnd",
    preset: Preset::Unset(UNSET),
    min: 1,
    max: 65_535,
    doc: "initial congestion window, in packets",
};
pub(in crate::config) const INITRWND: Key<u32> = Key {
    name: "initrwnd",
    doc: "initial receive window, in packets",
    ..INITCWND
};
pub(in crate::config) const RTO_MIN: Key<Duration> = Key {
    name: "rto_min",
    preset: Preset::Unset(UNSET),
    min: Duration::from_millis(1),
    max: Duration::from_secs(120),
    doc: "smallest retransmission timeout",
};
pub(in crate::config) const RTT: Key<Duration> = Key {
    name: "rtt",
    doc: "initial estimate of the round-trip time",
    ..RTO_MIN
};
pub(in crate::config) const WINDOW: Key<u32> = Key {
    name: "window",
    preset: Preset::Unset(UNSET),
    min: 1,
    max: u32::MAX,
    doc: "largest window told to peers, in bytes",
};
pub(in crate::config) const QUICKACK: Free = Free {
    name: "quickack",
    kind: "boolean",
    default: UNSET,
    range: "`true`, `false`",
    doc: "whether acknowledgements are sent at once",
};
pub(in crate::config) const CONGCTL: Free = Free {
    name: "congctl",
    kind: "string",
    default: UNSET,
    range: "1..=15 bytes",
    doc: "congestion control algorithm",
};
pub(in crate::config) const ROUTE_NO_TRACK: Flag = super::VIP_NO_TRACK;

/// What the kernel does by itself.
const UNSET: &str = "the kernel's";

/// A table in `next_hops`.
pub(in crate::config) const NEXT_HOP: TableKind = TableKind {
    header: "next_hops = [{ ... }]",
    doc: "One of several ways.",
    keys: &[&VIA, &DEV, &HOP_WEIGHT, &ONLINK, &ENCAP],
};
pub(in crate::config) const HOP_WEIGHT: Key<u32> = Key {
    name: "weight",
    preset: Preset::Value(1),
    min: 1,
    max: 256,
    doc: "its share",
};

/// What packets are wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum EncapType {
    Mpls,
    Ip,
}

/// An encapsulation whose type is not known yet.
pub(in crate::config) const ENCAP_ANY: TableKind = TableKind {
    header: "encap = { type = ... }",
    doc: "",
    keys: &[&ENCAP_TYPE],
};
/// MPLS.
pub(in crate::config) const ENCAP_MPLS: TableKind = TableKind {
    header: "encap = { type = \"mpls\" }",
    doc: "MPLS labels, where the kernel has them.",
    keys: &[&ENCAP_TYPE, &LABELS],
};
/// A tunnel.
pub(in crate::config) const ENCAP_IP: TableKind = TableKind {
    header: "encap = { type = \"ip\" }",
    doc: "An IPv4 or IPv6 header for a tunnel device in `external` mode.",
    keys: &[
        &ENCAP_TYPE,
        &TUNNEL_ID,
        &TUNNEL_DST,
        &TUNNEL_SRC,
        &TUNNEL_TTL,
        &TOS,
    ],
};
pub(in crate::config) const ENCAP_TYPE: Choice<EncapType> = Choice {
    name: "type",
    preset: Preset::Required,
    words: &[("mpls", EncapType::Mpls), ("ip", EncapType::Ip)],
    doc: "what it is",
};
pub(in crate::config) const LABELS: Free = Free {
    name: "labels",
    kind: "list of numbers",
    default: "required",
    range: "0..=1048575 each",
    doc: "the labels, outermost first",
};
pub(in crate::config) const TUNNEL_ID: Key<u32> = Key {
    name: "id",
    preset: Preset::Value(0),
    min: 0,
    max: u32::MAX,
    doc: "tunnel id",
};
pub(in crate::config) const TUNNEL_DST: Free = Free {
    name: "dst",
    kind: "address",
    default: "required",
    range: "",
    doc: "the other end",
};
pub(in crate::config) const TUNNEL_SRC: Free = Free {
    name: "src",
    kind: "address",
    default: "the kernel's choice",
    range: "of the family of `dst`",
    doc: "this end",
};
pub(in crate::config) const TUNNEL_TTL: Key<u32> = Key {
    name: "ttl",
    preset: Preset::Value(0),
    min: 0,
    max: 255,
    doc: "TTL or hop limit; 0: the device's",
};

/// A rule.
pub(in crate::config) const RULE: TableKind = TableKind {
    header: "virtual_rules = [{ ... }]",
    doc: "A routing rule as a table. The words are those of `ip rule`. It has one of `table`, \
          `goto` and `action`.",
    keys: &[
        &PRIORITY,
        &FAMILY,
        &NOT,
        &RULE_FROM,
        &RULE_TO,
        &FWMARK,
        &IIF,
        &OIF,
        &TOS,
        &IPPROTO,
        &SPORT,
        &DPORT,
        &UIDRANGE,
        &RULE_TABLE,
        &GOTO,
        &ACTION,
        &SUPPRESS_PREFIXLENGTH,
        &RULE_NO_TRACK,
    ],
};
pub(in crate::config) const PRIORITY: Key<u32> = Key {
    name: "priority",
    preset: Preset::Required,
    min: 1,
    max: u32::MAX,
    doc: "its place in the order, of no other rule",
};
pub(in crate::config) const FAMILY: Choice<Family> = Choice {
    name: "family",
    preset: Preset::Unset("that of `from` or `to`, or the instance's"),
    words: &[("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)],
    doc: "which packets it is for",
};
pub(in crate::config) const NOT: Flag = Flag {
    name: "not",
    default: false,
    doc: "whether it is for all other packets",
};
const ANY: &str = "any";
pub(in crate::config) const RULE_FROM: Free = Free {
    name: "from",
    kind: "prefix",
    default: ANY,
    range: "`\"IP/LENGTH\"` or `\"all\"`",
    doc: "where packets come from",
};
pub(in crate::config) const RULE_TO: Free = Free {
    name: "to",
    doc: "where they go to",
    ..RULE_FROM
};
pub(in crate::config) const FWMARK: Free = Free {
    name: "fwmark",
    kind: "number or string",
    default: ANY,
    range: "`1`, `\"0x1/0xff\"`",
    doc: "their firewall mark, and the mask",
};
pub(in crate::config) const IIF: Free = Free {
    name: "iif",
    kind: "string",
    default: ANY,
    range: "1..=15 bytes",
    doc: "the interface they come in by",
};
pub(in crate::config) const OIF: Free = Free {
    name: "oif",
    doc: "the interface that a local program has bound to",
    ..IIF
};
pub(in crate::config) const IPPROTO: Free = Free {
    name: "ipproto",
    kind: "word or number",
    default: ANY,
    range: "`tcp`, `udp`, `sctp`, `icmp`, `icmpv6`, 1..=255",
    doc: "their protocol",
};
pub(in crate::config) const SPORT: Free = Free {
    name: "sport",
    kind: "number or string",
    default: ANY,
    range: "`80`, `\"1024-2047\"`",
    doc: "their source port",
};
pub(in crate::config) const DPORT: Free = Free {
    name: "dport",
    doc: "their destination port",
    ..SPORT
};
pub(in crate::config) const UIDRANGE: Free = Free {
    name: "uidrange",
    kind: "number or string",
    default: ANY,
    range: "`1000`, `\"1000-1999\"`",
    doc: "the user ids of local programs",
};
pub(in crate::config) const RULE_TABLE: Free = Free {
    default: "none",
    doc: "the routing table to look into",
    ..TABLE
};
pub(in crate::config) const GOTO: Key<u32> = Key {
    name: "goto",
    preset: Preset::Unset("none"),
    min: 1,
    max: u32::MAX,
    doc: "the priority to go on at, a later one",
};

/// What a rule does that leads nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Act {
    Nop,
    Blackhole,
    Unreachable,
    Prohibit,
}

pub(in crate::config) const ACTION: Choice<Act> = Choice {
    name: "action",
    preset: Preset::Unset("none"),
    words: &[
        ("nop", Act::Nop),
        ("blackhole", Act::Blackhole),
        ("unreachable", Act::Unreachable),
        ("prohibit", Act::Prohibit),
    ],
    doc: "what else it does",
};
pub(in crate::config) const SUPPRESS_PREFIXLENGTH: Key<u32> = Key {
    name: "suppress_prefixlength",
    preset: Preset::Unset("none"),
    min: 0,
    max: 128,
    doc: "routes with a prefix of at most this length are passed over",
};
pub(in crate::config) const RULE_NO_TRACK: Flag = super::VIP_NO_TRACK;
