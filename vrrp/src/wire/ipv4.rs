//! The IPv4 header in front of what a raw socket delivers.

use std::net::Ipv4Addr;

use super::{AhPacket, Ipv4Error, PROTOCOL, PROTOCOL_AH};

/// Octets of an IPv4 header without options.
pub(super) const HEADER_LEN: usize = 20;

/// What the receiver of an advert needs from its IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ipv4Meta {
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// Time to live, for [`TtlRange::check`](super::TtlRange::check).
    pub ttl: u8,
}

/// What follows the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// IP protocol 112: a VRRP message.
    Vrrp(&'a [u8]),
    /// IP protocol 51: an authentication header with a VRRP message behind it.
    Ah(AhPacket<'a>),
}

impl<'a> Payload<'a> {
    /// The VRRP message.
    pub const fn message(&self) -> &'a [u8] {
        match self {
            Self::Vrrp(message) => message,
            Self::Ah(packet) => packet.message(),
        }
    }
}

/// Splits a packet as a raw IPv4 socket delivers it (RFC 791 section 3.1, Linux raw(7)) into what
/// matters of the header and what it carries. Options are skipped; octets after the total length
/// (padding of short Ethernet frames) are cut off. The header checksum is the kernel's business.
///
/// # Errors
///
/// [`Ipv4Error`] if the header is cut, not IPv4, contradicts the packet's length, or announces
/// another protocol than VRRP or an authentication header around VRRP.
pub fn ipv4_payload(packet: &[u8]) -> Result<(Ipv4Meta, Payload<'_>), Ipv4Error> {
    let short = |expected| Ipv4Error::Short {
        found: packet.len(),
        expected,
    };
    let header: &[u8; HEADER_LEN] = packet.first_chunk().ok_or_else(|| short(HEADER_LEN))?;
    let &[
        version_and_length,
        _,
        length0,
        length1,
        _,
        _,
        _,
        _,
        ttl,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ] = header;
    let version = version_and_length >> 4;
    if version != 4 {
        return Err(Ipv4Error::Version { found: version });
    }
    let header_len = usize::from(version_and_length & 0x0f) * 4;
    if header_len < HEADER_LEN {
        return Err(Ipv4Error::HeaderLength { found: header_len });
    }
    if packet.len() < header_len {
        return Err(short(header_len));
    }
    let total = usize::from(u16::from_be_bytes([length0, length1]));
    let claimed = Ipv4Error::TotalLength {
        claimed: total,
        found: packet.len(),
    };
    let packet = packet.get(..total).ok_or(claimed)?;
    let message = packet.get(header_len..).ok_or(claimed)?;
    let payload = match protocol {
        PROTOCOL => Payload::Vrrp(message),
        PROTOCOL_AH => Payload::Ah(AhPacket::split(packet)?),
        _ => return Err(Ipv4Error::Protocol { found: protocol }),
    };
    let meta = Ipv4Meta {
        src: Ipv4Addr::new(s0, s1, s2, s3),
        dst: Ipv4Addr::new(d0, d1, d2, d3),
        ttl,
    };
    Ok((meta, payload))
}
