//! Five routers, the links between them, and what befalls them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use mono::Mono;
use vrrp::{Advert, Config, Effect, Input, Instance, Reason, State, Version, Via};

use crate::dual::Windows;
use crate::rng::Rng;

pub const ROUTERS: usize = 5;
/// The longest a message travels.
pub const MAX_DELAY: Duration = Duration::from_millis(30);
/// The latest a timer fires.
pub const MAX_LATE: Duration = Duration::from_millis(3);

struct Router {
    /// `None` while the process is dead.
    instance: Option<Instance>,
    config: Config,
    holds_addresses: bool,
    /// The last process of this router as it was, and when it died.
    before: Option<(Instance, Mono)>,
    /// Links of the same group are connected.
    group: usize,
    /// When it will be woken next.
    wake_at: Option<Mono>,
}

#[derive(Clone, Copy, Default)]
struct Link {
    delay: Duration,
    jitter: Duration,
    /// In percent.
    loss: usize,
    cut: bool,
}

enum Event {
    Arrive {
        from: usize,
        to: usize,
        advert: Rc<Advert>,
    },
    Wake(usize),
    Startup(usize),
    /// The process of this router is there again, with the state it had.
    Resume(usize),
    Mishap,
    Calm,
}

/// What happened in a run, to see that the runs are worth something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub transitions: usize,
    /// Transitions to Master.
    pub elections: usize,
    pub resumed: usize,
    pub handed_over: usize,
    pub lost: usize,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.transitions += other.transitions;
        self.elections += other.elections;
        self.resumed += other.resumed;
        self.handed_over += other.handed_over;
        self.lost += other.lost;
    }
}

pub struct World {
    rng: Rng,
    now: Mono,
    routers: Vec<Router>,
    links: [[Link; ROUTERS]; ROUTERS],
    queue: BinaryHeap<Reverse<(Mono, usize)>>,
    events: Vec<Option<Event>>,
    effects: Vec<Effect>,
    calm: bool,
    trace: bool,
    pub tally: Tally,
    pub windows: Windows,
    /// The longest interval and preempt delay of all.
    interval: Duration,
    preempt_delay: Duration,
}

/// Few values, so that some are equal.
const PRIORITIES: [u8; 6] = [50, 100, 100, 150, 200, 254];

fn address(router: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, u8::try_from(router).unwrap_or(0)))
}

impl World {
    pub fn new(seed: u64, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let configs = configs(&mut rng);
        let longest = |of: fn(&Config) -> Duration| configs.iter().map(of).max();
        let interval = longest(|c| c.advert_interval).unwrap_or_default();
        let preempt_delay = longest(|c| c.preempt_delay).unwrap_or_default();
        let router = |config: Config| Router {
            instance: Some(Instance::new(config.clone())),
            config,
            holds_addresses: false,
            before: None,
            group: 0,
            wake_at: None,
        };
        let mut world = Self {
            now: Mono::from_millis(1_000_000),
            routers: configs.into_iter().map(router).collect(),
            links: Default::default(),
            queue: BinaryHeap::new(),
            events: Vec::new(),
            effects: Vec::new(),
            calm: false,
            trace,
            tally: Tally::default(),
            windows: Windows::default(),
            interval,
            preempt_delay,
            rng,
        };
        world.shake_links();
        for n in 0..ROUTERS {
            let after = world.rng.span(interval * 2);
            world.schedule(after, Event::Startup(n));
        }
        world.schedule(Duration::ZERO, Event::Mishap);
        world.schedule(interval * 20, Event::Calm);
        world
    }

