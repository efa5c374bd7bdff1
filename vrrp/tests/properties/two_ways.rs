//! Two routers of equal priority that hear each other over two ways: however the
//! addresses of the ways are ordered, and whatever is cut, they settle on one Master as
//! long as one way works in both directions.

use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;
use proptest::prelude::*;
use vrrp::{Config, Effect, Input, Instance, State, Version, Via};

use crate::given::router;

const INTERVAL: Duration = Duration::from_millis(1000);
const WAYS: [Via; 2] = [Via::Primary, Via::Heartbeat];

/// An advert of a router under way to the other one.
struct Message {
    at: Mono,
    from: usize,
    via: Via,
    priority: u8,
}

struct Pair {
    routers: [Instance; 2],
    /// Whether the order of addresses on the heartbeat is the other way round.
    crossed: bool,
    /// By way and sender: whether it arrives.
    works: [[bool; 2]; 2],
    /// By way and sender, in milliseconds.
    delays: [[u64; 2]; 2],
    messages: Vec<Message>,
    now: Mono,
    transitions: usize,
}

impl Pair {
    fn address(&self, router_of: usize, via: Via) -> IpAddr {
        let n = u8::try_from(router_of).unwrap_or(0);
        match (via, self.crossed) {
            (Via::Primary, _) => router(1 + n),
            (Via::Heartbeat, false) => router(101 + n),
            (Via::Heartbeat, true) => router(102 - n),
        }
    }

    fn step(&mut self, n: usize, input: Input<'_>) {
        let mut out = Vec::new();
        self.routers[n].step(self.now, input, &mut out);
        for effect in out {
            match effect {
                Effect::Send { priority } => self.send(n, priority),
                Effect::Transition { .. } => self.transitions += 1,
                _ => {}
            }
        }
    }

    fn send(&mut self, from: usize, priority: u8) {
        for (way, via) in WAYS.into_iter().enumerate() {
            if self.works[way][from] {
                let at = self.now + Duration::from_millis(self.delays[way][from]);
                self.messages.push(Message {
                    at,
                    from,
                    via,
                    priority,
                });
            }
        }
    }

    fn run_until(&mut self, end: Mono) {
        loop {
            let first = (0..self.messages.len()).min_by_key(|i| self.messages[*i].at);
            let arrival = first.map_or(Mono::MAX, |i| self.messages[i].at);
            let due = [0, 1].map(|n| self.routers[n].deadline().unwrap_or(Mono::MAX));
            let next = arrival.min(due[0]).min(due[1]);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            if arrival == next {
                let message = self.messages.swap_remove(first.unwrap_or(0));
                self.deliver(&message);
            } else {
                self.step(usize::from(due[0] != next), Input::Timer);
            }
        }
    }

    fn deliver(&mut self, message: &Message) {
        let advert = self.routers[message.from].to_advert(message.priority);
        let to = 1 - message.from;
        let input = Input::Advert {
            src: self.address(message.from, message.via),
            via: message.via,
            own: self.address(to, message.via),
            advert: &advert,
        };
        self.step(to, input);
    }

    fn masters(&self) -> usize {
        let is_master = |r: &&Instance| r.state() == State::Master;
        self.routers.iter().filter(is_master).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn they_settle_on_one(
        crossed: bool,
        preempt: bool,
        good_way in 0..2_usize,
        other: [bool; 2],
        delays: [[u8; 2]; 2],
        offset in 0..1000_u64,
        owners: bool,
    ) {
        let priority = if owners { 255 } else { 100 };
        let config = Config {
            advert_interval: INTERVAL,
            preempt,
            ..Config::new(51, Version::V3, priority)
        };
        let mut pair = Pair {
            routers: [Instance::new(config.clone()), Instance::new(config)],
            crossed,
            // At first they do not hear each other, so that both are Master.
            works: [[false; 2]; 2],
            delays: delays.map(|way| way.map(u64::from)),
            messages: Vec::new(),
            now: Mono::ZERO,
            transitions: 0,
        };
        for n in [0, 1] {
            pair.run_until(Mono::from_millis(offset * n));
            let n = usize::try_from(n).unwrap_or(0);
            let source = pair.address(n, Via::Primary);
            pair.step(n, Input::Startup { source });
        }
        pair.run_until(Mono::from_millis(6_000));
        prop_assert_eq!(pair.masters(), 2);
        pair.works[good_way] = [true; 2];
        pair.works[1 - good_way] = other;
        // Six intervals of a quarrel, and a master-down time if both yielded.
        pair.run_until(pair.now + INTERVAL * 16);
        let before = pair.transitions;
        prop_assert_eq!(pair.masters(), 1);
        pair.run_until(pair.now + INTERVAL * 20);
        prop_assert_eq!(pair.masters(), 1);
        prop_assert_eq!(pair.transitions, before, "unrest");
    }
}
