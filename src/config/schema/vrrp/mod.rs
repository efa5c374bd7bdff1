//! `[vrrp_instance.NAME]` and `[vrrp_defaults]`.

mod address;
mod announce;
mod auth;
mod transport;

use std::time::Duration;

pub(in crate::config) use address::*;
pub(in crate::config) use announce::*;
pub(in crate::config) use auth::*;
pub(in crate::config) use transport::*;

use super::key::{Choice, Flag, Free, Key, Preset};
use super::{TableKind, network, notify, track};
use crate::model::{ChecksumV3, Version, defaults};

/// `[vrrp_instance.NAME]`.
pub(in crate::config) const VRRP_INSTANCE: TableKind = TableKind {
    header: "[vrrp_instance.NAME]",
    doc: "A virtual router: a set of addresses that two or more directors share. All \
          its directors agree on `virtual_router_id`, `version`, `advert_interval`, \
          the authentication and the addresses.",
    keys: &[
        &INTERFACE,
        &VIRTUAL_ROUTER_ID,
        &VIRTUAL_ADDRESSES,
        &EXCLUDED_ADDRESSES,
        &network::VIRTUAL_ROUTES,
        &network::VIRTUAL_RULES,
        &PRIORITY,
        &VERSION,
        &ADVERT_INTERVAL,
        &DOWN_TIMER_ADVERTS,
        &PREEMPT,
        &PREEMPT_DELAY,
        &LOWER_PRIO_NO_ADVERT,
        &HIGHER_PRIO_SEND_ADVERT,
        &OWNER_IGNORE_ADVERTS,
        &TIMER_EXPIRED_BACKUP,
        &CHECK_ADDRESSES,
        &STRICT,
        &SOURCE,
        &TRACK_SOURCE,
        &MULTICAST_GROUP,
        &UNICAST_PEERS,
        &UNICAST_TTL,
        &CHECK_UNICAST_SOURCE,
        &UNICAST_FAULT_NO_PEER,
        &RECEIVE_BUFFER,
        &HEARTBEAT,
        &AUTH_PASS,
        &AUTHENTICATION,
        &V3_CHECKSUM,
        &VMAC,
        &IPVLAN,
        &VRF,
        &DONT_TRACK_PRIMARY,
        &track::TRACK_INTERFACES,
        &track::TRACK,
        &notify::NOTIFY,
        &notify::PRIORITY_CHANGES,
        &notify::MAIL,
        &ACCEPT,
        &PROMOTE_SECONDARIES,
        &GARP_MASTER_DELAY,
        &GARP_MASTER_REPEAT,
        &GARP_MASTER_REFRESH,
        &GARP_MASTER_REFRESH_REPEAT,
        &GARP_LOWER_PRIO_DELAY,
        &GARP_LOWER_PRIO_REPEAT,
        &GARP_EXTRA_INTERFACES,
    ],
};

/// `[vrrp_defaults]`.
pub(in crate::config) const VRRP_DEFAULTS: TableKind = TableKind {
    header: "[vrrp_defaults]",
    doc: "What holds for every instance that does not say otherwise.",
    keys: &[
        &INTERFACE_OF_ALL,
        &VERSION,
        &ADVERT_INTERVAL,
        &DOWN_TIMER_ADVERTS,
        &PREEMPT,
        &PREEMPT_DELAY,
        &LOWER_PRIO_NO_ADVERT,
        &HIGHER_PRIO_SEND_ADVERT,
        &OWNER_IGNORE_ADVERTS,
        &TIMER_EXPIRED_BACKUP,
        &CHECK_ADDRESSES,
        &STRICT,
        &TRACK_SOURCE,
        &MULTICAST_GROUP4,
        &MULTICAST_GROUP6,
        &UNICAST_TTL,
        &CHECK_UNICAST_SOURCE,
        &UNICAST_FAULT_NO_PEER,
        &RECEIVE_BUFFER,
        &V3_CHECKSUM,
        &DONT_TRACK_PRIMARY,
        &notify::NOTIFY,
        &notify::PRIORITY_CHANGES,
        &notify::MAIL,
        &PROMOTE_SECONDARIES,
        &GARP_MASTER_DELAY,
        &GARP_MASTER_REPEAT,
        &GARP_MASTER_REFRESH,
        &GARP_MASTER_REFRESH_REPEAT,
        &GARP_LOWER_PRIO_DELAY,
        &GARP_LOWER_PRIO_REPEAT,
        &GARP_EXTRA_INTERFACES,
    ],
};

