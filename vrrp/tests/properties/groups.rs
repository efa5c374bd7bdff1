//! All instances of a director: the members of a group are never in contradicting
//! states, nothing spins, and what the host tells adds up.

use std::collections::BTreeMap;

use mono::Mono;
use proptest::prelude::*;
use vrrp::{Effect, GroupConfig, Host, Input, Instance, Output, State};

use crate::given::*;

const SLOTS: u32 = 6;

#[derive(Clone, Debug)]
enum Act {
    Give(u32, Given),
    /// Everything that is due, as the driver does it.
    Fire,
    Regroup(Vec<GroupConfig>),
    /// Another instance takes the slot.
    Replace(u32),
    Remove(u32),
}

fn groups() -> impl Strategy<Value = Vec<GroupConfig>> {
    let members = || proptest::collection::vec(0..SLOTS, 0..4);
    proptest::collection::vec((0..3_u32, members()), 0..3).prop_map(|groups| {
        // An id is used once.
        let groups: BTreeMap<_, _> = groups.into_iter().collect();
        let config = |(id, members)| GroupConfig { id, members };
        groups.into_iter().map(config).collect()
    })
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..SLOTS, given()).prop_map(|(slot, given)| Act::Give(slot, given)),
        5 => (0..SLOTS, 0..4_u8).prop_map(|(slot, n)| Act::Give(slot, Given::Startup(n))),
        8 => Just(Act::Fire),
        1 => groups().prop_map(Act::Regroup),
        1 => (0..SLOTS).prop_map(Act::Replace),
        1 => (0..SLOTS).prop_map(Act::Remove),
    ]
}

/// A director and what its outputs say about it.
struct Watched {
    host: Host,
    now: Mono,
    groups: BTreeMap<u32, Vec<u32>>,
    group_states: BTreeMap<u32, State>,
    states: BTreeMap<u32, State>,
    holds: BTreeMap<u32, bool>,
    /// Whether it was ever said if the slot can run.
    known: BTreeMap<u32, bool>,
}

impl Watched {
    fn put(&mut self, slot: u32, instance: Instance) {
        self.host.insert(slot, instance);
        self.states.insert(slot, State::Initialize);
        self.holds.insert(slot, false);
        self.known.insert(slot, false);
    }

    /// Takes a slot out of its group.
    fn take_out(&mut self, slot: u32, out: &mut Vec<Output>) {
        for members in self.groups.values_mut() {
            members.retain(|member| *member != slot);
        }
        let groups = self.groups.clone().into_iter();
        let groups = groups.map(|(id, members)| GroupConfig { id, members });
        self.host.set_groups(self.now, groups.collect(), out);
    }

    fn act(&mut self, act: &Act, config: &vrrp::Config) {
        let mut out = Vec::new();
        match act {
            Act::Give(slot, given) => self.give(*slot, given, &mut out),
            Act::Fire => {
                self.now = self.host.deadline().map_or(self.now, |at| at.max(self.now));
                for _ in 0..SLOTS * 4 {
                    let Some(slot) = self.host.due(self.now) else {
                        break;
                    };
                    self.host.step(self.now, slot, Input::Timer, &mut out);
                }
                assert!(
                    self.host.due(self.now).is_none() || self.now == Mono::MAX,
                    "it spins"
                );
            }
            Act::Regroup(groups) => {
                self.regroup(groups);
                self.host.set_groups(self.now, groups.clone(), &mut out);
            }
            Act::Replace(slot) => {
                self.take_out(*slot, &mut out);
                self.take_note(&std::mem::take(&mut out));
                self.put(*slot, Instance::new(config.clone()));
            }
            Act::Remove(slot) => {
                self.take_out(*slot, &mut out);
                self.take_note(&std::mem::take(&mut out));
                self.host.remove(*slot);
                self.states.remove(slot);
            }
        }
        self.take_note(&out);
    }

