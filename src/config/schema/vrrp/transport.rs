//! How adverts travel, and what the virtual router's interface is.

use super::super::TableKind;
use super::super::key::{Choice, Flag, Free, Key, Preset};
use crate::config::value::Bytes;
use crate::model::{IpvlanMode, defaults};

pub(in crate::config) const SOURCE: Free = Free {
    name: "source",
    kind: "address",
    default: "the first fitting one of the interface",
    range: "of the family of the addresses",
    doc: "the source address of adverts",
};
pub(in crate::config) const TRACK_SOURCE: Flag = Flag {
    name: "track_source",
    default: defaults::TRACK_SOURCE,
    doc: "whether the loss of `source` is a fault; otherwise another address of the \
          interface is used until it is back",
};
pub(in crate::config) const MULTICAST_GROUP: Free = Free {
    name: "multicast_group",
    kind: "address",
    default: "`\"224.0.0.18\"` or `\"ff02::12\"`",
    range: "a multicast address",
    doc: "where adverts go to",
};
pub(in crate::config) const MULTICAST_GROUP4: Free = Free {
    name: "multicast_group4",
    kind: "address",
    default: "`\"224.0.0.18\"`",
    range: "a multicast address",
    doc: "where the adverts of IPv4 instances go to",
};
pub(in crate::config) const MULTICAST_GROUP6: Free = Free {
    name: "multicast_group6",
    kind: "address",
    default: "`\"ff02::12\"`",
    range: "a multicast address",
    doc: "where the adverts of IPv6 instances go to",
};
pub(in crate::config) const UNICAST_PEERS: Free = Free {
    name: "unicast_peers",
    kind: "list of addresses",
    default: "multicast",
    range: "`\"IP\"` or a table of its own",
    doc: "the other directors: adverts go to each of them and not to the group",
};
pub(in crate::config) const UNICAST_TTL: Key<u32> = Key {
    name: "unicast_ttl",
    preset: Preset::Value(defaults::UNICAST_TTL),
    min: 1,
    max: 255,
    doc: "TTL or hop limit of adverts to `unicast_peers`",
};
pub(in crate::config) const CHECK_UNICAST_SOURCE: Flag = Flag {
    name: "check_unicast_source",
    default: defaults::CHECK_UNICAST_SOURCE,
    doc: "whether adverts of hosts that are not among `unicast_peers` are dropped",
};
pub(in crate::config) const UNICAST_FAULT_NO_PEER: Flag = Flag {
    name: "unicast_fault_no_peer",
    default: defaults::UNICAST_FAULT_NO_PEER,
    doc: "whether an empty `unicast_peers` is a fault, not a director alone",
};
pub(in crate::config) const RECEIVE_BUFFER: Key<Bytes> = Key {
    name: "receive_buffer",
    preset: Preset::Unset("enough for the instances of the interface"),
    min: Bytes(4 << 10),
    max: Bytes(64 << 20),
    doc: "size of the socket's receive buffer",
};
pub(in crate::config) const HEARTBEAT: Free = Free {
    name: "heartbeat",
    kind: "table",
    default: "none",
    range: "",
    doc: "a second interface for the same adverts, on all directors: one cut cable then does \
          not make two masters",
};
pub(in crate::config) const VMAC: Free = Free {
    name: "vmac",
    kind: "boolean or table",
    default: "`false`",
    range: "",
    doc: "whether the addresses are on a macvlan interface with the virtual router's MAC \
          address",
};
pub(in crate::config) const IPVLAN: Free = Free {
    name: "ipvlan",
    kind: "boolean or table",
    default: "`false`",
    range: "",
    doc: "whether the addresses are on an ipvlan interface",
};

