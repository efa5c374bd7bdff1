//! What goes into [`Instance::step`](crate::Instance::step) and what comes out.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Advert, Config, Version};

/// The three states of RFC 9568 6.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not taking part: before startup, after shutdown, or the interface is unusable.
    Initialize,
    /// Watching the Master.
    Backup,
    /// Holding the addresses.
    Master,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Initialize => "initialize",
            State::Backup => "backup",
            State::Master => "master",
        })
    }
}

/// A router as its adverts show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// Its primary address, the source of its adverts.
    pub address: IpAddr,
    /// The priority it last advertised.
    pub priority: u8,
}

/// The way an advert came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The interface of the virtual router.
    #[default]
    Primary,
    /// A second interface, on which the same adverts are sent.
    Heartbeat,
}

/// Something that happened to an instance.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The interface is usable, and `source` is our primary address on it. Given again
    /// while running, it says that the primary address changed.
    Startup {
        /// Our primary address: the source of our adverts.
        source: IpAddr,
    },
    /// Stop taking part, in good order: a Master gives up with priority 0, and keeps
    /// serving the addresses until its successor is heard or the time for that is over,
    /// see [`Instance::handing_over`](crate::Instance::handing_over). Given again during
    /// that time, it ends it.
    Shutdown,
    /// The virtual router cannot run (link down, address gone, a tracked condition
    /// failed): stop at once. A Master gives up with priority 0 and removes the addresses.
    Fault,
    /// Give the addresses up, but stay willing: a Master becomes Backup, with a hand-over
    /// as for `Shutdown`, and leaves its successor alone, as with `nopreempt`, until it
    /// is Master again, is shut down, or is given another priority, `preempt` or
    /// `preempt_delay` by `Reconfigure`. If no successor is heard, it goes on as Master. Others than a Master do nothing.
    Release,
    /// An advert for this virtual router that passed the decoder's checks.
    Advert {
        /// Source address of the packet.
        src: IpAddr,
        /// The way it came.
        via: Via,
        /// Our own source address on that way.
        own: IpAddr,
        /// Its content.
        advert: &'a Advert,
    },
    /// The sum of the weights of what is tracked, see
    /// [`Config::effective_priority`](crate::Config::effective_priority).
    Adjust(i32),
    /// A new configuration for the same virtual router: `vrid` and `version` stay as
    /// they are. (To change these, shut this instance down and start another: to its
    /// peers it is another router.)
    Reconfigure(Config),
    /// [`deadline`](crate::Instance::deadline) has come. Early or needless calls do
    /// nothing.
    Timer,
}

/// Something the driver has to do, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Send an advert now, on every way there is, with the present configuration but
    /// this priority.
    Send {
        /// 0 says that we give up, anything else is the effective priority.
        priority: u8,
    },
    /// The addresses of the present configuration, and no others of this instance, are
    /// to be on this host.
    AddAddresses,
    /// None of the instance's addresses is to be on this host.
    RemoveAddresses,
    /// Tell the segment where the addresses are: gratuitous ARP, unsolicited neighbour
    /// advertisements.
    Announce {
        /// Why now.
        cause: Cause,
    },
    /// The state changed. Always the last effect of a change.
    Transition {
        /// State before.
        from: State,
        /// State now.
        to: State,
        /// Why.
        reason: Reason,
    },
    /// An advert was dropped.
    Rejected(Rejection),
    /// An advert was processed, but an operator should know about it.
    Surprise(Surprise),
}

/// Why the addresses are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// We became Master, or hold other addresses than before.
    Master,
    /// For the second time after that, for those who missed the first.
    Again,
    /// Another router was Master too and may have been the last one heard.
    Rival,
}

/// Why the state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// To Backup: the interface became usable.
    Startup,
    /// To Master: we own the addresses (priority 255).
    Owner,
    /// The state before a restart of the process was taken up again.
    Resumed,
    /// To Master: no Master was heard for the master-down interval.
    MasterDown,
    /// To Master: the Master gave up with priority 0, and nobody better spoke within
    /// our skew time.
    MasterLeft,
    /// To Master: the Master has a lower priority than we have.
    Preempting,
    /// To Master: we gave the addresses up, and nobody took them.
    NoSuccessor,
    /// The sync group moved, and this instance with it.
    Group,
    /// To Backup: a router of higher priority is Master.
    HigherPriority,
    /// To Backup: a router of our priority and a higher address is Master.
    HigherAddress,
    /// To Backup: another router owns the addresses too and does not yield to us, though
    /// it should.
    SecondOwner,
    /// To Backup: our timer was so late that a Backup may have taken over.
    Late,
    /// To Backup: asked to give the addresses up.
    Released,
    /// To Initialize: asked to stop.
    Shutdown,
    /// To Initialize: unable to run.
    Fault,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Reason::Startup => "started",
            Reason::Owner => "owns the addresses",
            Reason::Resumed => "resumed after a restart",
            Reason::MasterDown => "no master heard",
            Reason::MasterLeft => "the master gave up",
            Reason::Preempting => "the master had a lower priority",
            Reason::NoSuccessor => "nobody took the addresses",
            Reason::Group => "the sync group moved",
            Reason::SecondOwner => "another owner of the addresses persists",
            Reason::Late => "own timer late, listening first",
            Reason::Released => "released",
            Reason::HigherPriority => "a router of higher priority is master",
            Reason::HigherAddress => "a router of equal priority and higher address is master",
            Reason::Shutdown => "shut down",
            Reason::Fault => "cannot run",
        })
    }
}

/// Why an advert was dropped; it touched neither state nor timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// Its source is our own address: our advert came back (a loop or a reflecting
    /// switch), or another host uses our address.
    OwnAddress,
    /// It is of the protocol version we do not speak.
    VersionMismatch {
        /// The version it has.
        received: Version,
    },
    /// v2 only (RFC 3768 7.1): its interval is not ours.
    IntervalMismatch {
        /// The interval it has.
        received: Duration,
    },
}

impl Rejection {
    /// A stable name, for counters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Rejection::OwnAddress => "own_address",
            Rejection::VersionMismatch { .. } => "version_mismatch",
            Rejection::IntervalMismatch { .. } => "interval_mismatch",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::OwnAddress => f.write_str("its source is our own address"),
            Rejection::VersionMismatch { received } => write!(f, "its version is {received:?}"),
            Rejection::IntervalMismatch { received } => {
                write!(f, "its advert interval is {received:?}, not ours")
            }
        }
    }
}

/// What is odd about an advert that was processed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surprise {
    /// It lists other addresses than we do (in whatever order).
    AddressList,
    /// Its sender says it owns the addresses, and so do we.
    SecondOwner,
    /// We are Master, and so is its sender, which ranks below us.
    LowerMaster,
}

impl Surprise {
    /// A stable name, for counters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Surprise::AddressList => "address_list",
            Surprise::SecondOwner => "second_owner",
            Surprise::LowerMaster => "lower_master",
        }
    }
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Surprise::AddressList => "it lists other addresses than we do",
            Surprise::SecondOwner => "its sender owns the addresses, and so do we",
            Surprise::LowerMaster => "its sender is master too, and ranks below us",
        })
    }
}
