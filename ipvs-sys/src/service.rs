//! Virtual services.

use core::fmt;
use core::net::{Ipv4Addr, SocketAddr};
use core::ops::BitOr;

use serde::{Deserialize, Serialize};

use crate::abi::*;
use crate::attr::{Writer, each, need};
use crate::id::{union_address, union_bytes};
use crate::{DecodeError, Family, Protocol, ServiceId, Stats};

/// Flags of a service (`IP_VS_SVC_F_*`).
///
/// `IP_VS_SVC_F_HASHED` is the kernel's own mark on every service in its
/// table; it is never part of this, so wanted and observed flags compare.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(from = "u32", into = "u32")]
pub struct ServiceFlags(u32);

impl ServiceFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Connections of one client go to one destination; has to be set for
    /// [`Service::timeout`] to mean anything.
    pub const PERSISTENT: Self = Self(IP_VS_SVC_F_PERSISTENT);
    /// Every UDP packet is scheduled by itself.
    pub const ONE_PACKET: Self = Self(IP_VS_SVC_F_ONEPACKET);
    /// First flag of the scheduler's own.
    pub const SCHED_1: Self = Self(IP_VS_SVC_F_SCHED1);
    /// Second flag of the scheduler's own.
    pub const SCHED_2: Self = Self(IP_VS_SVC_F_SCHED2);
    /// Third flag of the scheduler's own.
    pub const SCHED_3: Self = Self(IP_VS_SVC_F_SCHED3);
    /// `sh` and `mh`: take the next destination when the hashed one is unavailable.
    pub const HASH_FALLBACK: Self = Self(IP_VS_SVC_F_SCHED_SH_FALLBACK);
    /// `sh` and `mh`: the client's port is hashed too.
    pub const HASH_PORT: Self = Self(IP_VS_SVC_F_SCHED_SH_PORT);

    /// From the kernel's number.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & !IP_VS_SVC_F_HASHED)
    }

    /// The kernel's number.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for ServiceFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl From<u32> for ServiceFlags {
    fn from(bits: u32) -> Self {
        Self::from_bits(bits)
    }
}

impl From<ServiceFlags> for u32 {
    fn from(flags: ServiceFlags) -> Self {
        flags.0
    }
}

/// Which clients persistence takes for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Netmask {
    /// A mask on the client's IPv4 address.
    V4(Ipv4Addr),
    /// A prefix length on the client's IPv6 address, 1..=128 (the kernel
    /// refuses others).
    V6(u8),
}

impl Netmask {
    /// Each client for itself: what `ipvsadm` sets, and every service has
    /// that is not told otherwise.
    #[must_use]
    pub const fn host(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::V4(Ipv4Addr::BROADCAST),
            Family::Ipv6 => Self::V6(128),
        }
    }

    /// The family whose services may have it.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::V4(_) => Family::Ipv4,
            Self::V6(_) => Family::Ipv6,
        }
    }

    /// As `IPVS_SVC_ATTR_NETMASK`: a mask in network order, or a plain number.
    fn bytes(self) -> [u8; 4] {
        match self {
            Self::V4(mask) => mask.octets(),
            Self::V6(prefix) => u32::from(prefix).to_ne_bytes(),
        }
    }

    fn from_bytes(family: Family, bytes: [u8; 4]) -> Result<Self, DecodeError> {
        match family {
            Family::Ipv4 => Ok(Self::V4(Ipv4Addr::from(bytes))),
            Family::Ipv6 => {
                let value = u32::from_ne_bytes(bytes);
                u8::try_from(value)
                    .ok()
                    .filter(|prefix| *prefix <= 128)
                    .map(Self::V6)
                    .ok_or(DecodeError::Value {
                        field: "service netmask",
                        value,
                    })
            }
        }
    }
}

impl fmt::Display for Netmask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(mask) => mask.fmt(f),
            Self::V6(prefix) => prefix.fmt(f),
        }
    }
}

/// A virtual service: all that the kernel is told when one is made or changed.
///
/// The kernel takes no partial change: every field is sent each time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub id: ServiceId,
    /// Scheduler, at most 15 bytes: `rr`, `wlc`, ... The kernel loads the
    /// module `ip_vs_NAME` for it.
    pub scheduler: String,
    /// Flags.
    pub flags: ServiceFlags,
    /// How long a client is remembered, in seconds, with
    /// [`ServiceFlags::PERSISTENT`]; otherwise 0.
    pub timeout: u32,
    /// Which clients persistence takes for one; of the same family as `id`.
    pub netmask: Netmask,
    /// Persistence engine (`sip`), at most 15 bytes; the kernel loads the
    /// module `ip_vs_pe_NAME`.
    pub pe_name: Option<String>,
}

impl Service {
    /// A service without persistence.
    #[must_use]
    pub fn new(id: ServiceId, scheduler: impl Into<String>) -> Self {
        Self {
            id,
            scheduler: scheduler.into(),
            flags: ServiceFlags::NONE,
            timeout: 0,
            netmask: Netmask::host(id.family()),
            pe_name: None,
        }
    }

