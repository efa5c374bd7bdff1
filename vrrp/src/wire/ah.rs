//! The IP authentication header around a version 2 message (RFC 2402; RFC 2338 section 5.3.6 calls
//! for it as authentication type 2), as keepalived sends it.
//!
//! ```text
//!            0               1               2               3
//!            IPv4 header, 20 octets, protocol 51
//!            next = 112      length = 4      0
//!            SPI: the source address
//!            sequence number
//!            first 12 octets of HMAC-MD5
//!            VRRP message of authentication type 2
//! ```
//!
//! The HMAC is over the whole packet with itself and the fields that change on the way read as 0:
//! type of service, flags and fragment offset, header checksum. The TTL changes on the way as well,
//! and RFC 2402 has it read as 0; keepalived does not, so a TTL that a router lowered makes its HMAC
//! a wrong one, and so it is here.
//!
//! # Sequence numbers
//!
//! A sender counts its messages up, on from what it heard from others if that is more, and never
//! stays behind the seconds since 1970: a process that lost its state is then still ahead of its
//! past, as hardly more than one message a second is sent, intervals being whole seconds. With
//! several unicast peers or answers to rivals it is more, and the counter outruns the clock; so one
//! that is restored from a state that may be older than the last message leaps ahead ([`LEAP`]). The
//! numbers suffice: beyond today's seconds there are 600,000 leaps to 2^32, which the seconds reach
//! in 2106.
//! (keepalived has one counter for what it sends and what it hears, and refuses for good whatever is
//! not above it.)
//! A receiver refuses what is not above the last one accepted from the same address, except from a
//! sender that was silent for [`SILENCE`]: peers that count from 1 when they start again are thus
//! heard when they become Master anew, which they can only after a silence of that length. With
//! intervals of seconds, and no time in the packet, there is no telling such a sender from a
//! recording; RFC 3768 dropped the method for being no protection.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use serde::{Deserialize, Serialize};

use super::ipv4::HEADER_LEN;
use super::{AuthError, Ipv4Error, PROTOCOL, PROTOCOL_AH};

/// Octets of the authentication header.
const AH_LEN: usize = 24;
/// Octets of the HMAC.
const ICV_LEN: usize = 12;
/// The length field: the header in 32-bit words, minus 2.
const LENGTH: u8 = 4;
/// After how long a silence a sender may count anew.
const SILENCE: Duration = Duration::from_secs(3);
/// How far a restored counter leaps: more than is sent from one stored state to the next. With 30 s
/// between them that is 136 messages a second.
const LEAP: u32 = 4096;
/// Senders remembered. Only those who know the key come into the list.
const SOURCES: usize = 32;

/// An IPv4 packet with an authentication header, taken apart but not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AhPacket<'a> {
    header: &'a [u8; HEADER_LEN],
    /// The authentication header in front of the HMAC.
    front: &'a [u8; AH_LEN - ICV_LEN],
    icv: &'a [u8; ICV_LEN],
    message: &'a [u8],
}

impl<'a> AhPacket<'a> {
    /// Takes a packet apart: `packet` ends where its header says.
    pub(super) fn split(packet: &'a [u8]) -> Result<Self, Ipv4Error> {
        let cut = Ipv4Error::AuthenticationHeader;
        let (header, rest) = packet.split_first_chunk().ok_or(cut)?;
        // Options would have to be sorted into those that change on the way and others.
        if header.first() != Some(&0x45) {
            return Err(cut);
        }
        let (front, rest) = rest
            .split_first_chunk::<{ AH_LEN - ICV_LEN }>()
            .ok_or(cut)?;
        let (icv, message) = rest.split_first_chunk().ok_or(cut)?;
        match front {
            [PROTOCOL, LENGTH, ..] => Ok(Self {
                header,
                front,
                icv,
                message,
            }),
            _ => Err(cut),
        }
    }

    /// The VRRP message.
    pub const fn message(&self) -> &'a [u8] {
        self.message
    }

    fn sequence(&self) -> u32 {
        match *self.front {
            [_, _, _, _, _, _, _, _, s0, s1, s2, s3] => u32::from_be_bytes([s0, s1, s2, s3]),
        }
    }
}

/// The key, ready for use.
#[derive(Clone)]
pub(super) struct Key(Hmac<Md5>);

impl Key {
    /// Of the secret at most 64 octets, the block of MD5, count.
    pub(super) fn new(secret: &[u8]) -> Self {
        let mut block = hmac::digest::Key::<Hmac<Md5>>::default();
        for (octet, given) in block.iter_mut().zip(secret) {
            *octet = *given;
        }
        Self(Hmac::new(&block))
    }

