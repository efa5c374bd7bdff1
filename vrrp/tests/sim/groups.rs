//! Three directors with three instances each in one sync group: links are cut and lossy
//! one by one, instances fail, directors stop, crash, sleep and are released.
//!
//! At every moment the members of a director agree. When the chaos is over, one director
//! holds all addresses within a bound, and keeps them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use mono::Mono;
use vrrp::{
    Advert, Config, Effect, GroupConfig, Host, Input, Instance, Output, State, Version, Via,
};

use crate::rng::Rng;

const DIRECTORS: usize = 3;
const SLOTS: u32 = 3;
const GROUP: u32 = 1;
const MAX_DELAY: Duration = Duration::from_millis(20);
const MAX_LATE: Duration = Duration::from_millis(3);

enum Event {
    Arrive {
        from: usize,
        to: usize,
        slot: u32,
        advert: Rc<Advert>,
    },
    Wake(usize),
    Startup(usize, u32),
    Mishap,
    Calm,
}

struct Director {
    host: Host,
    configs: Vec<Config>,
    /// A suspended machine: it hears nothing, and its timers wait.
    asleep_until: Mono,
    wake_at: Option<Mono>,
}

/// What happened, to see that it is worth something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moves {
    pub to_master: usize,
    pub to_backup: usize,
    pub to_initialize: usize,
}

pub struct Site {
    rng: Rng,
    now: Mono,
    directors: Vec<Director>,
    /// By slot, sender and receiver, in percent; 100 is cut.
    loss: [[[usize; DIRECTORS]; DIRECTORS]; SLOTS as usize],
    queue: BinaryHeap<Reverse<(Mono, usize)>>,
    events: Vec<Option<Event>>,
    out: Vec<Output>,
    calm: bool,
    trace: bool,
    interval: Duration,
    preempt_delay: Duration,
    pub moves: Moves,
}

fn address(director: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(
        192,
        0,
        2,
        u8::try_from(director).unwrap_or(0),
    ))
}

/// Of one director; every tenth ranks its instances differently.
fn configs(rng: &mut Rng, preempt_delay: Duration) -> Vec<Config> {
    let (mixed, preempt) = (rng.percent(10), rng.percent(70));
    let all = rng.pick(&[50, 100, 150, 200]);
    let mut config = |_| {
        let priority = match mixed {
            true => rng.pick(&[50, 100, 150, 200]),
            false => all,
        };
        Config {
            advert_interval: Duration::from_millis(rng.pick(&[200, 500, 1000])),
            preempt,
            preempt_delay,
            ..Config::new(51, Version::V3, priority)
        }
    };
    (0..SLOTS).map(&mut config).collect()
}

fn new_host(configs: &[Config], now: Mono) -> Host {
    let mut host = Host::new();
    for (slot, config) in (0..).zip(configs) {
        host.insert(slot, Instance::new(config.clone()));
    }
    let members = (0..SLOTS).collect();
    host.set_groups(
        now,
        vec![GroupConfig { id: GROUP, members }],
        &mut Vec::new(),
    );
    host
}

impl Site {
    pub fn new(seed: u64, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let now = Mono::from_millis(1_000_000);
        let preempt_delay = Duration::from_secs(rng.pick(&[0, 0, 3]));
        let mut director = |_| {
            let configs = configs(&mut rng, preempt_delay);
            Director {
                host: new_host(&configs, now),
                configs,
                asleep_until: now,
                wake_at: None,
            }
        };
        let directors: Vec<Director> = (0..DIRECTORS).map(&mut director).collect();
        let configs = directors.iter().flat_map(|d| &d.configs);
        let interval = configs.map(|c| c.advert_interval).max().unwrap_or_default();
        let mut site = Self {
            rng,
            now,
            directors,
            loss: Default::default(),
            queue: BinaryHeap::new(),
            events: Vec::new(),
            out: Vec::new(),
            calm: false,
            trace,
            interval,
            preempt_delay,
            moves: Moves::default(),
        };
        site.start_all(interval * 2);
        site.schedule(Duration::ZERO, Event::Mishap);
        site.schedule(interval * 30, Event::Calm);
        site
    }

    /// To settle takes what it takes for single instances, and twice as much where
    /// members that rank differently send each other back once.
    pub fn run(&mut self) {
        self.run_until(self.now + self.interval * 60 + self.preempt_delay * 2);
        let settled = self.check();
        let before = self.moves;
        self.run_until(self.now + self.interval * 20 + self.preempt_delay);
        assert_eq!(self.check(), settled);
        let moved = self.moves.to_master - before.to_master;
        assert_eq!(moved, 0, "unrest after settling");
    }

    fn run_until(&mut self, end: Mono) {
        while let Some(Reverse((at, id))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = at;
            if let Some(event) = self.events[id].take() {
                self.happen(event);
            }
        }
        self.now = end;
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.queue
            .push(Reverse((self.now + after, self.events.len())));
        self.events.push(Some(event));
    }

