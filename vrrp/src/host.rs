//! All virtual routers of one director, and the sync groups that move some of them
//! together.
//!
//! # What a sync group does
//!
//! A group is Master only if all its members can be, and what takes one member out takes
//! all out. In detail:
//!
//! - **To Master** a group goes as a whole, in one step, when one member's time to take
//!   over has come and every other one consents. A member consents when it, too, has
//!   reason to believe that its Master is gone or about to be replaced: that one was
//!   silent for one interval less than the master-down time (the beats of two links may
//!   be an interval apart), has given up with priority 0, or ranks below
//!   us and is to be preempted. Members that are due but lack the consent of others wait
//!   as Backup until then. A director that lost the Master on one link of several would
//!   otherwise take all links over, be answered by the living Master on the others, fall
//!   back, and begin anew, for ever. The same holds for members of different intervals,
//!   priorities or preempt delays: the slowest and the least entitled decide.
//! - **To Backup** all members go as soon as one of them does: it heard a better router,
//!   its timer was late, or it was asked to release. The others say good-bye with
//!   priority 0, so that a peer without groups takes over soon; on release each of them
//!   hands over, and if nobody takes any of the addresses, all are Master again.
//! - **To Initialize** all members go when one cannot run ([`Input::Fault`]) or is shut
//!   down ([`Input::Shutdown`]: with a hand-over for each), and there they stay until
//!   all can run.
//! - A member **added to a running group** takes the group's state as soon as it can
//!   run: Master at once, or Backup. Until its first `Startup` or `Fault` it is not
//!   counted, so that an interface that is not known yet takes nothing down. At the
//!   start of a group there is nothing to be taken down, and all members are waited for.
//! - A member **removed** goes on alone, as what it is.
//! - A member **resumed** after a restart proves that the group was running: those not
//!   heard of yet count as added to it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use mono::Mono;

use crate::{Config, Effect, Input, Instance, Reason, Snapshot, State};

mod deadlines;
mod group;

use deadlines::Deadlines;
use group::Group;

/// A sync group, for [`Host::set_groups`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupConfig {
    /// Who it is; a group keeps its state from one configuration to the next by this.
    pub id: u32,
    /// The slots of its members. Slots that do not exist, and those that an earlier
    /// group has, are passed over.
    pub members: Vec<u32>,
}

/// Something that the driver has to do or to tell, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// For one instance. The effects of one instance keep the order that the crate's
    /// page describes; those of several may alternate.
    Instance {
        /// Which one.
        slot: u32,
        /// What to do.
        effect: Effect,
    },
    /// A group changed its state; after the transitions of its members.
    Group {
        /// Which one.
        id: u32,
        /// State before.
        from: State,
        /// State now.
        to: State,
        /// Why: the reason of the member that moved first.
        reason: Reason,
    },
}

/// The instances and groups of one director.
///
/// Plain data, driven as an [`Instance`] is. Slots are numbers that the caller chooses;
/// a table as long as the greatest is kept, so they should be small.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Host {
    members: Vec<Option<Member>>,
    groups: BTreeMap<u32, Group>,
    deadlines: Deadlines,
    /// Room for the effects of one step.
    effects: Vec<Effect>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Member {
    instance: Instance,
    group: Option<u32>,
    /// Our address while the member can run and is to, as far as it alone is concerned.
    source: Option<IpAddr>,
    /// Whether it has been said if it can.
    known: bool,
    /// Whether it is not counted because it is not known and its group runs.
    joining: bool,
}

impl Member {
    fn new(instance: Instance) -> Self {
        Self {
            source: instance.source(),
            known: instance.source().is_some(),
            joining: false,
            group: None,
            instance,
        }
    }

    /// Takes note of whether it can run. Returns whether it was to, before.
    fn set_source(&mut self, source: Option<IpAddr>) -> bool {
        self.known = true;
        self.joining = false;
        std::mem::replace(&mut self.source, source).is_some()
    }
}

impl Host {
    /// A director without instances.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an instance into a slot, in place of the one that may be there, and in no
    /// group.
    pub fn insert(&mut self, slot: u32, instance: Instance) {
        self.remove(slot);
        let index = index(slot);
        if index >= self.members.len() {
            self.members.resize_with(index.saturating_add(1), || None);
        }
        self.deadlines.set(slot, instance.deadline());
        if let Some(place) = self.members.get_mut(index) {
            *place = Some(Member::new(instance));
        }
    }

