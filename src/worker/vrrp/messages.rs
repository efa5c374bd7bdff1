//! What the threads of the vrrp worker say to each other.
//!
//! Main -> adverts -> addresses -> main: one direction, so that the order of
//! effects (advert, addresses, announcement) is the order of the messages, and
//! the advert thread never waits for an answer.

use std::fmt;
use std::net::IpAddr;

use mono::Mono;

use crate::model::{Family, VrrpInstance};
use crate::status::{AddressReport, InstanceReport, VrrpSnapshot};

/// What makes a virtual router one and the same across reloads: not its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Interface.
    pub interface: String,
    /// Address family.
    pub family: Family,
    /// Virtual router identifier.
    pub vrid: u8,
}

impl Key {
    /// The key of a configured instance.
    #[must_use]
    pub fn of(instance: &VrrpInstance) -> Self {
        Self {
            interface: instance.interface.clone(),
            family: instance.family,
            vrid: instance.virtual_router_id,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.interface, self.family, self.vrid)
    }
}

/// State that a predecessor left for one instance.
#[derive(Clone, Debug)]
pub struct Resume {
    /// Which one.
    pub key: Key,
    /// The core's state.
    pub core: vrrp::Snapshot,
    /// Until when it was alive.
    pub alive_until: Mono,
}

/// An interface as VRRP needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// It works.
    Usable {
        /// Its index.
        index: u32,
        /// Our primary addresses on it, by family.
        v4: Option<IpAddr>,
        /// The link-local address, if it is no longer tentative.
        v6: Option<IpAddr>,
    },
    /// It does not, and why, in words.
    Unusable(String),
}

impl Interface {
    /// Index and source address for a family; or why there is none.
    ///
    /// # Errors
    ///
    /// The reason in words.
    pub fn source(&self, family: Family) -> Result<(u32, IpAddr), String> {
        match (self, family) {
            (Self::Unusable(reason), _) => Err(reason.clone()),
            (
                Self::Usable {
                    index,
                    v4: Some(source),
                    ..
                },
                Family::Ipv4,
            )
            | (
                Self::Usable {
                    index,
                    v6: Some(source),
                    ..
                },
                Family::Ipv6,
            ) => Ok((*index, *source)),
            (_, Family::Ipv4) => Err("it has no IPv4 address to send from".into()),
            (_, Family::Ipv6) => Err("it has no usable link-local address".into()),
        }
    }
}

/// To the advert thread.
#[derive(Debug)]
pub enum ToAdverts {
    /// Run these instances.
    Configure {
        /// To be acknowledged under this id.
        id: u64,
        /// All of them.
        instances: Vec<VrrpInstance>,
        /// What predecessors left.
        resume: Vec<Resume>,
        /// The addresses that a predecessor held.
        held: Vec<AddressReport>,
    },
    /// Report the state.
    Report(Option<u64>),
    /// An interface changed.
    Interface(String, Interface),
    /// Give everything up.
    Stop,
}

/// To the address thread.
#[derive(Debug)]
pub enum ToAddresses {
    /// These instances exist.
    Configure {
        /// To be acknowledged under this id.
        id: u64,
        /// All of them.
        instances: Vec<VrrpInstance>,
        /// The addresses that a predecessor held.
        held: Vec<AddressReport>,
    },
    /// This instance holds its addresses, or does not.
    Role(Key, bool),
    /// Announce the addresses of this instance now.
    Announce(Key),
    /// The advert thread's part of a report.
    Report {
        /// Request id.
        id: Option<u64>,
        /// The instances; addresses still empty.
        instances: Vec<InstanceReport>,
        /// See [`VrrpSnapshot::worst_lateness`].
        worst_lateness: std::time::Duration,
    },
    /// Remove all our addresses and say so.
    Stop,
}

/// To the main thread.
#[derive(Debug)]
pub enum ToMain {
    /// A report is complete.
    Report(Option<u64>, VrrpSnapshot),
    /// A configuration is in force; or what of it is not.
    Done(u64, Result<String, String>),
    /// Everything was given up.
    Stopped,
}