    fn start_all(&mut self, within: Duration) {
        for n in 0..DIRECTORS {
            for slot in 0..SLOTS {
                let after = self.rng.span(within);
                self.schedule(after, Event::Startup(n, slot));
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive {
                from,
                to,
                slot,
                advert,
            } => {
                let input = Input::Advert {
                    src: address(from),
                    via: Via::Primary,
                    own: address(to),
                    advert: &advert,
                };
                if self.directors[to].asleep_until <= self.now {
                    self.step(to, slot, input);
                }
            }
            Event::Wake(n) => {
                if self.directors[n].wake_at == Some(self.now) {
                    self.directors[n].wake_at = None;
                    self.fire(n);
                }
            }
            Event::Startup(n, slot) => {
                let source = address(n);
                self.step(n, slot, Input::Startup { source });
            }
            Event::Mishap if !self.calm => {
                self.mishap();
                let after = self.rng.span(self.interval * 2);
                self.schedule(after, Event::Mishap);
            }
            Event::Mishap => {}
            Event::Calm => {
                self.calm = true;
                self.loss = Default::default();
                self.start_all(self.interval);
            }
        }
    }

    fn fire(&mut self, n: usize) {
        if self.directors[n].asleep_until > self.now {
            return self.wake(n);
        }
        while let Some(slot) = self.directors[n].host.due(self.now) {
            self.step(n, slot, Input::Timer);
        }
        self.wake(n);
    }

    fn mishap(&mut self) {
        let n = self.rng.below(DIRECTORS);
        let slot = self.rng.pick(&[0, 1, 2]);
        let soon = self.rng.span(self.interval * 6);
        match self.rng.below(8) {
            0 | 1 => {
                let to = self.rng.below(DIRECTORS);
                let loss = self.rng.pick(&[0, 0, 30, 100]);
                self.loss[slot as usize][n][to] = loss;
            }
            2 => self.loss = Default::default(),
            3 => {
                self.step(n, slot, Input::Fault);
                self.schedule(soon, Event::Startup(n, slot));
            }
            4 => {
                for slot in 0..SLOTS {
                    self.step(n, slot, Input::Shutdown);
                    self.schedule(soon, Event::Startup(n, slot));
                }
            }
            5 => {
                self.directors[n].host = new_host(&self.directors[n].configs, self.now);
                for slot in 0..SLOTS {
                    self.schedule(soon, Event::Startup(n, slot));
                }
            }
            6 => self.step(n, slot, Input::Release),
            _ => self.directors[n].asleep_until = self.now + soon,
        }
    }

    fn step(&mut self, n: usize, slot: u32, input: Input<'_>) {
        let mut out = std::mem::take(&mut self.out);
        self.directors[n].host.step(self.now, slot, input, &mut out);
        for output in out.drain(..) {
            if self.trace {
                println!("{} director {n}: {output:?}", self.now);
            }
            match output {
                Output::Instance {
                    slot,
                    effect: Effect::Send { priority },
                } => self.send(n, slot, priority),
                Output::Group { to, .. } => match to {
                    State::Master => self.moves.to_master += 1,
                    State::Backup => self.moves.to_backup += 1,
                    State::Initialize => self.moves.to_initialize += 1,
                },
                Output::Instance { .. } => {}
            }
        }
        self.out = out;
        let state = |slot| self.directors[n].host.get(slot).map(Instance::state);
        assert!(
            (1..SLOTS).all(|slot| state(slot) == state(0)),
            "director {n} is divided"
        );
        self.wake(n);
    }

    /// Wakes a director at its deadline, or a little later.
    fn wake(&mut self, n: usize) {
        let director = &self.directors[n];
        let Some(deadline) = director.host.deadline() else {
            return;
        };
        let at = deadline.max(director.asleep_until).max(self.now);
        if director.wake_at.is_none_or(|wake| wake > at + MAX_LATE) {
            let at = at + self.rng.span(MAX_LATE);
            self.directors[n].wake_at = Some(at);
            self.schedule(at.since(self.now), Event::Wake(n));
        }
    }

    fn send(&mut self, from: usize, slot: u32, priority: u8) {
        let Some(instance) = self.directors[from].host.get(slot) else {
            return;
        };
        let advert = Rc::new(instance.to_advert(priority));
        for to in (0..DIRECTORS).filter(|to| *to != from) {
            if !self.rng.percent(self.loss[slot as usize][from][to]) {
                let delay = self.rng.span(MAX_DELAY);
                let advert = Rc::clone(&advert);
                self.schedule(
                    delay,
                    Event::Arrive {
                        from,
                        to,
                        slot,
                        advert,
                    },
                );
            }
        }
    }

    /// Exactly one director holds everything; returns which.
    fn check(&self) -> usize {
        let state = |n: usize| self.directors[n].host.group_state(GROUP);
        let is_master = |n: &usize| state(*n) == Some(State::Master);
        let masters: Vec<usize> = (0..DIRECTORS).filter(is_master).collect();
        assert_eq!(masters.len(), 1, "Masters {masters:?}");
        let is_backup = |n: &usize| state(*n) == Some(State::Backup);
        assert_eq!((0..DIRECTORS).filter(is_backup).count(), DIRECTORS - 1);
        masters[0]
    }
}
