//! Three routers and the network between them, as a model for `stateright`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mono::Mono;
use stateright::{Model, Property};
use vrrp::{Advert, Auth, Config, Effect, Input, Instance, State, Version, Via};

/// The length of a tick. All spans of the protocol are whole numbers of it.
const TICK: Duration = Duration::from_millis(10);
/// Advert interval, in ticks.
pub const INTERVAL: u8 = 16;
/// What is proven.
pub const DUAL: &str = "dual-master window";
pub const NONE: &str = "no-master window";
/// The longest a message travels, in ticks; every shorter time occurs as well.
pub const DELAY: u8 = 2;
/// Priorities of the routers 0, 1 and 2.
pub const PRIORITIES: [u8; 3] = [224, 144, 64];
/// What tracking makes of the priority of router 0: less than that of router 1.
pub const WEIGHED: u8 = 96;
/// Their skew times in ticks: `(256 - priority) * INTERVAL / 256`.
pub const SKEW: [u8; 3] = [2, 7, 12];

/// What may go wrong, and the bounds that are to hold nevertheless.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    pub priorities: [u8; 3],
    /// Begin with router 0 as Master of everyone, not with three cold starts.
    pub established: bool,
    /// Whether messages on one link may overtake each other.
    pub reorder: bool,
    /// How many copies of messages may be lost.
    pub losses: u8,
    /// How many times a router may fail, each in any of the ways in `failures`.
    pub failing: u8,
    pub failures: &'static [Failure],
    /// Whether routers that failed may start again.
    pub restarts: bool,
    /// How many times tracking may change the priority of router 0, to and fro between
    /// its own and [`WEIGHED`].
    pub weighings: u8,
    /// For how long a worse Master is tolerated, in ticks.
    pub preempt_delay: u8,
    /// The longest more than one router may hold the addresses, in ticks.
    pub dual_bound: u8,
    /// The longest nobody may hold them although a router runs, in ticks.
    pub none_bound: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Gone without a word.
    Crash,
    /// Shut down in order, with a hand-over.
    Stop,
    /// The same, but the router stays willing.
    Release,
}

/// One copy of an advert under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    from: u8,
    to: u8,
    /// Ticks under way.
    age: u8,
    priority: u8,
}

/// The network at one moment, every time in it relative to now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    routers: [Instance; 3],
    /// Sorted, so that equal contents are equal.
    messages: Vec<Message>,
    losses: u8,
    failing: u8,
    weighings: u8,
    /// For how many ticks more than one router has held the addresses.
    dual: u8,
    /// For how many ticks nobody has.
    none: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A router's deadline has come.
    Timer(u8),
    Deliver(Message),
    Lose(Message),
    Fail(u8, Failure),
    Restart(u8),
    /// Tracking changes the priority of router 0.
    Weigh,
    /// Time passes; only when nothing is due.
    Tick,
}

/// Whether a router answers for the addresses.
fn holds(router: &Instance) -> bool {
    router.state() == State::Master || router.handing_over()
}

fn address(router: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, router))
}

impl Network {
    fn instance(&self, router: u8) -> Instance {
        let priority = self.priorities[usize::from(router)];
        Instance::new(Config {
            advert_interval: TICK * u32::from(INTERVAL),
            preempt_delay: TICK * u32::from(self.preempt_delay),
            ..Config::new(51, Version::V3, priority)
        })
    }

    fn cold(&self) -> Moment {
        let mut moment = Moment {
            routers: [0, 1, 2].map(|n| self.instance(n)),
            messages: Vec::new(),
            losses: self.losses,
            failing: self.failing,
            weighings: self.weighings,
            dual: 0,
            none: 0,
        };
        for n in 0..3 {
            moment.step(n, Input::Startup { source: address(n) });
        }
        moment
    }

    /// Router 0 has just become Master, and its first advert was heard at once.
    fn warm(&self) -> Moment {
        let mut moment = self.cold();
        while !moment.is_due(0) {
            moment.tick();
        }
        moment.step(0, Input::Timer);
        for message in moment.messages.clone() {
            moment.deliver(message);
        }
        moment.none = 0;
        moment
    }

    /// Without reordering, only the oldest message of a link arrives; of one
    /// age, the good-bye is the youngest.
    fn may_deliver(&self, message: Message, all: &[Message]) -> bool {
        let rank = |m: &Message| (m.age, m.priority != 0);
        let same_link = |m: &&Message| (m.from, m.to) == (message.from, message.to);
        self.reorder
            || all
                .iter()
                .filter(same_link)
                .all(|m| rank(m) <= rank(&message))
    }
}

impl Moment {
    fn holders(&self) -> usize {
        self.routers.iter().filter(|r| holds(r)).count()
    }

    fn is_master(&self, router: usize) -> bool {
        self.routers[router].state() == State::Master
    }

    fn is_up(&self, router: u8) -> bool {
        self.routers[usize::from(router)].state() != State::Initialize
    }

