//! Whether an instance can run, and telling its core so.

use std::net::IpAddr;

use mono::Mono;
use vrrp::{Input, State, Via};

use super::ways::{self, Hindrance, Port, Way, Ways};
use super::{Engine, Given, Outside, REOPEN, Slot};
use crate::model::{Attachment, Subject, What};

/// What follows from all that is known of an instance.
enum Readiness {
    /// It can run, with this address.
    Ready(IpAddr),
    /// It is to start later.
    Waiting {
        why: Vec<String>,
        /// Whether what a predecessor left is given up meanwhile.
        gives_up: bool,
    },
    /// It cannot run.
    Fault(String),
}

impl Engine {
    /// Looks at every instance anew.
    pub(super) fn refresh_all(&mut self, now: Mono, outside: &mut dyn Outside) {
        if self.stopping {
            return;
        }
        if self.maintenance {
            return self.give_up_left(now, outside);
        }
        for id in self.ids() {
            self.refresh(now, id, outside);
        }
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        self.slots().map(|(id, _)| id).collect()
    }

    /// Looks at one instance anew: its ways, what it tracks, and what its core should
    /// know of that.
    pub(super) fn refresh(&mut self, now: Mono, id: u32, outside: &mut dyn Outside) {
        if self.stopping || self.maintenance {
            return;
        }
        let Some(slot) = self.slot(id) else {
            return;
        };
        let group = self
            .groups
            .values()
            .map(|group| &group.config)
            .find(|group| group.members.contains(&slot.model.name));
        let assessment = self.known.assess(&slot.model, group);
        let found = ways::find(&slot.model, &self.interfaces, slot.guard.is_ah());
        let found = self.replace_ways(now, id, found, outside);
        let is_cut_off = found.is_err();
        let readiness = self.readiness(now, id, &assessment, found);
        let adjust = assessment.adjust;
        if let Some(slot) = self.slot_mut(id) {
            slot.assessment = assessment;
        }
        self.adjust(now, id, adjust, outside);
        match readiness {
            Some(Readiness::Ready(source)) => self.ready(now, id, source, outside),
            Some(Readiness::Waiting { why, gives_up }) => {
                self.wait(id, why, gives_up, outside);
            }
            Some(Readiness::Fault(fault)) => self.fault(now, id, fault, outside),
            None => {}
        }
        // Only now: the last word may still leave by the second interface.
        if is_cut_off {
            self.drop_ways(id, outside);
        }
    }

    fn drop_ways(&mut self, id: u32, outside: &mut dyn Outside) {
        self.by_place.retain(|_, (other, _)| *other != id);
        if self
            .slot_mut(id)
            .and_then(|slot| slot.ways.take())
            .is_some()
        {
            outside.rewired();
        }
    }

    fn readiness(
        &self,
        now: Mono,
        id: u32,
        assessment: &super::Assessment,
        found: Result<IpAddr, Hindrance>,
    ) -> Option<Readiness> {
        let slot = self.slot(id)?;
        let runs = self.host.get(id)?.state() != State::Initialize;
        let goes_on = runs || slot.given != Given::Nothing && slot.given != Given::Fault;
        let mut faults = Vec::new();
        let mut source = None;
        match found {
            Ok(address) => source = Some(address),
            // Nobody has looked yet.
            Err(Hindrance::Unknown(why)) if !goes_on => {
                return Some(Readiness::Waiting {
                    why: vec![why],
                    gives_up: false,
                });
            }
            Err(Hindrance::Unknown(why) | Hindrance::Fault(why)) => faults.push(why),
        }
        faults.extend(assessment.faults.iter().cloned());
        if !faults.is_empty() {
            return Some(Readiness::Fault(faults.join("; ")));
        }
        if !goes_on && slot.left.is_none() {
            let mut why = assessment.waiting.clone();
            if self.passive_until.is_some_and(|until| now < until) {
                why.push("the delay after the start".into());
            }
            if !why.is_empty() {
                let gives_up = true;
                return Some(Readiness::Waiting { why, gives_up });
            }
        }
        source.map(Readiness::Ready)
    }

