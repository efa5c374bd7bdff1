//! `[virtual_server.NAME]` and its real servers.

use std::time::Duration;

use super::TableKind;
use super::key::{Choice, Free, Key, Preset};
use crate::model::{Family, Forward, Protocol, defaults};

/// The largest weight the kernel takes.
const MAX_WEIGHT: u32 = 2_147_483_647;

/// `[virtual_server.NAME]`.
pub(in crate::config) const VIRTUAL_SERVER: TableKind = TableKind {
    header: "[virtual_server.NAME]",
    doc: "A service and the pool behind it. Either `address` or `fwmark` is required.",
    keys: &[
        &ADDRESS,
        &PROTOCOL,
        &FWMARK,
        &FAMILY,
        &SCHEDULER,
        &FORWARD,
        &PERSISTENCE_TIMEOUT,
        &QUORUM,
        &CHECK,
        &REAL_SERVERS,
    ],
};

pub(in crate::config) const ADDRESS: Free = Free {
    name: "address",
    kind: "address",
    default: "",
    range: "`\"IP:PORT\"`, `\"[IPV6]:PORT\"`",
    doc: "what clients connect to; port 0 is every port, for persistent services",
};
pub(in crate::config) const PROTOCOL: Choice<Protocol> = Choice {
    name: "protocol",
    preset: Preset::Value(defaults::PROTOCOL),
    words: &[
        ("tcp", Protocol::Tcp),
        ("udp", Protocol::Udp),
        ("sctp", Protocol::Sctp),
    ],
    doc: "the protocol of `address`",
};
pub(in crate::config) const FWMARK: Key<u32> = Key {
    name: "fwmark",
    preset: Preset::Unset(""),
    min: 1,
    max: u32::MAX,
    doc: "instead of `address`: packets with this firewall mark",
};
pub(in crate::config) const FAMILY: Choice<Family> = Choice {
    name: "family",
    preset: Preset::Value(Family::Ipv4),
    words: &[("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)],
    doc: "the family of the packets with `fwmark`",
};
pub(in crate::config) const SCHEDULER: Free = Free {
    name: "scheduler",
    kind: "word",
    default: SCHEDULER_DEFAULT,
    range: "`rr`, `wrr`, `lc`, `wlc`, `lblc`, `lblcr`, `dh`, `sh`, `sed`, `nq`, `fo`, `ovf`, \
            `mh`, `twos`",
    doc: "how the kernel chooses a server",
};
/// Shown; a test holds it to the model's.
pub(in crate::config) const SCHEDULER_DEFAULT: &str = "`\"wlc\"`";
const FORWARD_WORDS: &[(&str, Forward)] = &[
    ("dr", Forward::Dr),
    ("nat", Forward::Nat),
    ("tun", Forward::Tun),
];
pub(in crate::config) const FORWARD: Choice<Forward> = Choice {
    name: "forward",
    preset: Preset::Value(defaults::FORWARD),
    words: FORWARD_WORDS,
    doc: "how packets reach the real servers: direct routing, address translation or IP in \
          IP. keepalived's default is NAT",
};
pub(in crate::config) const PERSISTENCE_TIMEOUT: Key<Duration> = Key {
    name: "persistence_timeout",
    preset: Preset::Unset("not persistent"),
    min: Duration::from_secs(1),
    max: Duration::from_secs(31 * 86_400),
    doc: "how long a client stays with its server; whole seconds",
};
pub(in crate::config) const QUORUM: Key<u32> = Key {
    name: "quorum",
    preset: Preset::Value(defaults::QUORUM),
    min: 1,
    max: MAX_WEIGHT,
    doc: "the sum of the weights of healthy servers below which the pool counts as down",
};
pub(in crate::config) const CHECK: Free = Free {
    name: "check",
    kind: "list of tables",
    default: "none",
    range: "",
    doc: "the checks of every real server that has none of its own",
};
pub(in crate::config) const REAL_SERVERS: Free = Free {
    name: "real_server",
    kind: "list of tables",
    default: "none",
    range: "",
    doc: "the pool",
};

/// `[[virtual_server.NAME.real_server]]`.
pub(in crate::config) const REAL_SERVER: TableKind = TableKind {
    header: "[[virtual_server.NAME.real_server]]",
    doc: "One server of the pool.",
    keys: &[
        &RS_ADDRESS,
        &RS_NAME,
        &WEIGHT,
        &RS_FORWARD,
        &UPPER_THRESHOLD,
        &LOWER_THRESHOLD,
        &RS_CHECK,
    ],
};

pub(in crate::config) const RS_ADDRESS: Free = Free {
    name: "address",
    kind: "address",
    default: "required",
    range: "`\"IP:PORT\"`, `\"[IPV6]:PORT\"`, `\"IP\"`",
    doc: "where it is; without a port, the service's. Only `nat` can change the port",
};
pub(in crate::config) const RS_NAME: Free = Free {
    name: "name",
    kind: "string",
    default: "none",
    range: "1..=64 characters",
    doc: "a name for people",
};
pub(in crate::config) const WEIGHT: Key<u32> = Key {
    name: "weight",
    preset: Preset::Value(defaults::WEIGHT),
    min: 0,
    max: MAX_WEIGHT,
    doc: "its share of the connections; 0: no new ones",
};
pub(in crate::config) const RS_FORWARD: Choice<Forward> = Choice {
    name: "forward",
    preset: Preset::Unset("the virtual server's"),
    words: FORWARD_WORDS,
    doc: "how packets reach this server",
};
pub(in crate::config) const UPPER_THRESHOLD: Key<u32> = Key {
    name: "upper_threshold",
    preset: Preset::Value(0),
    min: 0,
    max: u32::MAX,
    doc: "the number of connections at which it gets no more; 0: no limit",
};
pub(in crate::config) const LOWER_THRESHOLD: Key<u32> = Key {
    name: "lower_threshold",
    preset: Preset::Value(0),
    min: 0,
    max: u32::MAX,
    doc: "the number below which it gets some again; 0: three quarters of the upper one",
};
pub(in crate::config) const RS_CHECK: Free = Free {
    name: "check",
    kind: "list of tables",
    default: "the virtual server's",
    range: "",
    doc: "its own checks, instead of the virtual server's",
};
