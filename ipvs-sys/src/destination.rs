//! Destinations: the real servers of a service.

use core::fmt;
use core::net::SocketAddr;
use core::ops::BitOr;

use serde::{Deserialize, Serialize};

use crate::abi::*;
use crate::attr::{Writer, each, need};
use crate::id::{union_address, union_bytes};
use crate::{DecodeError, DestinationId, Family, Stats};

/// How packets reach the destination (`IP_VS_CONN_F_FWD_MASK`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forward {
    /// Network address translation.
    Masquerade,
    /// Delivery on the director itself.
    Local,
    /// In a tunnel; the only way between families.
    Tunnel,
    /// Unchanged, to the destination's link-layer address.
    DirectRoute,
    /// Past the balancer, to the packet's own address.
    Bypass,
}

impl Forward {
    const fn number(self) -> u32 {
        match self {
            Self::Masquerade => IP_VS_CONN_F_MASQ,
            Self::Local => IP_VS_CONN_F_LOCALNODE,
            Self::Tunnel => IP_VS_CONN_F_TUNNEL,
            Self::DirectRoute => IP_VS_CONN_F_DROUTE,
            Self::Bypass => IP_VS_CONN_F_BYPASS,
        }
    }

    const fn from_number(value: u32) -> Result<Self, DecodeError> {
        match value & IP_VS_CONN_F_FWD_MASK {
            IP_VS_CONN_F_MASQ => Ok(Self::Masquerade),
            IP_VS_CONN_F_LOCALNODE => Ok(Self::Local),
            IP_VS_CONN_F_TUNNEL => Ok(Self::Tunnel),
            IP_VS_CONN_F_DROUTE => Ok(Self::DirectRoute),
            IP_VS_CONN_F_BYPASS => Ok(Self::Bypass),
            _ => Err(DecodeError::Value {
                field: "forwarding method",
                value,
            }),
        }
    }
}

impl fmt::Display for Forward {
    /// In `ipvsadm -Ln`'s words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Masquerade => "Masq",
            Self::Local => "Local",
            Self::Tunnel => "Tunnel",
            Self::DirectRoute => "Route",
            Self::Bypass => "Bypass",
        })
    }
}

/// Checksums of an encapsulation (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TunnelFlags(u16);

impl TunnelFlags {
    /// No checksum.
    pub const NONE: Self = Self(0);
    /// With checksum.
    pub const CHECKSUM: Self = Self(1);
    /// Remote checksum offload (GUE only).
    pub const REMOTE_CHECKSUM: Self = Self(2);

    /// From the kernel's number.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The kernel's number.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }
}

impl BitOr for TunnelFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A tunnel other than plain IP in IP (Linux 5.2, GRE 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tunnel {
    /// Generic UDP encapsulation.
    Gue {
        /// UDP port of the far end; the kernel refuses 0.
        port: u16,
        /// Checksums.
        flags: TunnelFlags,
    },
    /// Generic routing encapsulation.
    Gre {
        /// Checksums.
        flags: TunnelFlags,
    },
}

/// A destination: all that the kernel is told when one is made or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Destination {
    /// Its name. Its family may differ from the service's with
    /// [`Forward::Tunnel`] only.
    pub id: DestinationId,
    /// How packets reach it.
    pub forward: Forward,
    /// Share of new connections, 0..=2^31-1; 0 keeps the established ones and
    /// takes no new ones.
    pub weight: u32,
    /// No new connections from this many on; 0 is no limit.
    pub upper_threshold: u32,
    /// New connections again below this many; 0 is three quarters of the upper
    /// one. The kernel refuses a lower one above the upper.
    pub lower_threshold: u32,
    /// With [`Forward::Tunnel`], the encapsulation; `None` is IP in IP.
    /// Otherwise `None`.
    pub tunnel: Option<Tunnel>,
}

impl Destination {
    /// A destination without thresholds; a tunnel is IP in IP.
    #[must_use]
    pub const fn new(id: DestinationId, forward: Forward, weight: u32) -> Self {
        Self {
            id,
            forward,
            weight,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel: None,
        }
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>) {
        write_id(&self.id, w);
        w.u32(IPVS_DEST_ATTR_FWD_METHOD, self.forward.number());
        w.u32(IPVS_DEST_ATTR_WEIGHT, self.weight);
        w.u32(IPVS_DEST_ATTR_U_THRESH, self.upper_threshold);
        w.u32(IPVS_DEST_ATTR_L_THRESH, self.lower_threshold);
        match self.tunnel {
            None => {}
            Some(Tunnel::Gue { port, flags }) => {
                write_tunnel(IP_VS_CONN_F_TUNNEL_TYPE_GUE, port, flags, w);
            }
            Some(Tunnel::Gre { flags }) => {
                write_tunnel(IP_VS_CONN_F_TUNNEL_TYPE_GRE, 0, flags, w);
            }
        }
    }
}

fn write_tunnel(kind: u32, port: u16, flags: TunnelFlags, w: &mut Writer<'_>) {
    let [kind, ..] = kind.to_le_bytes();
    w.u8(IPVS_DEST_ATTR_TUN_TYPE, kind);
    w.be16(IPVS_DEST_ATTR_TUN_PORT, port);
    w.u16(IPVS_DEST_ATTR_TUN_FLAGS, flags.bits());
}

pub(crate) fn write_id(id: &DestinationId, w: &mut Writer<'_>) {
    w.bytes(IPVS_DEST_ATTR_ADDR, &union_bytes(id.address.ip()));
    w.be16(IPVS_DEST_ATTR_PORT, id.address.port());
    let family = Family::of(id.address.ip());
    w.u16(IPVS_DEST_ATTR_ADDR_FAMILY, family.number());
}

