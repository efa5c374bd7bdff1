//! Ten thousand small worlds of five routers each, in which links are slow, lossy, cut
//! and split, and routers stop, crash, come back and resume.
//!
//! When the chaos ends, every connected part must have exactly one Master within a
//! bound, the best one as far as its routers preempt, and keep it. Everything in a
//! world follows from its seed. A failure names it; to see that world run:
//!
//! ```text
//! VRRP_SIM_SEED=1234 cargo test -p vrrp --test sim -- --nocapture
//! ```

mod rng;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use world::{Tally, World};

const RUNS: u64 = 10_000;
const THREADS: u64 = 2;

/// The world of one seed, from chaos to peace.
fn run(seed: u64, trace: bool) -> Tally {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, trace);
        world.run();
        world.tally
    }));
    outcome.unwrap_or_else(|panic| {
        eprintln!("the world of VRRP_SIM_SEED={seed} failed");
        resume_unwind(panic)
    })
}

fn run_share(share: u64) -> Tally {
    let mut sum = Tally::default();
    for seed in (share..RUNS).step_by(usize::try_from(THREADS).unwrap()) {
        let tally = run(seed, false);
        sum.transitions += tally.transitions;
        sum.resumed += tally.resumed;
        sum.lost += tally.lost;
        sum.dual += tally.dual;
    }
    sum
}

#[test]
fn every_part_ends_with_one_master() {
    if let Ok(seed) = std::env::var("VRRP_SIM_SEED") {
        let tally = run(seed.parse().expect("VRRP_SIM_SEED is a number"), true);
        println!("{tally:?}");
        return;
    }
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let shares: Vec<_> = (0..THREADS)
            .map(|share| scope.spawn(move || run_share(share)))
            .collect();
        let join =
            |t: thread::ScopedJoinHandle<'_, Tally>| t.join().unwrap_or_else(|p| resume_unwind(p));
        shares.into_iter().map(join).collect()
    });
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (transitions, resumed) = (sum(|t| t.transitions), sum(|t| t.resumed));
    let (lost, dual) = (sum(|t| t.lost), sum(|t| t.dual));
    println!("{transitions} transitions, {resumed} resumed, {lost} adverts lost, {dual} dual");
    // Worlds in which nothing happens would prove nothing.
    assert!(transitions > 100_000 && resumed > 5_000 && lost > 100_000 && dual > 1_000);
}
