//! [`Advert`] to octets.

use std::net::IpAddr;
use std::time::Duration;

use super::checksum::{self, CHECKSUM_AT, ChecksumV3, Sum};
use super::{AUTH_LEN, Advert, Auth, EncodeError, MAX_CENTISECONDS, Path, TYPE_ADVERT, Version};

impl Advert {
    /// Appends the message to `out`, with its checksum, as it follows the IP header. `sum` is used
    /// for version 3 over IPv4 only. Reserved bits are zero; a version 2 message ends with eight
    /// octets of authentication data even without authentication.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the wire has no form for this advert; `out` is unchanged then.
    pub fn encode(
        &self,
        path: &Path,
        sum: ChecksumV3,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        self.check_families(path)?;
        let count = u8::try_from(self.addresses.len()).map_err(|_| EncodeError::Count {
            found: self.addresses.len(),
        })?;
        let timing = self.timing()?;

        let start = out.len();
        out.push(self.version.number() << 4 | TYPE_ADVERT);
        out.extend([self.vrid, self.priority, count]);
        out.extend(timing);
        out.extend([0, 0]);
        for address in &self.addresses {
            match address {
                IpAddr::V4(address) => out.extend(address.octets()),
                IpAddr::V6(address) => out.extend(address.octets()),
            }
        }
        if self.version == Version::V2 {
            out.extend(match self.auth {
                Auth::None | Auth::Ah => [0; AUTH_LEN],
                Auth::Pass(password) => password,
            });
        }

        let message = out.get_mut(start..).unwrap_or_default();
        let value = match self.version {
            Version::V2 => Sum::default().add(message),
            Version::V3 => checksum::v3(message, path, sum),
        }
        .finish();
        if let Some(field) = message.get_mut(CHECKSUM_AT..CHECKSUM_AT + 2) {
            field.copy_from_slice(&value.to_be_bytes());
        }
        Ok(())
    }

    /// All addresses are of the path's one family, which the version knows.
    fn check_families(&self, path: &Path) -> Result<(), EncodeError> {
        if !path.carries(self.version) {
            return Err(EncodeError::Family {
                version: self.version.number(),
            });
        }
        let stranger = |address: &&IpAddr| address.is_ipv4() != path.dst.is_ipv4();
        match self.addresses.iter().find(stranger) {
            Some(address) => Err(EncodeError::Address { address: *address }),
            None => Ok(()),
        }
    }

    /// Octets 4 and 5: authentication type and seconds, or centiseconds.
    fn timing(&self) -> Result<[u8; 2], EncodeError> {
        let error = EncodeError::Interval {
            interval: self.interval,
            version: self.version.number(),
        };
        match self.version {
            Version::V2 => {
                let seconds = units(self.interval, 1_000_000_000).ok_or(error)?;
                let seconds = u8::try_from(seconds).map_err(|_| error)?;
                Ok([self.auth.number(), seconds])
            }
            Version::V3 => {
                let centiseconds = units(self.interval, 10_000_000).ok_or(error)?;
                match u16::try_from(centiseconds) {
                    Ok(value @ 1..=MAX_CENTISECONDS) => Ok(value.to_be_bytes()),
                    _ => Err(error),
                }
            }
        }
    }
}

/// How many units of `nanoseconds` the interval has, if it is a positive whole number of them.
fn units(interval: Duration, nanoseconds: u128) -> Option<u128> {
    let whole = interval.as_nanos();
    (whole > 0 && whole.is_multiple_of(nanoseconds)).then_some(whole / nanoseconds)
}

impl Path {
    /// Whether both addresses are of one family, and of one that `version` knows.
    pub(super) fn carries(&self, version: Version) -> bool {
        match (self.src, self.dst) {
            (IpAddr::V4(_), IpAddr::V4(_)) => true,
            (IpAddr::V6(_), IpAddr::V6(_)) => version == Version::V3,
            _ => false,
        }
    }
}
