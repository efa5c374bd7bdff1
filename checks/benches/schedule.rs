//! What tens of thousands of checks cost while nothing is wrong:
//! `cargo bench -p checks`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use checks::{Detail, Limits, Outcome, Policy, Report, Scheduler, Spec};
use mono::Mono;

const CHECKS: u32 = 20_000;

fn report(what: &str, times: u32, took: Duration) {
    println!("{what:<44} {:>12.3?} each ({times} times)", took / times);
}

fn main() {
    let desired: BTreeMap<u32, (Spec, Policy)> = (0..CHECKS)
        .map(|n| {
            let [_, b, c, d] = n.to_be_bytes();
            let spec = Spec::tcp(([10, b, c, d], 80).into());
            (n, (spec, Policy::default()))
        })
        .collect();
    println!("{CHECKS} checks, interval {:?}", Policy::default().interval);

    let mut scheduler = Scheduler::new(Limits::default(), 0);
    let begun = Instant::now();
    assert_eq!(scheduler.set(Mono::ZERO, desired.clone()), []);
    report("set: all of them new", 1, begun.elapsed());

    let begun = Instant::now();
    assert_eq!(scheduler.set(Mono::ZERO, desired), []);
    report("set: none changed", 1, begun.elapsed());

    let mut launches = Vec::new();
    let begun = Instant::now();
    for _ in 0..CHECKS {
        // Before the first deadline but one: nothing to do.
        scheduler.turn(black_box(Mono::ZERO), &mut launches);
        black_box(scheduler.deadline());
    }
    report("turn and deadline: nothing due", CHECKS, begun.elapsed());

    let outcome: Outcome = Ok(Report {
        elapsed: Duration::from_millis(1),
        detail: Detail::Connected,
    });
    let mut events = Vec::new();
    let mut probes = 0;
    let begun = Instant::now();
    let mut now = Mono::ZERO;
    while now < Mono::from_millis(60_000) {
        for launch in launches.drain(..) {
            scheduler.finish(now, launch.job, &outcome, &mut events);
            probes += 1;
        }
        black_box(&events);
        events.clear();
        now = scheduler.deadline().unwrap_or(now).max(now);
        scheduler.turn(now, &mut launches);
    }
    let took = begun.elapsed();
    report("a probe from its deadline to the next", probes, took);
    let share = took.as_secs_f64() / 60.0 * 100.0;
    println!("of one CPU, without the probes themselves: {share:.2} %");

    let begun = Instant::now();
    black_box(scheduler.save());
    report("save", 1, begun.elapsed());
}