    fn is_due(&self, router: u8) -> bool {
        let deadline = self.routers[usize::from(router)].deadline();
        deadline.is_some_and(|t| t <= Mono::ZERO)
    }

    /// One step of the real state machine; what it sends is under way to both others.
    fn step(&mut self, router: u8, input: Input<'_>) {
        let mut effects = Vec::new();
        let instance = &mut self.routers[usize::from(router)];
        instance.step(Mono::ZERO, input, &mut effects);
        *instance = instance.relative(Mono::ZERO);
        if holds(instance) {
            self.none = 0;
        }
        for effect in effects {
            let Effect::Send { priority } = effect else {
                continue;
            };
            for to in (0..3).filter(|to| *to != router) {
                self.messages.push(Message {
                    from: router,
                    to,
                    age: 0,
                    priority,
                });
            }
        }
        self.messages.sort_unstable();
    }

    fn take(&mut self, message: Message) {
        let position = self.messages.iter().position(|m| *m == message);
        self.messages.remove(position.expect("message under way"));
    }

    fn deliver(&mut self, message: Message) {
        self.take(message);
        let advert = Advert {
            version: Version::V3,
            vrid: 51,
            priority: message.priority,
            interval: TICK * u32::from(INTERVAL),
            auth: Auth::None,
            addresses: Vec::new(),
        };
        let src = address(message.from);
        let advert = &advert;
        let input = Input::Advert {
            src,
            via: Via::Primary,
            own: address(message.to),
            advert,
        };
        self.step(message.to, input);
    }

    fn tick(&mut self) {
        let (holders, anyone) = (self.holders(), (0..3).any(|n| self.is_up(n)));
        self.dual = if holders > 1 { self.dual + 1 } else { 0 };
        self.none = if holders == 0 && anyone {
            self.none + 1
        } else {
            0
        };
        for router in &mut self.routers {
            *router = router.relative(Mono::ZERO + TICK);
        }
        for message in &mut self.messages {
            message.age += 1;
        }
    }
}

impl Model for Network {
    type State = Moment;
    type Action = Action;

    fn init_states(&self) -> Vec<Moment> {
        vec![if self.established {
            self.warm()
        } else {
            self.cold()
        }]
    }

    fn actions(&self, moment: &Moment, actions: &mut Vec<Action>) {
        // A broken bound is the end of the story.
        if moment.dual > self.dual_bound || moment.none > self.none_bound {
            return;
        }
        let mut urgent = false;
        for n in 0..3 {
            if moment.is_due(n) {
                urgent = true;
                actions.push(Action::Timer(n));
            }
            if !moment.is_up(n) {
                if self.restarts {
                    actions.push(Action::Restart(n));
                }
                continue;
            }
            if moment.failing > 0 {
                let mut ways = self.failures.to_vec();
                // Others than a Master have nothing to release.
                ways.retain(|how| *how != Failure::Release || moment.is_master(n.into()));
                actions.extend(ways.into_iter().map(|how| Action::Fail(n, how)));
            }
        }
        if moment.weighings > 0 {
            actions.push(Action::Weigh);
        }
        let mut last = None;
        for message in &moment.messages {
            urgent |= message.age >= DELAY;
            if last.replace(*message) == Some(*message) {
                continue;
            }
            if self.may_deliver(*message, &moment.messages) {
                actions.push(Action::Deliver(*message));
            }
            if moment.losses > 0 {
                actions.push(Action::Lose(*message));
            }
        }
        if !urgent {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &Moment, action: Action) -> Option<Moment> {
        let mut moment = last.clone();
        match action {
            Action::Timer(n) => moment.step(n, Input::Timer),
            Action::Deliver(message) => moment.deliver(message),
            Action::Lose(message) => {
                moment.losses -= 1;
                moment.take(message);
            }
            Action::Fail(n, how) => {
                moment.failing -= 1;
                match how {
                    Failure::Crash => moment.routers[usize::from(n)] = self.instance(n),
                    Failure::Stop => moment.step(n, Input::Shutdown),
                    Failure::Release => moment.step(n, Input::Release),
                }
            }
            Action::Restart(n) => moment.step(n, Input::Startup { source: address(n) }),
            Action::Weigh => {
                moment.weighings -= 1;
                let lighter = i32::from(WEIGHED) - i32::from(self.priorities[0]);
                let is_light = moment.routers[0].priority() == WEIGHED;
                moment.step(0, Input::Adjust(if is_light { 0 } else { lighter }));
            }
            Action::Tick => moment.tick(),
        }
        Some(moment)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(DUAL, |net: &Self, moment: &Moment| {
                moment.dual <= net.dual_bound
            }),
            Property::always(NONE, |net: &Self, moment: &Moment| {
                moment.none <= net.none_bound
            }),
            Property::sometimes("router 0 is Master", |_, moment: &Moment| {
                moment.is_master(0)
            }),
            Property::sometimes("router 1 is Master", |_, moment: &Moment| {
                moment.is_master(1)
            }),
            Property::sometimes("router 2 is Master", |_, moment: &Moment| {
                moment.is_master(2)
            }),
        ]
    }
}
