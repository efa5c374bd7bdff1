//! When and how often addresses are announced.

use std::time::Duration;

use super::super::key::{Key, Preset};
use crate::model::defaults;

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
pub(in crate::config) const GARP_LOWER_PRIO_DELAY: Key<Duration> = Key {
    name: "garp_lower_prio_delay",
    preset: Preset::Value(defaults::GARP_LOWER_PRIO_DELAY),
    min: Duration::ZERO,
    max: Duration::from_secs(1000),
    doc: "when the addresses are announced a second time after another master of lower \
          priority was heard; `0s`: soon",
};
pub(in crate::config) const GARP_LOWER_PRIO_REPEAT: Key<u32> = Key {
    name: "garp_lower_prio_repeat",
    preset: Preset::Unset("as `garp_master_repeat`; 0 if `strict`"),
    min: 0,
    max: 100,
    doc: "announcements per address then",
};
pub(in crate::config) const GARP_EXTRA_INTERFACES: Key<Duration> = Key {
    name: "garp_extra_interfaces",
    preset: Preset::Value(defaults::GARP_EXTRA_INTERFACES),
    min: Duration::ZERO,
    max: Duration::from_secs(86_400),
    doc: "how often a master announces addresses that are on another interface than the \
          instance's; `0s`: not beyond the above",
};
