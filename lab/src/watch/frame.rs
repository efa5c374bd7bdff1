//! Frames as captured, and the little decoding that scenarios need.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const PROTOCOL_VRRP: u8 = 112;
const PROTOCOL_AH: u8 = 51;
const PROTOCOL_ICMPV6: u8 = 58;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// A frame with the time at which the kernel saw it.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Since the Unix epoch.
    pub at: Duration,
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
    /// Whether the host of the capture sent it.
    pub sent: bool,
}

/// An advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Who sent it.
    pub source: IpAddr,
    /// 2 or 3.
    pub version: u8,
    /// Virtual router identifier.
    pub vrid: u8,
    /// 0 when the master leaves.
    pub priority: u8,
    /// Seconds in version 2, centiseconds in version 3.
    pub interval: u16,
    /// The VRRP message, as sent.
    pub message: Vec<u8>,
}

/// What a frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A VRRP advertisement.
    Advert(Advert),
    /// An ARP message: operation, sender and target protocol addresses.
    Arp {
        /// 1 asks, 2 answers.
        operation: u16,
        /// Who says it.
        sender: Ipv4Addr,
        /// Whom it is about.
        target: Ipv4Addr,
    },
    /// A neighbour advertisement for an address.
    NeighbourAdvert(Ipv6Addr),
    /// Anything else, by its Ethernet type and IP protocol (0 when it is not IP).
    Other(u16, u8),
}

impl Frame {
    /// What the frame is.
    #[must_use]
    pub fn decode(&self) -> Seen {
        let bytes = &self.bytes;
        let ethertype = u16_at(bytes, 12).unwrap_or(0);
        let seen = match ethertype {
            ETHERTYPE_IPV4 => ipv4(bytes),
            ETHERTYPE_ARP => arp(bytes),
            ETHERTYPE_IPV6 => ipv6(bytes),
            _ => None,
        };
        seen.unwrap_or_else(|| {
            let protocol = match ethertype {
                ETHERTYPE_IPV4 => byte_at(bytes, 23),
                ETHERTYPE_IPV6 => byte_at(bytes, 20),
                _ => None,
            };
            Seen::Other(ethertype, protocol.unwrap_or(0))
        })
    }

    /// The advertisement, if the frame is one.
    #[must_use]
    pub fn advert(&self) -> Option<Advert> {
        match self.decode() {
            Seen::Advert(advert) => Some(advert),
            _ => None,
        }
    }

    /// The address that the frame announces: gratuitous ARP or a neighbour advertisement.
    #[must_use]
    pub fn announced(&self) -> Option<IpAddr> {
        match self.decode() {
            Seen::Arp { sender, target, .. } if sender == target => Some(sender.into()),
            Seen::NeighbourAdvert(address) => Some(address.into()),
            _ => None,
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.sent { '>' } else { '<' };
        write!(out, "{:.6} {arrow} ", self.at.as_secs_f64())?;
        match self.decode() {
            Seen::Advert(advert) => write!(
                out,
                "VRRPv{} advert from {}, vrid {}, priority {}, interval {}",
                advert.version, advert.source, advert.vrid, advert.priority, advert.interval
            ),
            Seen::Arp {
                operation: 1,
                sender,
                target,
            } if sender == target => {
                write!(out, "gratuitous ARP {sender}")
            }
            Seen::Arp {
                operation: 1,
                sender,
                target,
            } => {
                write!(out, "ARP who has {target}, tell {sender}")
            }
            Seen::Arp { sender, target, .. } => write!(out, "ARP {sender} is here, to {target}"),
            Seen::NeighbourAdvert(address) => write!(out, "neighbour advertisement {address}"),
            Seen::Other(ethertype, protocol) => write!(
                out,
                "type {ethertype:#06x} protocol {protocol}, {} octets",
                self.bytes.len()
            ),
        }
    }
}

fn ipv4(bytes: &[u8]) -> Option<Seen> {
    let header = usize::from(byte_at(bytes, 14)? & 0x0f) * 4;
    let length = usize::from(u16_at(bytes, 16)?);
    let payload = bytes.get(14 + header..14 + length)?;
    let message = match byte_at(bytes, 23)? {
        PROTOCOL_VRRP => payload,
        // RFC 4302: what follows, and the header's length in words less two.
        PROTOCOL_AH if *payload.first()? == PROTOCOL_VRRP => {
            payload.get((usize::from(byte_at(payload, 1)?) + 2) * 4..)?
        }
        _ => return None,
    };
    advert(ipv4_at(bytes, 26)?.into(), message)
}

fn ipv6(bytes: &[u8]) -> Option<Seen> {
    let message = bytes.get(54..54 + usize::from(u16_at(bytes, 18)?))?;
    match byte_at(bytes, 20)? {
        PROTOCOL_VRRP => advert(ipv6_at(bytes, 22)?.into(), message),
        PROTOCOL_ICMPV6 if *message.first()? == NEIGHBOUR_ADVERTISEMENT => {
            Some(Seen::NeighbourAdvert(ipv6_at(message, 8)?))
        }
        _ => None,
    }
}

fn advert(source: IpAddr, message: &[u8]) -> Option<Seen> {
    let version = message.first()? >> 4;
    let interval = match version {
        2 => u16::from(byte_at(message, 5)?),
        _ => u16_at(message, 4)? & 0x0fff,
    };
    Some(Seen::Advert(Advert {
        source,
        version,
        vrid: byte_at(message, 1)?,
        priority: byte_at(message, 2)?,
        interval,
        message: message.to_vec(),
    }))
}

fn arp(bytes: &[u8]) -> Option<Seen> {
    Some(Seen::Arp {
        operation: u16_at(bytes, 20)?,
        sender: ipv4_at(bytes, 28)?,
        target: ipv4_at(bytes, 38)?,
    })
}

fn byte_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair: [u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_be_bytes(pair))
}

fn ipv4_at(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(octets.into())
}

fn ipv6_at(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(octets.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(hex: &str) -> Frame {
        let bytes = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        Frame {
            at: Duration::ZERO,
            bytes,
            sent: false,
        }
    }

    #[test]
    fn an_advert_is_decoded() {
        let advert = frame(
            "01005e000012b265af8ecd0b0800\
             45c0002800010000ff702cebac110196e0000012\
             2133960100019b18ac1101a00000000000000000",
        )
        .advert()
        .unwrap();
        assert_eq!(advert.source, IpAddr::from([172, 17, 1, 150]));
        assert_eq!(
            (
                advert.version,
                advert.vrid,
                advert.priority,
                advert.interval
            ),
            (2, 51, 150, 1)
        );
        assert_eq!(advert.message.len(), 20);
    }

    #[test]
    fn a_gratuitous_arp_announces_its_address() {
        let frame = frame(
            "ffffffffffffb265af8ecd0b0806\
             0001080006040001b265af8ecd0bac1101a0ffffffffffffac1101a0",
        );
        assert_eq!(frame.announced(), Some(IpAddr::from([172, 17, 1, 160])));
    }

    #[test]
    fn a_cut_frame_is_something_else() {
        let cut = frame("01005e000012b265af8ecd0b080045c0002800010000ff702ceb");
        assert_eq!(cut.decode(), Seen::Other(ETHERTYPE_IPV4, PROTOCOL_VRRP));
    }
}
