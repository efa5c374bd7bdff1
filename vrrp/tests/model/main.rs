//! Exhaustive model checking: how long two routers can be Master, and how long none.
//!
//! Three routers run the real state machine ([`vrrp::Instance`]) over a network that
//! may do its worst, and `stateright` visits every state they can reach. Time goes in
//! ticks of 10 ms. A message to each of the other two takes 0, 1 or 2 ticks, and
//! messages may overtake each other; within a tick, everything that can happen happens
//! in every order. On top of that, a scenario allows a number of single copies of
//! adverts to be lost, and a number of routers to crash or to stop with priority 0, at
//! any time, and to start again at any later time. State is relative to now, so that
//! time without end makes finitely many states.
//!
//! The constants (v3): interval I = 16 ticks, delay D = 2, skews 2, 7 and 12 ticks
//! (priorities 224, 144 and 64), three intervals to master-down. The skews differ by
//! more than 2 D, which is what makes them order the Backups.
//!
//! What is proven here, each bound for the whole scenario and each tight (one tick less
//! is refuted by the same search):
//!
//! | scenario | held by more than one | held by nobody |
//! |---|---|---|
//! | cold start, nothing fails | never | 3 I + skew of the best |
//! | one crash | never | D + 3 I + skew of the next |
//! | one stop or release, links in order | D | never |
//! | the same, and one advert lost | D + I | never |
//! | two adverts lost | never | never |
//! | tracking changes a priority twice | 2 D | never |
//! | one advert lost *and* one crash or stop, with restart | D + I | D + 3 I + skew of the next |
//! | one crash or stop, with restart and preempt delay | D | D + 3 I + skew of the next |
//!
//! Who hands over holds the addresses, too. Where the longest come from: a router that
//! preempts is Master together with the old one until its first advert arrives, D; if
//! that one is lost, I longer. A window without holder lasts from the moment in which the
//! last one was one. [`groups`] does the same for sync groups.
//!
//! Times at which timers fire are exact here; a driver that is late by some time adds
//! that time to each window.
//!
//! That the model can fail is tested as well: with bounds a tick smaller, with three
//! lost adverts, and with priorities so close that their skews are shorter than the
//! delay of a message, which is as if there were none.

mod groups;
mod net;

use std::time::Instant;

use net::{DELAY, DUAL, Failure, INTERVAL, NONE, Network, PRIORITIES, SKEW};
use stateright::{Checker, HasDiscoveries, Model};

const THREE_INTERVALS: u8 = 3 * INTERVAL;

const NOTHING_FAILS: Network = Network {
    priorities: PRIORITIES,
    established: false,
    reorder: true,
    losses: 0,
    failing: 0,
    failures: &[],
    restarts: false,
    weighings: 0,
    preempt_delay: 0,
    dual_bound: 0,
    none_bound: THREE_INTERVALS + SKEW[0],
};

const ONE_CRASH: Network = Network {
    failing: 1,
    failures: &[Failure::Crash],
    none_bound: DELAY + THREE_INTERVALS + SKEW[1],
    ..NOTHING_FAILS
};

const ONE_HAND_OVER: Network = Network {
    established: true,
    reorder: false,
    failing: 1,
    failures: &[Failure::Stop, Failure::Release],
    dual_bound: DELAY,
    none_bound: 0,
    ..NOTHING_FAILS
};

const WEIGHINGS: Network = Network {
    established: true,
    weighings: 2,
    dual_bound: 2 * DELAY,
    none_bound: 0,
    ..NOTHING_FAILS
};

const PREEMPT_DELAY: Network = Network {
    preempt_delay: 2 * INTERVAL,
    losses: 0,
    dual_bound: DELAY,
    ..LOSS_AND_FAILURE
};

const TWO_LOSSES: Network = Network {
    established: true,
    losses: 2,
    none_bound: 0,
    ..NOTHING_FAILS
};

const LOSS_AND_FAILURE: Network = Network {
    losses: 1,
    failing: 1,
    failures: &[Failure::Crash, Failure::Stop],
    restarts: true,
    dual_bound: DELAY + INTERVAL,
    none_bound: DELAY + THREE_INTERVALS + SKEW[1],
    ..NOTHING_FAILS
};

