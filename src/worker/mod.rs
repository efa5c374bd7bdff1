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
//! | api | status page and metrics: its seat is kept, it comes later | none |
//!
//! Workers talk only to the supervisor, over a socket pair, in the protocol of
//! [`protocol`]; [`channel`] frames it and [`session`] is the worker's end.
//!
//! Fail static: whatever dies, addresses and table stay. A worker that comes
//! back is given its last snapshot and resumes. A worker that loses its
//! supervisor keeps serving for [`session::ORPHAN_GRACE`], long enough for a
//! service manager to start a new one, which takes over with
//! `SIGUSR1` ("write your snapshot and leave everything as it is").

pub mod channel;
pub mod checker;
pub mod protocol;
pub mod session;
pub mod supervisor;
pub mod vrrp;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::Config;

/// The worker processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// VRRP instances and their addresses.
    Vrrp,
    /// Health checks and the IPVS table.
    Checker,
}

impl Kind {
    /// Every worker, in the order in which they are started.
    pub const ALL: [Kind; 2] = [Kind::Vrrp, Kind::Checker];

    /// The name used in logs, file names and on the hidden command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Vrrp => "vrrp",
            Kind::Checker => "checker",
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
                virtual_servers: config.virtual_servers.clone(),
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

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