    fn give(&mut self, slot: u32, given: &Given, out: &mut Vec<Output>) {
        if !self.states.contains_key(&slot) {
            return;
        }
        let is_news = matches!(
            given,
            Given::Startup(_) | Given::Fault | Given::Shutdown | Given::Resume(_)
        );
        if is_news {
            self.known.insert(slot, true);
        }
        if let Given::Resume(n) = given {
            let (config, snap) = self
                .host
                .get(slot)
                .map(|i| (i.config().clone(), i.snapshot()))
                .expect("an instance");
            self.states.insert(slot, State::Initialize);
            let (now, source) = (self.now, router(*n));
            self.host.resume(now, slot, &snap, config, now, source, out);
        } else if let Some(input) = given.input() {
            self.host.step(self.now, slot, input, out);
        }
    }

    fn regroup(&mut self, groups: &[GroupConfig]) {
        let mut taken = Vec::new();
        self.groups.clear();
        for group in groups {
            let mut members = group.members.clone();
            members.retain(|slot| {
                let free = self.states.contains_key(slot) && !taken.contains(slot);
                taken.extend(free.then_some(*slot));
                free
            });
            self.groups.insert(group.id, members);
        }
        let before = std::mem::take(&mut self.group_states);
        for id in self.groups.keys() {
            let state = before.get(id).copied().unwrap_or(State::Initialize);
            self.group_states.insert(*id, state);
        }
    }

    fn take_note(&mut self, out: &[Output]) {
        for output in out {
            match *output {
                Output::Instance { slot, effect } => match effect {
                    Effect::AddAddresses => {
                        self.holds.insert(slot, true);
                    }
                    Effect::RemoveAddresses => {
                        self.holds.insert(slot, false);
                    }
                    Effect::Transition { from, to, .. } => {
                        assert_eq!(self.states.insert(slot, to), Some(from));
                    }
                    _ => {}
                },
                Output::Group { id, from, to, .. } => {
                    assert_eq!(self.group_states.insert(id, to), Some(from));
                    assert_ne!(from, to);
                }
            }
        }
    }

    fn check(&self) {
        for (slot, state) in &self.states {
            let instance = self.host.get(*slot).expect("an instance");
            assert_eq!(instance.state(), *state, "slot {slot}");
            let is_to_hold = *state == State::Master || instance.handing_over();
            assert_eq!(self.holds[slot], is_to_hold, "addresses of slot {slot}");
        }
        let slots = self.states.keys();
        let deadlines = slots.filter_map(|slot| self.host.get(*slot)?.deadline());
        assert_eq!(self.host.deadline(), deadlines.min());
        for (id, members) in &self.groups {
            self.check_group(*id, members);
        }
    }

    fn check_group(&self, id: u32, members: &[u32]) {
        let is = |state| move |slot: &&u32| self.states[*slot] == state;
        let masters = members.iter().filter(is(State::Master)).count();
        let backups = members.iter().filter(is(State::Backup)).count();
        let known = members.iter().filter(is(State::Initialize));
        let stopped = known.filter(|slot| self.known[*slot]).count();
        assert!(masters == 0 || backups == 0, "group {id} is divided");
        assert!(
            masters + backups == 0 || stopped == 0,
            "group {id} runs without a member"
        );
        let state = self.host.group_state(id).expect("a group");
        assert_eq!(self.group_states[&id], state, "group {id}");
        let expected = match (masters, backups) {
            (0, 0) => State::Initialize,
            (0, _) => State::Backup,
            _ => State::Master,
        };
        assert_eq!(state, expected, "group {id}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn members_move_together(
        configs in proptest::collection::vec(configs(), 6),
        first in groups(),
        acts in proptest::collection::vec((spans(), acts()), 1..80),
    ) {
        let mut watched = Watched {
            host: Host::new(),
            now: Mono::ZERO,
            groups: BTreeMap::new(),
            group_states: BTreeMap::new(),
            states: BTreeMap::new(),
            holds: BTreeMap::new(),
            known: BTreeMap::new(),
        };
        for (slot, config) in (0..SLOTS).zip(&configs) {
            watched.put(slot, Instance::new(config.clone()));
        }
        watched.act(&Act::Regroup(first), &configs[0]);
        watched.check();
        for (passed, act) in acts {
            watched.now += passed.min(std::time::Duration::from_secs(10));
            watched.act(&act, &configs[0]);
            watched.check();
        }
    }
}
