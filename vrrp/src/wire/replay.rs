//! Which signed messages are new: a stamp per message, and what was heard from each sender.
//!
//! A [`Stamp`] is the time of sending with a counter behind it; a sender never uses one twice. A
//! receiver refuses what is not newer than what it accepted before from the same address
//! ([`AuthError::Replay`]), and with [`AntiReplay::Time`] what its own clock says is too old or too
//! new ([`AuthError::Stale`]).
//!
//! # When clocks are stepped
//!
//! Taken literally, these rules make two Masters for as long as two clocks differ: each refuses what
//! the other signs. Redundancy must not hang on the time of day, so:
//!
//! - The difference between a sender's clock and ours is remembered with each accepted message, and
//!   what fits it is in time: clocks may drift apart as they like.
//! - Three refused messages in a row, each newer than the one before and all of them at the pace of
//!   our own clock, with none accepted in between, are a living sender whose clock (or ours) was
//!   stepped: the third is accepted, and its time is the one that counts from then on. A Backup
//!   waits for three missing adverts and a little, so nothing moves meanwhile.
//! - A sender whose clock was ahead and has been put right is believed at once, if it sends what our
//!   clock says and what it sent before lies beyond the window.
//! - A sender whose clock goes back by less than half the window counts on from its last stamp until
//!   the clock has caught up; by more, it follows the clock. With [`AntiReplay::Monotonic`] it
//!   always counts on.
//!
//! The price: who recorded a stretch of adverts and plays it back at its own pace is believed from
//! the third message on while the true sender is silent. That takes a host on the link, which could
//! take the virtual address over by ARP as well. Single messages played back, and any number of them
//! while the true sender is heard, are refused.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AntiReplay, AuthError};

/// Units of a stamp's time in a second.
const TICKS: i64 = 1 << 16;
/// How many refused messages in a row show that a sender's clock was stepped.
const STEADY: u8 = 3;
/// Senders remembered. Only those who know a key come into the list.
const SOURCES: usize = 32;

/// When a message was sent: 32 bits of seconds since 1970, 16 bits of their fraction, 16 bits that
/// count messages of equal time. In this order they are the octets of the trailer, and comparing
/// the numbers compares the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Stamp(pub(super) u64);

impl Stamp {
    /// The first stamp of a moment, given as the time since 1970. It stays at the greatest in 2106.
    pub(super) fn at(wall: Duration) -> Self {
        let seconds = u32::try_from(wall.as_secs()).unwrap_or(u32::MAX);
        let fraction = (u64::from(wall.subsec_nanos()) << 16) / 1_000_000_000;
        Self(u64::from(seconds) << 32 | fraction << 16)
    }

    /// The time alone, in [`TICKS`].
    fn ticks(self) -> i64 {
        // 48 bits are left.
        i64::try_from(self.0 >> 16).unwrap_or(i64::MAX)
    }

    /// The stamp of the next message sent at `wall`, after `last`.
    pub(super) fn next(last: Option<Self>, wall: Duration, rule: AntiReplay) -> Self {
        let now = Self::at(wall);
        let Some(last) = last.filter(|last| *last >= now) else {
            return now;
        };
        match rule {
            AntiReplay::Time(window) if last.ticks() - now.ticks() > ticks(window) / 2 => now,
            _ => Self(last.0.saturating_add(1)),
        }
    }
}

fn ticks(duration: Duration) -> i64 {
    Stamp::at(duration).ticks()
}

/// What was heard from whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Sources(Vec<Source>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    address: IpAddr,
    /// Of what was accepted last.
    accepted: Option<Heard>,
    /// What was refused since then.
    refused: Option<Refused>,
}

/// A message as it was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Heard {
    stamp: Stamp,
    /// How far the sender's clock was ahead of ours, in ticks.
    ahead: i64,
}

impl Heard {
    fn at(stamp: Stamp, wall: Duration) -> Self {
        let ahead = stamp.ticks() - Stamp::at(wall).ticks();
        Self { stamp, ahead }
    }
}

/// A run of messages that were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Refused {
    first: Heard,
    last: Stamp,
    count: u8,
}

impl Sources {
    /// Whether an authentic message is a new one. Nothing that was accepted is forgotten by asking.
    pub(super) fn check(
        &mut self,
        address: IpAddr,
        stamp: Stamp,
        wall: Duration,
        rule: AntiReplay,
    ) -> Result<(), AuthError> {
        let mut source = self.take(address);
        let heard = Heard::at(stamp, wall);
        let verdict = match source.judge(heard, rule) {
            Err(_) if source.is_steady(heard) => Ok(()),
            verdict => verdict,
        };
        self.put(source);
        verdict
    }

    /// Remembers a message as accepted.
    pub(super) fn commit(&mut self, address: IpAddr, stamp: Stamp, wall: Duration) {
        let mut source = self.take(address);
        source.accepted = Some(Heard::at(stamp, wall));
        source.refused = None;
        self.put(source);
    }

    /// How far the clock of a sender was ahead of ours when it was last heard, in milliseconds.
    pub(super) fn clock_ahead_ms(&self, address: IpAddr) -> Option<i64> {
        let source = self.0.iter().find(|source| source.address == address)?;
        Some(source.accepted?.ahead.saturating_mul(1000) / TICKS)
    }

    /// Takes the entry of a sender out of the list, or makes one.
    fn take(&mut self, address: IpAddr) -> Source {
        let known = self.0.iter().position(|source| source.address == address);
        known.map(|at| self.0.remove(at)).unwrap_or(Source {
            address,
            accepted: None,
            refused: None,
        })
    }

    /// Puts an entry at the end of the list: who is silent longest is forgotten first.
    fn put(&mut self, source: Source) {
        if self.0.len() >= SOURCES {
            self.0.remove(0);
        }
        self.0.push(source);
    }
}

impl Source {
    fn judge(&self, heard: Heard, rule: AntiReplay) -> Result<(), AuthError> {
        let newer = self.accepted.is_none_or(|last| heard.stamp > last.stamp);
        let put_right = match rule {
            AntiReplay::Monotonic => false,
            AntiReplay::Time(window) => {
                let window = ticks(window);
                let near = heard.ahead.abs() <= window;
                let fits = |last: &Heard| (heard.ahead - last.ahead).abs() <= window;
                if !near && !self.accepted.as_ref().is_some_and(fits) {
                    return Err(AuthError::Stale {
                        seconds: heard.ahead / TICKS,
                    });
                }
                let now = heard.stamp.ticks() - heard.ahead;
                let beyond = |last: &Heard| last.stamp.ticks() - now > window;
                near && self.accepted.as_ref().is_some_and(beyond)
            }
        };
        if newer || put_right {
            Ok(())
        } else {
            Err(AuthError::Replay)
        }
    }

    /// Counts a refused message; true if it completes a run at the pace of our clock.
    fn is_steady(&mut self, heard: Heard) -> bool {
        match &mut self.refused {
            // The network may double what it carries.
            Some(run) if run.last == heard.stamp => false,
            Some(run) if run.continues(heard) => {
                run.last = heard.stamp;
                run.count = run.count.saturating_add(1);
                run.count >= STEADY
            }
            run => {
                *run = Some(Refused {
                    first: heard,
                    last: heard.stamp,
                    count: 1,
                });
                false
            }
        }
    }
}

impl Refused {
    /// Newer, and as much later by our clock as by the sender's, give or take a quarter.
    fn continues(&self, heard: Heard) -> bool {
        let span = heard.stamp.ticks() - self.first.stamp.ticks();
        heard.stamp > self.last && (heard.ahead - self.first.ahead).abs() <= span / 4
    }
}
