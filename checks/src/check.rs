//! The health of one check: a state machine on plain data.
//!
//! # Counting
//!
//! - A check that is up goes [`Health::Down`] after `retries + 1` failures in
//!   a row, and comes up after one success. There is no count for coming up.
//! - Until a check has succeeded for the first time, the first failure is
//!   enough: there is no reason to trust a server never seen alive.
//! - Local trouble ([`Failure::local`](crate::Failure)) is nobody's failure:
//!   health and counts stay, and the check runs again after `interval`.
//!
//! # Timing
//!
//! Every wait counts from the end of the probe before it: `retry_delay` after
//! a failure that leaves the check up, `interval` in every other case, so a
//! check that is down is tried once per `interval`.

use core::fmt;
use core::time::Duration;

use mono::Mono;
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// How often a check runs, and how many failures take it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Policy {
    /// From the end of a probe to the start of the next; at least
    /// [`Policy::MIN_INTERVAL`] is waited in any case.
    pub interval: Duration,
    /// Longest wait for a connection (`tcp`, `http`) or a reply (`icmp`).
    pub connect_timeout: Duration,
    /// Failures forgiven in a row while up.
    pub retries: u32,
    /// From a forgiven failure to the next probe.
    pub retry_delay: Duration,
    /// Health before the first result.
    pub start: Start,
}

impl Policy {
    /// The shortest interval that is obeyed, so that a zero cannot turn a
    /// check into a busy loop: 1 ms.
    pub const MIN_INTERVAL: Duration = Duration::from_millis(1);

    fn delay(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Retry => self.retry_delay,
            Wait::First | Wait::Interval => self.interval.max(Self::MIN_INTERVAL),
        }
    }
}

/// 6 s interval, 3 s connect timeout, 3 retries 3 s apart, start up.
impl Default for Policy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(6),
            connect_timeout: Duration::from_secs(3),
            retries: 3,
            retry_delay: Duration::from_secs(3),
            start: Start::Up,
        }
    }
}

/// Health of a new check before its first result.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Alive at once, until a probe fails.
    #[default]
    Up,
    /// Needs a success first.
    Down,
}

/// What a check says of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It answers.
    Up,
    /// It does not.
    Down,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Health::Up => "up",
            Health::Down => "down",
        })
    }
}

/// The latest outcome, and when the probe ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// What the probe found.
    pub outcome: Outcome,
    /// When it ended.
    pub at: Mono,
}

/// Outcomes counted since the check was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Probes that succeeded.
    pub successes: u64,
    /// Probes that failed.
    pub failures: u64,
    /// Probes that met local trouble.
    pub local: u64,
}

/// What happens to a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The deadline has come. Ignored when early, or while a probe runs.
    Timer,
    /// The running probe ended. Ignored when none runs.
    Done(Outcome),
    /// Probe as soon as possible. Ignored while a probe runs.
    Now,
    /// A new policy. Health stays; a running wait is measured anew from where
    /// it began, and `start` no longer matters.
    Reconfigure(Policy),
    /// From now on the probe is another one: health stays, failures of the
    /// old probe are forgotten, a running one is disowned, and the new one
    /// is due at once.
    Replace,
}

/// What a check wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start a probe, and report its end as [`Input::Done`].
    Probe,
    /// Health changed.
    Changed {
        /// The health before.
        from: Health,
        /// The health now.
        to: Health,
    },
}

/// What the running wait waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Wait {
    First,
    Interval,
    Retry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Timing {
    Waiting { wait: Wait, from: Mono, due: Mono },
    Running,
}

/// When a new check runs for the first times; see [`schedule`](crate::schedule).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Wait before the first probe; at most the interval is waited.
    pub first: Duration,
    /// How much shorter than `interval` the first interval is, once.
    pub early: Duration,
}

/// One check. See the [module](self) for its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    policy: Policy,
    health: Health,
    since: Mono,
    settled: bool,
    failures: u32,
    last: Option<Last>,
    totals: Totals,
    timing: Timing,
    early: Duration,
}

/// What survives a restart of the process that runs the check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Health.
    pub health: Health,
    /// When it became that.
    pub since: Mono,
    /// Whether the check has ever succeeded.
    pub settled: bool,
    /// Failures in a row.
    pub failures: u32,
    /// The latest outcome.
    pub last: Option<Last>,
    /// Outcomes so far.
    pub totals: Totals,
    /// When the next probe was due; `None` if one was running.
    pub due: Option<Mono>,
}

impl Check {
    /// A check without a past.
    #[must_use]
    pub fn new(policy: Policy, now: Mono, spread: Spread) -> Self {
        let health = match policy.start {
            Start::Up => Health::Up,
            Start::Down => Health::Down,
        };
        let due = now + spread.first.min(policy.delay(Wait::First));
        Self {
            policy,
            health,
            since: now,
            settled: false,
            failures: 0,
            last: None,
            totals: Totals::default(),
            timing: Timing::Waiting {
                wait: Wait::First,
                from: now,
                due,
            },
            early: spread.early,
        }
    }

