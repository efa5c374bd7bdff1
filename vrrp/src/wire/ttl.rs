//! How far away a sender may be.

use std::fmt;

use super::{DecodeError, TTL};

/// The TTLs or hop limits that a message may arrive with, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TtlRange {
    /// The least one.
    pub min: u8,
    /// The greatest one.
    pub max: u8,
}

impl TtlRange {
    /// 255 only: the message crossed no router. The rule for multicast (RFC 9568 section 7.1).
    pub const LINK: Self = Self { min: TTL, max: TTL };
    /// Any: what unicast peers may do if nothing is configured. keepalived sends unicast over IPv6
    /// with 64.
    pub const ANY: Self = Self { min: 0, max: TTL };

    /// Checks what a message arrived with.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Ttl`].
    pub const fn check(self, found: u8) -> Result<(), DecodeError> {
        if found < self.min || found > self.max {
            return Err(DecodeError::Ttl {
                found,
                expected: self,
            });
        }
        Ok(())
    }
}

impl fmt::Display for TtlRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min, max } = self;
        if min == max {
            write!(f, "{min}")
        } else {
            write!(f, "{min} to {max}")
        }
    }
}
