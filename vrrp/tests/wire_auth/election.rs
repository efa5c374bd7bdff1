//! Two routers that sign their adverts, while their clocks are stepped.

use std::collections::VecDeque;
use std::time::Duration;

use mono::Mono;
use vrrp::wire::{
    Advert, AntiReplay, ChecksumV3, Checksums, Expect, Guard, Path, Payload, Version,
};
use vrrp::{Config, Effect, Input, Instance, State, Via};

use crate::site::{NOON, VRID, WINDOW, signed, to_group};

const DELAY: Duration = Duration::from_micros(300);
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

struct Router {
    instance: Instance,
    guard: Guard,
    path: Path,
    /// What its clock shows more than the true time, in seconds.
    ahead: i64,
    connected: bool,
}

impl Router {
    fn new(host: u8, priority: u8, interval: Duration, rule: AntiReplay) -> Self {
        let config = Config {
            advert_interval: interval,
            ..Config::new(VRID, Version::V3, priority)
        };
        Self {
            instance: Instance::new(config),
            guard: Guard::new(&signed(rule)),
            path: to_group(host),
            ahead: 0,
            connected: true,
        }
    }

    fn wall(&self, now: Mono) -> Duration {
        let time = NOON + now.since(Mono::ZERO);
        let ahead = Duration::from_secs(self.ahead.unsigned_abs());
        if self.ahead < 0 {
            time - ahead
        } else {
            time + ahead
        }
    }

    fn sealed(&mut self, now: Mono, priority: u8) -> Vec<u8> {
        let mut octets = Vec::new();
        let advert = self.instance.to_advert(priority);
        advert
            .encode(&self.path, ChecksumV3::PseudoHeader, &mut octets)
            .unwrap();
        let wall = self.wall(now);
        self.guard
            .seal(wall, Version::V3, VRID, &self.path, &mut octets);
        octets
    }

    fn opened(&mut self, now: Mono, path: &Path, octets: &[u8]) -> Option<Advert> {
        let expect = Expect {
            allow_empty: true,
            ..Expect::v3(Checksums::ANY)
        };
        let advert = Advert::decode(octets, path, &expect).unwrap();
        let wall = self.wall(now);
        let payload = Payload::Vrrp(octets);
        self.guard
            .open(wall, Version::V3, VRID, path, payload)
            .ok()?;
        self.guard.commit();
        Some(advert)
    }
}

struct Site {
    now: Mono,
    routers: [Router; 2],
    /// When it arrives, who sent it, and the octets.
    wire: VecDeque<(Mono, usize, Vec<u8>)>,
    transitions: u32,
    /// For how long both have been Master, and none.
    both: Duration,
    none: Duration,
}

impl Site {
    /// The first is Master for a minute already.
    fn settled(interval: Duration, rule: AntiReplay) -> Self {
        let mut site = Self {
            now: Mono::ZERO,
            routers: [
                Router::new(150, 200, interval, rule),
                Router::new(151, 100, interval, rule),
            ],
            wire: VecDeque::new(),
            transitions: 0,
            both: Duration::ZERO,
            none: Duration::ZERO,
        };
        for router in 0..2 {
            let source = site.routers[router].path.src;
            site.step(router, Input::Startup { source });
        }
        site.pass(60);
        site.count_anew();
        assert_eq!(site.masters(), [true, false]);
        site
    }

    fn count_anew(&mut self) {
        self.transitions = 0;
        (self.both, self.none) = (Duration::ZERO, Duration::ZERO);
    }

    fn masters(&self) -> [bool; 2] {
        self.routers
            .each_ref()
            .map(|router| router.instance.state() == State::Master)
    }

    fn step(&mut self, at: usize, input: Input<'_>) {
        let router = &mut self.routers[at];
        let mut effects = Vec::new();
        router.instance.step(self.now, input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Send { priority } if router.connected => {
                    let octets = router.sealed(self.now, priority);
                    self.wire.push_back((self.now + DELAY, at, octets));
                }
                Effect::Transition { .. } => self.transitions += 1,
                _ => {}
            }
        }
    }

    /// Lets seconds go by.
    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            let arrival = self.wire.front().map(|(at, ..)| *at);
            let deadlines = self.routers.iter().map(|r| r.instance.deadline());
            let next = deadlines.flatten().chain(arrival).min();
            let next = next.unwrap_or(end).min(end).max(self.now);
            match self.masters() {
                [true, true] => self.both += next.since(self.now),
                [false, false] => self.none += next.since(self.now),
                _ => {}
            }
            self.now = next;
            if arrival.is_some_and(|at| at <= next) {
                self.deliver();
            } else if next == end {
                return;
            } else {
                for router in 0..2 {
                    self.step(router, Input::Timer);
                }
            }
        }
    }

    fn deliver(&mut self) {
        let Some((_, from, octets)) = self.wire.pop_front() else {
            return;
        };
        let (path, to) = (self.routers[from].path, 1 - from);
        let router = &mut self.routers[to];
        if !router.connected {
            return;
        }
        if let Some(advert) = router.opened(self.now, &path, &octets) {
            let own = router.path.src;
            let input = Input::Advert {
                src: path.src,
                via: Via::Primary,
                own,
                advert: &advert,
            };
            self.step(to, input);
        }
    }
}

const STEPS: [i64; 10] = [2, -2, -4, -6, HOUR, -HOUR, DAY, -DAY, 10 * YEAR, -10 * YEAR];

fn cases() -> impl Iterator<Item = (Duration, AntiReplay, i64)> {
    let intervals = [Duration::from_secs(1), Duration::from_millis(100)];
    let rules = [WINDOW, AntiReplay::Monotonic];
    intervals.into_iter().flat_map(move |interval| {
        rules
            .into_iter()
            .flat_map(move |rule| STEPS.into_iter().map(move |step| (interval, rule, step)))
    })
}

#[test]
fn a_stepped_clock_moves_nothing() {
    for (interval, rule, step) in cases() {
        for stepped in 0..2 {
            let mut site = Site::settled(interval, rule);
            site.routers[stepped].ahead += step;
            site.pass(60);
            // And put right.
            site.routers[stepped].ahead -= step;
            site.pass(60);
            let name = format!("{interval:?}, {rule:?}, router {stepped} by {step} s");
            assert_eq!(site.transitions, 0, "{name}");
        }
    }
}

#[test]
fn after_a_failover_with_wrong_clocks_there_is_one_master_again() {
    for (interval, rule, step) in cases() {
        for stepped in 0..2 {
            let mut site = Site::settled(interval, rule);
            // The clock of a silent router is as wrong as that of one that is heard.
            site.routers[stepped].ahead += step;
            site.pass(20);
            site.routers[0].connected = false;
            site.pass(20);
            assert_eq!(site.masters(), [true, true], "apart, both serve");
            site.count_anew();
            site.routers[0].connected = true;
            site.pass(60);
            let name = format!("{interval:?}, {rule:?}, router {stepped} by {step} s");
            assert_eq!(site.masters(), [true, false], "{name}");
            // Three adverts, where one would do with right clocks.
            assert!(site.both <= 4 * interval, "{name}: {:?}", site.both);
            assert_eq!(site.none, Duration::ZERO, "{name}");
        }
    }
}

#[test]
fn a_master_whose_clock_goes_mad_is_heard_at_last() {
    for rule in [WINDOW, AntiReplay::Monotonic] {
        let mut site = Site::settled(Duration::from_secs(1), rule);
        for step in STEPS {
            site.routers[0].ahead = step;
            site.pass(2);
        }
        site.pass(20);
        assert_eq!(site.masters(), [true, false]);
    }
}