pub(in crate::config) const INTERFACE: Free = Free {
    name: "interface",
    kind: "string",
    default: "required",
    range: "1..=15 bytes",
    doc: "the interface for adverts and, unless an address names another, the addresses",
};
pub(in crate::config) const INTERFACE_OF_ALL: Free = Free {
    default: "none",
    doc: "the interface of instances that name none",
    ..INTERFACE
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
    doc: "what the master holds and its adverts name: `\"IP\"`, `\"IP/LENGTH\"`, the same \
          with words of `ip address`, or a table of its own",
};
pub(in crate::config) const EXCLUDED_ADDRESSES: Free = Free {
    name: "excluded_addresses",
    kind: "list of addresses",
    default: "none",
    range: "IPv4 and IPv6",
    doc: "what the master holds besides and no advert names, such as addresses of the \
          other family",
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
pub(in crate::config) const LOWER_PRIO_NO_ADVERT: Flag = Flag {
    name: "lower_prio_no_advert",
    default: defaults::LOWER_PRIO_NO_ADVERT,
    doc: "whether a master leaves adverts of lower priority unanswered",
};
pub(in crate::config) const HIGHER_PRIO_SEND_ADVERT: Flag = Flag {
    name: "higher_prio_send_advert",
    default: defaults::HIGHER_PRIO_SEND_ADVERT,
    doc: "whether a master that yields to a higher priority sends one more advert, so that \
          the other one announces the addresses again",
};
pub(in crate::config) const OWNER_IGNORE_ADVERTS: Flag = Flag {
    name: "owner_ignore_adverts",
    default: defaults::OWNER_IGNORE_ADVERTS,
    doc: "whether a director with priority 255 ignores all adverts",
};
pub(in crate::config) const TIMER_EXPIRED_BACKUP: Flag = Flag {
    name: "timer_expired_backup",
    default: defaults::TIMER_EXPIRED_BACKUP,
    doc: "whether a master that was stopped for so long that another may have taken over \
          becomes backup and listens first",
};
pub(in crate::config) const CHECK_ADDRESSES: Flag = Flag {
    name: "check_addresses",
    default: defaults::CHECK_ADDRESSES,
    doc: "whether the addresses in adverts are compared with ours; a difference is reported",
};
pub(in crate::config) const STRICT: Flag = Flag {
    name: "strict",
    default: defaults::STRICT,
    doc: "whether only what the RFC allows is done: no unicast, no authentication but an \
          enforced hmac, no `preempt_delay`, a link-local first IPv6 address, \
          `down_timer_adverts = 3`, no answer to lower priorities, and `accept` for the \
          owner only unless it is written",
};
pub(in crate::config) const ACCEPT: Flag = Flag {
    name: "accept",
    default: defaults::ACCEPT,
    doc: "whether a master with a priority below 255 accepts packets to the addresses; \
          `false` is keepalived's `no_accept`",
};
pub(in crate::config) const PROMOTE_SECONDARIES: Flag = Flag {
    name: "promote_secondaries",
    default: defaults::PROMOTE_SECONDARIES,
    doc: "whether the sysctl of this name is set on the interface, so that secondary \
          addresses survive the removal of the first of their prefix",
};
pub(in crate::config) const DONT_TRACK_PRIMARY: Flag = Flag {
    name: "dont_track_primary",
    default: defaults::DONT_TRACK_PRIMARY,
    doc: "whether the state of `interface` does not matter",
};
pub(in crate::config) const VRF: Free = Free {
    name: "vrf",
    kind: "string",
    default: "none",
    range: "1..=15 bytes",
    doc: "the VRF device that `interface` is in",
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
