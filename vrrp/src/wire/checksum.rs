//! The Internet checksum (RFC 1071) and what VRRP's versions and dialects have it cover.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{GROUP_V4, PROTOCOL, Path};

/// Where the checksum field lies, in both versions.
pub(super) const CHECKSUM_AT: usize = 6;

/// What the checksum of a version 3 message over IPv4 covers besides the message. (Version 2 covers
/// the message alone, its authentication data included, and version 3 over IPv6 always the pseudo
/// header of RFC 8200.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumV3 {
    /// A pseudo header with the addresses of the IP header: how RFC 5798 was widely read, and
    /// keepalived's default.
    #[default]
    PseudoHeader,
    /// Nothing: RFC 9568 section 5.2.8; keepalived's `v3_checksum_as_v2`.
    MessageOnly,
    /// A pseudo header whose destination is 224.0.0.18 whatever the real one: what keepalived up to
    /// 1.3.6 did for unicast peers. For multicast it is the same as `PseudoHeader`.
    GroupPseudoHeader,
}

/// A set of [`ChecksumV3`]: those a receiver accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checksums {
    pseudo_header: bool,
    message_only: bool,
    group_pseudo_header: bool,
}

impl Checksums {
    /// All of them.
    pub const ANY: Self = Self {
        pseudo_header: true,
        message_only: true,
        group_pseudo_header: true,
    };

    /// Just `sum`.
    pub const fn only(sum: ChecksumV3) -> Self {
        let none = Self {
            pseudo_header: false,
            message_only: false,
            group_pseudo_header: false,
        };
        none.with(sum)
    }

    /// These and `sum`.
    pub const fn with(mut self, sum: ChecksumV3) -> Self {
        match sum {
            ChecksumV3::PseudoHeader => self.pseudo_header = true,
            ChecksumV3::MessageOnly => self.message_only = true,
            ChecksumV3::GroupPseudoHeader => self.group_pseudo_header = true,
        }
        self
    }

    /// Whether `sum` is one of them.
    pub const fn contains(self, sum: ChecksumV3) -> bool {
        match sum {
            ChecksumV3::PseudoHeader => self.pseudo_header,
            ChecksumV3::MessageOnly => self.message_only,
            ChecksumV3::GroupPseudoHeader => self.group_pseudo_header,
        }
    }

    /// Those in the set, the usual one first.
    pub(super) fn iter(self) -> impl Iterator<Item = ChecksumV3> {
        [
            ChecksumV3::PseudoHeader,
            ChecksumV3::MessageOnly,
            ChecksumV3::GroupPseudoHeader,
        ]
        .into_iter()
        .filter(move |sum| self.contains(*sum))
    }
}

/// The one's complement sum of 16-bit words, unfolded. 64 bits take 2^48 words.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// Adds octets; an odd last one counts as if a zero followed it.
    pub(super) fn add(mut self, octets: &[u8]) -> Self {
        let (words, rest) = octets.as_chunks::<2>();
        for word in words {
            self.0 += u64::from(u16::from_be_bytes(*word));
        }
        if let [last] = rest {
            self.0 += u64::from(u16::from_be_bytes([*last, 0]));
        }
        self
    }

    /// Adds the pseudo header of a VRRP message of `length` octets (RFC 793 section 3.1 for IPv4,
    /// RFC 8200 section 8.1 for IPv6: the same sum, as the wider fields hold the same numbers).
    pub(super) fn add_pseudo_header(self, path: &Path, length: usize) -> Self {
        // A message has at most 65535 octets, so no carry from the upper half of the length is lost.
        let numbers = u64::from(PROTOCOL) + length as u64;
        let sum = add_address(add_address(self, path.src), path.dst);
        Self(sum.0 + numbers)
    }

    /// Takes a word out again: adding its complement is subtracting it.
    pub(super) fn without(self, word: u16) -> Self {
        Self(self.0 + u64::from(!word))
    }

    /// The value of a checksum field that makes the whole sum up to zero; 0 if the field was
    /// included and right.
    pub(super) fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        // The loop leaves 16 bits.
        !u16::try_from(sum).unwrap_or(u16::MAX)
    }
}

fn add_address(sum: Sum, address: IpAddr) -> Sum {
    match address {
        IpAddr::V4(address) => sum.add(&address.octets()),
        IpAddr::V6(address) => sum.add(&address.octets()),
    }
}

/// The sum over a version 3 message in `dialect`.
pub(super) fn v3(message: &[u8], path: &Path, dialect: ChecksumV3) -> Sum {
    let sum = Sum::default().add(message);
    let over_ipv4 = path.dst.is_ipv4();
    match dialect {
        ChecksumV3::MessageOnly if over_ipv4 => sum,
        ChecksumV3::GroupPseudoHeader if over_ipv4 => {
            let to_group = Path {
                src: path.src,
                dst: IpAddr::V4(GROUP_V4),
            };
            sum.add_pseudo_header(&to_group, message.len())
        }
        _ => sum.add_pseudo_header(path, message.len()),
    }
}