    /// Chaos until `Calm`, then time to settle, then a while in which nothing may
    /// change any more.
    ///
    /// To settle takes: the restart of what was down (one interval), then at most the
    /// preempt delay, a master-down time (below four intervals), and as much again
    /// where a better router yet follows a worse one; messages are much faster than an
    /// interval.
    pub fn run(&mut self) {
        let chaos = self.interval * 20;
        let settling = self.interval * 10 + self.preempt_delay;
        self.run_until(self.now + chaos + settling);
        self.check();
        let settled = self.tally.transitions;
        self.run_until(self.now + self.interval * 5 + self.preempt_delay);
        self.check();
        assert_eq!(settled, self.tally.transitions, "unrest after settling");
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

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { from, to, advert } => {
                if !self.connected(from, to) {
                    self.windows.restart((from, to), self.now);
                } else {
                    let (src, advert) = (address(from), &*advert);
                    let input = Input::Advert {
                        src,
                        via: Via::Primary,
                        own: address(to),
                        advert,
                    };
                    self.step(to, input);
                }
            }
            Event::Wake(n) => {
                // Others were made needless by an earlier one.
                if self.routers[n].wake_at == Some(self.now) {
                    self.routers[n].wake_at = None;
                    self.step(n, Input::Timer);
                }
            }
            Event::Startup(n) => {
                if self.routers[n].instance.is_none() {
                    let config = self.routers[n].config.clone();
                    self.routers[n].instance = Some(Instance::new(config));
                    self.routers[n].holds_addresses = false;
                }
                self.step(n, Input::Startup { source: address(n) });
            }
            Event::Resume(n) => self.resume(n),
            Event::Mishap if !self.calm => {
                self.mishap();
                let after = self.rng.span(self.interval * 2);
                self.schedule(after, Event::Mishap);
            }
            Event::Mishap => {}
            Event::Calm => self.calm_down(),
        }
    }

    /// One thing goes wrong, or right again.
    fn mishap(&mut self) {
        let n = self.rng.below(ROUTERS);
        let soon = self.rng.span(self.interval * 6);
        match self.rng.below(10) {
            0 => self.shake_links(),
            1 => self.split(),
            2 => {
                self.routers.iter_mut().for_each(|r| r.group = 0);
                self.network_changed();
            }
            3 => {
                let m = self.rng.below(ROUTERS);
                self.links[n][m].cut ^= true;
                self.network_changed();
            }
            4 => {
                self.step(n, Input::Shutdown);
                self.schedule(soon, Event::Startup(n));
            }
            5 => {
                self.step(n, Input::Fault);
                self.schedule(soon, Event::Startup(n));
            }
            6 => self.step(n, Input::Release),
            7 => {
                let sum = self.rng.pick(&[-150, -60, 0, 0, 60]);
                self.step(n, Input::Adjust(sum));
            }
            8 => {
                // The host dies, and its addresses with it.
                self.routers[n].instance = None;
                self.routers[n].holds_addresses = false;
                self.note_masters(n);
                self.schedule(soon, Event::Startup(n));
            }
            _ => {
                // Only the process dies; the addresses stay.
                if let Some(before) = self.routers[n].instance.take() {
                    self.routers[n].before = Some((before, self.now));
                    self.note_masters(n);
                    self.schedule(soon / 2, Event::Resume(n));
                }
            }
        }
    }

    /// Loss ends, one last split stays.
    fn calm_down(&mut self) {
        self.calm = true;
        self.shake_links();
        for link in self.links.iter_mut().flatten() {
            link.loss = 0;
            link.cut = false;
        }
        self.split();
        self.network_changed();
        // What is down comes up within an interval.
        for n in 0..ROUTERS {
            let down = |i: &Instance| i.state() == State::Initialize;
            if self.routers[n].instance.as_ref().is_none_or(down) {
                let after = self.rng.span(self.interval);
                self.schedule(after, Event::Startup(n));
            }
        }
    }

    fn shake_links(&mut self) {
        for link in self.links.iter_mut().flatten() {
            *link = Link {
                delay: self.rng.span(MAX_DELAY / 2),
                jitter: self.rng.span(MAX_DELAY / 2),
                loss: self.rng.pick(&[0, 0, 5, 30, 60]),
                cut: false,
            };
        }
        self.network_changed();
    }

    fn split(&mut self) {
        let parts = 1 + self.rng.below(3);
        for router in &mut self.routers {
            router.group = self.rng.below(parts);
        }
        self.network_changed();
    }

    /// What was a window of two Masters begins anew, and who hears whom is another.
    fn network_changed(&mut self) {
        self.windows.restart_all(self.now);
        for n in 0..ROUTERS {
            self.note_masters(n);
        }
    }

    /// Takes note of who else is Master beside router `n`.
    fn note_masters(&mut self, n: usize) {
        for m in (0..ROUTERS).filter(|m| *m != n) {
            let dual = self.is_master(n) && self.is_master(m);
            let dual = dual && self.connected(n, m) && self.connected(m, n);
            let better = [n, m].into_iter().max_by_key(|n| self.rank(*n));
            let interval = self.routers[better.unwrap_or(n)].config.advert_interval;
            self.windows.set((n, m), self.now, dual, interval);
        }
    }

    /// Who is to stay Master of two: addresses are in the order of the routers.
    fn rank(&self, n: usize) -> (u8, usize) {
        let instance = self.routers[n].instance.as_ref();
        (instance.map_or(0, Instance::priority), n)
    }

    fn connected(&self, from: usize, to: usize) -> bool {
        self.routers[from].group == self.routers[to].group && !self.links[from][to].cut
    }

    fn resume(&mut self, n: usize) {
        let router = &mut self.routers[n];
        let (None, Some((before, died))) = (&router.instance, &router.before) else {
            return;
        };
        let mut effects = Vec::new();
        let instance = Instance::resume(
            router.config.clone(),
            &before.snapshot(),
            *died,
            self.now,
            address(n),
            &mut effects,
        );
        router.instance = Some(instance);
        self.carry_out(n, &effects);
    }

    fn step(&mut self, n: usize, input: Input<'_>) {
        let Some(instance) = &mut self.routers[n].instance else {
            return;
        };
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        instance.step(self.now, input, &mut effects);
        self.carry_out(n, &effects);
        self.effects = effects;
    }

    fn carry_out(&mut self, n: usize, effects: &[Effect]) {
        for effect in effects {
            if self.trace {
                println!("{} router {n}: {effect:?}", self.now);
            }
            match effect {
                Effect::Send { priority } => self.send(n, *priority),
                Effect::AddAddresses => self.routers[n].holds_addresses = true,
                Effect::RemoveAddresses => self.routers[n].holds_addresses = false,
                Effect::Transition { to, reason, .. } => {
                    self.tally.transitions += 1;
                    self.tally.elections += usize::from(*to == State::Master);
                    self.tally.resumed += usize::from(*reason == Reason::Resumed);
                    self.tally.handed_over += usize::from(*reason == Reason::Released);
                }
                Effect::Announce { .. } | Effect::Surprise(_) => {}
                Effect::Rejected(why) => panic!("router {n} rejected an advert: {why}"),
            }
        }
        let Some(instance) = &self.routers[n].instance else {
            return;
        };
        let is_master = instance.state() == State::Master;
        let holds = is_master || instance.handing_over();
        assert_eq!(holds, self.routers[n].holds_addresses, "router {n}");
        self.wake(n, instance.deadline());
        if !effects.is_empty() {
            self.note_masters(n);
        }
    }

    /// Wakes a router at its deadline, or a little later.
    fn wake(&mut self, n: usize, deadline: Option<Mono>) {
        let Some(deadline) = deadline else {
            return;
        };
        if self.routers[n]
            .wake_at
            .is_none_or(|at| at > deadline + MAX_LATE)
        {
            let after = deadline.since(self.now) + self.rng.span(MAX_LATE);
            self.routers[n].wake_at = Some(self.now + after);
            self.schedule(after, Event::Wake(n));
        }
    }

    fn send(&mut self, from: usize, priority: u8) {
        let Some(instance) = &self.routers[from].instance else {
            return;
        };
        let advert = Rc::new(instance.to_advert(priority));
        for to in (0..ROUTERS).filter(|to| *to != from) {
            let link = self.links[from][to];
            if !self.connected(from, to) || self.rng.percent(link.loss) {
                self.tally.lost += 1;
                self.windows.restart((from, to), self.now);
                continue;
            }
            let delay = link.delay + self.rng.span(link.jitter);
            let advert = Rc::clone(&advert);
            self.schedule(delay, Event::Arrive { from, to, advert });
        }
    }

    fn is_master(&self, n: usize) -> bool {
        let instance = self.routers[n].instance.as_ref();
        instance.is_some_and(|i| i.state() == State::Master)
    }

    /// Exactly one Master in each connected part, and nobody in it who should have
    /// preempted it.
    fn check(&self) {
        for group in 0..ROUTERS {
            let part: Vec<usize> = (0..ROUTERS)
                .filter(|n| self.routers[*n].group == group)
                .collect();
            let masters: Vec<usize> = part
                .iter()
                .copied()
                .filter(|n| self.is_master(*n))
                .collect();
            if part.is_empty() {
                continue;
            }
            assert_eq!(masters.len(), 1, "masters {masters:?} among {part:?}");
            let running = |n: usize| self.routers[n].instance.as_ref();
            let best = running(masters[0]).map_or(0, Instance::priority);
            for other in part.into_iter().filter_map(running) {
                let config = other.config();
                let preempts = config.preempt || config.is_owner();
                assert!(
                    !preempts || other.snapshot().released || other.priority() <= best,
                    "{other:?} did not preempt {masters:?} of {best}",
                );
            }
        }
    }
}

/// Five configurations of one virtual router.
fn configs(rng: &mut Rng) -> Vec<Config> {
    let version = rng.pick(&[Version::V2, Version::V3]);
    let all_preempt = rng.percent(70);
    let owner = rng.below(ROUTERS * 2);
    (0..ROUTERS)
        .map(|n| Config {
            advert_interval: match version {
                Version::V2 => Duration::from_secs(1),
                Version::V3 => Duration::from_millis(rng.pick(&[200, 500, 1000])),
            },
            preempt: all_preempt || rng.percent(50),
            preempt_delay: Duration::from_secs(rng.pick(&[0, 0, 0, 5])),
            ..Config::new(
                51,
                version,
                if n == owner {
                    255
                } else {
                    rng.pick(&PRIORITIES)
                },
            )
        })
        .collect()
}
