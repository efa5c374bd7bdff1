//! `[sync_group.NAME]`, `[interface.NAME]` and `[announce_group.NAME]`.

use std::time::Duration;

use super::key::{Flag, Free, Key, Preset};
use super::{TableKind, notify, track};
use crate::model::defaults;

/// `[sync_group.NAME]`.
pub(in crate::config) const SYNC_GROUP: TableKind = TableKind {
    header: "[sync_group.NAME]",
    doc: "Instances that move together: master only where all of them can be, and what takes \
          one of them out takes all out.",
    keys: &[
        &MEMBERS,
        &track::TRACK_INTERFACES,
        &track::TRACK,
        &TRACKING_WEIGHT,
        &notify::NOTIFY,
        &notify::PRIORITY_CHANGES,
        &notify::MAIL,
    ],
};
pub(in crate::config) const MEMBERS: Free = Free {
    name: "members",
    kind: "list of names",
    default: "required",
    range: "names of `[vrrp_instance.NAME]`, each in one group",
    doc: "the instances",
};
pub(in crate::config) const TRACKING_WEIGHT: Flag = Flag {
    name: "tracking_weight",
    default: defaults::TRACKING_WEIGHT,
    doc: "whether weights change the priority of members; it would pull members of different \
          trackers apart",
};

/// `[interface.NAME]`.
pub(in crate::config) const INTERFACE: TableKind = TableKind {
    header: "[interface.NAME]",
    doc: "Settings of a network interface, `[interface.eth0]`, whatever uses it.",
    keys: &[&UP_DELAY, &DOWN_DELAY, &GARP_INTERVAL, &GNA_INTERVAL],
};
pub(in crate::config) const UP_DELAY: Key<Duration> = Key {
    name: "up_delay",
    preset: Preset::Value(Duration::ZERO),
    min: Duration::ZERO,
    max: Duration::from_secs(255),
    doc: "how long the link must be up before it counts as up",
};
pub(in crate::config) const DOWN_DELAY: Key<Duration> = Key {
    name: "down_delay",
    preset: Preset::Value(Duration::ZERO),
    min: Duration::ZERO,
    max: Duration::from_secs(255),
    doc: "how long it must be down before it counts as down",
};
pub(in crate::config) const GARP_INTERVAL: Key<Duration> = Key {
    name: "garp_interval",
    preset: Preset::Value(Duration::ZERO),
    min: Duration::ZERO,
    max: Duration::from_secs(60),
    doc: "the least time between two gratuitous ARP packets",
};
pub(in crate::config) const GNA_INTERVAL: Key<Duration> = Key {
    name: "gna_interval",
    doc: "the least time between two unsolicited neighbour advertisements",
    ..GARP_INTERVAL
};

/// `[announce_group.NAME]`.
pub(in crate::config) const ANNOUNCE_GROUP: TableKind = TableKind {
    header: "[announce_group.NAME]",
    doc: "Interfaces that share one rate of announcements, such as VLANs of one switch. \
          keepalived's `garp_group`.",
    keys: &[&GROUP_INTERFACES, &GARP_INTERVAL, &GNA_INTERVAL],
};
pub(in crate::config) const GROUP_INTERFACES: Free = Free {
    name: "interfaces",
    kind: "list of interfaces",
    default: "required",
    range: "each in one group",
    doc: "the interfaces",
};
