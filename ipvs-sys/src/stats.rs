//! Counters and rates of a service or destination.

use serde::{Deserialize, Serialize};

use crate::DecodeError;
use crate::abi::*;
use crate::attr::{Value, Writer, each};

/// What IPVS has counted since the entry was made or zeroed, and the present
/// rates as the kernel estimates them (over about two seconds).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; 0 with direct routing and tunnels, which bypass us.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients; 0 as `packets_out`.
    pub bytes_out: u64,
    /// Connections a second.
    pub connections_per_second: u64,
    /// Packets from clients a second.
    pub packets_in_per_second: u64,
    /// Packets to clients a second.
    pub packets_out_per_second: u64,
    /// Bytes from clients a second.
    pub bytes_in_per_second: u64,
    /// Bytes to clients a second.
    pub bytes_out_per_second: u64,
}

impl Stats {
    /// In the 64-bit form.
    pub(crate) fn write(&self, w: &mut Writer<'_>) {
        w.u64(IPVS_STATS_ATTR_CONNS, self.connections);
        w.u64(IPVS_STATS_ATTR_INPKTS, self.packets_in);
        w.u64(IPVS_STATS_ATTR_OUTPKTS, self.packets_out);
        w.u64(IPVS_STATS_ATTR_INBYTES, self.bytes_in);
        w.u64(IPVS_STATS_ATTR_OUTBYTES, self.bytes_out);
        w.u64(IPVS_STATS_ATTR_CPS, self.connections_per_second);
        w.u64(IPVS_STATS_ATTR_INPPS, self.packets_in_per_second);
        w.u64(IPVS_STATS_ATTR_OUTPPS, self.packets_out_per_second);
        w.u64(IPVS_STATS_ATTR_INBPS, self.bytes_in_per_second);
        w.u64(IPVS_STATS_ATTR_OUTBPS, self.bytes_out_per_second);
    }

    /// From either form: the old one has the same attributes, most of them
    /// with 32 bits (which then wrap), so a value's length tells which it is.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut stats = Self::default();
        each("statistics", bytes, |kind, value| {
            let field = match kind {
                IPVS_STATS_ATTR_CONNS => &mut stats.connections,
                IPVS_STATS_ATTR_INPKTS => &mut stats.packets_in,
                IPVS_STATS_ATTR_OUTPKTS => &mut stats.packets_out,
                IPVS_STATS_ATTR_INBYTES => &mut stats.bytes_in,
                IPVS_STATS_ATTR_OUTBYTES => &mut stats.bytes_out,
                IPVS_STATS_ATTR_CPS => &mut stats.connections_per_second,
                IPVS_STATS_ATTR_INPPS => &mut stats.packets_in_per_second,
                IPVS_STATS_ATTR_OUTPPS => &mut stats.packets_out_per_second,
                IPVS_STATS_ATTR_INBPS => &mut stats.bytes_in_per_second,
                IPVS_STATS_ATTR_OUTBPS => &mut stats.bytes_out_per_second,
                _ => return Ok(()),
            };
            *field = counter(value)?;
            Ok(())
        })?;
        Ok(stats)
    }
}

fn counter(value: Value<'_>) -> Result<u64, DecodeError> {
    if value.0.len() == 4 {
        value.u32("counter").map(u64::from)
    } else {
        value.u64("counter")
    }
}
