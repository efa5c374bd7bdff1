//! Two directors, each with two instances in one group, and a link for each instance.
//!
//! As in `net`, time goes in ticks of 10 ms. A message takes 0 or 1 ticks, and those of a
//! link arrive in order. The beats of the two links are 3 ticks apart. The
//! constants: interval I = 8 ticks, D = 1, skews 2 ticks (director 0) and 6 ticks.
//!
//! Proven for every state that can be reached: a director's members are never in
//! contradicting states; and for each address how long two directors, or none, hold it,
//! and how often a group moves at most, which is the proof that nothing swings. Again
//! each bound is tight.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use mono::Mono;
use stateright::{Checker, HasDiscoveries, Model, Property};
use vrrp::{
    Advert, Auth, Config, Effect, GroupConfig, Host, Input, Instance, Output, State, Version, Via,
};

const TICK: Duration = Duration::from_millis(10);
const INTERVAL: u8 = 8;
const DELAY: u8 = 1;
const PRIORITIES: [u8; 2] = [192, 64];
const SKEW: [u8; 2] = [2, 6];
/// By how much the beats of the links differ.
const APART: u8 = 3;
/// How long a hand-over waits for a successor, rounded up:
/// 255/256 of the interval and 50 ms.
const WINDOW: u8 = 13;
const GROUP: u32 = 1;
const SLOTS: [u32; 2] = [0, 1];

const DIVIDED: &str = "a group is divided";
const DUAL: &str = "held twice for too long";
const NONE: &str = "held by nobody for too long";
const UNREST: &str = "moved too often";
const TAKEN_OVER: &str = "director 1 is Master";
const BACK: &str = "director 0 is Master again";

