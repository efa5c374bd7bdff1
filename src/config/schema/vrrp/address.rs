//! Addresses.

use std::time::Duration;

use super::super::TableKind;
use super::super::key::{Flag, Free, Key, Preset};
use crate::model::{AddressScope, defaults};

/// A table in `virtual_addresses`.
pub(in crate::config) const VIRTUAL_ADDRESS: TableKind = TableKind {
    header: "virtual_addresses = [{ ... }]",
    doc: "An address with more to say than `\"IP/LENGTH\"`.",
    keys: &[
        &VIP_ADDRESS,
        &VIP_DEV,
        &VIP_LABEL,
        &VIP_SCOPE,
        &VIP_BROADCAST,
        &VIP_PEER,
        &VIP_NODAD,
        &VIP_PREFERRED_LFT,
        &VIP_HOME,
        &VIP_NOPREFIXROUTE,
        &VIP_NO_TRACK,
    ],
};

pub(in crate::config) const VIP_ADDRESS: Free = Free {
    name: "address",
    kind: "address",
    default: "required",
    range: "`\"IP\"` or `\"IP/LENGTH\"`",
    doc: "the address; without a length it is /32 or /128",
};
pub(in crate::config) const VIP_DEV: Free = Free {
    name: "dev",
    kind: "string",
    default: "`interface`",
    range: "1..=15 bytes",
    doc: "the interface the address is added to",
};
pub(in crate::config) const VIP_LABEL: Free = Free {
    name: "label",
    kind: "string",
    default: "none",
    range: "1..=15 bytes, IPv4",
    doc: "the label of the address, such as `eth0:web`",
};
pub(in crate::config) const VIP_SCOPE: Free = Free {
    name: "scope",
    kind: "word or number",
    default: "`\"global\"`",
    range: "`global`, `site`, `link`, `host`, `nowhere`, 0..=255",
    doc: "the scope of the address",
};
/// The words of scopes.
pub(in crate::config) const SCOPES: &[(&str, AddressScope)] = &[
    ("global", AddressScope::Global),
    ("site", AddressScope::Site),
    ("link", AddressScope::Link),
    ("host", AddressScope::Host),
    ("nowhere", AddressScope::Nowhere),
];
pub(in crate::config) const VIP_BROADCAST: Free = Free {
    name: "broadcast",
    kind: "address",
    default: "none",
    range: "`\"IP\"`, or `\"+\"`: the last of the prefix",
    doc: "the broadcast address (IPv4)",
};
pub(in crate::config) const VIP_PEER: Free = Free {
    name: "peer",
    kind: "address",
    default: "none",
    range: "`\"IP\"` or `\"IP/LENGTH\"`",
    doc: "the other end of a point-to-point address; a length here is that of the address",
};
pub(in crate::config) const VIP_NODAD: Flag = Flag {
    name: "nodad",
    default: defaults::NODAD,
    doc: "whether duplicate address detection is left out (IPv6): a new master uses its \
          address at once",
};
pub(in crate::config) const VIP_PREFERRED_LFT: Key<Duration> = Key {
    name: "preferred_lft",
    preset: Preset::Unset("forever, `0s` for an IPv6 /128"),
    min: Duration::ZERO,
    max: Duration::from_secs(4_294_967_294),
    doc: "the preferred lifetime, in whole seconds; `0s`: never a source address (IPv6)",
};
pub(in crate::config) const VIP_HOME: Flag = Flag {
    name: "home",
    default: false,
    doc: "whether it is a home address (IPv6, RFC 6275)",
};
pub(in crate::config) const VIP_NOPREFIXROUTE: Flag = Flag {
    name: "noprefixroute",
    default: false,
    doc: "whether no route to the prefix is made",
};
pub(in crate::config) const VIP_NO_TRACK: Flag = Flag {
    name: "no_track",
    default: false,
    doc: "whether it is not repaired when somebody else removes it",
};
