//! Virtual servers and their pools of real servers.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use ipvs_sys::{Destination, DestinationId, Service, ServiceId};
use serde::{Deserialize, Serialize};

use super::CheckConfig;

/// The names of the kernel's IPVS schedulers.
pub const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos",
];

/// How packets reach a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forward {
    /// Direct routing: by MAC address, unchanged; the real server holds the address too.
    Dr,
    /// Network address translation: replies come back through the director.
    Nat,
    /// IP-in-IP tunnel: the real server may be in another network.
    Tun,
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dr => "dr",
            Self::Nat => "nat",
            Self::Tun => "tun",
        })
    }
}

/// A service and the pool of servers behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServer {
    /// The name in the configuration, unique among virtual servers.
    pub name: String,
    /// What clients connect to: the key of the service in the kernel.
    pub service: ServiceId,
    /// The IPVS scheduler, one of [`SCHEDULERS`].
    pub scheduler: String,
    /// How long a client sticks to its server; `None`: not at all. Whole seconds,
    /// 1 s..=31 days.
    pub persistence_timeout: Option<Duration>,
    /// The sum of the weights of healthy servers that makes the pool usable, at least 1.
    pub quorum: u32,
    /// The pool, in the order of the file; no address twice. May be empty.
    pub real_servers: Vec<RealServer>,
}

/// One server of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// A name for people, if one was given.
    pub name: Option<String>,
    /// Its address and port. For `dr` and `tun` the port is the service's, except
    /// with a firewall mark.
    pub address: SocketAddr,
    /// Its share of the connections, 0..=2147483647; 0: no new ones.
    pub weight: u32,
    /// How packets reach it.
    pub forward: Forward,
    /// The number of connections at which it gets no more; 0: no limit.
    pub upper_threshold: u32,
    /// The number of connections below which it gets some again; 0: three quarters
    /// of the upper one, as the kernel does.
    pub lower_threshold: u32,
    /// Its checks: it is healthy if all are. Without any it always is.
    pub checks: Vec<CheckConfig>,
}

impl From<Forward> for ipvs_sys::Forward {
    fn from(forward: Forward) -> Self {
        match forward {
            Forward::Dr => Self::DirectRoute,
            Forward::Nat => Self::Masquerade,
            Forward::Tun => Self::Tunnel,
        }
    }
}

impl VirtualServer {
    /// The service as the kernel is to have it.
    pub fn kernel_service(&self) -> Service {
        let service = Service::new(self.service, self.scheduler.as_str());
        match self.persistence_timeout {
            // At most 31 days.
            Some(timeout) => {
                service.persistent(u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX))
            }
            None => service,
        }
    }
}

impl RealServer {
    /// The destination as the kernel is to have it while the server is healthy.
    pub fn kernel_destination(&self) -> Destination {
        let id = DestinationId::new(self.address);
        Destination {
            upper_threshold: self.upper_threshold,
            lower_threshold: self.lower_threshold,
            ..Destination::new(id, self.forward.into(), self.weight)
        }
    }
}
