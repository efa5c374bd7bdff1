//! The status document: what `lvsd status --json` prints.
//!
//! `docs/status.md` describes it for its readers. Fields are only added;
//! a change of meaning raises [`FORMAT`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::telling::{NotificationStatus, TrackerStatus};

/// Version of this document.
pub const FORMAT: u32 = 1;

/// The whole document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Document {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of lvsd.
    pub version: String,
    /// `router_id`.
    pub router_id: String,
    /// Process id of the supervisor.
    pub pid: u32,
    /// Seconds since the supervisor started.
    pub uptime_s: f64,
    /// The configuration in force.
    pub config: ConfigStatus,
    /// Whether this director takes no part in VRRP because an operator said so.
    pub maintenance: bool,
    /// Worker processes.
    pub workers: Vec<WorkerStatus>,
    /// VRRP instances.
    pub vrrp: Vec<InstanceStatus>,
    /// Sync groups.
    pub sync_groups: Vec<GroupStatus>,
    /// Virtual routers that are heard and not configured.
    pub strangers: Vec<StrangerStatus>,
    /// Packets of VRRP that were no adverts, since the vrrp worker started.
    pub unreadable_packets: u64,
    /// Seconds until the instances take part; none once they do.
    pub startup_delay_s: Option<f64>,
    /// What is tracked.
    #[serde(default)]
    pub trackers: Vec<TrackerStatus>,
    /// Who is told of changes; none while the scripts worker is not running.
    #[serde(default)]
    pub notification: Option<NotificationStatus>,
    /// Address handling of the vrrp worker; none while it is not running.
    pub addresses: Option<AddressStatus>,
    /// Pools.
    pub pools: Vec<PoolStatus>,
    /// The IPVS table; none while the checker is not running.
    pub ipvs: Option<TableStatus>,
}

/// The configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// The file.
    pub file: String,
    /// Counts the configurations applied since the start, from 1.
    pub generation: u64,
    /// Why the last reload was refused; none when it was not.
    pub reload_error: Option<String>,
}

/// A worker process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// `vrrp`, `checker` or `scripts`.
    pub name: String,
    /// Its process id; none while it is down.
    pub pid: Option<u32>,
    /// Seconds since it was started.
    pub uptime_s: Option<f64>,
    /// How often it had to be started again.
    pub restarts: u64,
    /// Age of the state shown here, in seconds.
    pub snapshot_age_s: Option<f64>,
}

/// A sync group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Name in the configuration.
    pub name: String,
    /// `MASTER`, `BACKUP` or `FAULT`: not all members can run.
    pub state: String,
    /// Seconds in this state.
    pub for_s: f64,
    /// Why it was entered.
    pub reason: String,
    /// Names of its instances.
    pub members: Vec<String>,
}

/// A virtual router of somebody else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StrangerStatus {
    /// Where it is heard.
    pub interface: String,
    /// 4 or 6.
    pub family: u8,
    /// Virtual router identifier.
    pub virtual_router_id: u8,
    /// Who spoke last.
    pub from: String,
    /// Adverts heard.
    pub count: u64,
    /// Age of the last one in seconds.
    pub last_age_s: f64,
}

/// A VRRP instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Name in the configuration.
    pub name: String,
    /// Interface.
    pub interface: String,
    /// 4 or 6.
    pub family: u8,
    /// Virtual router identifier.
    pub virtual_router_id: u8,
    /// VRRP version.
    pub version: u8,
    /// `MASTER`, `BACKUP`, `FAULT`, or `WAITING`: it takes no part, for now.
    pub state: String,
    /// Configured priority.
    pub priority: u8,
    /// Priority in use: the configured one with what tracking adds.
    pub effective_priority: u8,
    /// What tracking adds.
    pub priority_terms: Vec<TermStatus>,
    /// When this state was entered, Unix time in seconds.
    pub since: f64,
    /// Seconds in this state.
    pub for_s: f64,
    /// Why it was entered.
    pub reason: String,
    /// Why it is in FAULT.
    pub fault: Option<String>,
    /// Who is Master.
    pub master: Option<MasterStatus>,
    /// Advertisement interval in seconds.
    pub advert_interval_s: f64,
    /// What it waits for before it starts.
    pub waiting: Vec<String>,
    /// Whether it serves its addresses until the successor is heard.
    pub handing_over: bool,
    /// The sync group it is in.
    pub sync_group: Option<String>,
    /// The second way of its adverts.
    pub heartbeat: Option<HeartbeatStatus>,
    /// What is wrong between this host and others, in words.
    pub verdicts: Vec<String>,
    /// Bad or surprising adverts, by kind and sender.
    pub complaints: Vec<ComplaintStatus>,
    /// Virtual addresses.
    pub addresses: Vec<VirtualAddress>,
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
}

