//! The sync groups of a [`Host`]; its page has the rules.

use mono::Mono;

use super::{GroupConfig, Host, Member, Output};
use crate::{Input, Instance, Reason, State};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub state: State,
    pub members: Vec<u32>,
}

impl Host {
    /// From now on, these are the groups. A group that was there before (by its id)
    /// keeps its state, members that are in none any more go on alone.
    pub fn set_groups(&mut self, now: Mono, groups: Vec<GroupConfig>, out: &mut Vec<Output>) {
        let old = std::mem::take(&mut self.groups);
        for member in self.members.iter_mut().flatten() {
            member.group = None;
        }
        for config in groups {
            let before = old.get(&config.id);
            self.set_group(now, config, before, out);
        }
        for slot in old.into_values().flat_map(|group| group.members) {
            self.let_go(now, slot, out);
        }
        let ids: Vec<u32> = self.groups.keys().copied().collect();
        for id in ids {
            self.settle(now, id, Reason::Group, out);
        }
    }

    fn set_group(
        &mut self,
        now: Mono,
        config: GroupConfig,
        before: Option<&Group>,
        out: &mut Vec<Output>,
    ) {
        let mut members = config.members;
        members.retain(|slot| match self.member_mut(*slot) {
            Some(member) if member.group.is_none() => {
                member.group = Some(config.id);
                member.instance.set_grouped(true);
                true
            }
            _ => false,
        });
        let state = before.map_or(State::Initialize, |group| group.state);
        let runs = |member: &Member| member.instance.state() != State::Initialize;
        let is_running = match before {
            Some(_) => state != State::Initialize,
            None => members
                .iter()
                .any(|slot| self.member(*slot).is_some_and(runs)),
        };
        for slot in &members {
            if before.is_some_and(|group| group.members.contains(slot)) {
                continue;
            }
            if let Some(member) = self.member_mut(*slot) {
                member.joining = is_running && !member.known;
                if state == State::Master && runs(member) {
                    self.act(*slot, out, |instance, out| {
                        instance.join_master(now, Reason::Group, out);
                    });
                }
            }
        }
        self.groups.insert(config.id, Group { state, members });
    }

    /// A member that is in no group any more goes on alone.
    fn let_go(&mut self, now: Mono, slot: u32, out: &mut Vec<Output>) {
        let Some(member) = self.member_mut(slot).filter(|m| m.group.is_none()) else {
            return;
        };
        member.joining = false;
        member.instance.set_grouped(false);
        let source = member.source;
        if let Some(source) = source.filter(|_| member.instance.state() == State::Initialize) {
            self.act(slot, out, |instance, out| {
                instance.step(now, Input::Startup { source }, out);
            });
        }
    }

