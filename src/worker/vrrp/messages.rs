//! What the threads of the vrrp worker say to each other.
//!
//! Main -> adverts -> addresses -> main: one direction, so that the order of
//! effects (advert, addresses, announcement) is the order of the messages, and
//! the advert thread never waits for an answer.

use std::fmt;
use std::net::IpAddr;

use mono::Mono;

use crate::model::{self, Family, Global, Measured, VrrpCommon, VrrpInstance};
use crate::status::{AddressReport, InstalledReport, VrrpSnapshot};
use crate::worker::protocol::Order;

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

/// What a predecessor left.
#[derive(Clone, Debug)]
pub struct Predecessor {
    /// Its last snapshot.
    pub snapshot: VrrpSnapshot,
    /// Until when it was alive.
    pub alive_until: Mono,
}

/// What a predecessor put into the kernel.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Addresses.
    pub held: Vec<AddressReport>,
    /// All else.
    pub installed: InstalledReport,
}

/// Everything the threads run by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// All instances.
    pub instances: Vec<VrrpInstance>,
    /// What serves all of them.
    pub common: VrrpCommon,
    /// Settings of the director.
    pub global: Global,
}

/// An interface as VRRP needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// It works.
    Usable(Usable),
    /// It is there, but carries nothing, and why, in words.
    Down(String, Usable),
    /// It is not there, and why, in words.
    Unusable(String),
}

impl Interface {
    /// Why it does not work, if it does not.
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Self::Usable(_) => None,
            Self::Down(reason, _) | Self::Unusable(reason) => Some(reason),
        }
    }

    /// What it would be if it worked, as far as it is there.
    pub const fn there(&self) -> Option<&Usable> {
        match self {
            Self::Usable(usable) | Self::Down(_, usable) => Some(usable),
            Self::Unusable(_) => None,
        }
    }
}

/// An interface that works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usable {
    /// Its index.
    pub index: u32,
    /// The IPv4 address to send from where none is configured: our first one.
    pub v4: Option<IpAddr>,
    /// The same for IPv6: a link-local one that is no longer tentative.
    pub v6: Option<IpAddr>,
    /// Every usable address of ours on it, of both families: neither virtual nor
    /// tentative.
    pub addresses: Vec<IpAddr>,
}

/// To the advert thread.
#[derive(Debug)]
pub enum ToAdverts {
    /// Run these instances.
    Configure {
        /// To be acknowledged under this id.
        id: u64,
        /// What to run.
        setup: Box<Setup>,
        /// What a predecessor left, at the start.
        left: Option<Box<Predecessor>>,
    },
    /// Report the state.
    Report(Option<u64>),
    /// An interface changed: one of an instance, its device, of a heartbeat, or
    /// one that is tracked.
    Interface(String, Interface),
    /// The result of a tracker changed.
    Measured(Measured),
    /// The hardware address of who sent something bad.
    Sender {
        /// The sender's address.
        from: IpAddr,
        /// Its hardware address.
        mac: String,
    },
    /// Change who holds what; acknowledged when that is done.
    Hold {
        /// To be acknowledged under this id.
        id: u64,
        /// What.
        order: Order,
    },
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
        /// What to run.
        setup: Box<Setup>,
        /// What a predecessor put into the kernel.
        held: Left,
    },
    /// This instance holds its addresses, or does not.
    Role(Key, bool),
    /// Announce the addresses of this instance now, for this reason.
    Announce(Key, vrrp::Cause),
    /// A report in which the address thread's part is still empty.
    Report {
        /// Request id.
        id: Option<u64>,
        /// The advert thread's part.
        snapshot: Box<VrrpSnapshot>,
    },
    /// Say this to the main thread when all before it has been done: who is told
    /// of a new Master finds its addresses there.
    Pass(ToMain),
    /// Remove all our addresses and say so.
    Stop,
}

/// To the main thread.
#[derive(Debug)]
pub enum ToMain {
    /// A report is complete.
    Report(Option<u64>, Box<VrrpSnapshot>),
    /// A request was fulfilled; or what of it was not.
    Done(u64, Result<String, String>),
    /// Something happened that others want to know.
    Event(model::Event),
    /// Everything was given up.
    Stopped,
}