/// A destination as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedDestination {
    /// The destination.
    pub destination: Destination,
    /// Connections that carry traffic now (TCP: established).
    pub active_connections: u32,
    /// Connections that are remembered but idle or closing.
    pub inactive_connections: u32,
    /// Clients that persistence ties to it.
    pub persistent_connections: u32,
    /// What it has done.
    pub stats: Stats,
}

impl ObservedDestination {
    pub(crate) fn write(&self, w: &mut Writer<'_>) {
        self.destination.write(w);
        w.u32(IPVS_DEST_ATTR_ACTIVE_CONNS, self.active_connections);
        w.u32(IPVS_DEST_ATTR_INACT_CONNS, self.inactive_connections);
        w.u32(IPVS_DEST_ATTR_PERSIST_CONNS, self.persistent_connections);
        w.nested(IPVS_DEST_ATTR_STATS64, |w| self.stats.write(w));
    }
}

/// The attributes of a destination as far as they were there.
#[derive(Default)]
pub(crate) struct Fields {
    family: Option<u16>,
    address: Option<[u8; 16]>,
    port: Option<u16>,
    forward: Option<u32>,
    weight: Option<u32>,
    upper: Option<u32>,
    lower: Option<u32>,
    tunnel_kind: Option<u8>,
    tunnel_port: Option<u16>,
    tunnel_flags: Option<u16>,
    active: Option<u32>,
    inactive: Option<u32>,
    persistent: Option<u32>,
    stats: Option<Stats>,
    stats64: Option<Stats>,
}

impl Fields {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut x = Self::default();
        each("destination", bytes, |kind, value| {
            match kind {
                IPVS_DEST_ATTR_ADDR => x.address = Some(value.array("destination address")?),
                IPVS_DEST_ATTR_PORT => x.port = Some(value.be16("destination port")?),
                IPVS_DEST_ATTR_FWD_METHOD => x.forward = Some(value.u32("forwarding method")?),
                IPVS_DEST_ATTR_WEIGHT => x.weight = Some(value.u32("weight")?),
                IPVS_DEST_ATTR_U_THRESH => x.upper = Some(value.u32("upper threshold")?),
                IPVS_DEST_ATTR_L_THRESH => x.lower = Some(value.u32("lower threshold")?),
                IPVS_DEST_ATTR_ACTIVE_CONNS => x.active = Some(value.u32("connections")?),
                IPVS_DEST_ATTR_INACT_CONNS => x.inactive = Some(value.u32("connections")?),
                IPVS_DEST_ATTR_PERSIST_CONNS => x.persistent = Some(value.u32("connections")?),
                IPVS_DEST_ATTR_ADDR_FAMILY => x.family = Some(value.u16("destination family")?),
                IPVS_DEST_ATTR_TUN_TYPE => x.tunnel_kind = Some(value.u8("tunnel type")?),
                IPVS_DEST_ATTR_TUN_PORT => x.tunnel_port = Some(value.be16("tunnel port")?),
                IPVS_DEST_ATTR_TUN_FLAGS => x.tunnel_flags = Some(value.u16("tunnel flags")?),
                IPVS_DEST_ATTR_STATS => x.stats = Some(Stats::read(value.0)?),
                IPVS_DEST_ATTR_STATS64 => x.stats64 = Some(Stats::read(value.0)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(x)
    }

    pub(crate) fn id(&self) -> Result<DestinationId, DecodeError> {
        let number = need("destination family", self.family)?;
        let family = Family::from_number("destination family", number)?;
        let ip = union_address(family, need("destination address", self.address)?);
        let port = need("destination port", self.port)?;
        Ok(DestinationId::new(SocketAddr::new(ip, port)))
    }

    pub(crate) fn destination(&self) -> Result<Destination, DecodeError> {
        let forward = Forward::from_number(need("forwarding method", self.forward)?)?;
        Ok(Destination {
            id: self.id()?,
            forward,
            weight: need("weight", self.weight)?,
            upper_threshold: need("upper threshold", self.upper)?,
            lower_threshold: need("lower threshold", self.lower)?,
            tunnel: match forward {
                Forward::Tunnel => self.tunnel()?,
                _ => None, // whatever is reported has no effect
            },
        })
    }

    /// The kernel reports a tunnel's type, port and flags of every
    /// destination; here only those count that the type makes use of.
    fn tunnel(&self) -> Result<Option<Tunnel>, DecodeError> {
        let kind = self
            .tunnel_kind
            .map_or(IP_VS_CONN_F_TUNNEL_TYPE_IPIP, u32::from);
        let flags = TunnelFlags::from_bits(self.tunnel_flags.unwrap_or(0));
        match kind {
            IP_VS_CONN_F_TUNNEL_TYPE_IPIP => Ok(None),
            IP_VS_CONN_F_TUNNEL_TYPE_GUE => Ok(Some(Tunnel::Gue {
                port: self.tunnel_port.unwrap_or(0),
                flags,
            })),
            IP_VS_CONN_F_TUNNEL_TYPE_GRE => Ok(Some(Tunnel::Gre { flags })),
            value => Err(DecodeError::Value {
                field: "tunnel type",
                value,
            }),
        }
    }

    pub(crate) fn observed(&self) -> Result<ObservedDestination, DecodeError> {
        Ok(ObservedDestination {
            destination: self.destination()?,
            active_connections: need("active connections", self.active)?,
            inactive_connections: need("inactive connections", self.inactive)?,
            persistent_connections: need("persistent connections", self.persistent)?,
            stats: need("destination statistics", self.stats64.or(self.stats))?,
        })
    }
}