    fn mac(&self, header: &[u8; HEADER_LEN], front: &[u8], message: &[u8]) -> Hmac<Md5> {
        let mut header = *header;
        let [_, tos, _, _, _, _, flags, offset, _, _, sum0, sum1, ..] = &mut header;
        for changing in [tos, flags, offset, sum0, sum1] {
            *changing = 0;
        }
        let mut mac = self.0.clone();
        mac.update(&header);
        mac.update(front);
        mac.update(&[0; ICV_LEN]);
        mac.update(message);
        mac
    }

    /// Compares in constant time.
    pub(super) fn verify(&self, packet: &AhPacket<'_>) -> Result<(), AuthError> {
        self.mac(packet.header, packet.front, packet.message)
            .verify_truncated_left(packet.icv)
            .map_err(|_| AuthError::InvalidIcv)
    }
}

/// What an AH packet needs besides message and key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope {
    pub(super) src: Ipv4Addr,
    pub(super) dst: Ipv4Addr,
    pub(super) ttl: u8,
    pub(super) identification: u16,
    pub(super) sequence: u32,
}

/// Appends a whole packet to `out`; the header checksum is left to the kernel.
pub(super) fn build(key: &Key, envelope: &Envelope, message: &[u8], out: &mut Vec<u8>) {
    let length = HEADER_LEN + AH_LEN + message.len();
    // A message has at most 1,036 octets.
    let [l0, l1] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    let [i0, i1] = envelope.identification.to_be_bytes();
    let [s0, s1, s2, s3] = envelope.src.octets();
    let [d0, d1, d2, d3] = envelope.dst.octets();
    let [n0, n1, n2, n3] = envelope.sequence.to_be_bytes();
    let header = [
        0x45,
        super::NETWORK_CONTROL,
        l0,
        l1,
        i0,
        i1,
        0,
        0,
        envelope.ttl,
        PROTOCOL_AH,
        0,
        0,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ];
    let front = [PROTOCOL, LENGTH, 0, 0, s0, s1, s2, s3, n0, n1, n2, n3];
    let icv = key.mac(&header, &front, message).finalize().into_bytes();
    out.extend(header);
    out.extend(front);
    out.extend(icv.iter().take(ICV_LEN));
    out.extend(message);
}

/// The numbers of sent and received packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sequences {
    /// The last one sent, or the greatest heard.
    last: u32,
    /// The IP identification of the last packet sent: it is covered by the HMAC, so it is ours to
    /// choose, and not 0, which would leave it to the kernel.
    identification: u16,
    sources: Vec<Source>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    address: IpAddr,
    sequence: u32,
    /// When, by the wall clock, since 1970.
    heard: Duration,
}

impl Sequences {
    /// Leaves room for what was sent after this state was stored.
    pub(super) fn leap(&mut self) {
        if self.last > 0 {
            self.last = self.last.saturating_add(LEAP);
        }
    }

    /// The identification and the sequence number of the next packet.
    pub(super) fn next(&mut self, wall: Duration) -> (u16, u32) {
        self.identification = self.identification.wrapping_add(1).max(1);
        let clock = u32::try_from(wall.as_secs()).unwrap_or(1).max(1);
        self.last = self.last.wrapping_add(1).max(clock);
        (self.identification, self.last)
    }

    /// Whether an authentic packet is a new one: its number if so.
    pub(super) fn check(
        &self,
        address: IpAddr,
        packet: &AhPacket<'_>,
        wall: Duration,
    ) -> Result<u32, AuthError> {
        let sequence = packet.sequence();
        let known = self.sources.iter().find(|source| source.address == address);
        // A clock that was set back tells nothing about the silence.
        let may_restart = |source: &Source| {
            wall.checked_sub(source.heard)
                .is_none_or(|silence| silence >= SILENCE)
        };
        match known {
            Some(source) if sequence <= source.sequence && !may_restart(source) => {
                Err(AuthError::SequenceReplay {
                    found: sequence,
                    last: source.sequence,
                })
            }
            _ => Ok(sequence),
        }
    }

    /// Remembers a packet as accepted.
    pub(super) fn commit(&mut self, address: IpAddr, sequence: u32, wall: Duration) {
        // A peer may hold what it heard from anyone against what it hears from us.
        self.last = self.last.max(sequence);
        self.sources.retain(|source| source.address != address);
        if self.sources.len() >= SOURCES {
            self.sources.remove(0);
        }
        self.sources.push(Source {
            address,
            sequence,
            heard: wall,
        });
    }
}