/// What a tracked thing adds to a priority.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TermStatus {
    /// The tracker or interface.
    pub name: String,
    /// What it adds.
    pub effect: i32,
    /// Its state in words.
    pub detail: String,
}

/// The second way of an instance's adverts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeartbeatStatus {
    /// Its interface.
    pub interface: String,
    /// Why it does not work.
    pub fault: Option<String>,
    /// Age of the last advert that came by it, in seconds.
    pub heard_age_s: Option<f64>,
}

/// Bad or surprising adverts of one kind from one sender.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComplaintStatus {
    /// The kind, a name of `counters`.
    pub kind: String,
    /// The sender's address.
    pub from: String,
    /// Its hardware address.
    pub mac: Option<String>,
    /// How many there were.
    pub count: u64,
    /// Age of the last one in seconds.
    pub last_age_s: f64,
    /// What was wrong with it.
    pub detail: String,
}

/// The Master of an instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MasterStatus {
    /// Its address.
    pub address: String,
    /// Its priority.
    pub priority: u8,
    /// Whether that is this host.
    pub local: bool,
}

/// A virtual address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// `172.17.1.160/32`.
    pub address: String,
    /// Interface it belongs on.
    pub interface: String,
    /// Whether this host holds it.
    pub held: bool,
    /// Hardware address of another host that answers for it.
    pub conflict: Option<String>,
}

/// Address handling.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AddressStatus {
    /// The error that stands.
    pub error: Option<String>,
    /// Addresses changed by somebody else and repaired.
    pub repairs: u64,
    /// Longest lateness of a VRRP timer, in seconds.
    pub worst_timer_lateness_s: f64,
}

/// A virtual server and its pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Name in the configuration.
    pub name: String,
    /// `TCP 172.17.1.160:80`.
    pub service: String,
    /// Scheduler.
    pub scheduler: String,
    /// Whether the kernel has it.
    pub in_kernel: bool,
    /// Whether enough weight is live.
    pub quorum_met: bool,
    /// Weight of live servers.
    pub live_weight: u64,
    /// Weight that is enough.
    pub quorum: u64,
    /// Real servers.
    pub servers: Vec<ServerStatus>,
}

/// A real server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Name in the configuration, if it has one.
    pub name: Option<String>,
    /// `172.17.1.152:80`.
    pub address: String,
    /// `Route`, `Masq`, `Tunnel`.
    pub forward: String,
    /// `UP` or `DOWN`.
    pub state: String,
    /// Seconds in this state; none before the first check.
    pub for_s: Option<f64>,
    /// Configured weight.
    pub weight: u32,
    /// Weight in the kernel; none when it is not in the table.
    pub kernel_weight: Option<u32>,
    /// Active connections.
    pub active: u32,
    /// Inactive connections.
    pub inactive: u32,
    /// Its checks.
    pub checks: Vec<CheckStatus>,
}

/// A check.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckStatus {
    /// `tcp`, `http`, `icmp`.
    pub kind: String,
    /// Whether it lets the server serve.
    pub up: bool,
    /// Since when, in seconds; none before it runs.
    pub for_s: Option<f64>,
    /// Whether the last probe succeeded; none before the first.
    pub last_ok: Option<bool>,
    /// Its result in words.
    pub last: Option<String>,
    /// Age of that result in seconds.
    pub age_s: Option<f64>,
}

/// The IPVS table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableStatus {
    /// Seconds since desired and kernel were last known to agree.
    pub synced_age_s: Option<f64>,
    /// Entries changed by somebody else and repaired.
    pub drift: u64,
    /// The last of these.
    pub last_drift: Option<String>,
    /// Services that are not ours, left alone.
    pub foreign: Vec<String>,
    /// The error that stands.
    pub error: Option<String>,
}
