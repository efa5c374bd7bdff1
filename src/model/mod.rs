//! The configuration as the daemon uses it: typed, validated, plain data.
//!
//! Nothing here knows of a dialect, a file or a line: `crate::config` reads those and
//! builds a [`Config`], in which every default is filled in, every name resolved
//! and every real server carries its own checks. A `Config` compares with `==`, and
//! travels to the worker processes as JSON. What the crates of the parts have a type
//! for, it says with that type.

mod check;
pub mod defaults;
mod pool;
mod update;
mod vrrp;

pub use self::vrrp::*;
pub use ::vrrp::wire::{ChecksumV3, Version};
pub use check::{CheckConfig, HttpCheck, Probe};
pub use checks::{Method, Start, StatusRange, Statuses};
pub use ipvs_sys::{Family, Protocol, ServiceId};
pub use pool::{Forward, RealServer, SCHEDULERS, VirtualServer};
pub use update::{Mismatch, Update};

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// What is not about one instance or one service.
    pub global: Global,
    /// The VRRP instances, in the order of the file. No two share a name, nor
    /// interface, family and virtual router id.
    pub vrrp_instances: Vec<VrrpInstance>,
    /// What serves all instances.
    pub vrrp: VrrpCommon,
    /// The virtual servers, in the order of the file. No two share a name or a service.
    pub virtual_servers: Vec<VirtualServer>,
}

/// Settings of the whole director.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// The name this director goes by in logs and status. `None`: the host name.
    pub router_id: Option<String>,
    /// What becomes of our IPVS entries when the director is stopped.
    pub ipvs_on_stop: OnStop,
    /// How long after its start the director's instances do not take part.
    pub startup_delay: Duration,
    /// The same, until the host has been up for this long; the longer one counts.
    pub delay_after_boot: Duration,
    /// Whether adverts of virtual routers that are not configured are logged, besides
    /// being counted.
    pub log_unknown_vrids: bool,
    /// Programs, FIFOs and mail.
    pub notification: Notification,
}

/// What serves all VRRP instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrrpCommon {
    /// Instances that move together.
    pub sync_groups: Vec<SyncGroup>,
    /// What can be tracked; names are unique.
    pub trackers: Vec<Tracker>,
    /// Settings of interfaces, those that have any.
    pub interfaces: Vec<InterfaceSettings>,
    /// Interfaces that share announcement rates.
    pub announce_groups: Vec<AnnounceGroup>,
    /// What is kept in place whatever the state.
    pub static_network: StaticNetwork,
}

/// What becomes of our IPVS entries when the director is stopped in good order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStop {
    /// They are removed: this host no longer forwards.
    #[default]
    Remove,
    /// They stay, and connections through this host go on.
    Keep,
}
