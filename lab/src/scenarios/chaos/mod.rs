//! Whatever goes wrong, and whatever else goes wrong meanwhile: when it is over, every virtual
//! address is where it belongs, and nowhere else.
//!
//! A few worlds of two directors live side by side, because most of the time is spent waiting.
//! The seed decides which faults befall each of them, and in which order.

mod fault;
mod world;

use std::thread;
use std::time::{Duration, Instant};

use super::{Need, Scenario};
use crate::failure::{Failure, Result};
use crate::net::Lab;
use crate::random::Random;
use crate::watch::now;
use world::{Survived, World};

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::new("chaos::two_hundred_faults", Need::Uml, chaos)
        .alone()
        .limit(900)];

const WORLDS: usize = 4;
const FAULTS_EACH: usize = 52;

fn chaos(lab: &mut Lab) -> Result<()> {
    let seed = lab.seed();
    lab.note(format!("seed {seed}"));
    let mut worlds = Vec::new();
    for number in 0..WORLDS {
        worlds.push(World::build(lab, number)?);
    }
    let clock = lab.host("clock")?;
    let (wall, began) = (now(), Instant::now());
    let lab = &*lab;
    let outcomes: Vec<Result<Survived>> = thread::scope(|scope| {
        let threads: Vec<_> = (seed..)
            .zip(&mut worlds)
            .map(|(seed, world)| scope.spawn(move || world.suffer(Random::new(seed), FAULTS_EACH)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                let panicked = |_| Err(Failure::said("a world panicked"));
                thread.join().unwrap_or_else(panicked)
            })
            .collect()
    });
    // The next scenario in this kernel finds the clock as if nobody had set it.
    let wall = (wall + began.elapsed()).as_secs_f64();
    clock.run(["date", "-s", &format!("@{wall:.3}")])?;
    let mut settling = Vec::new();
    let mut failures = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(survived) => settling.extend(survived.settling),
            Err(failure) => failures.push(failure.to_string()),
        }
    }
    crate::ensure!(
        failures.is_empty(),
        "with LAB_SEED={seed}:\n{}",
        failures.join("\n")
    );
    settling.sort_unstable();
    lab.note(format!(
        "{} faults survived; settled after {:.1?} (median), {:.1?} (longest)",
        settling.len(),
        settling
            .get(settling.len() / 2)
            .copied()
            .unwrap_or_default(),
        settling.last().copied().unwrap_or(Duration::ZERO)
    ));
    Ok(())
}
