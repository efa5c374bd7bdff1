//! VRRP instances and the addresses they hold.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vrrp::wire::{Advert, Auth, ChecksumV3, Checksums, Expect, Version};

use super::Family;

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
    /// The password of version 2 "simple text" authentication.
    pub auth_pass: Option<AuthPass>,
    /// The addresses held while master, in the order of the advert: 1..=255 of them,
    /// all of `family`, none twice.
    pub virtual_addresses: Vec<VirtualAddress>,
    /// When to send the second set of announcements after becoming master; zero: never.
    pub garp_master_delay: Duration,
    /// How many announcements per address a set has, at least 1.
    pub garp_master_repeat: u32,
    /// How often to announce again while master; zero: never.
    pub garp_master_refresh: Duration,
    /// How many announcements per address a refresh has, at least 1.
    pub garp_master_refresh_repeat: u32,
    /// Over what the checksum of version 3 adverts on IPv4 is taken.
    pub v3_checksum: ChecksumV3,
}

impl VrrpInstance {
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
            announce_delay: self.garp_master_delay,
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

    /// What the adverts of other directors must be like. Both checksums are accepted,
    /// whichever is sent: to hear a master that is configured otherwise is better than
    /// to become a second one.
    pub fn expect(&self) -> Expect {
        match self.version {
            Version::V2 => Expect::v2(self.auth()),
            Version::V3 => {
                Expect::v3(Checksums::only(ChecksumV3::PseudoHeader).with(ChecksumV3::MessageOnly))
            }
        }
    }

    /// How the checksum of a version 3 advert is made.
    pub fn checksum(&self) -> ChecksumV3 {
        self.v3_checksum
    }

    /// The authentication, [`Auth::None`] without a password.
    pub fn auth(&self) -> Auth {
        self.auth_pass.as_ref().map_or(Auth::None, AuthPass::auth)
    }

    /// The virtual addresses without their prefix lengths, in the order of the advert.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let addresses = self.virtual_addresses.iter();
        addresses.map(|address| address.address).collect()
    }
}

/// An address that follows the master.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// The prefix length it is added with, up to 32 or 128.
    pub prefix_len: u8,
    /// The interface it is added to; `None`: the instance's.
    pub dev: Option<String>,
    /// The address label (IPv4 only, at most 15 bytes).
    pub label: Option<String>,
    /// The scope it is added with.
    pub scope: AddressScope,
}

impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// Where an address is valid (`RT_SCOPE_*` of `linux/rtnetlink.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressScope {
    /// Everywhere.
    #[default]
    Global,
    /// Within the site.
    Site,
    /// On this link.
    Link,
    /// In this host.
    Host,
    /// Nowhere.
    Nowhere,
}

impl AddressScope {
    /// The kernel's number, `RT_SCOPE_*`.
    pub fn number(self) -> u8 {
        match self {
            Self::Global => 0,
            Self::Site => 200,
            Self::Link => 253,
            Self::Host => 254,
            Self::Nowhere => 255,
        }
    }
}

/// A version 2 password: 1..=8 bytes. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuthPass(String);

impl AuthPass {
    /// The longest password the packet has room for, in bytes (RFC 2338 section 5.3.6).
    pub const MAX_BYTES: usize = 8;

    /// The password as an advert carries it.
    pub fn auth(&self) -> Auth {
        Auth::pass(self.0.as_bytes())
    }
}

impl TryFrom<String> for AuthPass {
    type Error = AuthPassError;

    fn try_from(text: String) -> Result<Self, AuthPassError> {
        match text.len() {
            0 => Err(AuthPassError::Empty),
            1..=Self::MAX_BYTES => Ok(Self(text)),
            bytes => Err(AuthPassError::TooLong { bytes }),
        }
    }
}

impl From<AuthPass> for String {
    fn from(pass: AuthPass) -> String {
        pass.0
    }
}

impl fmt::Debug for AuthPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthPass(***)")
    }
}

/// Why a text is not a version 2 password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthPassError {
    /// It has no byte.
    #[error("the password is empty")]
    Empty,
    /// It does not fit into the packet's field.
    #[error("the password has {bytes} bytes, and the packet has room for 8")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}
