//! `[vrrp_instance.NAME]` and its addresses.

use std::time::Duration;

use super::TableKind;
use super::key::{Choice, Flag, Free, Key, Preset};
use crate::model::{AddressScope, ChecksumV3, Version, defaults};

/// `[vrrp_instance.NAME]`.
pub(in crate::config) const VRRP_INSTANCE: TableKind = TableKind {
    header: "[vrrp_instance.NAME]",
    doc: "A virtual router: a set of addresses that two or more directors share. All \
          its directors agree on `virtual_router_id`, `version`, `advert_interval`, \
          `auth_pass` and the addresses.",
    keys: &[
        &INTERFACE,
        &VIRTUAL_ROUTER_ID,
        &VIRTUAL_ADDRESSES,
        &PRIORITY,
        &VERSION,
        &ADVERT_INTERVAL,
        &DOWN_TIMER_ADVERTS,
        &PREEMPT,
        &PREEMPT_DELAY,
        &AUTH_PASS,
        &GARP_MASTER_DELAY,
        &GARP_MASTER_REPEAT,
        &GARP_MASTER_REFRESH,
        &GARP_MASTER_REFRESH_REPEAT,
        &V3_CHECKSUM,
    ],
};

pub(in crate::config) const INTERFACE: Free = Free {
    name: "interface",
    kind: "string",
    default: "required",
    range: "1..=15 bytes",
    doc: "the interface for adverts and, unless an address names another, the addresses",
};
pub(in crate::config) const VIRTUAL_ROUTER_ID: Key<u32> = Key {
    name: "virtual_router_id",
    preset: Preset::Required,
    min: 1,
    max: 255,
    doc: "which virtual router this is; unique on the network segment per IP version",
};
pub(in crate::config) const VIRTUAL_ADDRESSES: Free = Free {
    name: "virtual_addresses",
    kind: "list of addresses",
    default: "required",
    range: "1..=255, all IPv4 or all IPv6",
    doc: "what the master holds: `\"IP\"`, `\"IP/LENGTH\"` or a table of its own",
};
pub(in crate::config) const PRIORITY: Key<u32> = Key {
    name: "priority",
    preset: Preset::Value(defaults::PRIORITY),
    min: 1,
    max: 255,
    doc: "the highest becomes master; 255 is the owner of the address, who never waits",
};
pub(in crate::config) const VERSION: Key<u32> = Key {
    name: "version",
    preset: Preset::Value(match defaults::VRRP_VERSION {
        Version::V2 => 2,
        Version::V3 => 3,
    }),
    min: 2,
    max: 3,
    doc: "of the VRRP protocol; IPv6 needs 3. keepalived's default is 2: beside it write \
          `version = 2`",
};
pub(in crate::config) const ADVERT_INTERVAL: Key<Duration> = Key {
    name: "advert_interval",
    preset: Preset::Value(defaults::ADVERT_INTERVAL),
    min: Duration::from_millis(10),
    max: Duration::from_secs(255),
    doc: "between adverts. Version 2: whole seconds; version 3: multiples of 10ms up to \
          40.95s",
};
pub(in crate::config) const DOWN_TIMER_ADVERTS: Key<u32> = Key {
    name: "down_timer_adverts",
    preset: Preset::Value(defaults::DOWN_TIMER_ADVERTS),
    min: 1,
    max: 100,
    doc: "after how many missing adverts a backup takes over",
};
pub(in crate::config) const PREEMPT: Flag = Flag {
    name: "preempt",
    default: defaults::PREEMPT,
    doc: "whether to take over from a master of lower priority",
};
pub(in crate::config) const PREEMPT_DELAY: Key<Duration> = Key {
    name: "preempt_delay",
    preset: Preset::Value(defaults::PREEMPT_DELAY),
    min: Duration::ZERO,
    max: Duration::from_secs(1000),
    doc: "how long a master of lower priority is let be before that",
};
pub(in crate::config) const AUTH_PASS: Free = Free {
    name: "auth_pass",
    kind: "string",
    default: "no authentication",
    range: "1..=8 bytes, version 2",
    doc: "the password in every advert. It travels in clear: it keeps apart, not out",
};
pub(in crate::config) const GARP_MASTER_DELAY: Key<Duration> = Key {
    name: "garp_master_delay",
    preset: Preset::Value(defaults::GARP_MASTER_DELAY),
    min: Duration::ZERO,
    max: Duration::from_secs(1000),
    doc: "when, after becoming master, the addresses are announced a second time; `0s`: \
          not",
};
pub(in crate::config) const GARP_MASTER_REPEAT: Key<u32> = Key {
    name: "garp_master_repeat",
    preset: Preset::Value(defaults::GARP_MASTER_REPEAT),
    min: 1,
    max: 100,
    doc: "announcements (gratuitous ARP, unsolicited neighbour advertisement) per address \
          each time",
};
pub(in crate::config) const GARP_MASTER_REFRESH: Key<Duration> = Key {
    name: "garp_master_refresh",
    preset: Preset::Value(defaults::GARP_MASTER_REFRESH),
    min: Duration::ZERO,
    max: Duration::from_secs(86_400),
    doc: "how often a master announces again; `0s`: never",
};
pub(in crate::config) const GARP_MASTER_REFRESH_REPEAT: Key<u32> = Key {
    name: "garp_master_refresh_repeat",
    preset: Preset::Value(defaults::GARP_MASTER_REFRESH_REPEAT),
    min: 1,
    max: 100,
    doc: "announcements per address in a refresh",
};
pub(in crate::config) const V3_CHECKSUM: Choice<ChecksumV3> = Choice {
    name: "v3_checksum",
    preset: Preset::Value(defaults::V3_CHECKSUM),
    words: &[
        ("pseudo_header", ChecksumV3::PseudoHeader),
        ("message_only", ChecksumV3::MessageOnly),
    ],
    doc: "what the checksum of version 3 on IPv4 covers; `message_only` is keepalived's \
          `v3_checksum_as_v2`",
};

/// A table in `virtual_addresses`.
pub(in crate::config) const VIRTUAL_ADDRESS: TableKind = TableKind {
    header: "virtual_addresses = [{ ... }]",
    doc: "An address with more to say than `\"IP/LENGTH\"`.",
    keys: &[&VIP_ADDRESS, &VIP_DEV, &VIP_LABEL, &VIP_SCOPE],
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
pub(in crate::config) const VIP_SCOPE: Choice<AddressScope> = Choice {
    name: "scope",
    preset: Preset::Value(AddressScope::Global),
    words: &[
        ("global", AddressScope::Global),
        ("site", AddressScope::Site),
        ("link", AddressScope::Link),
        ("host", AddressScope::Host),
        ("nowhere", AddressScope::Nowhere),
    ],
    doc: "the scope of the address",
};
