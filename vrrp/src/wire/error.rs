//! Why a message was refused: one variant per check, in the order the checks are made.

use std::time::Duration;

/// Why a received message must be discarded (RFC 3768 and RFC 9568, sections 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DecodeError {
    /// It may have crossed a router, so it could come from anywhere.
    #[error("TTL or hop limit is {found}, expected at least {least}")]
    Ttl {
        /// The value in the IP header.
        found: u8,
        /// The least one accepted.
        least: u8,
    },
    /// The IP header itself makes no sense.
    #[error("IPv4 header: {0}")]
    Ip(#[from] Ipv4Error),
    /// The source and destination given are of two families, or of one that the version lacks.
    #[error("VRRP version {version} cannot be carried between these address families")]
    Family {
        /// The version expected.
        version: u8,
    },
    /// Another version than the configured one.
    #[error("VRRP version {found}, expected {expected}")]
    Version {
        /// The version in the message, 0..=15.
        found: u8,
        /// The configured one.
        expected: u8,
    },
    /// Not an advertisement.
    #[error("message type {found}, expected 1 (advertisement)")]
    Type {
        /// The type in the message, 0..=15.
        found: u8,
    },
    /// Shorter than its fixed part or than the list of addresses it announces.
    #[error("{found} octets, expected at least {expected}")]
    Length {
        /// Octets received.
        found: usize,
        /// Octets that the fields so far call for.
        expected: usize,
    },
    /// Damaged on the way, or of another checksum dialect than those accepted.
    #[error("checksum is {found:#06x}, expected {expected:#06x}")]
    Checksum {
        /// The checksum in the message.
        found: u16,
        /// What it had to be, in the first of the accepted dialects.
        expected: u16,
    },
    /// Not the configured kind of authentication.
    #[error("authentication type {found}, expected {expected}")]
    AuthType {
        /// The type in the message.
        found: u8,
        /// The configured one.
        expected: u8,
    },
    /// The wrong password (which neither this nor any log shows).
    #[error("the password differs from the configured one")]
    AuthData,
    /// It lists no address.
    #[error("no virtual address listed")]
    Count,
    /// It announces an interval of zero.
    #[error("advertisement interval is 0")]
    Interval,
}

impl DecodeError {
    /// A stable name of the kind of error, for counters: lower case, words joined by `_`.
    pub const fn classify(&self) -> &'static str {
        match self {
            Self::Ttl { .. } => "ttl",
            Self::Ip(_) => "ip_header",
            Self::Family { .. } => "family",
            Self::Version { .. } => "version",
            Self::Type { .. } => "type",
            Self::Length { .. } => "length",
            Self::Checksum { .. } => "checksum",
            Self::AuthType { .. } => "auth_type",
            Self::AuthData => "auth_data",
            Self::Count => "count",
            Self::Interval => "interval",
        }
    }

    /// Every name that [`classify`](Self::classify) gives, in the order of the checks, so that a
    /// counter can be shown before it first counts.
    pub const CLASSES: [&'static str; 11] = [
        "ip_header",
        "ttl",
        "family",
        "version",
        "type",
        "length",
        "checksum",
        "auth_type",
        "auth_data",
        "count",
        "interval",
    ];
}

/// What is wrong with an IPv4 packet as a raw socket delivers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Ipv4Error {
    /// Shorter than a header.
    #[error("{found} octets, expected at least {expected}")]
    Short {
        /// Octets received.
        found: usize,
        /// Octets that a header of the length it claims has, 20 at least.
        expected: usize,
    },
    /// Not IPv4.
    #[error("IP version {found}, expected 4")]
    Version {
        /// The version in the header, 0..=15.
        found: u8,
    },
    /// A header length below the least.
    #[error("header length {found}, expected at least 20")]
    HeaderLength {
        /// The length in the header, in octets.
        found: usize,
    },
    /// A total length that is less than the header or more than was received.
    #[error("total length {claimed}, of which {found} octets arrived")]
    TotalLength {
        /// The length in the header, in octets.
        claimed: usize,
        /// Octets received.
        found: usize,
    },
    /// Another protocol than VRRP.
    #[error("IP protocol {found}, expected 112 (VRRP)")]
    Protocol {
        /// The protocol in the header.
        found: u8,
    },
}

/// Why an [`Advert`](super::Advert) cannot be put on the wire. A validated configuration never
/// leads here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EncodeError {
    /// The path joins two families, or version 2 was asked to go over IPv6.
    #[error("VRRP version {version} cannot be carried between these address families")]
    Family {
        /// The version asked for.
        version: u8,
    },
    /// A virtual address is not of the family that carries the message.
    #[error("virtual address {address} is not of the family that carries the advertisement")]
    Address {
        /// The address.
        address: std::net::IpAddr,
    },
    /// More addresses than the count field can tell.
    #[error("{found} virtual addresses, at most 255 fit one advertisement")]
    Count {
        /// How many there are.
        found: usize,
    },
    /// The interval is zero, too long, or no multiple of the version's unit.
    #[error("interval {interval:?} does not fit VRRP version {version}")]
    Interval {
        /// The interval asked for.
        interval: Duration,
        /// The version asked for.
        version: u8,
    },
}
