//! What must hold, as scenarios: each builds its own world and says what went wrong in it.

mod chaos;
mod checks;
mod crash;
mod crowd;
mod drift;
mod examples;
mod failover;
mod features;
mod handover;
mod hostile;
mod interop;
mod operator;
mod published;
mod scale;
mod selftest;
mod site;
mod trouble;
mod upgrade;

use std::time::Duration;

use crate::failure::Result;
use crate::net::Lab;

/// What a scenario needs under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The booted kernel: IPVS, netem and the like.
    Uml,
    /// The running kernel: several CPUs, cheap system calls.
    Native,
    /// Cheap system calls where they can be had: the running kernel for root, else the booted one.
    Fast,
    /// Either.
    Any,
}

/// One thing that must hold.
pub struct Scenario {
    /// Its name: a subject, `::`, and what holds.
    pub name: &'static str,
    /// What it needs under it.
    pub need: Need,
    /// Whether it measures times, so that nothing else may run beside it.
    pub alone: bool,
    /// When it is given up.
    pub limit: Duration,
    /// The scenario itself.
    pub run: fn(&mut Lab) -> Result<()>,
}

impl Scenario {
    const fn new(name: &'static str, need: Need, run: fn(&mut Lab) -> Result<()>) -> Self {
        Self {
            name,
            need,
            alone: false,
            limit: Duration::from_secs(120),
            run,
        }
    }

    const fn limit(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }
}

/// Every scenario, subject by subject.
const SUBJECTS: [&[Scenario]; 18] = [
    selftest::SCENARIOS,
    site::SCENARIOS,
    checks::SCENARIOS,
    failover::SCENARIOS,
    crash::SCENARIOS,
    drift::SCENARIOS,
    interop::SCENARIOS,
    hostile::SCENARIOS,
    crowd::SCENARIOS,
    chaos::SCENARIOS,
    examples::SCENARIOS,
    published::SCENARIOS,
    features::SCENARIOS,
    handover::SCENARIOS,
    operator::SCENARIOS,
    trouble::SCENARIOS,
    upgrade::SCENARIOS,
    scale::SCENARIOS,
];

/// Every scenario.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    SUBJECTS.iter().copied().flatten()
}

/// The scenario of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Scenario> {
    all().find(|scenario| scenario.name == name)
}
