//! What makes measurements into states: pure, for every kind of tracker.
//!
//! What belongs here: how results in a row change a state ([`Verdict`]), when a program is
//! run again ([`next_start`]), what a file's content means, which processes count. What
//! does not: running, reading and listening, which is the workers'; and what a state does
//! to a priority, which is VRRP's.

mod number;
mod processes;
mod words;

use std::time::Duration;

use mono::Mono;

pub use number::{Nonsense, number};
pub use processes::{Count, Names, counts};
pub use words::{LastLine, in_words};

/// Up or down, by so many results in a row.
///
/// The first result of all counts at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    rise: u32,
    fall: u32,
    up: Option<bool>,
    streak: u32,
}

impl Verdict {
    /// Without a result yet. `rise` and `fall` of 0 count as 1.
    #[must_use]
    pub const fn new(rise: u32, fall: u32) -> Self {
        Self {
            rise,
            fall,
            up: None,
            streak: 0,
        }
    }

    /// As a predecessor left it.
    #[must_use]
    pub const fn resumed(mut self, up: bool, streak: u32) -> Self {
        self.up = Some(up);
        self.streak = streak;
        self
    }

    /// Takes a result in; true when it changed the state.
    pub fn take(&mut self, good: bool) -> bool {
        let Some(up) = self.up else {
            self.up = Some(good);
            return true;
        };
        if good == up {
            self.streak = 0;
            return false;
        }
        self.streak = self.streak.saturating_add(1);
        let needed = if good { self.rise } else { self.fall };
        if self.streak < needed {
            return false;
        }
        self.up = Some(good);
        self.streak = 0;
        true
    }

    /// The state; none before the first result.
    #[must_use]
    pub const fn up(&self) -> Option<bool> {
        self.up
    }

    /// Results in a row that speak for the other state.
    #[must_use]
    pub const fn streak(&self) -> u32 {
        self.streak
    }
}

/// When a program that was started at `started` and has ended `now` is started again:
/// every `interval` from start to start, leaving out what fell into its run.
#[must_use]
pub fn next_start(started: Mono, interval: Duration, now: Mono) -> Mono {
    let interval = interval.max(Duration::from_millis(1));
    let first = started + interval;
    if now <= first {
        return first;
    }
    let late = now.since(first).as_nanos();
    let skipped = late.div_ceil(interval.as_nanos());
    let skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
    first + interval.saturating_mul(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(verdict: &mut Verdict, results: &str) -> String {
        let word = |result| {
            verdict.take(result == '+');
            if verdict.up() == Some(true) { 'u' } else { 'd' }
        };
        results.chars().map(word).collect()
    }

    #[test]
    fn the_first_result_counts_at_once_and_later_ones_in_a_row() {
        assert_eq!(states(&mut Verdict::new(2, 3), "+--+---++"), "uuuuuuddu");
        assert_eq!(
            states(&mut Verdict::new(2, 3), "-+-++---"),
            "ddddu".to_owned() + "uud"
        );
        assert_eq!(states(&mut Verdict::new(1, 1), "+-+-"), "udud");
    }

    #[test]
    fn a_successor_goes_on_counting() {
        let mut before = Verdict::new(1, 3);
        states(&mut before, "+--");
        let mut after = Verdict::new(1, 3).resumed(true, before.streak());
        assert!(after.take(false));
        assert_eq!(after.up(), Some(false));
    }

    #[test]
    fn starts_keep_their_beat_and_skip_what_a_long_run_covers() {
        let at = |ms: u64| Mono::from_millis(10_000 + ms);
        let next = |now| next_start(at(0), Duration::from_secs(1), at(now));
        assert_eq!(next(10), at(1_000));
        assert_eq!(next(1_000), at(1_000));
        assert_eq!(next(1_001), at(2_000));
        assert_eq!(next(5_500), at(6_000));
        assert!(next_start(at(0), Duration::ZERO, at(5)) > at(4));
    }
}
