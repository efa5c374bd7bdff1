//! Some directors with the same instances, and a link for each instance. Adverts take a
//! millisecond.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mono::Mono;
use vrrp::{
    Config, Effect, GroupConfig, Host, Input, Instance, Output, Reason, Snapshot, State, Version,
    Via,
};

/// The time a message travels.
pub const DELAY: Duration = Duration::from_millis(1);
/// The one group there is.
pub const GROUP: u32 = 7;

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The address of a director, on every link.
pub fn address(director: usize) -> IpAddr {
    let n = u8::try_from(director).expect("few directors");
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10 + n))
}

pub fn config(slot: u32, priority: u8) -> Config {
    let vrid = u8::try_from(slot + 1).expect("few slots");
    Config::new(vrid, Version::V3, priority)
}

struct Message {
    at: Mono,
    from: usize,
    slot: u32,
    advert: vrrp::Advert,
}

/// Something that happened, and when, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: Mono,
    pub director: usize,
    pub output: Output,
}

pub struct Net {
    pub now: Mono,
    pub hosts: Vec<Host>,
    /// Directors that hear, send and do nothing.
    pub asleep: Vec<usize>,
    /// Senders that are not heard on the link of a slot.
    pub cut: Vec<(usize, u32)>,
    messages: Vec<Message>,
    pub log: Vec<Entry>,
}

impl Net {
    pub fn new() -> Self {
        Self {
            now: Mono::from_millis(1_000_000),
            hosts: Vec::new(),
            asleep: Vec::new(),
            cut: Vec::new(),
            messages: Vec::new(),
            log: Vec::new(),
        }
    }

    /// One more director, its slots 0, 1 .. in one group, and started.
    pub fn director(&mut self, configs: &[Config]) -> usize {
        let director = self.hosts.len();
        self.hosts.push(Host::new());
        self.insert(director, configs);
        for slot in self.slots(configs.len()) {
            self.startup(director, slot);
        }
        director
    }

    /// Instances in the slots 0, 1 .. of a director, in one group.
    pub fn insert(&mut self, director: usize, configs: &[Config]) {
        for (slot, config) in (0..).zip(configs) {
            self.hosts[director].insert(slot, Instance::new(config.clone()));
        }
        let members = self.slots(configs.len());
        self.group(director, &members);
    }

    fn slots(&self, count: usize) -> Vec<u32> {
        (0..).take(count).collect()
    }

    pub fn group(&mut self, director: usize, members: &[u32]) {
        let mut out = Vec::new();
        let group = GroupConfig {
            id: GROUP,
            members: members.to_vec(),
        };
        self.hosts[director].set_groups(self.now, vec![group], &mut out);
        self.carry_out(director, out);
    }

    pub fn startup(&mut self, director: usize, slot: u32) {
        let source = address(director);
        self.step(director, slot, Input::Startup { source });
    }

    pub fn step(&mut self, director: usize, slot: u32, input: Input<'_>) {
        let mut out = Vec::new();
        self.hosts[director].step(self.now, slot, input, &mut out);
        self.carry_out(director, out);
    }

    pub fn resume(&mut self, director: usize, slot: u32, snapshot: &Snapshot, config: Config) {
        let mut out = Vec::new();
        let (now, source) = (self.now, address(director));
        self.hosts[director].resume(now, slot, snapshot, config, now, source, &mut out);
        self.carry_out(director, out);
    }

    fn carry_out(&mut self, director: usize, out: Vec<Output>) {
        for output in out {
            self.log.push(Entry {
                at: self.now,
                director,
                output,
            });
            if let Output::Instance {
                slot,
                effect: Effect::Send { priority },
            } = output
            {
                self.send(director, slot, priority);
            }
        }
    }

    fn send(&mut self, from: usize, slot: u32, priority: u8) {
        let instance = self.hosts[from].get(slot).expect("an instance");
        if !self.cut.contains(&(from, slot)) {
            self.messages.push(Message {
                at: self.now + DELAY,
                from,
                slot,
                advert: instance.to_advert(priority),
            });
        }
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let first = (0..self.messages.len()).min_by_key(|i| self.messages[*i].at);
            let arrival = first.map_or(Mono::MAX, |i| self.messages[i].at);
            let awake = (0..self.hosts.len()).filter(|n| !self.asleep.contains(n));
            let due = awake
                .filter_map(|n| Some((self.hosts[n].deadline()?, n)))
                .min();
            let next = arrival.min(due.map_or(Mono::MAX, |(at, _)| at));
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            if arrival == next {
                let message = self.messages.swap_remove(first.unwrap_or(0));
                self.deliver(&message);
            } else if let Some((_, director)) = due {
                let slot = self.hosts[director].due(self.now).expect("a due slot");
                self.step(director, slot, Input::Timer);
            }
        }
    }

    fn deliver(&mut self, message: &Message) {
        for to in 0..self.hosts.len() {
            if to != message.from && !self.asleep.contains(&to) {
                let input = Input::Advert {
                    src: address(message.from),
                    via: Via::Primary,
                    own: address(to),
                    advert: &message.advert,
                };
                self.step(to, message.slot, input);
            }
        }
    }

    pub fn state(&self, director: usize) -> Option<State> {
        self.hosts[director].group_state(GROUP)
    }

    /// All slots of a director are in the state of its group, and it is this one.
    #[track_caller]
    pub fn is(&self, director: usize, state: State) {
        assert_eq!(self.state(director), Some(state), "director {director}");
        for slot in 0..8 {
            if let Some(instance) = self.hosts[director].get(slot) {
                assert_eq!(instance.state(), state, "director {director}, slot {slot}");
            }
        }
    }

    /// What the groups did since this was asked last: when, which, whereto and why.
    pub fn moves(&mut self) -> Vec<(u64, usize, State, Reason)> {
        let log = std::mem::take(&mut self.log);
        let group = |entry: Entry| match entry.output {
            Output::Group { to, reason, .. } => {
                let at = entry.at.since(Mono::from_millis(1_000_000)).as_millis();
                let at = u64::try_from(at).expect("a short test");
                Some((at, entry.director, to, reason))
            }
            Output::Instance { .. } => None,
        };
        log.into_iter().filter_map(group).collect()
    }

    /// Forgets what happened so far.
    pub fn start_log(&mut self) {
        self.log.clear();
    }
}
