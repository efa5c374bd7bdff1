//! Packets, right in every detail that is not meant to be wrong.

use std::net::Ipv4Addr;

/// Where adverts go (RFC 9568 section 5.1.1.2).
pub(super) const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

const PROTOCOL: u8 = 112;

/// An advert to be sent, or something like one.
#[derive(Debug, Clone)]
pub struct Forged {
    /// Who seems to have sent it.
    pub source: Ipv4Addr,
    /// Time to live; right is 255.
    pub ttl: u8,
    /// Version and type in one octet; right is 0x31.
    pub kind: u8,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Priority.
    pub priority: u8,
    /// Between adverts, in centiseconds.
    pub interval: u16,
    /// The addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// What it says about their number, where that is not the truth.
    pub count: Option<u8>,
    /// Whether the checksum is wrong.
    pub bad_checksum: bool,
    /// Octets behind the message.
    pub tail: usize,
    /// Octets that are left of the message; `None`: all.
    pub cut: Option<usize>,
}

impl Forged {
    /// A right advert of version 3 with these values.
    #[must_use]
    pub fn advert(source: Ipv4Addr, vrid: u8, priority: u8, address: Ipv4Addr) -> Self {
        Self {
            source,
            ttl: 255,
            kind: 0x31,
            vrid,
            priority,
            interval: 10,
            addresses: vec![address],
            count: None,
            bad_checksum: false,
            tail: 0,
            cut: None,
        }
    }

    /// The packet from its IP header on.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        let mut message = self.message();
        message.truncate(self.cut.unwrap_or(message.len()));
        ip_packet(self.source, self.ttl, &message)
    }

    fn message(&self) -> Vec<u8> {
        let count = u8::try_from(self.addresses.len()).unwrap_or(u8::MAX);
        let [high, low] = self.interval.to_be_bytes();
        let mut message = vec![
            self.kind,
            self.vrid,
            self.priority,
            self.count.unwrap_or(count),
            high,
            low,
            0,
            0,
        ];
        for address in &self.addresses {
            message.extend(address.octets());
        }
        message.extend(vec![0; self.tail]);
        let mut sum = checksum(self.source, &message);
        if self.bad_checksum {
            sum ^= 0x5555;
        }
        message.splice(6..8, sum.to_be_bytes());
        message
    }
}

/// An IPv4 packet of VRRP with this content, whatever it may be. The kernel completes the header.
pub(super) fn ip_packet(source: Ipv4Addr, ttl: u8, content: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0xc0, 0, 0, 0, 0, 0, 0, ttl, PROTOCOL, 0, 0];
    packet.extend(source.octets());
    packet.extend(GROUP.octets());
    packet.extend(content);
    packet
}

/// Over the pseudo header and the message (RFC 9568 section 5.2.8).
fn checksum(source: Ipv4Addr, message: &[u8]) -> u16 {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut octets = Vec::new();
    octets.extend(source.octets());
    octets.extend(GROUP.octets());
    octets.extend([0, PROTOCOL]);
    octets.extend(length.to_be_bytes());
    octets.extend(message);
    let mut sum: u32 = octets
        .chunks(2)
        .map(|pair| {
            let low = pair.get(1).copied().unwrap_or(0);
            u32::from(u16::from_be_bytes([pair[0], low]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_advert_is_right() {
        let advert = Forged {
            interval: 100,
            ..Forged::advert([172, 17, 1, 150].into(), 51, 150, [172, 17, 1, 160].into())
        };
        let message = [
            0x31, 0x33, 0x96, 0x01, 0x00, 0x64, 0xfc, 0x7e, 0xac, 0x11, 0x01, 0xa0,
        ];
        assert_eq!(advert.packet().get(20..), Some(message.as_slice()));
    }

    #[test]
    fn a_cut_advert_is_cut() {
        let advert = Forged {
            cut: Some(5),
            ..Forged::advert([172, 17, 1, 150].into(), 51, 150, [172, 17, 1, 160].into())
        };
        assert_eq!(advert.packet().len(), 25);
    }
}
