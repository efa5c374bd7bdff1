//! The scheduler, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use checks::schedule::{JobId, Launch};
use checks::{
    Detail, Event, Failure, Health, Limits, Outcome, Phase, Policy, Report, Saved, Scheduler, Spec,
    Start,
};
use mono::Mono;
use proptest::prelude::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn at(millis: u64) -> Mono {
    Mono::from_millis(millis)
}

fn spec(n: u16) -> Spec {
    Spec::tcp(([192, 0, 2, 1], n).into())
}

/// interval 10 s, no retries.
fn policy() -> Policy {
    Policy {
        interval: ms(10_000),
        connect_timeout: ms(3_000),
        retries: 0,
        retry_delay: ms(1_000),
        start: Start::Up,
    }
}

type Desired = BTreeMap<u32, (Spec, Policy)>;

/// `count` checks, each of a server of its own.
fn distinct(count: u16) -> Desired {
    (0..count)
        .map(|n| (n.into(), (spec(n), policy())))
        .collect()
}

/// A scheduler whose probes all take as long, and succeed except for the
/// servers that are `broken`.
struct Sim {
    scheduler: Scheduler<u32>,
    now: Mono,
    takes: Duration,
    broken: BTreeSet<Spec>,
    running: BTreeMap<JobId, (Mono, Arc<Spec>)>,
    launches: Vec<(Mono, Spec)>,
    events: Vec<Event<u32>>,
}

impl Sim {
    fn new(in_flight: usize, takes: Duration) -> Self {
        Self {
            scheduler: Scheduler::new(Limits { in_flight }, 7),
            now: at(0),
            takes,
            broken: BTreeSet::new(),
            running: BTreeMap::new(),
            launches: Vec::new(),
            events: Vec::new(),
        }
    }

    fn set(&mut self, desired: &Desired) -> usize {
        let cut = self.scheduler.set(self.now, desired.clone());
        for job in &cut {
            assert!(self.running.remove(job).is_some(), "{job} did not run");
        }
        cut.len()
    }

    fn outcome(&self, spec: &Spec) -> Outcome {
        if self.broken.contains(spec) {
            return Err(Failure {
                phase: Phase::Connect,
                error: "connection refused".into(),
                elapsed: self.takes,
                local: false,
            });
        }
        Ok(Report {
            elapsed: self.takes,
            detail: Detail::Connected,
        })
    }

    fn turn(&mut self) {
        let mut out = Vec::new();
        self.scheduler.turn(self.now, &mut out);
        for Launch { job, spec, .. } in out {
            self.launches.push((self.now, Spec::clone(&spec)));
            let end = self.now + self.takes;
            let twice = self.running.insert(job, (end, spec));
            assert_eq!(twice, None, "{job} runs twice");
        }
        assert_eq!(self.scheduler.stats().in_flight, self.running.len());
    }

