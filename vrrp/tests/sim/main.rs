//! More than a hundred thousand small worlds of five routers each, a million elections,
//! in which links are slow, lossy, cut and split, and routers stop, crash, come back and resume,
//! are released and change their priorities.
//!
//! Whenever two routers that hear each other are both Master, the first advert of the
//! better one ends it: after an interval, the time a timer is late and the time a
//! message travels, counted from the last change of the network and the last advert lost
//! between them. The worst such window is printed, and held against this bound.
//!
//! When the chaos ends, every connected part must have exactly one Master within a
//! bound, the best one as far as its routers preempt, and keep it. Everything in a
//! world follows from its seed. A failure names it; to see that world run:
//!
//! ```text
//! VRRP_SIM_SEED=1234 cargo test -p vrrp --test sim -- --nocapture
//! ```

mod dual;
mod groups;
mod rng;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use dual::Windows;
use groups::{Moves, Site};
use world::{MAX_DELAY, MAX_LATE, Tally, World};

const RUNS: u64 = 130_000;
const THREADS: u64 = 2;

/// The world of one seed, from chaos to peace.
fn run(seed: u64, trace: bool) -> (Tally, Windows) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, trace);
        world.run();
        (world.tally, world.windows)
    }));
    outcome.unwrap_or_else(|panic| {
        eprintln!("the world of VRRP_SIM_SEED={seed} failed");
        resume_unwind(panic)
    })
}

/// The sums of a share of the worlds, and the worst windows of two Masters.
fn run_share(share: u64) -> (Tally, Windows) {
    let (mut sum, mut windows) = (Tally::default(), Windows::default());
    for seed in (share..RUNS).step_by(usize::try_from(THREADS).unwrap()) {
        let (tally, seen) = run(seed, false);
        sum.add(&tally);
        windows.add(&seen);
    }
    (sum, windows)
}

#[test]
fn every_part_ends_with_one_master() {
    if let Ok(seed) = std::env::var("VRRP_SIM_SEED") {
        let (tally, _) = run(seed.parse().expect("VRRP_SIM_SEED is a number"), true);
        println!("{tally:?}");
        return;
    }
    let (mut sum, mut windows) = (Tally::default(), Windows::default());
    thread::scope(|scope| {
        let shares: Vec<_> = (0..THREADS)
            .map(|share| scope.spawn(move || run_share(share)))
            .collect();
        for share in shares {
            let (tally, seen) = share.join().unwrap_or_else(|p| resume_unwind(p));
            sum.add(&tally);
            windows.add(&seen);
        }
    });
    println!("{sum:?}");
    println!(
        "{} dual-master windows, the worst {:?}, at most an interval and {:?}",
        windows.count, windows.worst, windows.excess
    );
    assert!(
        windows.excess <= MAX_DELAY + MAX_LATE,
        "two Masters for too long"
    );
    // Worlds in which nothing happens would prove nothing.
    assert!(sum.elections > 1_000_000 && sum.resumed > 50_000 && sum.lost > 1_000_000);
    assert!(sum.handed_over > 20_000 && windows.count > 10_000);
    assert!(
        windows.excess > MAX_DELAY / 2,
        "no window came near its bound"
    );
}

const SITES: u64 = 10_000;

#[test]
fn every_group_ends_at_one_director() {
    if let Ok(seed) = std::env::var("VRRP_SIM_SEED") {
        let mut site = Site::new(seed.parse().expect("VRRP_SIM_SEED is a number"), true);
        site.run();
        return;
    }
    let mut sum = Moves::default();
    for seed in 0..SITES {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut site = Site::new(seed, false);
            site.run();
            site.moves
        }));
        let moves = outcome.unwrap_or_else(|panic| {
            eprintln!("the site of VRRP_SIM_SEED={seed} failed");
            resume_unwind(panic)
        });
        sum.to_master += moves.to_master;
        sum.to_backup += moves.to_backup;
        sum.to_initialize += moves.to_initialize;
    }
    println!("{sum:?}");
    assert!(sum.to_master > 5 * 10_000 && sum.to_initialize > 5 * 10_000);
}
