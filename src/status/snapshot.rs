//! What a worker knows, as it sends it to the supervisor.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipvs_sys::ServiceId;
use mono::Mono;
use serde::{Deserialize, Serialize};
use vrrp::wire::GuardSnapshot;

use crate::director::{CheckId, PoolStatus};
use crate::model::Measured;
use crate::reconcile::rule::Rule;
use crate::reconcile::{route, sysctl};

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
    /// What else this worker has changed in the kernel, for a successor to know
    /// as its own.
    #[serde(default)]
    pub installed: InstalledReport,
    /// The last error of address handling, if it still stands.
    pub address_error: Option<String>,
    /// Times addresses were found changed by somebody else and repaired.
    pub repairs: u64,
    /// Longest lateness of a timer (now - deadline) since the start.
    pub worst_lateness: Duration,
    /// One entry per sync group.
    #[serde(default)]
    pub groups: Vec<GroupReport>,
    /// The last results of trackers, from which a successor goes on.
    #[serde(default)]
    pub measured: Vec<Measured>,
    /// When the director took up its work: a delay at the start counts from here.
    #[serde(default)]
    pub started: Option<Mono>,
    /// Until when the instances take no part, if they do not yet.
    #[serde(default)]
    pub passive_until: Option<Mono>,
    /// Virtual routers that are heard and not configured.
    #[serde(default)]
    pub strangers: Vec<StrangerReport>,
    /// Packets since the start that were no adverts of any virtual router.
    #[serde(default)]
    pub unreadable: u64,
}

impl VrrpSnapshot {
    /// A snapshot of nothing.
    #[must_use]
    pub fn new(taken: Mono) -> Self {
        Self {
            taken,
            instances: Vec::new(),
            held: Vec::new(),
            installed: InstalledReport::default(),
            address_error: None,
            repairs: 0,
            worst_lateness: Duration::ZERO,
            groups: Vec::new(),
            measured: Vec::new(),
            started: None,
            passive_until: None,
            strangers: Vec::new(),
            unreadable: 0,
        }
    }
}

/// One sync group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupReport {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: vrrp::State,
    /// When that was entered.
    pub since: Mono,
    /// Why, in words.
    pub reason: String,
    /// The names of its members.
    pub members: Vec<String>,
}

/// A virtual router that others run and this director knows nothing of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrangerReport {
    /// Where it is heard.
    pub interface: String,
    /// 4 or 6.
    pub family: u8,
    /// Its virtual router identifier.
    pub virtual_router_id: u8,
    /// Who spoke last.
    pub from: IpAddr,
    /// Adverts heard.
    pub count: u64,
    /// When the last one was heard.
    pub last: Mono,
}

/// What the vrrp worker has put into the kernel besides the addresses that follow
/// a Master.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstalledReport {
    /// Routes that follow a Master.
    pub routes: Vec<route::Identity>,
    /// Rules that follow a Master.
    pub rules: Vec<Rule>,
    /// What is there whatever the roles.
    pub fixed: FixedReport,
    /// Kernel parameters, with the values that they had before.
    pub sysctls: BTreeMap<String, sysctl::Saved>,
    /// Whether there is a packet filter of ours.
    pub firewall: bool,
}

/// What the vrrp worker keeps in the kernel whatever the roles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FixedReport {
    /// Addresses.
    pub addresses: Vec<AddressReport>,
    /// Routes.
    pub routes: Vec<route::Identity>,
    /// Rules.
    pub rules: Vec<Rule>,
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
    /// The sync group it is in.
    #[serde(default)]
    pub group: Option<String>,
    /// What makes the effective priority of the configured one.
    #[serde(default)]
    pub terms: Vec<PriorityTerm>,
    /// What it waits for before it starts, in words.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// Whether its addresses are served until the successor is heard.
    #[serde(default)]
    pub handing_over: bool,
    /// Its second way, if it has one.
    #[serde(default)]
    pub heartbeat: Option<HeartbeatReport>,
    /// What is wrong between this director and others now, in words.
    #[serde(default)]
    pub verdicts: Vec<String>,
    /// Bad or surprising adverts, by kind and sender.
    #[serde(default)]
    pub complaints: Vec<ComplaintReport>,
    /// What the authentication of adverts has to remember.
    #[serde(default)]
    pub guard: GuardSnapshot,
}

/// What a tracked thing adds to a priority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorityTerm {
    /// The interface or the tracker.
    pub name: String,
    /// What it adds.
    pub effect: i32,
    /// Its state in words.
    pub detail: String,
}

/// The second way of the adverts of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatReport {
    /// Its interface.
    pub interface: String,
    /// Why it does not work, in words.
    pub fault: Option<String>,
    /// When the last advert came by it.
    pub heard: Option<Mono>,
}

/// Bad or surprising adverts of one kind and one sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComplaintReport {
    /// The kind, as the counters name it.
    pub kind: String,
    /// The sender's address.
    pub from: IpAddr,
    /// The sender's hardware address, where it is known.
    pub mac: Option<String>,
    /// How many there were.
    pub count: u64,
    /// When the last one came.
    pub last: Mono,
    /// What was wrong with it, in words.
    pub detail: String,
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