    /// In maintenance what a predecessor left is taken up only to be given up in order:
    /// all at once, because of the groups, and as soon as the interfaces are known.
    fn give_up_left(&mut self, now: Mono, outside: &mut dyn Outside) {
        let mut found = Vec::new();
        let mut waits = false;
        for (id, slot) in self.slots() {
            let Some(left) = &slot.left else { continue };
            let ways = ways::find(&slot.model, &self.interfaces, slot.guard.is_ah());
            let in_time = left.report.core.state == State::Master && left.is_in_time(slot, now);
            waits |= in_time && matches!(ways, Err(Hindrance::Unknown(_)));
            found.push((id, ways.ok().filter(|_| in_time)));
        }
        if waits {
            self.reopen_at = Some(now + REOPEN);
            return;
        }
        let mut resumed = Vec::new();
        for (id, ways) in found {
            let left = self.slot_mut(id).and_then(|slot| slot.left.take());
            let source = ways.and_then(|ways| self.replace_ways(now, id, Ok(ways), outside).ok());
            if let (Some(left), Some(source)) = (left, source) {
                self.resume(now, id, source, &left, outside);
                resumed.push(id);
            } else if let Some(slot) = self.slot(id) {
                outside.role(&slot.key, false);
            }
            outside.changed();
        }
        for id in resumed {
            // A group goes as a whole, and a second word would end its hand-over.
            if self
                .host
                .get(id)
                .is_some_and(|core| core.state() == State::Master)
            {
                self.step(now, id, Input::Shutdown, None, outside);
            }
        }
    }

    /// Changes the ways of an instance, and opens what they need. Returns the address
    /// that it sends from; if it has none any more the old ways are still there.
    fn replace_ways(
        &mut self,
        now: Mono,
        id: u32,
        found: Result<Ways, Hindrance>,
        outside: &mut dyn Outside,
    ) -> Result<IpAddr, Hindrance> {
        let Some(slot) = self.slot(id) else {
            return Err(Hindrance::Unknown(String::new()));
        };
        let vrid = slot.key.vrid;
        let mut ways = match (found, &slot.ways) {
            (Ok(ways), _) => ways,
            // What it last knew has to do.
            (Err(_), Some(ways)) if slot.model.dont_track_primary => ways.clone(),
            (Err(hindrance), _) => return Err(hindrance),
        };
        let same = slot.ways.as_ref() == Some(&ways);
        if same {
            return Ok(ways.primary.source);
        }
        // First the ears: an instance that hears nobody becomes Master.
        let opened = open(slot, &ways.primary, &slot.key.interface, outside)
            .map_err(|why| format!("{}: {why}", slot.key.interface));
        let heartbeat = slot.model.heartbeat.as_ref();
        if let (Some(second), Some(model)) = (&mut ways.heartbeat, heartbeat) {
            let opened = match &*second {
                Ok(way) => open(slot, way, &model.interface, outside),
                Err(_) => Ok(()),
            };
            if let Err(why) = opened {
                *second = Err(Hindrance::Fault(why));
                self.reopen_at = Some(now + REOPEN);
            }
        }
        if let Err(why) = opened {
            self.reopen_at = Some(now + REOPEN);
            return Err(Hindrance::Fault(why));
        }
        self.by_place.retain(|_, (other, _)| *other != id);
        for port in &ways.primary.ears {
            self.by_place.insert((*port, vrid), (id, Via::Primary));
        }
        if let Some(Ok(way)) = &ways.heartbeat {
            for port in &way.ears {
                let place = self.by_place.entry((*port, vrid));
                place.or_insert((id, Via::Heartbeat));
            }
        }
        let source = ways.primary.source;
        if let Some(slot) = self.slot_mut(id) {
            slot.log_heartbeat(&ways);
            slot.ways = Some(ways);
        }
        outside.rewired();
        outside.changed();
        Ok(source)
    }

    fn adjust(&mut self, now: Mono, id: u32, adjust: i32, outside: &mut dyn Outside) {
        let before = self.host.get(id).map(vrrp::Instance::priority);
        self.step(now, id, Input::Adjust(adjust), None, outside);
        self.tell_priority(now, id, before, outside);
    }

    /// Tells of another effective priority than `before`.
    pub(super) fn tell_priority(
        &mut self,
        now: Mono,
        id: u32,
        before: Option<u8>,
        outside: &mut dyn Outside,
    ) {
        let (Some(core), Some(slot)) = (self.host.get(id), self.slot(id)) else {
            return;
        };
        let priority = core.priority();
        let what = match core.state() {
            State::Master => What::MasterPriority,
            State::Backup => What::BackupPriority,
            State::Initialize => return,
        };
        if before == Some(priority) {
            return;
        }
        let reason = slot.explain_priority(core.base_priority(), priority);
        let name = slot.model.name.clone();
        tracing::info!(event = "priority", instance = name, priority, %reason);
        outside.changed();
        let subject = Subject::Instance(name);
        self.tell(now, subject, what, priority, reason, outside);
    }

