//! Monotonic time as plain data.
//!
//! The cores (`vrrp`, `checks`) never read a clock: the caller passes the
//! present as a [`Mono`]. It is a number of nanoseconds since an arbitrary
//! epoch, so it can be hashed, compared, stored in a snapshot and, on one
//! host, handed from one process to the next (the daemon uses
//! `CLOCK_MONOTONIC`, whose epoch all processes share until a reboot).
//!
//! A crate of its own because both cores need the type and neither may know
//! the other.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in monotonic time, in nanoseconds since an arbitrary epoch.
///
/// All arithmetic saturates: a deadline too far away becomes [`Mono::MAX`]
/// (584 years), never a panic.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Mono(u64);

impl Mono {
    /// The epoch.
    pub const ZERO: Mono = Mono(0);
    /// The end of time: a deadline that never comes.
    pub const MAX: Mono = Mono(u64::MAX);

    /// A time from nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A time from milliseconds since the epoch; saturates.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since `earlier`, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, d: Duration) -> Mono {
        Mono(self.0.saturating_add(nanos(d)))
    }
}

impl AddAssign<Duration> for Mono {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub<Duration> for Mono {
    type Output = Mono;
    fn sub(self, d: Duration) -> Mono {
        Mono(self.0.saturating_sub(nanos(d)))
    }
}

impl Sub<Mono> for Mono {
    type Output = Duration;
    fn sub(self, earlier: Mono) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Mono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:06}s",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000 / 1_000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Mono::MAX + Duration::from_secs(1), Mono::MAX);
        assert_eq!(Mono::ZERO - Duration::from_secs(1), Mono::ZERO);
        assert_eq!(Mono::ZERO - Mono::MAX, Duration::ZERO);
        assert_eq!(Mono::ZERO + Duration::MAX, Mono::MAX);
    }

    #[test]
    fn display_shows_microseconds() {
        assert_eq!((Mono::from_millis(1_002)).to_string(), "1.002000s");
    }
}
