//! The processes of lvsd: a supervisor, and workers that do one thing each.
//!
//! A stall or crash of one part must not move the virtual address, so each
//! part is a process of its own, and bytes from the network meet no more
//! privilege than they need:
//!
//! | process | owns | privileges after start |
//! |---|---|---|
//! | [`supervisor`] | configuration, control socket, signals, children, watchdog, last snapshots, the fence | root; parses nothing from the network |
//! | [`vrrp`] | VRRP instances, virtual addresses, ARP/NA | `CAP_NET_ADMIN`, `CAP_NET_RAW` |
//! | [`checker`] | probes, pools, the IPVS table | `CAP_NET_ADMIN`, `CAP_NET_RAW` |
//! | [`scripts`] | track scripts, files and processes; notify scripts, FIFOs, mail | root (it runs programs as other users); reads nothing from the network |
//! | api | status page and metrics: its seat is kept, it comes later | none |
//!
//! Workers talk only to the supervisor, over a socket pair, in the protocol of
//! [`protocol`]; [`channel`] frames it and [`session`] is the worker's end.
//!
//! Fail static: whatever dies, addresses and table stay. A worker that comes
//! back is given its last snapshot and resumes. A worker that loses its
//! supervisor keeps serving for [`session::ORPHAN_GRACE`], long enough for a
//! service manager to start a new one, which takes over with
//! `SIGUSR1` ("write your snapshot and leave everything as it is"). A restart
//! and an upgrade are the same on purpose ([`supervisor::succession`]).

pub mod channel;
pub mod checker;
pub mod protocol;
pub mod scripts;
pub mod session;
pub mod supervisor;
pub mod vrrp;

use std::fmt;
use std::path::{Path, PathBuf};

use mono::Mono;
use serde::{Deserialize, Serialize};

use crate::kernel::clock;
use crate::model::{Config, Tracker, Tracking, VrrpCommon, VrrpInstance, Watch};

/// The worker processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// VRRP instances and their addresses.
    Vrrp,
    /// Health checks and the IPVS table.
    Checker,
    /// Programs and files that are tracked, and all that tells others.
    Scripts,
}

impl Kind {
    /// Every worker, in the order in which they are started.
    pub const ALL: [Kind; 3] = [Kind::Vrrp, Kind::Checker, Kind::Scripts];

    /// The name used in logs, file names and on the hidden command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Vrrp => "vrrp",
            Kind::Checker => "checker",
            Kind::Scripts => "scripts",
        }
    }

    /// The part of a configuration that a worker of this kind needs.
    #[must_use]
    pub fn part(self, config: &Config) -> Config {
        let global = config.global.clone();
        match self {
            Kind::Vrrp => Config {
                global,
                vrrp_instances: config.vrrp_instances.clone(),
                vrrp: config.vrrp.clone(),
                virtual_servers: Vec::new(),
            },
            Kind::Checker => Config {
                global,
                vrrp: VrrpCommon {
                    trackers: trackers(config, |watch| matches!(watch, Watch::VirtualServer(_))),
                    ..VrrpCommon::default()
                },
                virtual_servers: config.virtual_servers.clone(),
                ..Config::default()
            },
            Kind::Scripts => Config {
                global,
                vrrp_instances: config.vrrp_instances.iter().map(told).collect(),
                vrrp: VrrpCommon {
                    sync_groups: config.vrrp.sync_groups.clone(),
                    trackers: trackers(config, |watch| {
                        matches!(watch, Watch::Script(_) | Watch::File(_) | Watch::Process(_))
                    }),
                    ..VrrpCommon::default()
                },
                ..Config::default()
            },
        }
    }

    /// The lock a worker of this kind holds while it lives.
    #[must_use]
    pub fn lock_file(self, runtime_dir: &Path) -> PathBuf {
        runtime_dir.join(format!("{}.lock", self.name()))
    }

    /// Where the last snapshot of this kind is kept.
    #[must_use]
    pub fn state_file(self, runtime_dir: &Path) -> PathBuf {
        runtime_dir.join(format!("{}.state", self.name()))
    }
}

/// The trackers of some kind that somebody uses: what nobody uses is not measured.
fn trackers(config: &Config, kind: fn(&Watch) -> bool) -> Vec<Tracker> {
    let instances = config.vrrp_instances.iter().map(|one| &one.tracking);
    let groups = config.vrrp.sync_groups.iter().map(|one| &one.tracking);
    let uses =
        |tracking: &Tracking, name: &str| tracking.trackers.iter().any(|one| one.name == name);
    let used = |one: &&Tracker| {
        kind(&one.watch)
            && instances
                .clone()
                .chain(groups.clone())
                .any(|tracking| uses(tracking, &one.name))
    };
    let trackers = &config.vrrp.trackers;
    trackers.iter().filter(used).cloned().collect()
}

/// What those who tell others need to know of an instance.
fn told(instance: &VrrpInstance) -> VrrpInstance {
    VrrpInstance {
        notify: instance.notify.clone(),
        ..VrrpInstance::new(
            instance.name.clone(),
            instance.interface.clone(),
            instance.virtual_router_id,
            instance.family,
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Waits until `deadline`, for ever if there is none.
async fn wait_until(deadline: Option<Mono>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline.since(clock::monotonic_now())).await,
        None => std::future::pending().await,
    }
}