    fn ready(&mut self, now: Mono, id: u32, source: IpAddr, outside: &mut dyn Outside) {
        let Some(slot) = self.slot_mut(id) else {
            return;
        };
        slot.waiting.clear();
        if slot.fault.take().is_some() {
            tracing::info!(event = "fault_over", instance = slot.model.name);
            outside.changed();
        }
        let given = std::mem::replace(&mut slot.given, Given::Startup(source));
        if given == Given::Startup(source) {
            return;
        }
        match slot.left.take() {
            Some(left) => self.resume(now, id, source, &left, outside),
            None => self.step(now, id, Input::Startup { source }, None, outside),
        }
    }

    fn wait(&mut self, id: u32, why: Vec<String>, gives_up: bool, outside: &mut dyn Outside) {
        let Some(slot) = self.slot_mut(id) else {
            return;
        };
        slot.fault = None;
        slot.given = Given::Nothing;
        if slot.waiting != why {
            tracing::info!(
                event = "waiting",
                instance = slot.model.name,
                r#for = why.join(", ")
            );
            slot.waiting = why;
            outside.changed();
        }
        if gives_up {
            outside.role(&slot.key, false);
        }
    }

    fn fault(&mut self, now: Mono, id: u32, fault: String, outside: &mut dyn Outside) {
        let Some(slot) = self.slot_mut(id) else {
            return;
        };
        slot.waiting.clear();
        // What a predecessor was has ended, as it would have for itself.
        slot.left = None;
        if slot.fault.as_ref() != Some(&fault) {
            tracing::error!(event = "fault", instance = slot.model.name, reason = %fault);
            slot.fault = Some(fault);
            outside.changed();
        }
        if std::mem::replace(&mut slot.given, Given::Fault) == Given::Fault {
            return;
        }
        self.step(now, id, Input::Fault, None, outside);
        let Some(slot) = self.slot_mut(id) else {
            return;
        };
        outside.role(&slot.key, false);
        if slot.told != Some(What::Fault) {
            // It was not running, so its core has nothing to say.
            slot.told = Some(What::Fault);
            slot.since = now;
            let reason = slot.fault.clone().unwrap_or_default();
            let subject = Subject::Instance(slot.model.name.clone());
            let priority = self.host.get(id).map_or(0, vrrp::Instance::priority);
            self.tell(now, subject, What::Fault, priority, reason, outside);
        }
    }
}

fn open(slot: &Slot, way: &Way, name: &str, outside: &mut dyn Outside) -> Result<(), String> {
    let device = slot.model.attachment.device().unwrap_or(name);
    let room = slot.model.transport.receive_buffer;
    outside.open(way.mouth, device, None, None)?;
    for port in &way.ears {
        let name = if *port == way.mouth { device } else { name };
        let group = way.accept.group().filter(|_| !is_silent(slot, way, port));
        outside.open(*port, name, group, room)?;
    }
    Ok(())
}

/// Whether a port is on the macvlan of an instance. From there a Backup says
/// nothing, not even (by MLD) that it listens: a switch would learn the virtual MAC
/// at the wrong port. The interface below hears the group as well.
fn is_silent(slot: &Slot, way: &Way, port: &Port) -> bool {
    let Attachment::Vmac { transmit_base, .. } = slot.model.attachment else {
        return false;
    };
    way.ears.len() > 1 && (*port == way.mouth) != transmit_base
}

impl Slot {
    /// `base 100, chk_nginx -30 = 70`.
    pub(super) fn explain_priority(&self, base: u8, effective: u8) -> String {
        use std::fmt::Write as _;
        let mut text = format!("base {base}");
        for term in &self.assessment.terms {
            // Writing to a string does not fail.
            let _ = write!(text, ", {} {:+}", term.name, term.effect);
        }
        let _ = write!(text, " = {effective}");
        text
    }

    fn log_heartbeat(&self, ways: &Ways) {
        let state = |ways: &Ways| match &ways.heartbeat {
            Some(Err(Hindrance::Fault(why))) => Some(why.clone()),
            Some(Ok(_) | Err(Hindrance::Unknown(_))) | None => None,
        };
        let before = self.ways.as_ref().and_then(state);
        match state(ways) {
            Some(reason) if before.as_ref() != Some(&reason) => {
                tracing::warn!(event = "heartbeat_lost", instance = self.model.name, %reason);
            }
            None if before.is_some() => {
                tracing::info!(event = "heartbeat_back", instance = self.model.name);
            }
            _ => {}
        }
    }
}