fn explore(what: &str, net: Network, until: HasDiscoveries) -> impl Checker<Network> {
    let begun = Instant::now();
    let checker = net.checker().threads(2).finish_when(until);
    let checker = checker.spawn_bfs().join();
    println!(
        "{what}: {} states, {} distinct, {} steps deep, {:.1?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        begun.elapsed()
    );
    checker
}

/// The bounds hold in every state there is, and `masters` do become Master.
fn holds(net: Network, masters: &[&'static str]) {
    let checker = explore("holds", net, HasDiscoveries::All);
    checker.assert_no_discovery(DUAL);
    checker.assert_no_discovery(NONE);
    for name in masters {
        checker.assert_any_discovery(name);
    }
}

/// Some run breaks this bound.
fn breaks(net: Network, property: &'static str) {
    let checker = explore("breaks", net, HasDiscoveries::AnyFailures);
    checker.assert_any_discovery(property);
}

const FIRST: &str = "router 0 is Master";
const SECOND: &str = "router 1 is Master";
const THIRD: &str = "router 2 is Master";

#[test]
fn a_cold_start_makes_the_best_one_master() {
    let net = NOTHING_FAILS;
    holds(net, &[FIRST]);
    let none_bound = net.none_bound - 1;
    breaks(Network { none_bound, ..net }, NONE);
}

#[test]
fn a_crash_makes_the_next_one_master() {
    let net = ONE_CRASH;
    holds(net, &[FIRST, SECOND]);
    let none_bound = net.none_bound - 1;
    breaks(Network { none_bound, ..net }, NONE);
}

#[test]
fn a_hand_over_leaves_no_moment_without_a_holder() {
    let net = ONE_HAND_OVER;
    holds(net, &[FIRST, SECOND]);
    let dual_bound = net.dual_bound - 1;
    breaks(Network { dual_bound, ..net }, DUAL);
    // With three routers even one lost advert does not open a gap, for the other Backup
    // takes over; but both may lose the good-bye, or hear an older advert after it.
    let dual_bound = DELAY + INTERVAL;
    let net = Network { dual_bound, ..net };
    holds(Network { losses: 1, ..net }, &[THIRD]);
    breaks(Network { losses: 2, ..net }, NONE);
    let reorder = true;
    breaks(Network { reorder, ..net }, NONE);
}

#[test]
fn tracking_moves_the_master_without_a_gap() {
    let net = WEIGHINGS;
    holds(net, &[FIRST, SECOND]);
    let dual_bound = net.dual_bound - 1;
    breaks(Network { dual_bound, ..net }, DUAL);
}

#[test]
fn a_preempt_delay_costs_nothing() {
    let net = PREEMPT_DELAY;
    holds(net, &[FIRST, SECOND, THIRD]);
    let dual_bound = net.dual_bound - 1;
    breaks(Network { dual_bound, ..net }, DUAL);
    let none_bound = net.none_bound - 1;
    breaks(Network { none_bound, ..net }, NONE);
}

#[test]
fn two_lost_adverts_move_nothing() {
    holds(TWO_LOSSES, &[FIRST]);
    let losses = TWO_LOSSES.losses + 1;
    let net = Network {
        losses,
        ..TWO_LOSSES
    };
    breaks(net, DUAL);
}

#[test]
fn a_loss_and_a_failure_keep_the_windows_short() {
    let net = LOSS_AND_FAILURE;
    holds(net, &[FIRST, SECOND, THIRD]);
    let dual_bound = net.dual_bound - 1;
    let less = Network { dual_bound, ..net };
    breaks(less, DUAL);
    // One tick less without holder is refuted by the crash alone.
}

#[test]
fn without_skew_a_crash_makes_two_masters() {
    // Skews of 1.25, 1.88 and 2.5 ms: nothing beside a delay of 20 ms.
    let priorities = [254, 253, 252];
    let net = Network {
        priorities,
        ..ONE_CRASH
    };
    breaks(net, DUAL);
}