    /// Forgets an instance, without a word to anybody. In good order: take it out of its
    /// group ([`Host::set_groups`]), shut it down, wait for the end of its hand-over.
    pub fn remove(&mut self, slot: u32) {
        let Some(member) = self.members.get_mut(index(slot)).and_then(Option::take) else {
            return;
        };
        self.deadlines.set(slot, None);
        if let Some(group) = member.group.and_then(|id| self.groups.get_mut(&id)) {
            group.members.retain(|member| *member != slot);
        }
    }

    /// The instance in a slot.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<&Instance> {
        self.member(slot).map(|member| &member.instance)
    }

    /// The state of a group: Master, Backup, or Initialize while not all members can run.
    #[must_use]
    pub fn group_state(&self, id: u32) -> Option<State> {
        self.groups.get(&id).map(|group| group.state)
    }

    /// When to give [`Input::Timer`] next to the slot that [`Host::due`] will then name.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|(at, _)| at)
    }

    /// The next slot whose timer is due. After [`Input::Timer`] it is due no more.
    #[must_use]
    pub fn due(&self, now: Mono) -> Option<u32> {
        let first = self.deadlines.first().filter(|(at, _)| *at <= now);
        first.map(|(_, slot)| slot)
    }

    /// Takes one input for one instance, and appends what is to be done to `out`. An
    /// empty slot does nothing.
    pub fn step(&mut self, now: Mono, slot: u32, input: Input<'_>, out: &mut Vec<Output>) {
        let Some(member) = self.member_mut(slot) else {
            return;
        };
        match (member.group, &input) {
            (Some(group), _) => return self.step_member(now, group, slot, input, out),
            (None, Input::Startup { source }) => {
                member.set_source(Some(*source));
            }
            (None, Input::Fault | Input::Shutdown) => {
                member.set_source(None);
            }
            (None, _) => {}
        }
        self.act(slot, out, |instance, out| instance.step(now, input, out));
    }

    /// Takes an instance up where another process stopped, see [`Instance::resume`]. It
    /// takes the place of the one in the slot, in the same group.
    #[expect(
        clippy::too_many_arguments,
        reason = "those of Instance::resume, and where"
    )]
    pub fn resume(
        &mut self,
        now: Mono,
        slot: u32,
        snapshot: &Snapshot,
        config: Config,
        alive_until: Mono,
        source: IpAddr,
        out: &mut Vec<Output>,
    ) {
        let group = self.member(slot).and_then(|member| member.group);
        match self.member_mut(slot) {
            Some(member) => member.instance = Instance::new(config),
            None => self.insert(slot, Instance::new(config)),
        }
        if let Some(member) = self.member_mut(slot) {
            member.set_source(Some(source));
            member.instance.set_grouped(group.is_some());
        }
        self.act(slot, out, |instance, out| {
            instance.take_up(snapshot, alive_until, now, source, out);
        });
        if let Some(id) = group {
            self.resumed(now, id, snapshot.state, out);
        }
    }

    /// The same director with `now` as the epoch of its times, for model checking; see
    /// [`Instance::relative`].
    #[must_use]
    pub fn relative(&self, now: Mono) -> Self {
        let mut host = Self {
            deadlines: Deadlines::default(),
            ..self.clone()
        };
        for (slot, member) in (0..).zip(host.members.iter_mut()) {
            if let Some(member) = member {
                member.instance = member.instance.relative(now);
                host.deadlines.set(slot, member.instance.deadline());
            }
        }
        host
    }

    fn member(&self, slot: u32) -> Option<&Member> {
        self.members.get(index(slot))?.as_ref()
    }

    fn member_mut(&mut self, slot: u32) -> Option<&mut Member> {
        self.members.get_mut(index(slot))?.as_mut()
    }

    /// Has one instance do something, and keeps the table of deadlines right. Returns
    /// the last reason for which its state changed.
    fn act(
        &mut self,
        slot: u32,
        out: &mut Vec<Output>,
        what: impl FnOnce(&mut Instance, &mut Vec<Effect>),
    ) -> Option<Reason> {
        let mut effects = std::mem::take(&mut self.effects);
        if let Some(member) = self.member_mut(slot) {
            what(&mut member.instance, &mut effects);
            let deadline = member.instance.deadline();
            self.deadlines.set(slot, deadline);
        }
        let mut moved = None;
        for effect in effects.drain(..) {
            if let Effect::Transition { reason, .. } = effect {
                moved = Some(reason);
            }
            out.push(Output::Instance { slot, effect });
        }
        self.effects = effects;
        moved
    }
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}
