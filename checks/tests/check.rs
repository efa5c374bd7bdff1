//! The state machine of one check, in virtual time.

use std::time::Duration;

use checks::check::{Check, Effect, Input, Snapshot, Spread, Totals};
use checks::{Detail, Failure, Health, Outcome, Phase, Policy, Report, Start};
use mono::Mono;
use proptest::prelude::*;

const fn s(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn at(secs: u64) -> Mono {
    Mono::from_millis(secs * 1_000)
}

fn ok() -> Outcome {
    Ok(Report {
        elapsed: s(0),
        detail: Detail::Connected,
    })
}

fn failed(local: bool) -> Outcome {
    Err(Failure {
        phase: Phase::Connect,
        error: "connection refused".into(),
        elapsed: s(0),
        local,
    })
}

fn bad() -> Outcome {
    failed(false)
}

fn local() -> Outcome {
    failed(true)
}

/// interval 10 s, 3 retries 2 s apart.
fn policy(start: Start) -> Policy {
    Policy {
        interval: s(10),
        connect_timeout: s(5),
        retries: 3,
        retry_delay: s(2),
        start,
    }
}

fn new(start: Start) -> Check {
    Check::new(policy(start), at(100), Spread::default())
}

fn step(check: &mut Check, now: Mono, input: Input) -> Vec<Effect> {
    let mut out = Vec::new();
    check.step(now, input, &mut out);
    out
}

/// Runs the due probe, which takes 1 s; the end of it and the change of
/// health it made.
fn run(check: &mut Check, outcome: Outcome) -> (Mono, Option<Health>) {
    let due = check.deadline().expect("a wait");
    assert_eq!(step(check, due, Input::Timer), [Effect::Probe]);
    assert_eq!(check.deadline(), None);
    let end = due + s(1);
    let effects = step(check, end, Input::Done(outcome));
    let change = match effects[..] {
        [] => None,
        [Effect::Changed { from, to }] => {
            assert_ne!(from, to);
            assert_eq!((check.health(), check.since()), (to, end));
            Some(to)
        }
        ref other => panic!("{other:?}"),
    };
    (end, change)
}

/// Like [`run`]; then how long the next wait is.
fn run_and_wait(check: &mut Check, outcome: Outcome) -> (Option<Health>, Duration) {
    let (end, change) = run(check, outcome);
    (change, check.deadline().expect("a wait").since(end))
}

#[test]
fn start_decides_health_before_the_first_result() {
    let up = new(Start::Up);
    assert_eq!((up.health(), up.since()), (Health::Up, at(100)));
    assert_eq!(up.deadline(), Some(at(100)));
    assert_eq!(new(Start::Down).health(), Health::Down);
}

#[test]
fn the_first_failure_is_enough_until_a_success() {
    let mut check = new(Start::Up);
    assert_eq!(run_and_wait(&mut check, bad()), (Some(Health::Down), s(10)));
    assert_eq!(run_and_wait(&mut check, bad()), (None, s(10)));
    assert_eq!(run_and_wait(&mut check, ok()), (Some(Health::Up), s(10)));
    assert_eq!(run_and_wait(&mut check, bad()), (None, s(2)));
}

#[test]
fn a_check_that_starts_down_needs_one_success() {
    let mut check = new(Start::Down);
    assert_eq!(run_and_wait(&mut check, bad()), (None, s(10)));
    assert_eq!(run_and_wait(&mut check, ok()), (Some(Health::Up), s(10)));
}

#[test]
fn down_after_one_failure_more_than_retries() {
    let mut check = new(Start::Up);
    assert_eq!(run_and_wait(&mut check, ok()), (None, s(10)));
    for _ in 0..3 {
        assert_eq!(run_and_wait(&mut check, bad()), (None, s(2)));
    }
    assert_eq!(run_and_wait(&mut check, bad()), (Some(Health::Down), s(10)));
    assert_eq!(check.failures(), 4);
    assert_eq!(run_and_wait(&mut check, bad()), (None, s(10)));
    assert_eq!(run_and_wait(&mut check, ok()), (Some(Health::Up), s(10)));
    assert_eq!(check.failures(), 0);
}

#[test]
fn a_success_in_between_starts_the_count_anew() {
    let mut check = new(Start::Up);
    run(&mut check, ok());
    for _ in 0..3 {
        run(&mut check, bad());
    }
    assert_eq!(run_and_wait(&mut check, ok()), (None, s(10)));
    for _ in 0..3 {
        assert_eq!(run_and_wait(&mut check, bad()), (None, s(2)));
    }
    assert_eq!(run(&mut check, bad()).1, Some(Health::Down));
}

#[test]
fn without_retries_one_failure_is_enough() {
    let mut policy = policy(Start::Up);
    policy.retries = 0;
    let mut check = Check::new(policy, at(0), Spread::default());
    run(&mut check, ok());
    assert_eq!(run_and_wait(&mut check, bad()), (Some(Health::Down), s(10)));
}

#[test]
fn local_trouble_changes_nothing() {
    let mut check = new(Start::Up);
    assert_eq!(run_and_wait(&mut check, local()), (None, s(10)));
    assert!(!check.settled());
    run(&mut check, ok());
    run(&mut check, bad());
    assert_eq!(run_and_wait(&mut check, local()), (None, s(10)));
    assert_eq!(check.failures(), 1);
    run(&mut check, bad());
    run(&mut check, bad());
    assert_eq!(run(&mut check, bad()).1, Some(Health::Down));
    assert_eq!(run_and_wait(&mut check, local()), (None, s(10)));
    assert_eq!(check.health(), Health::Down);
    let totals = Totals {
        successes: 1,
        failures: 4,
        local: 3,
    };
    assert_eq!(check.totals(), totals);
    assert_eq!(check.last().map(|l| &l.outcome), Some(&local()));
}

#[test]
fn inputs_out_of_place_are_ignored() {
    let mut check = new(Start::Up);
    let before = check.clone();
    assert_eq!(step(&mut check, at(99), Input::Timer), []);
    assert_eq!(step(&mut check, at(100), Input::Done(bad())), []);
    assert_eq!(check, before);
    step(&mut check, at(100), Input::Timer);
    let running = check.clone();
    assert_eq!(step(&mut check, at(101), Input::Timer), []);
    assert_eq!(step(&mut check, at(101), Input::Now), []);
    assert_eq!(check, running);
}

#[test]
fn now_is_now() {
    let mut check = new(Start::Up);
    let (end, _) = run(&mut check, ok());
    step(&mut check, end + s(3), Input::Now);
    assert_eq!(check.deadline(), Some(end + s(3)));
    // What is overdue does not become less so.
    step(&mut check, end + s(4), Input::Now);
    assert_eq!(check.deadline(), Some(end + s(3)));
}

#[test]
fn spread_moves_the_first_probes_only() {
    let spread = Spread {
        first: s(1),
        early: s(4),
    };
    let mut check = Check::new(policy(Start::Up), at(0), spread);
    assert_eq!(check.deadline(), Some(at(1)));
    assert_eq!(run_and_wait(&mut check, ok()), (None, s(6)));
    assert_eq!(run_and_wait(&mut check, ok()), (None, s(10)));
    let spread = Spread {
        first: s(99),
        early: s(99),
    };
    let mut check = Check::new(policy(Start::Up), at(0), spread);
    assert_eq!(check.deadline(), Some(at(10)));
    assert_eq!(run_and_wait(&mut check, ok()), (None, s(0)));
}

#[test]
fn a_zero_interval_is_no_busy_loop() {
    let mut policy = policy(Start::Up);
    policy.interval = s(0);
    let mut check = Check::new(policy, at(0), Spread::default());
    let wait = run_and_wait(&mut check, ok()).1;
    assert_eq!(wait, Policy::MIN_INTERVAL);
}

#[test]
fn a_new_policy_keeps_health_and_measures_the_wait_anew() {
    let mut check = new(Start::Up);
    let (end, _) = run(&mut check, ok());
    let reconfigure = |check: &mut Check, now, interval, retry_delay| {
        let policy = Policy {
            interval,
            retry_delay,
            ..policy(Start::Down)
        };
        assert_eq!(step(check, now, Input::Reconfigure(policy)), []);
        assert_eq!(*check.policy(), policy);
        check.deadline()
    };
    let now = end + s(5);
    assert_eq!(reconfigure(&mut check, now, s(30), s(2)), Some(end + s(30)));
    assert_eq!(reconfigure(&mut check, now, s(7), s(2)), Some(end + s(7)));
    assert_eq!(reconfigure(&mut check, now, s(1), s(2)), Some(now));
    assert_eq!(check.health(), Health::Up);
    let (end, _) = run(&mut check, bad());
    // It waits to try again, whatever the interval.
    assert_eq!(reconfigure(&mut check, end, s(30), s(2)), Some(end + s(2)));
    assert_eq!(reconfigure(&mut check, end, s(30), s(9)), Some(end + s(9)));
    assert_eq!(check.failures(), 1);
    // A running probe is not disturbed.
    step(&mut check, end + s(9), Input::Timer);
    assert_eq!(reconfigure(&mut check, end + s(9), s(4), s(2)), None);
    step(&mut check, end + s(10), Input::Done(ok()));
    assert_eq!(check.deadline(), Some(end + s(14)));
}

#[test]
fn fewer_retries_count_at_the_next_failure() {
    let mut check = new(Start::Up);
    run(&mut check, ok());
    run(&mut check, bad());
    run(&mut check, bad());
    let policy = Policy {
        retries: 1,
        ..policy(Start::Up)
    };
    step(&mut check, at(200), Input::Reconfigure(policy));
    assert_eq!(check.health(), Health::Up);
    assert_eq!(run(&mut check, bad()).1, Some(Health::Down));
}

#[test]
fn another_probe_keeps_health_and_is_due_at_once() {
    let mut check = new(Start::Up);
    run(&mut check, ok());
    let (end, _) = run(&mut check, bad());
    step(&mut check, end + s(1), Input::Replace);
    assert_eq!(check.deadline(), Some(end + s(1)));
    assert_eq!((check.health(), check.failures()), (Health::Up, 0));
    // Nor does it wait for a probe of the old kind.
    step(&mut check, end + s(1), Input::Timer);
    step(&mut check, end + s(2), Input::Replace);
    assert_eq!(check.deadline(), Some(end + s(2)));
}

#[test]
fn a_restored_check_goes_on_where_it_was() {
    let mut check = new(Start::Up);
    run(&mut check, ok());
    let (end, _) = run(&mut check, bad());
    let text = serde_json::to_string(&check.snapshot()).expect("serializes");
    let snapshot: Snapshot = serde_json::from_str(&text).expect("parses");
    assert_eq!(snapshot, check.snapshot());
    let policy = policy(Start::Down);

    let mut again = Check::restore(policy, snapshot.clone(), end + s(1), s(0));
    assert_eq!(again.snapshot(), check.snapshot());
    run(&mut again, bad());
    run(&mut again, bad());
    assert_eq!(run(&mut again, bad()).1, Some(Health::Down));

    // What came due meanwhile waits for its turn in the spread.
    let late = Check::restore(policy, snapshot.clone(), end + s(60), s(1));
    assert_eq!(late.deadline(), Some(end + s(61)));
    // A clock that began anew makes no check wait for ever.
    let reboot = Check::restore(policy, snapshot, at(1), s(0));
    assert_eq!(reboot.deadline(), Some(at(11)));
    assert_eq!(reboot.since(), at(1));
    // A probe that ran when the snapshot was made runs again.
    step(&mut check, end + s(2), Input::Timer);
    let cut = Check::restore(policy, check.snapshot(), end + s(3), s(1));
    assert_eq!(cut.deadline(), Some(end + s(4)));
}

/// The rules once more, written as keepalived users know them: a counter that
/// begins full, so that the first failure is enough.
struct Reference {
    up: bool,
    seen: bool,
    tries: u32,
}

impl Reference {
    fn next(&mut self, policy: &Policy, outcome: &Outcome) -> Duration {
        match outcome {
            Err(failure) if failure.local => policy.interval,
            Ok(_) => {
                *self = Self {
                    up: true,
                    seen: true,
                    tries: 0,
                };
                policy.interval
            }
            Err(_) if !self.up => policy.interval,
            Err(_) if !self.seen || self.tries >= policy.retries => {
                self.up = false;
                self.tries = 0;
                policy.interval
            }
            Err(_) => {
                self.tries += 1;
                policy.retry_delay
            }
        }
    }
}

fn outcomes() -> impl Strategy<Value = Vec<Outcome>> {
    let outcome = prop_oneof![3 => Just(bad()), 2 => Just(ok()), 1 => Just(local())];
    prop::collection::vec(outcome, 0..60)
}

fn policies() -> impl Strategy<Value = Policy> {
    let start = prop_oneof![Just(Start::Up), Just(Start::Down)];
    (1..20_u64, 0..20_u64, 0..5_u32, start).prop_map(|(interval, delay, retries, start)| Policy {
        interval: s(interval),
        connect_timeout: s(1),
        retries,
        retry_delay: s(delay),
        start,
    })
}

proptest! {
    #[test]
    fn agrees_with_the_reference(policy in policies(), outcomes in outcomes()) {
        let mut check = Check::new(policy, at(0), Spread::default());
        let mut reference = Reference {
            up: policy.start == Start::Up,
            seen: false,
            tries: 0,
        };
        for outcome in outcomes {
            let wait = reference.next(&policy, &outcome);
            let before = check.health();
            let (change, waited) = run_and_wait(&mut check, outcome);
            prop_assert_eq!(check.health() == Health::Up, reference.up);
            prop_assert_eq!(change.is_some(), check.health() != before);
            prop_assert_eq!(waited, wait);
        }
    }

    #[test]
    fn a_restart_at_any_time_changes_no_verdict(
        policy in policies(),
        outcomes in outcomes(),
        restarts in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut check = Check::new(policy, at(0), Spread::default());
        let mut steady = check.clone();
        for (outcome, restart) in outcomes.into_iter().zip(restarts) {
            if restart {
                let now = steady.last().map_or(at(0), |last| last.at);
                check = Check::restore(policy, check.snapshot(), now, s(0));
            }
            prop_assert_eq!(run(&mut check, outcome.clone()), run(&mut steady, outcome));
            prop_assert_eq!(check.snapshot(), steady.snapshot());
        }
    }
}
