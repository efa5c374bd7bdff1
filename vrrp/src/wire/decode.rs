//! Octets to [`Advert`], with the checks of RFC 3768 and RFC 9568, sections 7.1, in their order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::checksum::{self, Sum};
use super::{
    Advert, Auth, DecodeError, Expect, FIXED_LEN, MAX_CENTISECONDS, Path, TYPE_ADVERT, Version,
};

/// The VRID of a message about which nothing else is known yet, by which a receiver finds the
/// instance that says what to [`Expect`]. `None` if the message is too short to have one.
pub const fn peek_vrid(message: &[u8]) -> Option<u8> {
    match message {
        [_, vrid, ..] => Some(*vrid),
        _ => None,
    }
}

impl Advert {
    /// Reads the message that follows the IP header.
    ///
    /// The caller checks the TTL before ([`TtlRange::check`](super::TtlRange::check)), and after it what the message alone does
    /// not tell: that the VRID is configured, and that a v2 interval is the configured one.
    ///
    /// # Errors
    ///
    /// The first check that fails: family, version, type, length, checksum, authentication type,
    /// password; then no address, an interval of zero. Reserved bits of version 3, authentication
    /// data that no type announces, and octets after the message are ignored.
    pub fn decode(bytes: &[u8], path: &Path, expect: &Expect) -> Result<Self, DecodeError> {
        let version = expect.version;
        if !path.carries(version) {
            return Err(DecodeError::Family {
                version: version.number(),
            });
        }
        let fixed = Fixed::read(bytes, version)?;
        let body = Body::split(bytes, version, fixed.count, path.dst.is_ipv4())?;
        check_sum(body.summed, fixed.checksum, path, expect)?;
        let (interval, auth) = match version {
            Version::V2 => {
                let [auth_type, seconds] = fixed.timing;
                check_auth(auth_type, body.auth_data, expect.auth)?;
                (Duration::from_secs(u64::from(seconds)), expect.auth)
            }
            Version::V3 => {
                let centiseconds = u16::from_be_bytes(fixed.timing) & MAX_CENTISECONDS;
                (
                    Duration::from_millis(u64::from(centiseconds) * 10),
                    Auth::None,
                )
            }
        };
        if fixed.count == 0 && !expect.allow_empty {
            return Err(DecodeError::Count);
        }
        if interval.is_zero() {
            return Err(DecodeError::Interval);
        }
        Ok(Self {
            version,
            vrid: fixed.vrid,
            priority: fixed.priority,
            interval,
            auth,
            addresses: body.addresses(),
        })
    }
}

/// The first eight octets.
struct Fixed {
    vrid: u8,
    priority: u8,
    count: u8,
    timing: [u8; 2],
    checksum: u16,
}

impl Fixed {
    /// Checks version, type and that all of the fixed part is there.
    fn read(bytes: &[u8], expected: Version) -> Result<Self, DecodeError> {
        let length = DecodeError::Length {
            found: bytes.len(),
            expected: FIXED_LEN,
        };
        let first = *bytes.first().ok_or(length)?;
        let version = first >> 4;
        if version != expected.number() {
            return Err(DecodeError::Version {
                found: version,
                expected: expected.number(),
            });
        }
        let kind = first & 0x0f;
        if kind != TYPE_ADVERT {
            return Err(DecodeError::Type { found: kind });
        }
        let fixed: &[u8; FIXED_LEN] = bytes.first_chunk().ok_or(length)?;
        let &[_, vrid, priority, count, timing0, timing1, sum0, sum1] = fixed;
        Ok(Self {
            vrid,
            priority,
            count,
            timing: [timing0, timing1],
            checksum: u16::from_be_bytes([sum0, sum1]),
        })
    }
}

/// What follows the fixed part.
struct Body<'a> {
    /// The octets that the checksum covers, the fixed part included.
    summed: &'a [u8],
    /// The addresses.
    list: &'a [u8],
    /// Authentication data of version 2; empty in version 3.
    auth_data: &'a [u8],
    /// Whether the addresses are IPv4 ones.
    ipv4: bool,
}

impl<'a> Body<'a> {
    /// Checks that all that the count of addresses calls for is there.
    fn split(
        bytes: &'a [u8],
        version: Version,
        count: u8,
        ipv4: bool,
    ) -> Result<Self, DecodeError> {
        let list_len = usize::from(count) * if ipv4 { 4 } else { 16 };
        let expected = FIXED_LEN + list_len + version.trailer_len();
        let length = DecodeError::Length {
            found: bytes.len(),
            expected,
        };
        let message = bytes.get(..expected).ok_or(length)?;
        let (_, rest) = message.split_at_checked(FIXED_LEN).ok_or(length)?;
        let (list, auth_data) = rest.split_at_checked(list_len).ok_or(length)?;
        Ok(Self {
            summed: if ipv4 { message } else { bytes },
            list,
            auth_data,
            ipv4,
        })
    }

    fn addresses(&self) -> Vec<IpAddr> {
        if self.ipv4 {
            let (list, _) = self.list.as_chunks::<4>();
            list.iter()
                .map(|octets| Ipv4Addr::from(*octets).into())
                .collect()
        } else {
            let (list, _) = self.list.as_chunks::<16>();
            list.iter()
                .map(|octets| Ipv6Addr::from(*octets).into())
                .collect()
        }
    }
}

/// Checks the checksum in any of the accepted dialects.
fn check_sum(summed: &[u8], found: u16, path: &Path, expect: &Expect) -> Result<(), DecodeError> {
    // The sum over everything, the field included, has to be zero: equal to recomputing the field,
    // except that a field of ffff passes for 0000, its other form in one's complement.
    let residue = |dialect| match (expect.version, dialect) {
        (Version::V2, _) => Sum::default().add(summed),
        (Version::V3, dialect) => checksum::v3(summed, path, dialect),
    };
    let mut first = None;
    for dialect in expect.checksums.iter() {
        let sum = residue(dialect);
        if sum.finish() == 0 {
            return Ok(());
        }
        first = first.or(Some(sum));
    }
    let expected = first.map_or(found, |sum| sum.without(found).finish());
    Err(DecodeError::Checksum { found, expected })
}

/// Checks type and password of version 2.
fn check_auth(found: u8, data: &[u8], expected: Auth) -> Result<(), DecodeError> {
    if found != expected.number() {
        return Err(DecodeError::AuthType {
            found,
            expected: expected.number(),
        });
    }
    match expected {
        Auth::Pass(password) if data != password => Err(DecodeError::AuthData),
        _ => Ok(()),
    }
}
