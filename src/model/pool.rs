//! Virtual servers and their pools of real servers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::CheckConfig;

/// The names of the kernel's IPVS schedulers.
pub const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos",
];

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    #[serde(rename = "ipv4")]
    V4,
    /// IPv6.
    #[serde(rename = "ipv6")]
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The prefix length of a single address: 32 or 128.
    pub fn host_prefix(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A transport protocol that IPVS balances.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

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

/// What a virtual server answers to: the key of its service in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceAddress {
    /// A protocol, an address and a port. Port 0, every port, is for persistent
    /// services only.
    Address {
        /// The protocol.
        protocol: Protocol,
        /// The address and port.
        address: SocketAddr,
    },
    /// Packets that the firewall has marked.
    Fwmark {
        /// The mark, never 0.
        mark: u32,
        /// The family of the marked packets.
        family: Family,
    },
}

impl ServiceAddress {
    /// The family of the service.
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(address.ip()),
            Self::Fwmark { family, .. } => *family,
        }
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address } => write!(f, "{protocol} {address}"),
            Self::Fwmark { mark, family } => write!(f, "FWM {mark} {family}"),
        }
    }
}

/// A service and the pool of servers behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServer {
    /// The name in the configuration, unique among virtual servers.
    pub name: String,
    /// What clients connect to.
    pub service: ServiceAddress,
    /// The IPVS scheduler, one of [`SCHEDULERS`].
    pub scheduler: String,
    /// How long a client sticks to its server; `None`: not at all. Whole seconds,
    /// 1 s..=31 days.
    pub persistence_timeout: Option<Duration>,
    /// The sum of the weights of healthy servers that makes the pool usable, at least 1.
    pub quorum: u32,
    /// The pool, in the order of the file; no address twice, at least one.
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
