//! Another configuration, and what a predecessor left.
//!
//! An instance is the same as before if interface, family and VRID are, whatever it is
//! called; a group is if its name is. What is the same goes on.

use std::collections::{BTreeMap, BTreeSet};

use mono::Mono;
use vrrp::wire::Guard;
use vrrp::{GroupConfig, Input, Instance, State};

use super::tracking::Assessment;
use super::witness::Witness;
use super::{Engine, Given, GroupSlot, Left, Outside, Slot};
use crate::model::{Global, Subject, SyncGroup, VrrpInstance, What};
use crate::status::{GroupReport, InstanceReport, VrrpSnapshot};
use crate::worker::vrrp::messages::{self, Key, Setup};

/// Counters that a successor goes on with; those of bad adverts begin anew, with the
/// memory of who sent them.
const LASTING: [&str; 7] = [
    "advert_sent",
    "advert_received",
    "heartbeat_received",
    "priority_zero_sent",
    "priority_zero_received",
    "became_master",
    "released_master",
];

impl Engine {
    /// Runs these instances from now on. `left` is what a predecessor was, at the start.
    pub fn configure(
        &mut self,
        now: Mono,
        setup: &Setup,
        left: Option<messages::Predecessor>,
        outside: &mut dyn Outside,
    ) {
        if self.stopping {
            return;
        }
        let (mut reports, groups) = self.take_up(left);
        self.delay_start(now, &setup.global, outside);
        self.log_unknown = setup.global.log_unknown_vrids;
        self.known.configure(&setup.common.trackers);
        self.damper.configure(&setup.common.interfaces);
        self.remove_gone(now, &setup.instances, outside);
        for model in &setup.instances {
            let key = Key::of(model);
            let old = self.by_key.get(&key).copied();
            let old = old.and_then(|id| Some((id, self.slot(id)?)));
            match old {
                Some((_, slot)) if slot.model == *model => {}
                Some((id, slot)) if slot.model.version == model.version => {
                    self.change(now, id, model, outside);
                }
                Some((id, _)) => {
                    // Another version is another router to its peers. Its group goes on
                    // without it meanwhile.
                    self.host_groups(now, &|other| other != id, outside);
                    self.remove(now, id, outside);
                    self.add(now, key, model, None);
                }
                None => {
                    let left = reports.remove(&key);
                    self.add(now, key, model, left);
                }
            }
        }
        self.set_groups(now, &setup.common.sync_groups, &groups, outside);
        self.forget_interfaces(setup);
        if self.maintenance {
            let idle = |(id, slot): &(u32, &Slot)| slot.left.is_none() && !self.holds(*id);
            for (_, slot) in self.slots().filter(idle) {
                outside.role(&slot.key, false);
            }
        }
        self.refresh_all(now, outside);
        outside.changed();
    }

    /// What is not about one instance at once, the rest by instance.
    fn take_up(
        &mut self,
        left: Option<messages::Predecessor>,
    ) -> (BTreeMap<Key, Left>, Vec<GroupReport>) {
        let Some(messages::Predecessor {
            snapshot,
            alive_until,
        }) = left
        else {
            return Default::default();
        };
        let VrrpSnapshot {
            instances,
            groups,
            measured,
            started,
            passive_until,
            ..
        } = snapshot;
        self.started = self.started.or(started);
        self.passive_until = passive_until;
        for result in measured {
            self.known.measured(result);
        }
        let left = |report: InstanceReport| {
            let key = Key {
                interface: report.interface.clone(),
                family: super::family(report.family),
                vrid: report.virtual_router_id,
            };
            let left = Left {
                report,
                alive_until,
            };
            (key, left)
        };
        (instances.into_iter().map(left).collect(), groups)
    }

    /// The delay counts from the first configuration, whatever is configured later; one
    /// that is over stays over.
    fn delay_start(&mut self, now: Mono, global: &Global, outside: &dyn Outside) {
        let first = self.started.is_none();
        let started = *self.started.get_or_insert(now);
        if !first && self.passive_until.is_none() && started != now {
            return;
        }
        let after_boot = now + global.delay_after_boot.saturating_sub(outside.uptime());
        let until = (started + global.startup_delay).max(after_boot);
        self.passive_until = (until > now).then_some(until);
        if let (true, Some(until)) = (first, self.passive_until) {
            let seconds = until.since(now).as_secs_f64();
            tracing::info!(event = "startup_delay", seconds);
        }
    }

