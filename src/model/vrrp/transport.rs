//! How adverts travel, and who this router is on the wire.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vrrp::wire::{GROUP_V4, GROUP_V6};

use crate::model::{Family, defaults};

/// Where adverts go and come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transport {
    /// To a group or to single peers.
    pub mode: Delivery,
    /// The source address; `None`: the first fitting one of the interface.
    pub source: Option<IpAddr>,
    /// Whether the loss of `source` is a fault. Without it another address of the
    /// interface is used.
    pub track_source: bool,
    /// Size of the receive buffer, in bytes; `None`: the daemon's choice.
    pub receive_buffer: Option<u32>,
}

impl Transport {
    /// To the group of the RFC, from whatever address there is.
    #[must_use]
    pub const fn multicast(family: Family) -> Self {
        Self {
            mode: Delivery::Multicast {
                group: match family {
                    Family::Ipv4 => IpAddr::V4(GROUP_V4),
                    Family::Ipv6 => IpAddr::V6(GROUP_V6),
                },
            },
            source: None,
            track_source: defaults::TRACK_SOURCE,
            receive_buffer: None,
        }
    }
}

/// Multicast or unicast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// To a group; RFC 9568: 224.0.0.18 or ff02::12. Received with TTL 255 only.
    Multicast {
        /// The group.
        group: IpAddr,
    },
    /// To each of these.
    Unicast {
        /// The other directors.
        peers: Vec<UnicastPeer>,
        /// TTL or hop limit of what is sent.
        ttl: u8,
        /// Whether adverts of hosts that are not listed are dropped.
        check_source: bool,
        /// Whether having no peers at all is a fault.
        fault_no_peer: bool,
    },
}

/// Another director, reached by unicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UnicastPeer {
    /// Its address.
    pub address: IpAddr,
    /// The lowest TTL accepted from it.
    pub min_ttl: u8,
    /// The highest TTL accepted from it.
    pub max_ttl: u8,
}

/// A second way for the adverts of an instance, so that one cut cable does not make two
/// Masters. Both directors must have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The second interface.
    pub interface: String,
    /// The source address on it; `None`: the first fitting one.
    pub source: Option<IpAddr>,
    /// The other directors' addresses there; none: multicast.
    pub peers: Vec<IpAddr>,
}

/// What the virtual router's interface is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attachment {
    /// The host's own interface with the host's MAC address.
    Plain,
    /// A macvlan interface with the virtual router's MAC address (RFC 9568 section 7.3).
    Vmac {
        /// Its name, at most 15 bytes.
        name: String,
        /// The MAC address; `None`: 00:00:5e:00:01:VRID or 00:00:5e:00:02:VRID.
        mac: Option<[u8; 6]>,
        /// Whether adverts leave by the base interface instead.
        transmit_base: bool,
        /// Whether virtual addresses with a `dev` of their own get a macvlan interface
        /// there, too.
        addresses_too: bool,
    },
    /// An ipvlan interface: the host's MAC address, an address of its own.
    Ipvlan {
        /// Its name, at most 15 bytes.
        name: String,
        /// Its mode.
        mode: IpvlanMode,
        /// Its own address and prefix length: the source of adverts.
        address: Option<(IpAddr, u8)>,
    },
}

impl Attachment {
    /// The interface that carries the virtual addresses and, mostly, the adverts, if
    /// it is another than the configured one.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::Plain => None,
            Self::Vmac { name, .. } | Self::Ipvlan { name, .. } => Some(name),
        }
    }
}

/// How ipvlan interfaces of one parent reach each other (`IPVLAN_F_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpvlanMode {
    /// Directly.
    #[default]
    Bridge,
    /// Not at all.
    Private,
    /// Through the external switch.
    Vepa,
}

/// Settings of an interface, whatever uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceSettings {
    /// Its name.
    pub name: String,
    /// How long the link must be down before it counts as down. Zero: at once.
    pub down_delay: Duration,
    /// How long it must be up before it counts as up. Zero: at once.
    pub up_delay: Duration,
    /// The least time between two gratuitous ARP packets on it.
    pub garp_interval: Duration,
    /// The least time between two unsolicited neighbour advertisements on it.
    pub gna_interval: Duration,
}

/// Interfaces that share their announcement rates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceGroup {
    /// Its name.
    pub name: String,
    /// The interfaces; each is in one group at most.
    pub interfaces: Vec<String>,
    /// As [`InterfaceSettings::garp_interval`], for all of them together.
    pub garp_interval: Duration,
    /// As [`InterfaceSettings::gna_interval`], for all of them together.
    pub gna_interval: Duration,
}

/// When and how often the segment is told where the addresses are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// When to send the second set after becoming Master; zero: never.
    pub master_delay: Duration,
    /// How many announcements per address a set has, at least 1.
    pub master_repeat: u32,
    /// How often to announce again while Master; zero: never.
    pub refresh: Duration,
    /// How many announcements per address a refresh has, at least 1.
    pub refresh_repeat: u32,
    /// When to send the second set after a rival Master was heard; zero: the core's gap.
    pub lower_prio_delay: Duration,
    /// How many announcements per address a set has that answers a rival; zero: none.
    pub lower_prio_repeat: u32,
    /// How often addresses on other interfaces than the instance's are announced while
    /// Master; zero: not beyond the above.
    pub extra_interfaces: Duration,
}

impl Default for Announce {
    fn default() -> Self {
        Self {
            master_delay: defaults::GARP_MASTER_DELAY,
            master_repeat: defaults::GARP_MASTER_REPEAT,
            refresh: defaults::GARP_MASTER_REFRESH,
            refresh_repeat: defaults::GARP_MASTER_REFRESH_REPEAT,
            lower_prio_delay: defaults::GARP_LOWER_PRIO_DELAY,
            lower_prio_repeat: defaults::GARP_MASTER_REPEAT,
            extra_interfaces: defaults::GARP_EXTRA_INTERFACES,
        }
    }
}