    /// A member was resumed from a snapshot in this state.
    pub(super) fn resumed(&mut self, now: Mono, id: u32, state: State, out: &mut Vec<Output>) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        if group.state == State::Initialize && state != State::Initialize {
            let members = std::mem::take(&mut group.members);
            for slot in &members {
                if let Some(member) = self.member_mut(*slot) {
                    member.joining = !member.known;
                }
            }
            self.give_back(id, members);
        }
        self.settle(now, id, Reason::Resumed, out);
    }

    /// One input for one member.
    pub(super) fn step_member(
        &mut self,
        now: Mono,
        id: u32,
        slot: u32,
        input: Input<'_>,
        out: &mut Vec<Output>,
    ) {
        let Some(member) = self.member_mut(slot) else {
            return;
        };
        let is_out = member.instance.state() == State::Initialize;
        match &input {
            Input::Startup { source } => {
                member.set_source(Some(*source));
                if is_out {
                    // When it starts is for the group to say.
                    return self.settle(now, id, Reason::Startup, out);
                }
            }
            Input::Fault => {
                member.set_source(None);
                self.act(slot, out, |instance, out| instance.step(now, input, out));
                return self.settle(now, id, Reason::Fault, out);
            }
            Input::Shutdown => {
                let is_first = member.set_source(None);
                // The first time it may be on the way out already, with its group.
                if !(is_out && is_first) {
                    self.act(slot, out, |instance, out| instance.step(now, input, out));
                }
                return self.settle(now, id, Reason::Shutdown, out);
            }
            _ => {}
        }
        // Only when all adverts that waited have been heard.
        let is_timer = matches!(input, Input::Timer);
        let moved = self.act(slot, out, |instance, out| instance.step(now, input, out));
        let due = self.get(slot).filter(|_| is_timer);
        let wanted = due.and_then(|instance| instance.wants_master(now));
        if let Some(reason) = moved.or(wanted) {
            self.settle(now, id, reason, out);
        }
    }

    /// Brings all members of a group into one state, after one of them changed or wants
    /// to, for `reason`.
    fn settle(&mut self, now: Mono, id: u32, reason: Reason, out: &mut Vec<Output>) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let before = group.state;
        let members = std::mem::take(&mut group.members);
        let can_run = |slot: &u32| {
            let member = self.member(*slot);
            member.is_none_or(|member| member.joining || member.source.is_some())
        };
        let after = if members.iter().all(can_run) {
            self.start_members(now, &members, before, out);
            match before {
                State::Master => self.stay_master(now, &members, reason, out),
                State::Backup | State::Initialize => self.try_master(now, &members, out),
            }
        } else {
            for slot in &members {
                self.act(*slot, out, |instance, out| {
                    instance.join_initialize(now, reason, out);
                });
            }
            State::Initialize
        };
        if let Some(group) = self.groups.get_mut(&id) {
            group.state = after;
        }
        self.give_back(id, members);
        if after != before {
            out.push(Output::Group {
                id,
                from: before,
                to: after,
                reason,
            });
        }
    }

    /// Starts those that were waiting for others, or have just come to a running group.
    fn start_members(&mut self, now: Mono, members: &[u32], group: State, out: &mut Vec<Output>) {
        for slot in members {
            let waiting = |m: &&Member| m.instance.state() == State::Initialize;
            let member = self.member(*slot).filter(waiting);
            let Some(source) = member.and_then(|member| member.source) else {
                continue;
            };
            self.act(*slot, out, |instance, out| match group {
                State::Master => instance.start_as_master(now, source, out),
                _ => instance.step(now, Input::Startup { source }, out),
            });
        }
    }

    /// A group that is Master stays so unless a member is not any more.
    fn stay_master(
        &mut self,
        now: Mono,
        members: &[u32],
        reason: Reason,
        out: &mut Vec<Output>,
    ) -> State {
        if self.any(members, State::Backup) {
            self.all_to_backup(now, members, reason, out)
        } else if self.any(members, State::Master) {
            State::Master
        } else {
            State::Initialize
        }
    }

    fn all_to_backup(
        &mut self,
        now: Mono,
        members: &[u32],
        reason: Reason,
        out: &mut Vec<Output>,
    ) -> State {
        for slot in members {
            self.act(*slot, out, |instance, out| {
                instance.join_backup(now, reason, out);
            });
        }
        State::Backup
    }

    /// A group that is not Master becomes it if one member is to and all others consent.
    fn try_master(&mut self, now: Mono, members: &[u32], out: &mut Vec<Output>) -> State {
        // Masters: only where members come together that were alone before.
        match (
            self.any(members, State::Master),
            self.any(members, State::Backup),
        ) {
            (true, true) => return self.all_to_backup(now, members, Reason::Group, out),
            (true, false) => return State::Master,
            (false, false) => return State::Initialize,
            (false, true) => {}
        }
        let backups = || self.each(members, State::Backup);
        if !backups().any(|i| i.wants_master(now).is_some()) {
            return State::Backup;
        }
        let reluctant = || {
            let consents = |i: &&Instance| i.wants_master(now).is_some() || i.consents_at() <= now;
            backups().filter(move |i| !consents(i))
        };
        let at = reluctant().map(Instance::consents_at).max();
        let keep = reluctant().all(Instance::awaits_successor);
        for slot in members {
            let wanted = self.get(*slot).and_then(|i| i.wants_master(now));
            self.act(*slot, out, |instance, out| match at {
                None if instance.state() == State::Backup => {
                    instance.join_master(now, wanted.unwrap_or(Reason::Group), out);
                }
                Some(at) if wanted.is_some() => instance.hold(now, at, keep, out),
                _ => {}
            });
        }
        match at {
            None => State::Master,
            Some(_) => State::Backup,
        }
    }

    fn any(&self, members: &[u32], state: State) -> bool {
        self.each(members, state).next().is_some()
    }

    fn each<'a>(&'a self, members: &'a [u32], state: State) -> impl Iterator<Item = &'a Instance> {
        let instances = members.iter().filter_map(|slot| self.get(*slot));
        instances.filter(move |instance| instance.state() == state)
    }

    fn give_back(&mut self, id: u32, members: Vec<u32>) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.members = members;
        }
    }
}