    fn remove_gone(&mut self, now: Mono, wanted: &[VrrpInstance], outside: &mut dyn Outside) {
        let wanted: BTreeSet<Key> = wanted.iter().map(Key::of).collect();
        let all = self.by_key.iter();
        let gone: Vec<u32> = all
            .filter(|(key, _)| !wanted.contains(*key))
            .map(|(_, id)| *id)
            .collect();
        if gone.is_empty() {
            return;
        }
        for id in &gone {
            if let Some(slot) = self.slot_mut(*id) {
                slot.removed = true;
            }
            // Out of its group it would start.
            if !self.holds(*id) {
                self.host.remove(*id);
            }
        }
        // Those that stay in a group must not be stopped by those that leave it.
        self.host_groups(now, &|id| !gone.contains(&id), outside);
        for id in gone {
            self.remove(now, id, outside);
        }
    }

    fn add(&mut self, now: Mono, key: Key, model: &VrrpInstance, left: Option<Left>) {
        let auth = model.authentication.config();
        let mut guard = Guard::new(&auth);
        let mut witness = Witness::default();
        if let Some(left) = &left {
            guard.restore(left.report.guard.clone());
            witness.restore(&left.report.counters, &LASTING);
        }
        let (since, reason) = match &left {
            Some(left) => (left.report.since, left.report.reason.clone()),
            None => (now, "not started".into()),
        };
        // Of one that did not run there is nothing to resume.
        let left = left.filter(|left| left.report.core.state != State::Initialize);
        let free = self.slots.iter().position(Option::is_none);
        let index = free.unwrap_or(self.slots.len());
        let slot = Slot {
            advert: model.advert(),
            expect: model.expect(),
            key: key.clone(),
            auth,
            guard,
            ways: None,
            given: Given::Nothing,
            fault: None,
            waiting: Vec::new(),
            assessment: Assessment::default(),
            since,
            reason,
            witness,
            left,
            told: None,
            removed: false,
            rival_told: Mono::ZERO,
            ear: None,
            heard: [None; 2],
            successor: None,
            master: None,
            model: model.clone(),
        };
        let Ok(id) = u32::try_from(index) else {
            return;
        };
        match self.slots.get_mut(index) {
            Some(free) => *free = Some(slot),
            None => self.slots.push(Some(slot)),
        }
        self.host.insert(id, Instance::new(model.core()));
        self.by_key.insert(key, id);
    }

    fn change(&mut self, now: Mono, id: u32, model: &VrrpInstance, outside: &mut dyn Outside) {
        let Some(slot) = self.slot_mut(id) else {
            return;
        };
        tracing::info!(event = "instance_changed", instance = model.name);
        slot.advert = model.advert();
        slot.expect = model.expect();
        let auth = model.authentication.config();
        if slot.auth != auth {
            let was_ah = slot.guard.is_ah();
            slot.guard.reconfigure(&auth);
            slot.auth = auth;
            if slot.guard.is_ah() != was_ah {
                // Its packets travel in another protocol.
                slot.ways = None;
            }
        }
        slot.model = model.clone();
        let before = self.host.get(id).map(Instance::priority);
        self.step(now, id, Input::Reconfigure(model.core()), None, outside);
        self.tell_priority(now, id, before, outside);
    }

    fn remove(&mut self, now: Mono, id: u32, outside: &mut dyn Outside) {
        let Some(slot) = self.slot_mut(id) else {
            return;
        };
        slot.removed = true;
        let what = if slot.model.notify.notify_deleted {
            What::Deleted
        } else {
            What::Fault
        };
        let base = slot.model.priority;
        let priority = self.host.get(id).map_or(base, Instance::priority);
        // The second time ends the hand-over: without a configuration nobody would keep
        // the addresses.
        self.step(now, id, Input::Shutdown, None, outside);
        self.step(now, id, Input::Shutdown, None, outside);
        self.host.remove(id);
        self.by_place.retain(|_, (other, _)| *other != id);
        let slot = self
            .slots
            .get_mut(usize::try_from(id).unwrap_or(usize::MAX));
        let Some(slot) = slot.and_then(Option::take) else {
            return;
        };
        self.by_key.remove(&slot.key);
        outside.role(&slot.key, false);
        tracing::info!(event = "instance_removed", instance = slot.model.name);
        let subject = Subject::Instance(slot.model.name);
        let reason = "removed from the configuration".to_owned();
        self.tell(now, subject, what, priority, reason, outside);
    }