    /// Lets time pass, from event to event.
    fn run_until(&mut self, until: Mono) {
        loop {
            self.turn();
            let end = self.running.iter().map(|(&job, r)| (r.0, job)).min();
            let due = self.scheduler.deadline();
            let next = end.map(|(end, _)| end).into_iter().chain(due).min();
            let Some(next) = next.filter(|&next| next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            if let Some((_, job)) = end.filter(|&(end, _)| end <= self.now)
                && let Some((_, spec)) = self.running.remove(&job)
            {
                let outcome = self.outcome(&spec);
                let events = &mut self.events;
                self.scheduler.finish(self.now, job, &outcome, events);
            }
        }
        self.now = until;
    }

    fn health(&self, id: u32) -> Health {
        self.scheduler.check(&id).expect("a check").health()
    }

    /// The first probe of each server, in the order of starts.
    fn firsts(&self) -> Vec<(Mono, Spec)> {
        let mut seen = BTreeSet::new();
        let first = |(_, spec): &&(Mono, Spec)| seen.insert(spec.clone());
        self.launches.iter().filter(first).cloned().collect()
    }

    /// When the probes of a server started.
    fn starts(&self, of: &Spec) -> Vec<Mono> {
        let same = self.launches.iter().filter(|(_, spec)| spec == of);
        same.map(|&(at, _)| at).collect()
    }
}

#[test]
fn first_probes_are_spread_evenly_over_a_second() {
    let mut sim = Sim::new(1_024, ms(0));
    assert_eq!(sim.set(&distinct(100)), 0);
    sim.run_until(at(999));
    let even: Vec<_> = (0..100).map(|n| (at(u64::from(n) * 10), spec(n))).collect();
    assert_eq!(sim.firsts(), even);
}

#[test]
fn first_probes_are_spread_over_a_short_interval() {
    let mut sim = Sim::new(1_024, ms(0));
    let mut desired = distinct(4);
    for (_, policy) in desired.values_mut() {
        policy.interval = ms(200);
    }
    sim.set(&desired);
    let first: Vec<u64> = (0..4)
        .map(|n| sim.scheduler.check(&n).and_then(|c| c.deadline()))
        .map(|due| due.expect("a wait").as_nanos() / 1_000_000)
        .collect();
    assert_eq!(first, [0, 50, 100, 150]);
}

#[test]
fn later_probes_are_spread_over_the_interval() {
    let mut sim = Sim::new(1_024, ms(0));
    sim.set(&distinct(1_000));
    sim.run_until(at(30_000));
    let mut seconds = [0_u32; 10];
    for (start, _) in &sim.launches {
        let millis = start.as_nanos() / 1_000_000;
        if millis >= 20_000 {
            seconds[usize::try_from(millis / 1_000 - 20).expect("small") % 10] += 1;
        }
    }
    for count in seconds {
        assert!((80..=120).contains(&count), "{seconds:?}");
    }
    // And no gap between two probes is longer than the interval.
    for n in 0..1_000 {
        for pair in sim.starts(&spec(n)).windows(2) {
            assert!(pair[1].since(pair[0]) <= ms(10_000));
        }
    }
}

#[test]
fn the_same_calls_do_the_same() {
    let run = || {
        let mut sim = Sim::new(8, ms(3));
        sim.set(&distinct(50));
        sim.run_until(at(60_000));
        sim.launches
    };
    assert_eq!(run(), run());
}

#[test]
fn no_more_than_the_bound_run_at_once() {
    let mut sim = Sim::new(8, ms(100));
    sim.set(&distinct(100));
    let mut most = 0;
    for millis in 0..3_000 {
        sim.run_until(at(millis));
        most = most.max(sim.running.len());
        let full = sim.running.len() == 8;
        assert!(!full || sim.scheduler.deadline().is_none());
    }
    assert_eq!(most, 8);
    // Nobody is starved: first probes start in the order they were due.
    let order: Vec<Spec> = sim.firsts().into_iter().map(|(_, s)| s).collect();
    let due: Vec<Spec> = (0..100).map(spec).collect();
    assert_eq!(order, due);
    // 8 per 100 ms make 100 in 1.25 s where 1 s was meant, and some second
    // probes come in between.
    let late = sim.scheduler.stats().lateness_max;
    assert!(late >= ms(200) && late <= ms(500), "{late:?}");
}

#[test]
fn identical_checks_run_once() {
    let mut sim = Sim::new(8, ms(1));
    let slow = Policy {
        interval: ms(20_000),
        ..policy()
    };
    let desired = BTreeMap::from([
        (1, (spec(80), policy())),
        (2, (spec(80), policy())),
        (3, (spec(80), slow)),
        (4, (spec(81), policy())),
    ]);
    sim.broken.insert(spec(80));
    sim.set(&desired);
    sim.run_until(at(1_100));
    let stats = sim.scheduler.stats();
    assert_eq!((stats.ids, stats.jobs, stats.launched), (4, 3, 3));
    let mut down: Vec<u32> = sim
        .events
        .iter()
        .filter(|e| e.changed && e.health == Health::Down)
        .map(|e| e.id)
        .collect();
    down.sort_unstable();
    assert_eq!(down, [1, 2, 3]);
    // One that joins later knows at once what the others know.
    let mut more = desired;
    more.insert(5, (spec(80), policy()));
    sim.set(&more);
    assert_eq!(sim.health(5), Health::Down);
    assert_eq!(sim.scheduler.stats().jobs, 3);
}

#[test]
fn an_unchanged_set_changes_nothing() {
    let mut sim = Sim::new(4, ms(100));
    let desired = distinct(20);
    sim.set(&desired);
    sim.run_until(at(730));
    let before = (sim.scheduler.save(), sim.scheduler.stats());
    assert!(before.1.in_flight > 0);
    assert_eq!(sim.set(&desired), 0);
    assert_eq!((sim.scheduler.save(), sim.scheduler.stats()), before);
}

#[test]
fn what_is_gone_is_cut_and_what_is_new_comes_soon() {
    let mut sim = Sim::new(4, ms(100));
    sim.set(&distinct(4));
    sim.run_until(at(10));
    // Only the first is running yet.
    let mut desired = distinct(6);
    desired.remove(&0);
    desired.remove(&1);
    let kept = sim.scheduler.check(&2).cloned();
    assert_eq!(sim.set(&desired), 1);
    assert_eq!(sim.scheduler.check(&2).cloned(), kept);
    assert_eq!(sim.scheduler.check(&0), None);
    sim.run_until(at(1_200));
    assert_eq!(sim.starts(&spec(0)), [at(0)]);
    assert_eq!(sim.starts(&spec(1)), []);
    assert_eq!(sim.starts(&spec(2)), [at(500)]);
    assert_eq!(sim.starts(&spec(4)), [at(10)]);
    assert_eq!(sim.starts(&spec(5)), [at(510)]);
    assert!(sim.events.iter().all(|event| event.id >= 2));
}

#[test]
fn a_new_policy_disturbs_neither_health_nor_a_running_probe() {
    let mut sim = Sim::new(4, ms(100));
    let mut desired = distinct(1);
    sim.broken.insert(spec(0));
    sim.set(&desired);
    sim.run_until(at(200));
    assert_eq!(sim.health(0), Health::Down);
    let due = sim.scheduler.deadline().expect("a wait");
    sim.run_until(due);
    assert_eq!(sim.running.len(), 1);
    let change = |desired: &mut Desired, interval| {
        desired.entry(0).and_modify(|(_, p)| p.interval = interval);
    };
    change(&mut desired, ms(4_000));
    assert_eq!(sim.set(&desired), 0);
    assert_eq!((sim.health(0), sim.running.len()), (Health::Down, 1));
    let end = due + ms(100);
    sim.run_until(end);
    assert_eq!(sim.scheduler.deadline(), Some(end + ms(4_000)));
    change(&mut desired, ms(3_000));
    assert_eq!(sim.set(&desired), 0);
    assert_eq!(sim.scheduler.deadline(), Some(end + ms(3_000)));
    assert_eq!(sim.scheduler.stats().jobs, 1);
}

#[test]
fn a_new_probe_keeps_health_and_runs_at_once() {
    let mut sim = Sim::new(4, ms(100));
    sim.broken.insert(spec(0));
    sim.set(&distinct(2));
    sim.run_until(at(2_000));
    assert_eq!(sim.health(0), Health::Down);
    let mut desired = distinct(2);
    desired.insert(0, (spec(90), policy()));
    assert_eq!(sim.set(&desired), 0);
    assert_eq!(sim.health(0), Health::Down);
    sim.run_until(at(2_000));
    assert_eq!(sim.starts(&spec(90)), [at(2_000)]);
    // While that runs the probe changes once more: the old one is cut.
    desired.insert(0, (spec(91), policy()));
    assert_eq!(sim.set(&desired), 1);
    sim.run_until(at(2_100));
    assert_eq!(sim.starts(&spec(91)), [at(2_000)]);
    assert_eq!(sim.health(0), Health::Up);
    assert_eq!(sim.starts(&spec(1)).len(), 1, "the other is left alone");
}

#[test]
fn ids_that_part_keep_the_health_they_shared() {
    let mut sim = Sim::new(4, ms(100));
    sim.broken.insert(spec(0));
    let shared = BTreeMap::from([(1, (spec(0), policy())), (2, (spec(0), policy()))]);
    sim.set(&shared);
    sim.run_until(at(500));
    let fast = Policy {
        interval: ms(2_000),
        ..policy()
    };
    let parted = BTreeMap::from([(1, (spec(0), policy())), (2, (spec(0), fast))]);
    let due = sim.scheduler.check(&1).and_then(|c| c.deadline());
    assert_eq!(sim.set(&parted), 0);
    assert_eq!(sim.scheduler.stats().jobs, 2);
    assert_eq!((sim.health(1), sim.health(2)), (Health::Down, Health::Down));
    let now_due = sim.scheduler.check(&1).and_then(|c| c.deadline());
    assert_eq!(now_due, due);
}

#[test]
fn a_restart_keeps_health_and_schedule() {
    let mut sim = Sim::new(4, ms(100));
    sim.broken.insert(spec(3));
    sim.set(&distinct(10));
    sim.run_until(at(5_000));
    let text = serde_json::to_string(&sim.scheduler.save()).expect("serializes");
    let saved: Vec<Saved<u32>> = serde_json::from_str(&text).expect("parses");
    let before: Vec<_> = sim.scheduler.checks().map(|(_, c)| c.snapshot()).collect();

    let mut again = Sim::new(4, ms(100));
    again.now = at(5_000);
    again.scheduler.restore(saved);
    let mut desired = distinct(11);
    desired.insert(4, (spec(90), policy()));
    again.set(&desired);
    assert_eq!(again.health(3), Health::Down);
    for (id, before) in (0..10).zip(before) {
        let check = again.scheduler.check(&id).expect("a check");
        if id == 4 {
            // Its probe is another one.
            assert_eq!(check.deadline(), Some(at(5_000)));
            assert_eq!(check.health(), Health::Up);
        } else {
            assert_eq!(check.snapshot(), before);
        }
    }
    let new = again.scheduler.check(&10).expect("a check");
    assert_eq!((new.health(), new.last()), (Health::Up, None));
}

#[test]
fn what_came_due_during_a_restart_is_spread() {
    let mut sim = Sim::new(1_024, ms(0));
    sim.set(&distinct(100));
    sim.run_until(at(2_000));
    let mut again = Sim::new(1_024, ms(0));
    again.now = at(60_000);
    again.scheduler.restore(sim.scheduler.save());
    again.set(&distinct(100));
    again.run_until(at(60_999));
    let even: Vec<_> = (0..100)
        .map(|n| (at(60_000 + u64::from(n) * 10), spec(n)))
        .collect();
    assert_eq!(again.firsts(), even);
}

#[test]
fn ends_out_of_place_are_ignored() {
    let mut sim = Sim::new(4, ms(100));
    sim.set(&distinct(1));
    sim.turn();
    let job = *sim.running.keys().next().expect("a probe");
    let mut events = Vec::new();
    let outcome = sim.outcome(&spec(0));
    sim.scheduler.finish(at(50), job, &outcome, &mut events);
    assert_eq!(events.len(), 1);
    sim.scheduler.finish(at(60), job, &outcome, &mut events);
    assert_eq!(sim.scheduler.set(at(60), BTreeMap::new()), []);
    sim.scheduler.finish(at(70), job, &outcome, &mut events);
    assert_eq!(events.len(), 1);
    assert_eq!(sim.scheduler.stats().in_flight, 0);
    assert_eq!(sim.scheduler.deadline(), None);
}

#[test]
fn a_check_can_be_asked_for_now() {
    let mut sim = Sim::new(4, ms(100));
    sim.set(&distinct(1));
    sim.run_until(at(500));
    assert!(!sim.scheduler.check_now(at(500), &9));
    assert!(sim.scheduler.check_now(at(500), &0));
    assert_eq!(sim.scheduler.deadline(), Some(at(500)));
    sim.run_until(at(550));
    // While it runs there is nothing to hasten.
    assert!(sim.scheduler.check_now(at(550), &0));
    assert_eq!(sim.scheduler.deadline(), None);
    sim.run_until(at(600));
    assert_eq!(sim.starts(&spec(0)), [at(0), at(500)]);
}

#[derive(Clone, Debug)]
enum Op {
    Set(Desired),
    Pass(u64),
    Break(u16),
    Mend(u16),
    Restart,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let check = (0..6_u16, 1..4_u64, 0..3_u32).prop_map(|(server, interval, retries)| {
        let policy = Policy {
            interval: ms(interval * 1_000),
            retries,
            ..policy()
        };
        (spec(server), policy)
    });
    let desired = prop::collection::btree_map(0..12_u32, check, 0..12);
    let op = prop_oneof![
        3 => desired.prop_map(Op::Set),
        5 => (0..5_000_u64).prop_map(Op::Pass),
        1 => (0..6_u16).prop_map(Op::Break),
        1 => (0..6_u16).prop_map(Op::Mend),
        1 => Just(Op::Restart),
    ];
    prop::collection::vec(op, 0..40)
}

fn assert_consistent(sim: &Sim, desired: &Desired, limit: usize) {
    let stats = sim.scheduler.stats();
    assert!(stats.in_flight <= limit);
    assert_eq!(stats.in_flight, sim.running.len());
    let ids: Vec<u32> = sim.scheduler.checks().map(|(&id, _)| id).collect();
    assert_eq!(ids, desired.keys().copied().collect::<Vec<_>>());
    let keys: BTreeSet<_> = desired.values().collect();
    assert_eq!(stats.jobs, keys.len());
    let mut states = BTreeMap::new();
    for (id, key) in desired {
        let check = sim.scheduler.check(id).expect("a check");
        assert_eq!(*check.policy(), key.1);
        assert_eq!(*states.entry(key).or_insert(check), check);
    }
}

/// Health, except where an id joins a check that is known already.
fn health(sim: &Sim, desired: &Desired) -> BTreeMap<u32, Health> {
    let mut users = BTreeMap::new();
    for key in desired.values() {
        *users.entry(key).or_insert(0) += 1;
    }
    let alone = desired.iter().filter(|(_, key)| users[key] == 1);
    alone.map(|(&id, _)| (id, sim.health(id))).collect()
}

proptest! {
    #[test]
    fn holds_together_whatever_happens(ops in ops(), limit in 1..5_usize) {
        let mut sim = Sim::new(limit, ms(40));
        let mut desired = Desired::new();
        for op in ops {
            match op {
                Op::Set(new) => {
                    let before = health(&sim, &desired);
                    let old_keys: BTreeSet<_> = desired.values().cloned().collect();
                    sim.set(&new);
                    for (id, now) in health(&sim, &new) {
                        let joined = desired.get(&id) != new.get(&id) && old_keys.contains(&new[&id]);
                        if let (Some(&was), false) = (before.get(&id), joined) {
                            prop_assert_eq!(now, was);
                        }
                    }
                    desired = new;
                }
                Op::Pass(millis) => sim.run_until(sim.now + ms(millis)),
                Op::Break(server) => drop(sim.broken.insert(spec(server))),
                Op::Mend(server) => drop(sim.broken.remove(&spec(server))),
                Op::Restart => {
                    let saved = sim.scheduler.save();
                    sim.scheduler = Scheduler::new(Limits { in_flight: limit }, 1);
                    sim.running.clear();
                    sim.scheduler.restore(saved);
                    sim.set(&desired);
                }
            }
            assert_consistent(&sim, &desired, limit);
        }
        // Left alone for long enough, every check tells the truth.
        sim.run_until(sim.now + ms(30_000));
        assert_consistent(&sim, &desired, limit);
        for (id, (spec, policy)) in &desired {
            let check = sim.scheduler.check(id).expect("a check");
            let truth = if sim.broken.contains(spec) { Health::Down } else { Health::Up };
            prop_assert_eq!(check.health(), truth);
            let age = sim.now.since(check.last().expect("an outcome").at);
            prop_assert!(age <= policy.interval + ms(1_000), "{age:?}");
        }
    }
}
