//! Why a message was refused: one variant per check, in the order the checks are made.

use std::time::Duration;

use super::TtlRange;

/// Why a received message must be discarded (RFC 3768 and RFC 9568, sections 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DecodeError {
    /// It may have crossed a router, so it could come from anywhere.
    #[error("TTL or hop limit is {found}, expected {expected}")]
    Ttl {
        /// The value in the IP header.
        found: u8,
        /// Those accepted.
        expected: TtlRange,
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
            Self::AuthType { .. } => "authtype_mismatch",
            Self::AuthData => "auth_failure",
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
        "authtype_mismatch",
        "auth_failure",
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
    #[error("IP protocol {found}, expected 112 (VRRP) or 51 (AH)")]
    Protocol {
        /// The protocol in the header.
        found: u8,
    },
    /// An IP authentication header that is cut, has options of IP before it, is not as long as one
    /// for HMAC-MD5-96, or has something other than VRRP behind it.
    #[error("the authentication header is not one of HMAC-MD5-96 around VRRP")]
    AuthenticationHeader,
}

/// Why [`Guard::open`](super::Guard::open) refuses a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AuthError {
    /// One of us uses the IP authentication header, the other does not.
    #[error("it came as IP protocol {found}, expected {expected}")]
    Carrier {
        /// What carried it.
        found: &'static str,
        /// What the configuration calls for.
        expected: &'static str,
    },
    /// An authentication header made with another key, or around something else.
    #[error("the authentication header's HMAC is wrong: another key?")]
    InvalidIcv,
    /// An authentication header that was seen before.
    #[error("sequence number {found} of the authentication header, after {last}")]
    SequenceReplay {
        /// The number in the header.
        found: u32,
        /// That of the message accepted last from the same address.
        last: u32,
    },
    /// It is not signed.
    #[error("the message is not signed")]
    Missing,
    /// What follows the message is not a trailer of the kind expected.
    #[error("what follows the message is no HMAC trailer")]
    Malformed,
    /// It names a key that is not configured.
    #[error("signed with the unknown key {id}")]
    UnknownKey {
        /// The id of the key.
        id: u8,
    },
    /// The key of that id differs, or the message was changed.
    #[error("the HMAC is wrong: another key of the same id?")]
    InvalidHmac,
    /// It was sent too long ago by our clock, or will be.
    #[error("signed {} s {} our clock", .seconds.unsigned_abs(),
        if *.seconds < 0 { "behind" } else { "ahead of" })]
    Stale {
        /// How far the sender's clock is ahead of ours; less than 0: behind.
        seconds: i64,
    },
    /// It is not newer than what was accepted before from the same address.
    #[error("signed before the last message accepted from the same address")]
    Replay,
}

impl AuthError {
    /// A stable name of the kind of error, for counters, in keepalived's words where it counts the
    /// same.
    pub const fn classify(&self) -> &'static str {
        match self {
            Self::Carrier { .. } => "authtype_mismatch",
            Self::InvalidIcv => "auth_failure",
            Self::SequenceReplay { .. } => "ah_replay",
            Self::Missing => "auth_ext_missing",
            Self::Malformed => "auth_ext_malformed",
            Self::UnknownKey { .. } => "auth_ext_unknown_key",
            Self::InvalidHmac => "auth_ext_invalid_hmac",
            Self::Stale { .. } => "auth_ext_stale",
            Self::Replay => "auth_ext_replay",
        }
    }

    /// Every name that [`classify`](Self::classify) gives.
    pub const CLASSES: [&'static str; 9] = [
        "authtype_mismatch",
        "auth_failure",
        "ah_replay",
        "auth_ext_missing",
        "auth_ext_malformed",
        "auth_ext_unknown_key",
        "auth_ext_invalid_hmac",
        "auth_ext_stale",
        "auth_ext_replay",
    ];
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