    /// A check with the past of `snapshot`. What was due meanwhile, or was
    /// running, is due `overdue` after `now`; nothing waits longer than the
    /// policy's longest wait, whatever clock the snapshot came from.
    #[must_use]
    pub fn restore(policy: Policy, snapshot: Snapshot, now: Mono, overdue: Duration) -> Self {
        let longest = policy.delay(Wait::Interval).max(policy.retry_delay);
        let latest = now + longest;
        let due = match snapshot.due {
            Some(due) if due > now => due.min(latest),
            _ => (now + overdue).min(latest),
        };
        Self {
            policy,
            health: snapshot.health,
            since: snapshot.since.min(now),
            settled: snapshot.settled,
            failures: snapshot.failures,
            last: snapshot.last,
            totals: snapshot.totals,
            timing: Timing::Waiting {
                wait: Wait::First,
                from: now,
                due,
            },
            early: Duration::ZERO,
        }
    }

    /// Takes one input at time `now`; appends what is to be done to `out`.
    pub fn step(&mut self, now: Mono, input: Input, out: &mut Vec<Effect>) {
        match (input, self.timing) {
            (Input::Timer, Timing::Waiting { due, .. }) if due <= now => {
                self.timing = Timing::Running;
                out.push(Effect::Probe);
            }
            (Input::Done(outcome), Timing::Running) => self.done(now, outcome, out),
            (Input::Now, Timing::Waiting { wait, from, due }) => {
                let due = due.min(now);
                self.timing = Timing::Waiting { wait, from, due };
            }
            (Input::Reconfigure(policy), timing) => {
                if let Timing::Waiting { wait, from, due } = timing {
                    let due = self.remeasure(now, policy, wait, from, due);
                    self.timing = Timing::Waiting { wait, from, due };
                }
                self.policy = policy;
            }
            (Input::Replace, _) => {
                self.failures = 0;
                self.wait(now, Wait::First, Duration::ZERO);
            }
            (Input::Timer | Input::Done(_) | Input::Now, _) => {}
        }
    }

    /// When [`Input::Timer`] is wanted; `None` while a probe runs.
    #[must_use]
    pub const fn deadline(&self) -> Option<Mono> {
        match self.timing {
            Timing::Waiting { due, .. } => Some(due),
            Timing::Running => None,
        }
    }

    fn done(&mut self, now: Mono, outcome: Outcome, out: &mut Vec<Effect>) {
        let wait = match &outcome {
            Ok(_) => {
                self.totals.successes += 1;
                self.failures = 0;
                self.settled = true;
                self.turn(now, Health::Up, out);
                Wait::Interval
            }
            Err(failure) if failure.local => {
                self.totals.local += 1;
                Wait::Interval
            }
            Err(_) => {
                self.totals.failures += 1;
                self.failures = self.failures.saturating_add(1);
                let forgiven = self.settled && self.failures <= self.policy.retries;
                if self.health == Health::Up && forgiven {
                    Wait::Retry
                } else {
                    self.turn(now, Health::Down, out);
                    Wait::Interval
                }
            }
        };
        self.last = Some(Last { outcome, at: now });
        let delay = self.policy.delay(wait);
        let early = match wait {
            Wait::Interval => core::mem::take(&mut self.early),
            Wait::First | Wait::Retry => Duration::ZERO,
        };
        self.wait(now, wait, delay.saturating_sub(early));
    }

    fn turn(&mut self, now: Mono, to: Health, out: &mut Vec<Effect>) {
        let from = self.health;
        if from != to {
            self.health = to;
            self.since = now;
            out.push(Effect::Changed { from, to });
        }
    }

    fn wait(&mut self, now: Mono, wait: Wait, delay: Duration) {
        self.timing = Timing::Waiting {
            wait,
            from: now,
            due: now + delay,
        };
    }

    /// The deadline of a wait that began at `from`, under a new policy.
    fn remeasure(&self, now: Mono, policy: Policy, wait: Wait, from: Mono, due: Mono) -> Mono {
        let delay = policy.delay(wait);
        match wait {
            Wait::First => due.min(now + delay),
            Wait::Interval | Wait::Retry if delay == self.policy.delay(wait) => due,
            Wait::Interval | Wait::Retry => now.max(from + delay),
        }
    }

    /// Health.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// When health became what it is; the making of the check counts.
    #[must_use]
    pub const fn since(&self) -> Mono {
        self.since
    }

    /// Whether the check has ever succeeded.
    #[must_use]
    pub const fn settled(&self) -> bool {
        self.settled
    }

    /// Failures in a row up to now; local trouble neither counts nor ends it.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The latest outcome, local trouble included.
    #[must_use]
    pub const fn last(&self) -> Option<&Last> {
        self.last.as_ref()
    }

    /// Outcomes so far.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What [`Check::restore`] needs.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            health: self.health,
            since: self.since,
            settled: self.settled,
            failures: self.failures,
            last: self.last.clone(),
            totals: self.totals,
            due: self.deadline(),
        }
    }
}
