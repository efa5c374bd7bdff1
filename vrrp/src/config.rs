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
    /// The base priority, 1..=255; 255 says that this host owns the addresses, and is
    /// then Master whenever it runs and always preempts. What is tracked adds to it or
    /// takes from it, see [`Config::effective_priority`].
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
    /// How long after a rival Master was announced over this is done once more. At
    /// least [`RIVAL_ANNOUNCE_GAP`](crate::RIVAL_ANNOUNCE_GAP), which is what smaller
    /// values mean.
    pub lower_prio_announce_delay: Duration,
    /// Whether a Master leaves the adverts of a lower-ranking one unanswered. RFC 9568
    /// asks for the answer; RFC 3768 knows none.
    pub lower_prio_no_advert: bool,
    /// Whether a Master that yields to a higher-ranking one sends one advert first, for
    /// the sake of peers that want to see it.
    pub higher_prio_send_advert: bool,
    /// Whether the owner (priority 255) ignores all adverts while it is Master, those of
    /// a second owner included.
    pub owner_ignore_adverts: bool,
    /// Whether the address list of every advert is compared with ours. If not, the lists
    /// of a sender are compared once and taken to stay as they are until another sends.
    pub check_addresses: bool,
    /// Whether a Master whose timer was so late that a Backup may have taken over falls
    /// back to Backup and listens, instead of asserting itself.
    pub timer_expired_backup: bool,
    /// How long the addresses that were handed over are still served after the
    /// successor's first advert: it speaks first and puts the addresses then, which takes
    /// a busy host tens of milliseconds.
    pub hand_over_overlap: Duration,
}

impl Config {
    /// A configuration with the RFC's values: adverts every second, preemption at once,
    /// three adverts to miss. No addresses, each announcement once, and
    /// [`timer_expired_backup`](Self::timer_expired_backup) set.
    #[must_use]
    pub fn new(vrid: u8, version: Version, priority: u8) -> Self {
        Self {
            vrid,
            version,
            priority,
            advert_interval: Duration::from_secs(1),
            preempt: true,
            preempt_delay: Duration::ZERO,
            down_timer_adverts: 3,
            auth: Auth::None,
            addresses: Vec::new(),
            announce_delay: Duration::ZERO,
            lower_prio_announce_delay: Duration::ZERO,
            hand_over_overlap: Duration::ZERO,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            owner_ignore_adverts: false,
            check_addresses: true,
            timer_expired_backup: true,
        }
    }

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

    /// The priority that results from tracking: the base and the sum of the weights,
    /// brought into 1..=254. A base of 255 is never altered.
    #[must_use]
    pub fn effective_priority(&self, adjust: i32) -> u8 {
        if self.is_owner() {
            return OWNER_PRIORITY;
        }
        let sum = i32::from(self.priority).saturating_add(adjust);
        u8::try_from(sum.clamp(1, 254)).unwrap_or(1)
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
    fn weights_stay_within_the_priorities_of_a_backup() {
        let effective =
            |base, adjust| Config::new(51, Version::V3, base).effective_priority(adjust);
        assert_eq!([effective(100, -30), effective(100, 30)], [70, 130]);
        assert_eq!([effective(100, -300), effective(100, 300)], [1, 254]);
        assert_eq!([effective(1, i32::MIN), effective(1, i32::MAX)], [1, 254]);
        assert_eq!([effective(255, -300), effective(255, 1)], [255, 255]);
    }

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