/// What may go wrong, and the bounds that are to hold nevertheless.
#[derive(Clone, Copy, Debug)]
struct Directors {
    losses: u8,
    /// How many failures of these kinds.
    failing: u8,
    failures: &'static [Failure],
    /// Whether what failed may come back.
    recovers: bool,
    dual_bound: u8,
    none_bound: u8,
    moves_bound: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Failure {
    /// A director is gone without a word.
    Crash,
    /// An instance of it cannot run.
    Fault(u32),
    /// A director stops in order.
    Stop,
    /// A director gives its addresses up and stays.
    Release,
    /// Nobody hears it on one link any more.
    Cut(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Message {
    from: u8,
    slot: u32,
    age: u8,
    priority: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Moment {
    hosts: [Host; 2],
    messages: Vec<Message>,
    /// Sender and link on which it is not heard.
    cut: Option<(u8, u32)>,
    losses: u8,
    failing: u8,
    /// By slot: for how many ticks both directors, or none, have held the address.
    dual: [u8; 2],
    none: [u8; 2],
    /// How often groups have moved.
    moves: u8,
    /// Whether director 1 has ever been Master.
    taken_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Timer(u8, u32),
    Deliver(Message),
    Lose(Message),
    Fail(u8, Failure),
    /// An instance can run (again).
    Recover(u8, u32),
    Heal,
    Tick,
}

fn address(director: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, director))
}

fn config(director: u8) -> Config {
    Config {
        advert_interval: TICK * u32::from(INTERVAL),
        ..Config::new(51, Version::V3, PRIORITIES[usize::from(director)])
    }
}

fn new_host(director: u8) -> Host {
    let mut host = Host::new();
    for slot in SLOTS {
        host.insert(slot, Instance::new(config(director)));
    }
    let group = GroupConfig {
        id: GROUP,
        members: SLOTS.to_vec(),
    };
    host.set_groups(Mono::ZERO, vec![group], &mut Vec::new());
    host
}

fn holds(host: &Host, slot: u32) -> bool {
    let held = |i: &Instance| i.state() == State::Master || i.handing_over();
    host.get(slot).is_some_and(held)
}

impl Moment {
    /// Director 0 is Master of both, and director 1 has heard it.
    fn established(net: &Directors) -> Self {
        let mut moment = Self {
            hosts: [new_host(0), new_host(1)],
            messages: Vec::new(),
            cut: None,
            losses: net.losses,
            failing: net.failing,
            dual: [0; 2],
            none: [0; 2],
            moves: 0,
            taken_over: false,
        };
        let startup = |n| Input::Startup { source: address(n) };
        for slot in SLOTS {
            moment.step(0, slot, startup(0));
        }
        for _ in 0..=4 * INTERVAL {
            moment.fire();
            moment.tick();
        }
        // A new address is advertised at once: another beat on link 1.
        for _ in 0..INTERVAL / 2 {
            moment.fire();
            moment.tick();
        }
        for source in [address(9), address(0)] {
            moment.step(0, 1, Input::Startup { source });
        }
        for slot in SLOTS {
            moment.step(1, slot, startup(1));
        }
        for _ in 0..INTERVAL {
            moment.fire();
            for message in std::mem::take(&mut moment.messages) {
                moment.messages.push(message);
                moment.deliver(message);
            }
            moment.tick();
        }
        assert_eq!(moment.state(0), State::Master);
        assert_eq!(moment.state(1), State::Backup);
        (moment.moves, moment.none) = (0, [0; 2]);
        moment
    }

    /// All that is due.
    fn fire(&mut self) {
        for n in [0, 1] {
            while let Some(slot) = self.hosts[usize::from(n)].due(Mono::ZERO) {
                self.step(n, slot, Input::Timer);
            }
        }
    }

    fn state(&self, director: usize) -> State {
        let state = self.hosts[director].group_state(GROUP);
        state.unwrap_or(State::Initialize)
    }

    fn instance(&self, director: u8, slot: u32) -> &Instance {
        let host = &self.hosts[usize::from(director)];
        host.get(slot).expect("an instance")
    }

    fn step(&mut self, director: u8, slot: u32, input: Input<'_>) {
        let mut out = Vec::new();
        let host = &mut self.hosts[usize::from(director)];
        host.step(Mono::ZERO, slot, input, &mut out);
        *host = host.relative(Mono::ZERO);
        for output in out {
            match output {
                Output::Group { .. } => self.moves += 1,
                Output::Instance {
                    slot,
                    effect: Effect::Send { priority },
                } => self.send(director, slot, priority),
                Output::Instance { .. } => {}
            }
        }
        for slot in SLOTS {
            if self.hosts.iter().any(|host| holds(host, slot)) {
                self.none[slot as usize] = 0;
            }
        }
        self.taken_over |= self.state(1) == State::Master;
    }

    fn send(&mut self, from: u8, slot: u32, priority: u8) {
        if self.cut != Some((from, slot)) {
            self.messages.push(Message {
                from,
                slot,
                age: 0,
                priority,
            });
        }
    }

    fn take(&mut self, message: Message) {
        let position = self.messages.iter().position(|m| *m == message);
        self.messages.remove(position.expect("message under way"));
    }

    fn deliver(&mut self, message: Message) {
        self.take(message);
        let to = 1 - message.from;
        let advert = Advert {
            version: Version::V3,
            vrid: 51,
            priority: message.priority,
            interval: TICK * u32::from(INTERVAL),
            auth: Auth::None,
            addresses: Vec::new(),
        };
        let input = Input::Advert {
            src: address(message.from),
            via: Via::Primary,
            own: address(to),
            advert: &advert,
        };
        self.step(to, message.slot, input);
    }

    fn fail(&mut self, director: u8, how: Failure) {
        match how {
            Failure::Crash => self.hosts[usize::from(director)] = new_host(director),
            Failure::Fault(slot) => self.step(director, slot, Input::Fault),
            Failure::Stop => {
                for slot in SLOTS {
                    self.step(director, slot, Input::Shutdown);
                }
            }
            Failure::Release => self.step(director, 0, Input::Release),
            Failure::Cut(slot) => {
                self.cut = Some((director, slot));
                self.messages
                    .retain(|m| (m.from, m.slot) != (director, slot));
            }
        }
    }

    fn tick(&mut self) {
        let runs = (0..2).any(|n| self.state(n) != State::Initialize);
        for slot in SLOTS {
            let holders = self.hosts.iter().filter(|host| holds(host, slot)).count();
            let index = slot as usize;
            self.dual[index] = if holders > 1 { self.dual[index] + 1 } else { 0 };
            let nobody = holders == 0 && runs;
            self.none[index] = if nobody { self.none[index] + 1 } else { 0 };
        }
        for host in &mut self.hosts {
            *host = host.relative(Mono::ZERO + TICK);
        }
        for message in &mut self.messages {
            message.age += 1;
        }
    }

    /// Whether some member of a director is Master and another, started, is not.
    fn is_divided(&self) -> bool {
        [0, 1].into_iter().any(|n| {
            let states = SLOTS.map(|slot| self.instance(n, slot).state());
            states[0] != states[1]
        })
    }
}

impl Model for Directors {
    type State = Moment;
    type Action = Action;

    fn init_states(&self) -> Vec<Moment> {
        vec![Moment::established(self)]
    }

    fn actions(&self, moment: &Moment, actions: &mut Vec<Action>) {
        let worst = |windows: [u8; 2]| windows.into_iter().max().unwrap_or(0);
        let broken = worst(moment.dual) > self.dual_bound
            || worst(moment.none) > self.none_bound
            || moment.moves > self.moves_bound;
        if broken {
            return;
        }
        let mut urgent = false;
        for n in [0_u8, 1] {
            for slot in SLOTS {
                let instance = moment.instance(n, slot);
                if instance.deadline().is_some_and(|t| t <= Mono::ZERO) {
                    urgent = true;
                    actions.push(Action::Timer(n, slot));
                }
                if self.recovers && instance.state() == State::Initialize {
                    actions.push(Action::Recover(n, slot));
                }
            }
            if moment.failing > 0 {
                actions.extend(self.failures.iter().map(|how| Action::Fail(n, *how)));
            }
        }
        if self.recovers && moment.cut.is_some() {
            actions.push(Action::Heal);
        }
        for (i, message) in moment.messages.iter().enumerate() {
            urgent |= message.age >= DELAY;
            // The first of its link.
            let link = |m: &Message| (m.from, m.slot) == (message.from, message.slot);
            if !moment.messages[..i].iter().any(link) {
                actions.push(Action::Deliver(*message));
                if moment.losses > 0 {
                    actions.push(Action::Lose(*message));
                }
            }
        }
        if !urgent {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &Moment, action: Action) -> Option<Moment> {
        let mut moment = last.clone();
        match action {
            Action::Timer(n, slot) => moment.step(n, slot, Input::Timer),
            Action::Deliver(message) => moment.deliver(message),
            Action::Lose(message) => {
                moment.losses -= 1;
                moment.take(message);
            }
            Action::Fail(n, how) => {
                moment.failing -= 1;
                moment.fail(n, how);
            }
            Action::Recover(n, slot) => {
                let source = address(n);
                moment.step(n, slot, Input::Startup { source });
            }
            Action::Heal => moment.cut = None,
            Action::Tick => moment.tick(),
        }
        Some(moment)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(DIVIDED, |_, moment: &Moment| !moment.is_divided()),
            Property::always(DUAL, |net: &Self, moment: &Moment| {
                moment.dual.iter().all(|window| *window <= net.dual_bound)
            }),
            Property::always(NONE, |net: &Self, moment: &Moment| {
                moment.none.iter().all(|window| *window <= net.none_bound)
            }),
            Property::always(UNREST, |net: &Self, moment: &Moment| {
                moment.moves <= net.moves_bound
            }),
            Property::sometimes(TAKEN_OVER, |_, moment: &Moment| moment.taken_over),
            Property::sometimes(BACK, |_, moment: &Moment| {
                moment.taken_over && moment.state(0) == State::Master
            }),
        ]
    }
}

fn explore(what: &str, net: Directors) -> impl Checker<Directors> {
    let begun = Instant::now();
    let checker = net.checker().threads(2).finish_when(HasDiscoveries::All);
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

/// The bounds hold in every state there is, none holds if it is a tick or a move less,
/// and these things do happen.
fn holds_tightly(net: Directors, happens: &[&'static str]) {
    let checker = explore("holds", net);
    for bound in [DIVIDED, DUAL, NONE, UNREST] {
        checker.assert_no_discovery(bound);
    }
    for name in happens {
        checker.assert_any_discovery(name);
    }
    for (bound, less) in [
        (DUAL, less(net, |net| &mut net.dual_bound)),
        (NONE, less(net, |net| &mut net.none_bound)),
        (UNREST, less(net, |net| &mut net.moves_bound)),
    ] {
        if let Some(net) = less {
            explore("breaks", net).assert_any_discovery(bound);
        }
    }
}

fn less(mut net: Directors, bound: fn(&mut Directors) -> &mut u8) -> Option<Directors> {
    let bound = bound(&mut net);
    *bound = bound.checked_sub(1)?;
    Some(net)
}

const CRASH: Directors = Directors {
    losses: 1,
    failing: 1,
    failures: &[Failure::Crash],
    recovers: true,
    dual_bound: DELAY,
    // The group goes with the link whose Master was heard first.
    none_bound: DELAY + 3 * INTERVAL + SKEW[1] - APART,
    // Over to director 1, and back: three moves, and one to start.
    moves_bound: 4,
};

const FAULT: Directors = Directors {
    losses: 0,
    failures: &[Failure::Fault(0), Failure::Fault(1)],
    none_bound: DELAY + SKEW[1],
    moves_bound: 5,
    ..CRASH
};

const STOP: Directors = Directors {
    failures: &[Failure::Stop],
    none_bound: 0,
    ..FAULT
};

const RELEASE: Directors = Directors {
    failures: &[Failure::Release],
    moves_bound: 2,
    ..STOP
};

#[test]
fn a_crash_moves_a_group_once_and_back_once() {
    holds_tightly(CRASH, &[TAKEN_OVER, BACK]);
}

#[test]
fn a_fault_of_one_member_costs_no_more_than_the_skew() {
    holds_tightly(FAULT, &[TAKEN_OVER, BACK]);
    // If one good-bye is lost, the group waits until that link was silent.
    let none_bound = DELAY + 2 * INTERVAL + SKEW[1];
    let losses = 1;
    let net = Directors {
        none_bound,
        losses,
        ..FAULT
    };
    holds_tightly(net, &[TAKEN_OVER, BACK]);
}

#[test]
fn a_hand_over_of_a_group_leaves_no_moment_without_a_holder() {
    holds_tightly(STOP, &[TAKEN_OVER, BACK]);
    holds_tightly(RELEASE, &[TAKEN_OVER]);
    // With one lost advert, one of the addresses is held twice until the window is over,
    // or, if it was the good-bye, by nobody from then on.
    let net = Directors {
        losses: 1,
        dual_bound: WINDOW - SKEW[1],
        none_bound: DELAY + 2 * INTERVAL + SKEW[1] - WINDOW,
        ..STOP
    };
    holds_tightly(net, &[TAKEN_OVER, BACK]);
    // A release is undone in time.
    let net = Directors {
        failures: RELEASE.failures,
        none_bound: 0,
        moves_bound: 4,
        ..net
    };
    holds_tightly(net, &[TAKEN_OVER, BACK]);
}

#[test]
fn one_deaf_link_moves_no_group() {
    let net = Directors {
        failures: &[Failure::Cut(0), Failure::Cut(1)],
        dual_bound: 0,
        none_bound: 0,
        moves_bound: 0,
        ..CRASH
    };
    holds_tightly(net, &[]);
}