    /// The same service, remembering each client for `timeout` seconds.
    #[must_use]
    pub fn persistent(self, timeout: u32) -> Self {
        Self {
            flags: self.flags | ServiceFlags::PERSISTENT,
            timeout,
            ..self
        }
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>) {
        write_id(&self.id, w);
        w.name(IPVS_SVC_ATTR_SCHED_NAME, &self.scheduler);
        if let Some(name) = &self.pe_name {
            w.name(IPVS_SVC_ATTR_PE_NAME, name);
        }
        w.bytes(IPVS_SVC_ATTR_FLAGS, &flags_bytes(self.flags));
        w.u32(IPVS_SVC_ATTR_TIMEOUT, self.timeout);
        w.bytes(IPVS_SVC_ATTR_NETMASK, &self.netmask.bytes());
    }
}

/// A service as the kernel reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedService {
    /// The service.
    pub service: Service,
    /// What it has done.
    pub stats: Stats,
}

impl ObservedService {
    pub(crate) fn write(&self, w: &mut Writer<'_>) {
        self.service.write(w);
        w.nested(IPVS_SVC_ATTR_STATS64, |w| self.stats.write(w));
    }
}

/// `struct ip_vs_flags`: the flags, and a mask of those that shall take their
/// value. We mean all of them but the kernel's own.
fn flags_bytes(flags: ServiceFlags) -> [u8; 8] {
    let [a, b, c, d] = flags.bits().to_ne_bytes();
    let [e, f, g, h] = (!IP_VS_SVC_F_HASHED).to_ne_bytes();
    [a, b, c, d, e, f, g, h]
}

pub(crate) fn write_id(id: &ServiceId, w: &mut Writer<'_>) {
    w.u16(IPVS_SVC_ATTR_AF, id.family().number());
    match id {
        ServiceId::Addr { protocol, address } => {
            w.u16(IPVS_SVC_ATTR_PROTOCOL, protocol.number());
            w.bytes(IPVS_SVC_ATTR_ADDR, &union_bytes(address.ip()));
            w.be16(IPVS_SVC_ATTR_PORT, address.port());
        }
        ServiceId::Fwmark { mark, .. } => w.u32(IPVS_SVC_ATTR_FWMARK, *mark),
    }
}

/// The attributes of a service as far as they were there.
#[derive(Default)]
pub(crate) struct Fields {
    family: Option<u16>,
    protocol: Option<u16>,
    address: Option<[u8; 16]>,
    port: Option<u16>,
    fwmark: Option<u32>,
    scheduler: Option<String>,
    pe_name: Option<String>,
    flags: Option<u32>,
    timeout: Option<u32>,
    netmask: Option<[u8; 4]>,
    stats: Option<Stats>,
    stats64: Option<Stats>,
}

impl Fields {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut x = Self::default();
        each("service", bytes, |kind, value| {
            match kind {
                IPVS_SVC_ATTR_AF => x.family = Some(value.u16("service family")?),
                IPVS_SVC_ATTR_PROTOCOL => x.protocol = Some(value.u16("service protocol")?),
                IPVS_SVC_ATTR_ADDR => x.address = Some(value.array("service address")?),
                IPVS_SVC_ATTR_PORT => x.port = Some(value.be16("service port")?),
                IPVS_SVC_ATTR_FWMARK => x.fwmark = Some(value.u32("service mark")?),
                IPVS_SVC_ATTR_SCHED_NAME => x.scheduler = Some(value.name("scheduler")?),
                IPVS_SVC_ATTR_PE_NAME => x.pe_name = Some(value.name("persistence engine")?),
                IPVS_SVC_ATTR_FLAGS => x.flags = Some(value.u32("service flags")?),
                IPVS_SVC_ATTR_TIMEOUT => x.timeout = Some(value.u32("service timeout")?),
                IPVS_SVC_ATTR_NETMASK => x.netmask = Some(value.array("service netmask")?),
                IPVS_SVC_ATTR_STATS => x.stats = Some(Stats::read(value.0)?),
                IPVS_SVC_ATTR_STATS64 => x.stats64 = Some(Stats::read(value.0)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(x)
    }

    pub(crate) fn id(&self) -> Result<ServiceId, DecodeError> {
        let number = need("service family", self.family)?;
        let family = Family::from_number("service family", number)?;
        if let Some(mark) = self.fwmark {
            return Ok(ServiceId::Fwmark { mark, family });
        }
        let ip = union_address(family, need("service address", self.address)?);
        let port = need("service port", self.port)?;
        Ok(ServiceId::Addr {
            protocol: Protocol::from_number(need("service protocol", self.protocol)?)?,
            address: SocketAddr::new(ip, port),
        })
    }

    pub(crate) fn service(self) -> Result<Service, DecodeError> {
        let id = self.id()?;
        let netmask = need("service netmask", self.netmask)?;
        Ok(Service {
            id,
            scheduler: need("scheduler", self.scheduler)?,
            flags: ServiceFlags::from_bits(need("service flags", self.flags)?),
            timeout: need("service timeout", self.timeout)?,
            netmask: Netmask::from_bytes(id.family(), netmask)?,
            pe_name: self.pe_name,
        })
    }

    pub(crate) fn observed(self) -> Result<ObservedService, DecodeError> {
        let stats = need("service statistics", self.stats64.or(self.stats))?;
        Ok(ObservedService {
            service: self.service()?,
            stats,
        })
    }
}
