//! The VRRP message: version 2 (RFC 3768, with the authentication of RFC 2338) and version 3
//! (RFC 9568), over IPv4 and IPv6, and keepalived's HMAC trailer behind either.
//!
//! [`Advert`] is what a message says; [`Advert::encode`] and [`Advert::decode`] turn it into the
//! octets that follow the IP header and back. Nothing here touches a socket: what the IP layer
//! knows (addresses, TTL) comes in as [`Path`] and as an argument of [`TtlRange::check`], and
//! [`ipv4_payload`] takes apart what a raw IPv4 socket delivers. [`Guard`] signs messages and knows
//! which signed ones to believe.
//!
//! ```text
//!            0               1               2               3
//!  version 2 version | type  vrid            priority        count
//!            auth type       interval, s     checksum
//!            count IPv4 addresses, then 8 octets of authentication data
//!  version 3 version | type  vrid            priority        count
//!            0 (4 bits) | interval, cs       checksum
//!            count addresses of the family that carries the message
//! ```
//!
//! Choices where the documents leave one, or where peers differ:
//!
//! - A message may be followed by more octets than its count of addresses accounts for (some peers
//!   append extensions). They are ignored. The checksum then covers the message alone over IPv4,
//!   and all of the payload over IPv6, where RFC 8200 section 8.1 says so.
//! - An interval of 0 is refused: it would make the Master_Down timer zero.
//! - An empty list of addresses is refused as RFC 9568 section 5.2.5 demands, unless
//!   [`Expect::allow_empty`] is set: keepalived sends such messages if all its addresses are
//!   excluded ones.
//! - Whether a v2 interval is the configured one, and whether the VRID is one of ours, is for the
//!   receiver to say: see [`peek_vrid`].

mod ah;
mod auth;
mod checksum;
mod decode;
mod encode;
mod error;
mod hmac;
mod ipv4;
mod replay;
mod ttl;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use ah::AhPacket;
pub use auth::{AhKey, AntiReplay, AuthConfig, Guard, GuardSnapshot, HmacAuth, HmacKey, HmacMode};
pub use checksum::{ChecksumV3, Checksums};
pub use decode::peek_vrid;
pub use error::{AuthError, DecodeError, EncodeError, Ipv4Error};
pub use ipv4::{Ipv4Meta, Payload, ipv4_payload};
pub use ttl::TtlRange;

/// IP protocol number of VRRP (RFC 9568 section 5.1.1.4).
pub const PROTOCOL: u8 = 112;
/// IP protocol number of the authentication header (RFC 2402 section 2).
pub const PROTOCOL_AH: u8 = 51;
/// Type of service and traffic class of adverts: network control (RFC 791 section 3.1).
pub const NETWORK_CONTROL: u8 = 0xc0;
/// The TTL or hop limit that an advert is sent with and must arrive with (RFC 9568 section 5.1.1.3).
pub const TTL: u8 = 255;
/// The group that IPv4 adverts are sent to (RFC 9568 section 5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The group that IPv6 adverts are sent to (RFC 9568 section 5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// The only message type: ADVERTISEMENT (RFC 9568 section 5.2.2).
const TYPE_ADVERT: u8 = 1;
/// Octets before the addresses, in both versions.
const FIXED_LEN: usize = 8;
/// Octets of authentication data after the addresses of a version 2 message, used or not.
const AUTH_LEN: usize = 8;
/// The greatest interval that fits the 12 bits of version 3, in centiseconds: 40.95 s.
const MAX_CENTISECONDS: u16 = 0x0fff;

/// Version of the protocol. They do not interoperate: a router speaks one per VRID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// RFC 3768: IPv4 only, intervals in whole seconds.
    V2,
    /// RFC 9568 (and RFC 5798 before it): IPv4 and IPv6, intervals in centiseconds.
    V3,
}

impl Version {
    /// The number in the upper half of a message's first octet.
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }

    /// Octets after the addresses.
    const fn trailer_len(self) -> usize {
        match self {
            Self::V2 => AUTH_LEN,
            Self::V3 => 0,
        }
    }
}

/// The authentication fields of a version 2 message; version 3 has none.
///
/// `Debug` does not show the password, and there is no serialization of it on purpose.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Auth {
    /// Type 0: eight zero octets, ignored on receipt.
    #[default]
    None,
    /// Type 1 of RFC 2338 section 5.3.6: a password in clear, padded with zeros to eight octets. It
    /// keeps misconfigured routers apart and is no protection against anyone on the link.
    Pass([u8; AUTH_LEN]),
    /// Type 2 of RFC 2338 section 5.3.6: an IP authentication header around the message, whose own
    /// eight octets are zero and ignored on receipt.
    Ah,
}

impl Auth {
    /// The number in the message's authentication type field.
    pub const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Pass(_) => 1,
            Self::Ah => 2,
        }
    }

    /// A password as every router pads it: zeros behind it, and what exceeds eight octets cut off.
    pub fn pass(password: &[u8]) -> Self {
        let mut data = [0; AUTH_LEN];
        for (octet, given) in data.iter_mut().zip(password) {
            *octet = *given;
        }
        Self::Pass(data)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Pass(_) => "Pass(..)",
            Self::Ah => "Ah",
        })
    }
}

/// What one VRRP message says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Advert {
    /// Version of the message.
    pub version: Version,
    /// Virtual router identifier, 1..=255. Version 2 and 3 and IPv4 and IPv6 number separately.
    pub vrid: u8,
    /// Priority of the sender; 255 = owner of the addresses, 0 = gives up being Master.
    pub priority: u8,
    /// Time between the sender's adverts: version 2 whole seconds 1..=255 s, version 3 multiples of
    /// 10 ms, 10 ms..=40.95 s.
    pub interval: Duration,
    /// Authentication; [`Auth::None`] in version 3, where encoding ignores it.
    pub auth: Auth,
    /// The virtual addresses in the sender's order, at most 255, all of the family that carries the
    /// message.
    pub addresses: Vec<IpAddr>,
}

/// Where a message comes from and goes to: the addresses of its IP header, which the checksum of
/// version 3 covers. Both of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Source address.
    pub src: IpAddr,
    /// Destination as it stands in the IP header: the group, or the peer's address for unicast.
    pub dst: IpAddr,
}

/// What a receiver requires of a message: see [`Advert::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Expect {
    /// The configured version.
    pub version: Version,
    /// The configured authentication; not looked at for version 3.
    pub auth: Auth,
    /// The checksums accepted of a version 3 message over IPv4.
    pub checksums: Checksums,
    /// Whether a message that lists no address is accepted.
    pub allow_empty: bool,
}

impl Expect {
    /// Version 2 as RFC 3768 has it.
    pub const fn v2(auth: Auth) -> Self {
        Self {
            version: Version::V2,
            auth,
            checksums: Checksums::only(ChecksumV3::PseudoHeader),
            allow_empty: false,
        }
    }

    /// Version 3; `checksums` matters over IPv4 only.
    pub const fn v3(checksums: Checksums) -> Self {
        Self {
            version: Version::V3,
            auth: Auth::None,
            checksums,
            allow_empty: false,
        }
    }
}
