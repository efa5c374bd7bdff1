//! The trailer that keepalived from 2.4 on signs adverts with (`auth_hmac`), as 2.4.3 sends it: in
//! both versions, after the ordinary message.
//!
//! ```text
//!            0               1               2               3
//!            type = 1        key id          0
//!            seconds since 1970
//!            fraction of the second          counter
//!            first half of HMAC-SHA-256, 16 octets
//! ```
//!
//! The HMAC is over
//!
//! - 20 octets that are not sent: family (4 or 6), VRRP version, VRID, 0, and the source address with
//!   zeros behind it, 16 octets;
//! - the ordinary message, its checksum field read as 0;
//! - the trailer, its last 16 octets read as 0.
//!
//! The checksum field in the message does not count the trailer over IPv4, and counts it over IPv6.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::checksum::{self, CHECKSUM_AT};
use super::replay::Stamp;
use super::{AuthError, ChecksumV3, FIXED_LEN, Path, Version};

/// Octets of the trailer.
const TRAILER_LEN: usize = 28;
/// Octets of it in front of the HMAC.
const HEAD_LEN: usize = 12;
/// Octets of the HMAC.
const MAC_LEN: usize = 16;
/// The type of the extension.
const TYPE: u8 = 1;

/// A key with its id.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: u8,
    state: Hmac<Sha256>,
}

/// Which virtual router a message belongs to, as far as the HMAC tells.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) version: Version,
    pub(super) vrid: u8,
    pub(super) source: IpAddr,
}

impl Subject {
    fn octets(&self) -> [u8; 20] {
        let mut address = [0; 16];
        let family = match self.source {
            IpAddr::V4(source) => {
                if let Some(front) = address.first_chunk_mut() {
                    *front = source.octets();
                }
                4
            }
            IpAddr::V6(source) => {
                address = source.octets();
                6
            }
        };
        let mut octets = [0; 20];
        let (front, back) = octets.split_at_mut(4);
        front.copy_from_slice(&[family, self.version.number(), self.vrid, 0]);
        back.copy_from_slice(&address);
        octets
    }
}

impl Key {
    /// Of the secret at most 64 octets, the block of SHA-256, count.
    pub(super) fn new(id: u8, secret: &[u8]) -> Self {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (octet, given) in block.iter_mut().zip(secret) {
            *octet = *given;
        }
        let state = Hmac::new(&block);
        Self { id, state }
    }

    /// The HMAC over a message and the front of its trailer.
    fn mac(&self, subject: &Subject, message: &[u8], head: &[u8; HEAD_LEN]) -> Hmac<Sha256> {
        let mut mac = self.state.clone();
        mac.update(&subject.octets());
        mac.update(message.get(..CHECKSUM_AT).unwrap_or(message));
        mac.update(&[0; 2]);
        mac.update(message.get(CHECKSUM_AT + 2..).unwrap_or_default());
        mac.update(head);
        mac.update(&[0; MAC_LEN]);
        mac
    }

    /// Appends the trailer to an ordinary message.
    pub(super) fn sign(&self, subject: &Subject, stamp: Stamp, path: &Path, message: &mut Vec<u8>) {
        let mut head = [0; HEAD_LEN];
        let (front, back) = head.split_at_mut(4);
        front.copy_from_slice(&[TYPE, self.id, 0, 0]);
        back.copy_from_slice(&stamp.0.to_be_bytes());
        let mac = self.mac(subject, message, &head).finalize().into_bytes();
        message.extend(head);
        message.extend(mac.iter().take(MAC_LEN));
        if path.dst.is_ipv6() {
            sum_anew(path, message);
        }
    }

    /// Compares in constant time.
    pub(super) fn verify(
        &self,
        subject: &Subject,
        message: &[u8],
        trailer: &Trailer<'_>,
    ) -> Result<(), AuthError> {
        let mac = self.mac(subject, message, trailer.head);
        mac.verify_truncated_left(trailer.mac)
            .map_err(|_| AuthError::InvalidHmac)
    }
}

/// Puts the checksum right over all of a payload.
fn sum_anew(path: &Path, message: &mut [u8]) {
    let field = CHECKSUM_AT..CHECKSUM_AT + 2;
    if let Some(old) = message.get_mut(field.clone()) {
        old.fill(0);
    }
    let sum = checksum::v3(message, path, ChecksumV3::PseudoHeader).finish();
    if let Some(new) = message.get_mut(field) {
        new.copy_from_slice(&sum.to_be_bytes());
    }
}

/// A trailer taken apart.
pub(super) struct Trailer<'a> {
    head: &'a [u8; HEAD_LEN],
    mac: &'a [u8; MAC_LEN],
    pub(super) key_id: u8,
    pub(super) stamp: Stamp,
}

impl<'a> Trailer<'a> {
    /// Splits a payload into the ordinary message and the trailer.
    ///
    /// # Errors
    ///
    /// [`AuthError::Missing`] if nothing follows the message, [`AuthError::Malformed`] if it is
    /// something else.
    pub(super) fn split(
        payload: &'a [u8],
        version: Version,
        ipv4: bool,
    ) -> Result<(&'a [u8], Self), AuthError> {
        let count = payload.get(3).ok_or(AuthError::Malformed)?;
        let list_len = usize::from(*count) * if ipv4 { 4 } else { 16 };
        let (message, trailer) = payload
            .split_at_checked(FIXED_LEN + list_len + version.trailer_len())
            .ok_or(AuthError::Malformed)?;
        if trailer.is_empty() {
            return Err(AuthError::Missing);
        }
        let trailer: &[u8; TRAILER_LEN] = trailer.try_into().map_err(|_| AuthError::Malformed)?;
        let (head, mac) = trailer.split_first_chunk().ok_or(AuthError::Malformed)?;
        let mac = mac.try_into().map_err(|_| AuthError::Malformed)?;
        match *head {
            [TYPE, key_id, 0, 0, s0, s1, s2, s3, f0, f1, c0, c1] => {
                let stamp = Stamp(u64::from_be_bytes([s0, s1, s2, s3, f0, f1, c0, c1]));
                Ok((
                    message,
                    Self {
                        head,
                        mac,
                        key_id,
                        stamp,
                    },
                ))
            }
            _ => Err(AuthError::Malformed),
        }
    }
}
