//! Settings and facts of IPVS as a whole.

use serde::{Deserialize, Serialize};

use crate::DecodeError;
use crate::abi::*;
use crate::attr::{Writer, each, need};

/// How long idle connections are remembered, in seconds.
///
/// Global to a network namespace. When set, 0 leaves one as it is; the kernel
/// reports 0 for a protocol it was built without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timeouts {
    /// Established TCP connections (default 900).
    pub tcp: u32,
    /// TCP connections after a FIN (default 120).
    pub tcp_fin: u32,
    /// UDP (default 300).
    pub udp: u32,
}

impl Timeouts {
    pub(crate) fn write(self, w: &mut Writer<'_>) {
        w.u32(IPVS_CMD_ATTR_TIMEOUT_TCP, self.tcp);
        w.u32(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, self.tcp_fin);
        w.u32(IPVS_CMD_ATTR_TIMEOUT_UDP, self.udp);
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut timeouts = Self::default();
        each("timeouts", bytes, |kind, value| {
            match kind {
                IPVS_CMD_ATTR_TIMEOUT_TCP => timeouts.tcp = value.u32("TCP timeout")?,
                IPVS_CMD_ATTR_TIMEOUT_TCP_FIN => timeouts.tcp_fin = value.u32("FIN timeout")?,
                IPVS_CMD_ATTR_TIMEOUT_UDP => timeouts.udp = value.u32("UDP timeout")?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(timeouts)
    }
}

/// What IPVS says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Info {
    /// Its version, a byte for each part: 0x010201 is 1.2.1.
    pub version: u32,
    /// Buckets of the connection table (module parameter `conn_tab_bits`).
    pub connection_table_size: u32,
}

impl Info {
    /// The version as people write it.
    #[must_use]
    pub fn version_text(&self) -> String {
        let [_, major, minor, patch] = self.version.to_be_bytes();
        format!("{major}.{minor}.{patch}")
    }

    pub(crate) fn write(self, w: &mut Writer<'_>) {
        w.u32(IPVS_INFO_ATTR_VERSION, self.version);
        w.u32(IPVS_INFO_ATTR_CONN_TAB_SIZE, self.connection_table_size);
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (mut version, mut size) = (None, None);
        each("info", bytes, |kind, value| {
            match kind {
                IPVS_INFO_ATTR_VERSION => version = Some(value.u32("version")?),
                IPVS_INFO_ATTR_CONN_TAB_SIZE => size = Some(value.u32("table size")?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self {
            version: need("version", version)?,
            connection_table_size: need("table size", size)?,
        })
    }
}