    fn set_groups(
        &mut self,
        now: Mono,
        configs: &[SyncGroup],
        reports: &[GroupReport],
        outside: &mut dyn Outside,
    ) {
        let mut old = std::mem::take(&mut self.groups);
        for config in configs {
            let group = match old.remove(&config.name) {
                Some(mut group) => {
                    group.config = config.clone();
                    group
                }
                None => {
                    self.next_group += 1;
                    let left = reports.iter().find(|left| left.name == config.name);
                    GroupSlot {
                        id: self.next_group,
                        config: config.clone(),
                        since: left.map_or(now, |left| left.since),
                        reason: left.map_or("not started".into(), |left| left.reason.clone()),
                        left: left.map(|left| left.state),
                    }
                }
            };
            self.groups.insert(config.name.clone(), group);
        }
        self.host_groups(now, &|_| true, outside);
    }

    /// Gives the core the groups with those members that are to count.
    fn host_groups(&mut self, now: Mono, counts: &dyn Fn(u32) -> bool, outside: &mut dyn Outside) {
        let by_name: BTreeMap<&str, u32> = self
            .slots()
            .filter(|(id, _)| counts(*id))
            .map(|(id, slot)| (slot.model.name.as_str(), id))
            .collect();
        let config = |group: &GroupSlot| {
            let members = group.config.members.iter();
            GroupConfig {
                id: group.id,
                members: members
                    .filter_map(|name| by_name.get(name.as_str()).copied())
                    .collect(),
            }
        };
        let groups = self.groups.values().map(config).collect();
        let mut outputs = Vec::new();
        self.host.set_groups(now, groups, &mut outputs);
        self.carry_out(now, &outputs, None, outside);
    }

    /// Of interfaces that matter to nobody nobody tells us any more.
    fn forget_interfaces(&mut self, setup: &Setup) {
        let names = setup.interfaces();
        self.interfaces
            .retain(|name, _| names.contains(name.as_str()));
        self.damper.retain(|name| names.contains(name));
        self.known.retain_interfaces(|name| names.contains(name));
    }

    /// Takes up where a predecessor stopped.
    pub(super) fn resume(
        &mut self,
        now: Mono,
        id: u32,
        source: std::net::IpAddr,
        left: &Left,
        outside: &mut dyn Outside,
    ) {
        let Some(slot) = self.slot(id) else {
            return;
        };
        let config = slot.model.core();
        let adjust = slot.assessment.adjust;
        let mut outputs = Vec::new();
        let (core, alive_until) = (&left.report.core, left.alive_until);
        let was_master = core.state == State::Master;
        self.host
            .resume(now, id, core, config, alive_until, source, &mut outputs);
        self.carry_out(now, &outputs, None, outside);
        let is_master = |core: &Instance| core.state() == State::Master;
        if was_master
            && !self.host.get(id).is_some_and(is_master)
            && let Some(slot) = self.slot_mut(id)
        {
            slot.witness.count("released_master");
        }
        // What is tracked now counts, not what was then.
        self.step(now, id, Input::Adjust(adjust), None, outside);
    }
}

impl Setup {
    /// The names of all interfaces that matter to the instances.
    #[must_use]
    pub fn interfaces(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for instance in &self.instances {
            names.insert(instance.interface.as_str());
            names.extend(instance.attachment.device());
            names.extend(instance.heartbeat.iter().map(|h| h.interface.as_str()));
            names.extend(instance.tracking.interfaces.iter().map(|u| u.name.as_str()));
        }
        for group in &self.common.sync_groups {
            names.extend(group.tracking.interfaces.iter().map(|u| u.name.as_str()));
        }
        names
    }
}
