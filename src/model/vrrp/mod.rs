//! VRRP: instances, what they hold, watch and tell.

mod address;
mod auth;
mod group;
mod network;
mod notify;
mod track;
mod transport;

use std::net::IpAddr;
use std::time::Duration;

pub use address::{AddressScope, Broadcast, VirtualAddress};
pub use auth::{AntiReplay, AuthPass, AuthPassError, Authentication, HmacAuth, HmacKey, HmacMode};
pub use group::SyncGroup;
pub use network::{
    Encap, NextHop, Prefix, Route, RouteKind, RouteMetrics, Rule, RuleAction, StaticNetwork,
};
pub use notify::{
    Command, Event, Fifo, Mail, MailTls, Notification, Notify, RunAs, Secret, Subject, What,
};
pub use track::{
    ArgumentsMatch, InitFile, Measure, Measured, TrackFile, TrackPing, TrackProcess, TrackRoute,
    TrackScript, Tracker, Tracking, Use, Watch, Weight,
};
pub use transport::{
    Announce, AnnounceGroup, Attachment, Delivery, Heartbeat, InterfaceSettings, IpvlanMode,
    Transport, UnicastPeer,
};

use serde::{Deserialize, Serialize};
use vrrp::wire::{Advert, Auth, ChecksumV3, Checksums, Expect, Version};

use super::{Family, defaults};

/// One virtual router (RFC 9568 section 1.7) as this director takes part in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrrpInstance {
    /// The name in the configuration, unique among instances.
    pub name: String,
    /// The interface adverts are sent and heard on.
    pub interface: String,
    /// The virtual router id, 1..=255, equal on all directors of this address.
    pub virtual_router_id: u8,
    /// The protocol version. Always [`Version::V3`] when `family` is IPv6.
    pub version: Version,
    /// The family of the adverts and of every virtual address.
    pub family: Family,
    /// 1..=255; the highest becomes master. 255 means "owner of the address": it
    /// never waits for anybody.
    pub priority: u8,
    /// The time between adverts. Version 2: whole seconds, 1 s..=255 s. Version 3:
    /// multiples of 10 ms, 10 ms..=40.95 s.
    pub advert_interval: Duration,
    /// Whether to take over from a master of lower priority.
    pub preempt: bool,
    /// How long to let a master of lower priority be before taking over, up to 1000 s.
    pub preempt_delay: Duration,
    /// How many adverts may be missed before the master counts as dead, 1..=100.
    pub down_timer_adverts: u8,
    /// How adverts are authenticated.
    pub authentication: Authentication,
    /// The addresses held while master, in the order of the advert: 1..=255 of them,
    /// all of `family`, none twice.
    pub virtual_addresses: Vec<VirtualAddress>,
    /// Addresses held while master that no advert names; of either family.
    pub excluded_addresses: Vec<VirtualAddress>,
    /// Routes held while master.
    pub virtual_routes: Vec<Route>,
    /// Rules held while master.
    pub virtual_rules: Vec<Rule>,
    /// How adverts travel.
    pub transport: Transport,
    /// A second way for them.
    pub heartbeat: Option<Heartbeat>,
    /// What the virtual router's interface is.
    pub attachment: Attachment,
    /// The VRF device the interface is in.
    pub vrf: Option<String>,
    /// Whether the state of `interface` does not matter.
    pub dont_track_primary: bool,
    /// What it watches.
    pub tracking: Tracking,
    /// Whether packets to the virtual addresses are accepted while master without owning
    /// them (RFC 9568 `Accept_Mode`).
    pub accept: bool,
    /// Whether the sysctl `promote_secondaries` is set on the interface.
    pub promote_secondaries: bool,
    /// Whether the addresses of every advert are compared with ours.
    pub check_addresses: bool,
    /// Whether a Master leaves adverts of lower priority unanswered.
    pub lower_prio_no_advert: bool,
    /// Whether a Master sends one more advert when it yields to a higher priority.
    pub higher_prio_send_advert: bool,
    /// Whether the owner (priority 255) ignores all adverts.
    pub owner_ignore_adverts: bool,
    /// Whether a Master whose timers were late enough for another to have taken over
    /// becomes Backup and listens first.
    pub timer_expired_backup: bool,
    /// Whether nothing is done that the RFC does not allow.
    pub strict: bool,
    /// When the segment is told where the addresses are.
    pub announce: Announce,
    /// What is run at its changes.
    pub notify: Notify,
    /// Over what the checksum of version 3 adverts on IPv4 is taken.
    pub v3_checksum: ChecksumV3,
}

