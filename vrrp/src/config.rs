//! What one virtual router is told to be.

use std::net::IpAddr;
use std::time::Duration;

use crate::{Auth, Version};

/// The priority of the router that owns the virtual addresses as its own.
pub const OWNER_PRIORITY: u8 = 255;

/// Configuration of one [`Instance`](crate::Instance).
///
/// The core trusts nobody: [`Config::clamped`] is applied to whatever it is given, so
/// that no value can stop it or make it spin. Saying *no* to a bad value, with file and
/// line, is the task of the configuration reader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Virtual router identifier, 1..=255.
    pub vrid: u8,
    /// Protocol version spoken; adverts of the other one are rejected.
    pub version: Version,
    /// 1..=255; 255 says that this host owns the addresses, and is then Master whenever
    /// it runs and always preempts.
    pub priority: u8,
    /// Time between our adverts as Master. v2: whole seconds, 1..=255. v3: multiples of
    /// 10 ms, 10 ms..=40.95 s.
    pub advert_interval: Duration,
    /// Whether to take over from a Master of lower priority (RFC `Preempt_Mode`).
    pub preempt: bool,
    /// How long to tolerate a Master of lower priority before preempting it, from the
    /// first of its adverts. Zero: not at all.
    pub preempt_delay: Duration,
    /// How many advert intervals of silence mean that the Master is down; at least 1,
    /// and 3 in both RFCs.
    pub down_timer_adverts: u8,
    /// Authentication data (v2 only). Checked on receipt by the decoder; the core only
    /// needs to know when it changes.
    pub auth: Auth,
    /// Virtual addresses as they stand in the adverts.
    pub addresses: Vec<IpAddr>,
    /// How long after becoming Master the addresses are announced a second time, for
    /// switches and hosts that missed the first. Zero: not again.
    pub announce_delay: Duration,
}

impl Config {
    /// The nearest configuration whose every value lies in its range.
    ///
    /// v2 intervals are rounded to the nearest second and v3 intervals to the nearest
    /// 10 ms, because the wire can say nothing finer.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        self.priority = self.priority.max(1);
        self.down_timer_adverts = self.down_timer_adverts.max(1);
        self.advert_interval = clamp_interval(self.version, self.advert_interval);
        self
    }

    /// Whether this router owns the virtual addresses.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.priority == OWNER_PRIORITY
    }
}

/// `interval` rounded to what `version` can say on the wire, and in its range.
pub(crate) fn clamp_interval(version: Version, interval: Duration) -> Duration {
    let (unit, max) = match version {
        Version::V2 => (1_000_u64, 255),
        Version::V3 => (10, 4095),
    };
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    let units = (millis.saturating_add(unit / 2) / unit).clamp(1, max);
    Duration::from_millis(units * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_rounded_to_the_wire() {
        let v2 = |ms| clamp_interval(Version::V2, Duration::from_millis(ms)).as_millis();
        let v3 = |ms| clamp_interval(Version::V3, Duration::from_millis(ms)).as_millis();
        assert_eq!(
            [v2(0), v2(1499), v2(1500), v2(999_000)],
            [1000, 1000, 2000, 255_000]
        );
        assert_eq!([v3(0), v3(14), v3(15), v3(60_000)], [10, 10, 20, 40_950]);
        assert_eq!(
            clamp_interval(Version::V3, Duration::MAX),
            Duration::from_millis(40_950)
        );
    }
}
