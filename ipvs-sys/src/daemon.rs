//! The connection synchronisation daemons in the kernel.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::DecodeError;
use crate::abi::*;
use crate::attr::{Writer, each, need};

/// Which of the two daemons (`IP_VS_STATE_*`); a director may run both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DaemonState {
    /// Sends our connections.
    Master,
    /// Takes another director's.
    Backup,
}

impl DaemonState {
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Master => IP_VS_STATE_MASTER,
            Self::Backup => IP_VS_STATE_BACKUP,
        }
    }

    const fn from_number(value: u32) -> Result<Self, DecodeError> {
        match value {
            IP_VS_STATE_MASTER => Ok(Self::Master),
            IP_VS_STATE_BACKUP => Ok(Self::Backup),
            _ => Err(DecodeError::Value {
                field: "daemon state",
                value,
            }),
        }
    }
}

impl fmt::Display for DaemonState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// A synchronisation daemon. What is `None` the kernel chooses, and reports.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Daemon {
    /// Which daemon.
    pub state: DaemonState,
    /// Network interface, at most 15 bytes.
    pub interface: String,
    /// Which daemons belong together, 0..=255 (0 takes all; a master sends it).
    pub sync_id: u32,
    /// Longest UDP payload in bytes (default: from the interface's MTU).
    pub max_len: Option<u16>,
    /// Multicast group (default 224.0.0.81).
    pub group: Option<IpAddr>,
    /// UDP port (default 8848).
    pub port: Option<u16>,
    /// Hops a packet may go, at least 1 (default 1).
    pub ttl: Option<u8>,
}

impl Daemon {
    /// A daemon with the kernel's defaults.
    #[must_use]
    pub fn new(state: DaemonState, interface: impl Into<String>, sync_id: u32) -> Self {
        Self {
            state,
            interface: interface.into(),
            sync_id,
            max_len: None,
            group: None,
            port: None,
            ttl: None,
        }
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>) {
        w.u32(IPVS_DAEMON_ATTR_STATE, self.state.number());
        w.name(IPVS_DAEMON_ATTR_MCAST_IFN, &self.interface);
        w.u32(IPVS_DAEMON_ATTR_SYNC_ID, self.sync_id);
        if let Some(len) = self.max_len {
            w.u16(IPVS_DAEMON_ATTR_SYNC_MAXLEN, len);
        }
        match self.group {
            None => {}
            Some(IpAddr::V4(v4)) => w.bytes(IPVS_DAEMON_ATTR_MCAST_GROUP, &v4.octets()),
            Some(IpAddr::V6(v6)) => w.bytes(IPVS_DAEMON_ATTR_MCAST_GROUP6, &v6.octets()),
        }
        // Unlike every other port of this ABI, in the host's order.
        if let Some(port) = self.port {
            w.u16(IPVS_DAEMON_ATTR_MCAST_PORT, port);
        }
        if let Some(ttl) = self.ttl {
            w.u8(IPVS_DAEMON_ATTR_MCAST_TTL, ttl);
        }
    }
}

/// The attributes of a daemon as far as they were there.
#[derive(Default)]
pub(crate) struct Fields {
    state: Option<u32>,
    interface: Option<String>,
    sync_id: Option<u32>,
    max_len: Option<u16>,
    group: Option<IpAddr>,
    port: Option<u16>,
    ttl: Option<u8>,
}

impl Fields {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut x = Self::default();
        each("daemon", bytes, |kind, value| {
            match kind {
                IPVS_DAEMON_ATTR_STATE => x.state = Some(value.u32("daemon state")?),
                IPVS_DAEMON_ATTR_MCAST_IFN => x.interface = Some(value.name("interface")?),
                IPVS_DAEMON_ATTR_SYNC_ID => x.sync_id = Some(value.u32("sync id")?),
                IPVS_DAEMON_ATTR_SYNC_MAXLEN => x.max_len = Some(value.u16("longest payload")?),
                IPVS_DAEMON_ATTR_MCAST_GROUP => {
                    let octets: [u8; 4] = value.array("multicast group")?;
                    x.group = Some(Ipv4Addr::from(octets).into());
                }
                IPVS_DAEMON_ATTR_MCAST_GROUP6 => {
                    let octets: [u8; 16] = value.array("multicast group")?;
                    x.group = Some(Ipv6Addr::from(octets).into());
                }
                IPVS_DAEMON_ATTR_MCAST_PORT => x.port = Some(value.u16("multicast port")?),
                IPVS_DAEMON_ATTR_MCAST_TTL => x.ttl = Some(value.u8("multicast TTL")?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(x)
    }

    pub(crate) fn state(&self) -> Result<DaemonState, DecodeError> {
        DaemonState::from_number(need("daemon state", self.state)?)
    }

    pub(crate) fn daemon(self) -> Result<Daemon, DecodeError> {
        Ok(Daemon {
            state: self.state()?,
            interface: need("interface", self.interface)?,
            sync_id: need("sync id", self.sync_id)?,
            max_len: self.max_len,
            group: self.group,
            port: self.port,
            ttl: self.ttl,
        })
    }
}