impl VrrpInstance {
    /// An instance with the default of everything else.
    #[must_use]
    pub fn new(name: String, interface: String, virtual_router_id: u8, family: Family) -> Self {
        Self {
            name,
            interface,
            virtual_router_id,
            version: defaults::VRRP_VERSION,
            family,
            priority: u8::try_from(defaults::PRIORITY).unwrap_or(u8::MAX),
            advert_interval: defaults::ADVERT_INTERVAL,
            preempt: defaults::PREEMPT,
            preempt_delay: defaults::PREEMPT_DELAY,
            down_timer_adverts: u8::try_from(defaults::DOWN_TIMER_ADVERTS).unwrap_or(u8::MAX),
            authentication: Authentication::None,
            virtual_addresses: Vec::new(),
            excluded_addresses: Vec::new(),
            virtual_routes: Vec::new(),
            virtual_rules: Vec::new(),
            transport: Transport::multicast(family),
            heartbeat: None,
            attachment: Attachment::Plain,
            vrf: None,
            dont_track_primary: defaults::DONT_TRACK_PRIMARY,
            tracking: Tracking::default(),
            accept: defaults::ACCEPT,
            promote_secondaries: defaults::PROMOTE_SECONDARIES,
            check_addresses: defaults::CHECK_ADDRESSES,
            lower_prio_no_advert: defaults::LOWER_PRIO_NO_ADVERT,
            higher_prio_send_advert: defaults::HIGHER_PRIO_SEND_ADVERT,
            owner_ignore_adverts: defaults::OWNER_IGNORE_ADVERTS,
            timer_expired_backup: defaults::TIMER_EXPIRED_BACKUP,
            strict: defaults::STRICT,
            announce: Announce::default(),
            notify: Notify::default(),
            v3_checksum: defaults::V3_CHECKSUM,
        }
    }

    /// The instance as the state machine sees it.
    pub fn core(&self) -> vrrp::Config {
        vrrp::Config {
            vrid: self.virtual_router_id,
            version: self.version,
            priority: self.priority,
            advert_interval: self.advert_interval,
            preempt: self.preempt,
            preempt_delay: self.preempt_delay,
            down_timer_adverts: self.down_timer_adverts,
            auth: self.auth(),
            addresses: self.addresses(),
            announce_delay: self.announce.master_delay,
            lower_prio_announce_delay: self.announce.lower_prio_delay,
            lower_prio_no_advert: self.lower_prio_no_advert,
            higher_prio_send_advert: self.higher_prio_send_advert,
            owner_ignore_adverts: self.owner_ignore_adverts,
            check_addresses: self.check_addresses,
            timer_expired_backup: self.timer_expired_backup,
            hand_over_overlap: defaults::HAND_OVER_OVERLAP,
        }
    }

    /// The advert this director sends as master.
    pub fn advert(&self) -> Advert {
        Advert {
            version: self.version,
            vrid: self.virtual_router_id,
            priority: self.priority,
            interval: self.advert_interval,
            auth: self.auth(),
            addresses: self.addresses(),
        }
    }

    /// What the adverts of other directors must be like. All checksums are accepted,
    /// whichever is sent: to hear a master that is configured otherwise, or to one peer as
    /// old versions of keepalived do, is better than to become a second one.
    pub fn expect(&self) -> Expect {
        match self.version {
            Version::V2 => Expect::v2(self.auth()),
            Version::V3 => Expect::v3(Checksums::ANY),
        }
    }

    /// How the checksum of a version 3 advert is made.
    pub fn checksum(&self) -> ChecksumV3 {
        self.v3_checksum
    }

    /// The authentication fields of a version 2 advert.
    pub fn auth(&self) -> Auth {
        match &self.authentication {
            Authentication::None | Authentication::Hmac(_) => Auth::None,
            Authentication::Pass(pass) => pass.auth(),
            Authentication::Ah(_) => Auth::Ah,
        }
    }

    /// Every address that a Master holds.
    pub fn held_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.virtual_addresses
            .iter()
            .chain(&self.excluded_addresses)
    }

    /// The virtual addresses without their prefix lengths, in the order of the advert.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let addresses = self.virtual_addresses.iter();
        addresses.map(|address| address.address).collect()
    }
}
