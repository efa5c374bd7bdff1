//! The two time spans of VRRP, exact to the nanosecond.

use std::time::Duration;

use crate::{Config, Version};

/// `Skew_Time`: what a router of `priority` waits in addition, so that the best Backup
/// speaks first.
///
/// - v2 (RFC 3768 6.1): `(256 - priority) / 256` seconds, whatever the interval;
/// - v3 (RFC 9568 6.1): `(256 - priority) * interval / 256`, where `interval` is the
///   Master's.
///
/// v3 spans that are no whole number of nanoseconds are rounded down.
#[must_use]
pub fn skew(version: Version, priority: u8, interval: Duration) -> Duration {
    let base = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval,
    };
    base.saturating_mul(256 - u32::from(priority)) / 256
}

/// `Master_Down_Interval`: the silence after which a Backup takes over,
/// `down_timer_adverts * interval + skew`.
///
/// The RFCs fix `down_timer_adverts` at 3. `priority` is the effective one of the
/// Backup, `interval` is the Master's.
#[must_use]
pub fn master_down(config: &Config, priority: u8, interval: Duration) -> Duration {
    interval
        .saturating_mul(u32::from(config.down_timer_adverts))
        .saturating_add(skew(config.version, priority, interval))
}

/// How long a Master that gives up in good order keeps serving the addresses while it
/// waits for its successor's first advert.
///
/// The longest skew that any successor can have (that of priority 1), and a margin for
/// the way there and back and for a timer that fires late there: a quarter of the
/// interval, as a peer with shorter intervals is expected on a faster link, but at least
/// 50 ms (a scheduler's hiccup on a busy host is not shorter for 10 ms adverts) and at
/// most 250 ms (nobody waits longer for a lone node to stop, and a successor that is
/// later than this is not well).
#[must_use]
pub fn hand_over(version: Version, interval: Duration) -> Duration {
    let margin = (interval / 4).clamp(Duration::from_millis(50), Duration::from_millis(250));
    skew(version, 1, interval).saturating_add(margin)
}
