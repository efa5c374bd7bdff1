//! Giving up on request: fail-over, maintenance, the end. Make before break: the
//! addresses stay until the core says that the successor was heard, or that nobody came.

use mono::Mono;
use vrrp::{Input, State};

use super::{Engine, Given, Outside};
use crate::worker::protocol::Order;
use crate::worker::vrrp::messages::ToMain;

/// A request that is answered when its instances have handed over.
#[derive(Debug)]
pub(super) struct Pending {
    /// The request's id.
    id: u64,
    /// The instances that were Master.
    slots: Vec<u32>,
}

impl Engine {
    /// Does as an operator says, and answers when that is done.
    pub fn order(&mut self, now: Mono, id: u64, order: &Order, outside: &mut dyn Outside) {
        let outcome = match order {
            Order::Failover(name) => self.failover(now, id, name.as_deref(), outside),
            Order::Maintenance(on) => Ok(self.maintain(now, id, *on, outside)),
        };
        match outcome {
            Ok(slots) if slots.is_empty() => {
                let words = match order {
                    Order::Failover(_) => "nothing to give up: no instance is master here",
                    Order::Maintenance(true) => "no instance was master here",
                    Order::Maintenance(false) => "the instances take part again",
                };
                outside.pass(ToMain::Done(id, Ok(words.into())));
            }
            Ok(slots) => {
                self.pending.push(Pending { id, slots });
                self.answer(outside);
            }
            Err(reason) => outside.pass(ToMain::Done(id, Err(reason))),
        }
        outside.changed();
    }

    fn failover(
        &mut self,
        now: Mono,
        request: u64,
        name: Option<&str>,
        outside: &mut dyn Outside,
    ) -> Result<Vec<u32>, String> {
        let ids = match name {
            Some(name) => self.named(name)?,
            None => self.ids(),
        };
        let masters = self.masters(&ids);
        if let (Some(name), []) = (name, masters.as_slice()) {
            return Err(format!("{name} is not master here"));
        }
        tracing::info!(event = "failover", request, instances = masters.len());
        for id in &masters {
            self.step(now, *id, Input::Release, None, outside);
        }
        Ok(masters)
    }

    /// The members of the group of this name, or of the group of the instance of this
    /// name, which moves as a whole; or that instance alone.
    fn named(&self, name: &str) -> Result<Vec<u32>, String> {
        let has_it = |group: &&super::GroupSlot| group.config.members.iter().any(|m| m == name);
        let by_member = || self.groups.values().find(has_it);
        let group = self.groups.get(name).or_else(by_member);
        let members = group.map(|group| &group.config.members);
        let is_it = |of: &String| match members {
            Some(members) => members.contains(of),
            None => of == name,
        };
        let found: Vec<u32> = self
            .slots()
            .filter(|(_, slot)| is_it(&slot.model.name))
            .map(|(id, _)| id)
            .collect();
        if found.is_empty() {
            return Err(format!("there is no VRRP instance or group named {name}"));
        }
        Ok(found)
    }

    /// Those that are Master; forgets who took their addresses before.
    fn masters(&mut self, ids: &[u32]) -> Vec<u32> {
        let is_master = |id: &&u32| {
            let core = self.host.get(**id);
            core.is_some_and(|core| core.state() == State::Master)
        };
        let masters: Vec<u32> = ids.iter().filter(is_master).copied().collect();
        for id in &masters {
            if let Some(slot) = self.slot_mut(*id) {
                slot.successor = None;
            }
        }
        masters
    }

    fn maintain(
        &mut self,
        now: Mono,
        request: u64,
        on: bool,
        outside: &mut dyn Outside,
    ) -> Vec<u32> {
        tracing::info!(event = "maintenance", request, on);
        if !on {
            self.maintenance = false;
            self.refresh_all(now, outside);
            return Vec::new();
        }
        self.maintenance = true;
        self.shut_down(now, outside)
    }

    /// Gives everything up, for good: whatever comes later starts nothing. Said once
    /// more, it does not wait for successors.
    pub fn stop(&mut self, now: Mono, outside: &mut dyn Outside) {
        self.stopping = true;
        self.reopen_at = None;
        self.passive_until = None;
        self.shut_down(now, outside);
        self.answer(outside);
    }

    fn shut_down(&mut self, now: Mono, outside: &mut dyn Outside) -> Vec<u32> {
        let ids = self.ids();
        let masters = self.masters(&ids);
        let is_last = self.stopping;
        for id in ids {
            let holds = self.holds(id);
            if let Some(slot) = self.slot_mut(id) {
                slot.given = Given::Nothing;
                slot.fault = None;
                slot.waiting.clear();
                // A predecessor's part ends with its successor's; in maintenance it is
                // given up in order.
                slot.left.take_if(|_| is_last);
                if !holds && slot.left.is_none() {
                    outside.role(&slot.key, false);
                }
            }
            self.step(now, id, Input::Shutdown, None, outside);
        }
        masters
    }

    /// Answers what waited for hand-overs that have ended.
    pub(super) fn answer(&mut self, outside: &mut dyn Outside) {
        let pending = std::mem::take(&mut self.pending);
        let is_busy = |pending: &Pending| pending.slots.iter().any(|id| self.hands_over(*id));
        let (rest, done): (Vec<_>, Vec<_>) = pending.into_iter().partition(is_busy);
        self.pending = rest;
        for Pending { id, slots } in done {
            let words = slots.iter().filter_map(|id| self.outcome(*id));
            let words: Vec<String> = words.collect();
            outside.pass(ToMain::Done(id, Ok(words.join("\n"))));
        }
        let all_given_up = !self.slots().any(|(id, _)| self.holds(id));
        if self.stopping && !self.stopped && all_given_up {
            self.stopped = true;
            outside.stop();
        }
    }

    pub(super) fn awaits_successor(&self, id: u32) -> bool {
        let core = self.host.get(id);
        core.is_some_and(vrrp::Instance::awaits_successor)
    }

    fn hands_over(&self, id: u32) -> bool {
        let core = self.host.get(id);
        core.is_some_and(vrrp::Instance::handing_over)
    }

    /// What became of an instance that was to hand over.
    fn outcome(&self, id: u32) -> Option<String> {
        let (slot, core) = (self.slot(id)?, self.host.get(id)?);
        let name = &slot.model.name;
        Some(match (core.state(), slot.successor) {
            (State::Master, _) => format!("{name}: nobody took it: kept"),
            (_, Some(successor)) => format!("{name}: given up to {successor}"),
            (State::Backup, None) => match core.master() {
                Some(master) => format!("{name}: given up to {}", master.address),
                None => format!("{name}: given up"),
            },
            (State::Initialize, None) => format!("{name}: given up; nobody was heard to take it"),
        })
    }
}