/// A table in `unicast_peers`.
pub(in crate::config) const UNICAST_PEER: TableKind = TableKind {
    header: "unicast_peers = [{ ... }]",
    doc: "A director whose adverts must come from near enough.",
    keys: &[&PEER_ADDRESS, &MIN_TTL, &MAX_TTL],
};
pub(in crate::config) const PEER_ADDRESS: Free = Free {
    name: "address",
    kind: "address",
    default: "required",
    range: "of the family of the addresses",
    doc: "its address",
};
pub(in crate::config) const MIN_TTL: Key<u32> = Key {
    name: "min_ttl",
    preset: Preset::Value(0),
    min: 0,
    max: 255,
    doc: "the lowest TTL or hop limit accepted from it; 255: it is on the same link",
};
pub(in crate::config) const MAX_TTL: Key<u32> = Key {
    name: "max_ttl",
    preset: Preset::Value(255),
    min: 0,
    max: 255,
    doc: "the highest",
};

/// `heartbeat`.
pub(in crate::config) const HEARTBEAT_TABLE: TableKind = TableKind {
    header: "heartbeat = { ... }",
    doc: "The second way of adverts.",
    keys: &[&HEARTBEAT_INTERFACE, &HEARTBEAT_SOURCE, &HEARTBEAT_PEERS],
};
pub(in crate::config) const HEARTBEAT_INTERFACE: Free = Free {
    name: "interface",
    kind: "string",
    default: "required",
    range: "1..=15 bytes",
    doc: "the second interface, of another cable",
};
pub(in crate::config) const HEARTBEAT_SOURCE: Free = Free {
    name: "source",
    kind: "address",
    default: "the first fitting one of the interface",
    range: "of the family of the addresses",
    doc: "the source address on it",
};
pub(in crate::config) const HEARTBEAT_PEERS: Free = Free {
    name: "peers",
    kind: "list of addresses",
    default: "multicast",
    range: "of the family of the addresses",
    doc: "the other directors' addresses there",
};

/// `vmac`.
pub(in crate::config) const VMAC_TABLE: TableKind = TableKind {
    header: "vmac = { ... }",
    doc: "A macvlan interface (RFC 9568 section 7.3). `vmac = true` takes every default.",
    keys: &[&VMAC_NAME, &VMAC_MAC, &TRANSMIT_BASE, &ADDRESSES_TOO],
};
pub(in crate::config) const VMAC_NAME: Free = Free {
    name: "name",
    kind: "string",
    default: "`vrrp.ID`, IPv6 `vrrp6.ID`",
    range: "1..=15 bytes",
    doc: "the name of the interface, of no other one",
};
pub(in crate::config) const VMAC_MAC: Free = Free {
    name: "mac",
    kind: "string",
    default: "`00:00:5e:00:01:ID`, IPv6 `00:00:5e:00:02:ID`",
    range: "`\"02:00:00:00:00:01\"`, unicast",
    doc: "its MAC address",
};
pub(in crate::config) const TRANSMIT_BASE: Flag = Flag {
    name: "transmit_base",
    default: false,
    doc: "whether adverts leave by `interface`; keepalived's `vmac_xmit_base`",
};
pub(in crate::config) const ADDRESSES_TOO: Flag = Flag {
    name: "addresses_too",
    default: false,
    doc: "whether addresses with another `dev` get a macvlan interface there, too; \
          keepalived's `use_vmac_addr`",
};

/// `ipvlan`.
pub(in crate::config) const IPVLAN_TABLE: TableKind = TableKind {
    header: "ipvlan = { ... }",
    doc: "An ipvlan interface: the MAC address of `interface`, addresses of its own.",
    keys: &[&IPVLAN_NAME, &IPVLAN_MODE, &IPVLAN_ADDRESS],
};
pub(in crate::config) const IPVLAN_NAME: Free = VMAC_NAME;
pub(in crate::config) const IPVLAN_MODE: Choice<IpvlanMode> = Choice {
    name: "mode",
    preset: Preset::Value(defaults::IPVLAN_MODE),
    words: &[
        ("bridge", IpvlanMode::Bridge),
        ("private", IpvlanMode::Private),
        ("vepa", IpvlanMode::Vepa),
    ],
    doc: "whether ipvlan interfaces of one parent reach each other directly, not at all, or \
          through the switch",
};
pub(in crate::config) const IPVLAN_ADDRESS: Free = Free {
    name: "address",
    kind: "address",
    default: "none",
    range: "`\"IP/LENGTH\"`, of the family of the addresses",
    doc: "its own address, from which adverts come",
};
