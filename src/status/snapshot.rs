//! What a worker knows, as it sends it to the supervisor.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipvs_sys::ServiceId;
use mono::Mono;
use serde::{Deserialize, Serialize};

use crate::director::{CheckId, PoolStatus};

/// State of the vrrp worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VrrpSnapshot {
    /// When it was made.
    pub taken: Mono,
    /// One entry per instance.
    pub instances: Vec<InstanceReport>,
    /// Addresses this worker has put on interfaces: what has to be removed
    /// when nobody can be brought back to care for them.
    pub held: Vec<AddressReport>,
    /// The last error of address handling, if it still stands.
    pub address_error: Option<String>,
    /// Times addresses were found changed by somebody else and repaired.
    pub repairs: u64,
    /// Longest lateness of a timer (now - deadline) since the start.
    pub worst_lateness: Duration,
}

/// One VRRP instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceReport {
    /// Its name in the configuration.
    pub name: String,
    /// Its interface.
    pub interface: String,
    /// 4 or 6.
    pub family: u8,
    /// Virtual router identifier.
    pub virtual_router_id: u8,
    /// VRRP version, 2 or 3.
    pub version: u8,
    /// Configured priority.
    pub priority: u8,
    /// Advertisement interval in use.
    pub advert_interval: Duration,
    /// The core's state, from which a successor resumes.
    pub core: vrrp::Snapshot,
    /// When the present state was entered.
    pub since: Mono,
    /// Why it was entered, in words.
    pub reason: String,
    /// Who is Master: address and priority, as last heard, or ourselves.
    pub master: Option<(IpAddr, u8)>,
    /// Why the instance cannot run, in words.
    pub fault: Option<String>,
    /// Counters by stable name.
    pub counters: BTreeMap<String, u64>,
    /// Virtual addresses and whether we hold them.
    pub addresses: Vec<AddressReport>,
}

/// One virtual address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressReport {
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
    /// The interface it belongs on.
    pub interface: String,
    /// Whether it is on this host now.
    pub held: bool,
    /// Another host that answers for it, as a hardware address.
    pub conflict: Option<String>,
}

/// State of the checker worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckerSnapshot {
    /// When it was made.
    pub taken: Mono,
    /// Health of every check, from which a successor resumes.
    pub checks: Vec<checks::Saved<CheckId>>,
    /// Services that were programmed by us, so that a successor knows which
    /// ones it may remove.
    pub managed: BTreeSet<ServiceId>,
    /// Pools for people; empty unless asked for.
    pub pools: Vec<PoolReport>,
    /// The kernel's table.
    pub table: TableReport,
}

/// The IPVS table as a whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TableReport {
    /// When desired and kernel were last known to agree.
    pub synced: Option<Mono>,
    /// Entries found changed by somebody else and repaired, since the start.
    pub drift: u64,
    /// The last such change, in words.
    pub last_drift: Option<String>,
    /// Services in the kernel that are not ours; left alone.
    pub foreign: Vec<String>,
    /// The error that stands, in words.
    pub error: Option<String>,
}

/// One virtual server: its pool, and what the kernel has of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolReport {
    /// The pool.
    pub pool: PoolStatus,
    /// Its real servers in the kernel, in the same order; none when the
    /// kernel does not have the service.
    pub kernel: Option<Vec<Option<KernelServer>>>,
}

/// A real server as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelServer {
    /// Its weight.
    pub weight: u32,
    /// Active connections.
    pub active: u32,
    /// Inactive connections.
    pub inactive: u32,
}
