//! The instances of this host: whom a packet is for, whose timer is next, and
//! what the cores' effects mean outside.
//!
//! No socket and no clock here: sending, address handling and reporting go
//! through [`Outside`], the time comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;
use vrrp::wire::{Advert, Expect, GROUP_V4, GROUP_V6, Path, TtlRange};
use vrrp::{Effect, Input, Instance, Reason, State, Via};

use super::messages::{Interface, Key, Resume};
use crate::kernel::vrrp_socket::Received;
use crate::model::{Family, VrrpInstance};
use crate::status::{AddressReport, InstanceReport};

/// What the engine makes happen.
pub trait Outside {
    /// Make ready to send and to receive on this interface, unless it is.
    ///
    /// # Errors
    ///
    /// Why that cannot be, in words.
    fn open(&mut self, interface: &str, index: u32, family: Family) -> Result<(), String>;
    /// Send this message for the instance on interface `index`.
    fn send(&mut self, index: u32, source: IpAddr, message: &[u8]);
    /// The instance holds its addresses, or does not.
    fn role(&mut self, key: &Key, holds: bool);
    /// Announce its addresses.
    fn announce(&mut self, key: &Key);
    /// Its state changed: somebody may want a report.
    fn changed(&mut self);
}

/// After a socket could not be opened, this soon again.
const REOPEN: Duration = Duration::from_secs(1);
/// Complaints logged per instance and state; those beyond are only counted, for
/// whoever can forge a packet could fill the log.
const COMPLAINTS: usize = 16;

struct Slot {
    key: Key,
    model: VrrpInstance,
    core: Instance,
    advert: Advert,
    expect: Expect,
    /// Interface index and our address, while the interface is usable.
    place: Option<(u32, IpAddr)>,
    fault: Option<String>,
    since: Mono,
    reason: String,
    counters: BTreeMap<&'static str, u64>,
    /// The complaints that were logged since the last transition: each kind of
    /// bad packet of a sender is logged once, and [`COMPLAINTS`] of them at most.
    complaints: BTreeSet<(&'static str, IpAddr)>,
    resume: Option<Resume>,
    /// The deadline under which the slot stands in the table of deadlines.
    deadline: Option<Mono>,
}

/// Where the adverts of a family go.
pub const fn group(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(GROUP_V4),
        Family::Ipv6 => IpAddr::V6(GROUP_V6),
    }
}

/// All instances.
#[derive(Default)]
pub struct Engine {
    slots: BTreeMap<Key, Slot>,
    /// By interface index, family and vrid: whom a packet is for.
    by_place: BTreeMap<(u32, Family, u8), Key>,
    deadlines: BTreeSet<(Mono, Key)>,
    interfaces: BTreeMap<String, Interface>,
    /// When to try again to start the instances whose socket failed.
    reopen_at: Option<Mono>,
    /// Before the first configuration there is nothing to report.
    configured: bool,
    /// Nothing starts any more.
    stopped: bool,
    effects: Vec<Effect>,
    message: Vec<u8>,
    /// Longest lateness of a timer.
    worst_lateness: Duration,
}

impl Engine {
    /// The next moment at which [`Self::fire`] has something to do.
    pub fn deadline(&self) -> Option<Mono> {
        let first = self.deadlines.first().map(|(deadline, _)| *deadline);
        [first, self.reopen_at].into_iter().flatten().min()
    }

    /// Whether [`Self::report`] says anything: not before the first
    /// configuration.
    pub const fn configured(&self) -> bool {
        self.configured
    }

    /// Longest lateness of a timer since the start.
    pub const fn worst_lateness(&self) -> Duration {
        self.worst_lateness
    }

    /// Interfaces and families on which there are instances that can run.
    pub fn places(&self) -> BTreeSet<(u32, Family)> {
        self.by_place
            .keys()
            .map(|(index, family, _)| (*index, *family))
            .collect()
    }

    /// Runs these instances from now on.
    pub fn configure(
        &mut self,
        now: Mono,
        instances: Vec<VrrpInstance>,
        resume: Vec<Resume>,
        outside: &mut dyn Outside,
    ) {
        if self.stopped {
            return;
        }
        self.configured = true;
        let wanted: BTreeSet<Key> = instances.iter().map(Key::of).collect();
        let gone: Vec<Key> = self
            .slots
            .keys()
            .filter(|key| !wanted.contains(key))
            .cloned()
            .collect();
        for key in gone {
            self.remove(now, &key, outside);
        }
        // Of an interface without instances nobody tells us any more.
        self.interfaces
            .retain(|name, _| wanted.iter().any(|key| key.interface == *name));
        let mut resume: BTreeMap<Key, Resume> = resume
            .into_iter()
            .map(|resume| (resume.key.clone(), resume))
            .collect();
        for model in instances {
            let key = Key::of(&model);
            match self.slots.get(&key).map(|slot| slot.model.clone()) {
                Some(old) if old == model => {}
                Some(old) if old.version == model.version => {
                    self.change(now, &key, model, outside);
                }
                Some(_) => {
                    // Another version is another router to its peers.
                    self.remove(now, &key, outside);
                    self.add(now, &key, model, None, outside);
                }
                None => {
                    let resume = resume.remove(&key);
                    self.add(now, &key, model, resume, outside);
                }
            }
        }
    }

    fn add(
        &mut self,
        now: Mono,
        key: &Key,
        model: VrrpInstance,
        resume: Option<Resume>,
        outside: &mut dyn Outside,
    ) {
        let slot = Slot {
            core: Instance::new(model.core()),
            advert: model.advert(),
            expect: model.expect(),
            key: key.clone(),
            model,
            place: None,
            fault: Some("its interface is not known yet".into()),
            since: now,
            reason: "not started".into(),
            counters: BTreeMap::new(),
            complaints: BTreeSet::new(),
            resume,
            deadline: None,
        };
        let interface = slot.key.interface.clone();
        self.slots.insert(key.clone(), slot);
        if let Some(state) = self.interfaces.get(&interface).cloned() {
            self.place(now, key, &state, outside);
        }
    }

    fn change(&mut self, now: Mono, key: &Key, model: VrrpInstance, outside: &mut dyn Outside) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        tracing::info!(event = "instance_changed", instance = model.name);
        slot.advert = model.advert();
        slot.expect = model.expect();
        let core = model.core();
        slot.model = model;
        self.step(now, key, Input::Reconfigure(core), outside);
    }

    fn remove(&mut self, now: Mono, key: &Key, outside: &mut dyn Outside) {
        self.shut_down(now, key, outside);
        if let Some(slot) = self.slots.remove(key) {
            tracing::info!(event = "instance_removed", instance = slot.model.name);
            if let Some(deadline) = slot.deadline {
                self.deadlines.remove(&(deadline, key.clone()));
            }
            if let Some((index, _)) = slot.place {
                self.by_place.remove(&(index, key.family, key.vrid));
            }
        }
        outside.role(key, false);
    }

    /// Gives everything up, for good: whatever comes later starts nothing.
    pub fn stop(&mut self, now: Mono, outside: &mut dyn Outside) {
        self.stopped = true;
        self.reopen_at = None;
        let keys: Vec<Key> = self.slots.keys().cloned().collect();
        for key in keys {
            self.shut_down(now, &key, outside);
        }
    }

    /// At once: the second time ends the hand-over.
    fn shut_down(&mut self, now: Mono, key: &Key, outside: &mut dyn Outside) {
        for _ in 0..2 {
            self.step(now, key, Input::Shutdown, outside);
        }
    }

    /// An interface changed.
    pub fn interface(
        &mut self,
        now: Mono,
        name: String,
        state: Interface,
        outside: &mut dyn Outside,
    ) {
        if self.stopped {
            return;
        }
        let keys: Vec<Key> = self
            .slots
            .keys()
            .filter(|key| key.interface == name)
            .cloned()
            .collect();
        for key in keys {
            self.place(now, &key, &state, outside);
        }
        self.interfaces.insert(name, state);
        outside.changed();
    }

    fn place(&mut self, now: Mono, key: &Key, state: &Interface, outside: &mut dyn Outside) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        if let Some((index, _)) = slot.place.take() {
            self.by_place.remove(&(index, key.family, key.vrid));
        }
        let source = state.source(key.family).and_then(|(index, source)| {
            // First the ears: an instance that hears nobody becomes Master.
            outside
                .open(&key.interface, index, key.family)
                .inspect_err(|_| self.reopen_at = Some(now + REOPEN))?;
            Ok((index, source))
        });
        match source {
            Ok((index, source)) => {
                slot.place = Some((index, source));
                slot.fault = None;
                self.by_place
                    .insert((index, key.family, key.vrid), key.clone());
                match slot.resume.take() {
                    Some(resume) => self.resume(now, key, source, &resume, outside),
                    None => self.step(now, key, Input::Startup { source }, outside),
                }
            }
            Err(reason) => {
                let fault = format!("{}: {reason}", key.interface);
                if slot.fault.as_ref() != Some(&fault) {
                    tracing::error!(event = "fault", instance = slot.model.name, reason = %fault);
                }
                slot.fault = Some(fault);
                // What a predecessor was has ended, as it would have for itself.
                slot.resume = None;
                self.step(now, key, Input::Fault, outside);
                outside.role(key, false);
            }
        }
    }

    fn resume(
        &mut self,
        now: Mono,
        key: &Key,
        source: IpAddr,
        left: &Resume,
        outside: &mut dyn Outside,
    ) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        slot.core = Instance::resume(
            slot.model.core(),
            &left.core,
            left.alive_until,
            now,
            source,
            &mut effects,
        );
        self.carry_out(now, key, &effects, outside);
        self.effects = effects;
    }

    /// Steps every instance whose deadline has come. At most one round of
    /// each, so that packets get their turn.
    pub fn fire(&mut self, now: Mono, outside: &mut dyn Outside) {
        if self.reopen_at.is_some_and(|at| at <= now) {
            self.reopen(now, outside);
        }
        for _ in 0..self.slots.len() {
            let Some((deadline, key)) = self.deadlines.first().cloned() else {
                return;
            };
            if deadline > now {
                return;
            }
            self.worst_lateness = self.worst_lateness.max(now.since(deadline));
            self.step(now, &key, Input::Timer, outside);
        }
    }

    /// Tries again to start what has a usable interface but no socket.
    fn reopen(&mut self, now: Mono, outside: &mut dyn Outside) {
        self.reopen_at = None;
        let silent: Vec<Key> = self
            .slots
            .values()
            .filter(|slot| slot.place.is_none())
            .map(|slot| slot.key.clone())
            .collect();
        for key in silent {
            let state = self.interfaces.get(&key.interface).cloned();
            if let Some(state) = state.filter(|state| state.source(key.family).is_ok()) {
                self.place(now, &key, &state, outside);
            }
        }
        outside.changed();
    }

    /// A VRRP message came in on interface `index`.
    pub fn packet(
        &mut self,
        now: Mono,
        index: u32,
        received: &Received<'_>,
        outside: &mut dyn Outside,
    ) {
        let Received {
            src,
            dst,
            ttl,
            message,
        } = *received;
        let family = Family::of(src);
        let key = message
            .get(1)
            .and_then(|vrid| self.by_place.get(&(index, family, *vrid)));
        let Some(key) = key.cloned() else {
            // Somebody else's virtual router.
            return;
        };
        let Some(slot) = self.slots.get_mut(&key) else {
            return;
        };
        let Some((_, source)) = slot.place else {
            return;
        };
        let decoded = TtlRange::LINK
            .check(ttl)
            .and_then(|()| Advert::decode(message, &Path { src, dst }, &slot.expect));
        match decoded {
            Ok(advert) => {
                slot.count("advert_received");
                if advert.priority == 0 {
                    slot.count("priority_zero_received");
                }
                self.step(
                    now,
                    &key,
                    Input::Advert {
                        src,
                        via: Via::Primary,
                        own: source,
                        advert: &advert,
                    },
                    outside,
                );
            }
            Err(error) => slot.complain(error.classify(), src, &error.to_string()),
        }
    }

    fn step(&mut self, now: Mono, key: &Key, input: Input<'_>, outside: &mut dyn Outside) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let sender = match &input {
            Input::Advert { src, .. } => Some(*src),
            _ => None,
        };
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        slot.core.step(now, input, &mut effects);
        for effect in &effects {
            match (effect, sender) {
                (Effect::Rejected(why), Some(src)) => {
                    slot.complain(why.name(), src, &why.to_string());
                }
                (Effect::Surprise(why), Some(src)) => {
                    slot.complain(why.name(), src, &why.to_string());
                }
                _ => {}
            }
        }
        self.carry_out(now, key, &effects, outside);
        self.effects = effects;
    }

    fn carry_out(&mut self, now: Mono, key: &Key, effects: &[Effect], outside: &mut dyn Outside) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        for effect in effects {
            match effect {
                Effect::Send { priority } => slot.send(*priority, &mut self.message, outside),
                Effect::AddAddresses => outside.role(key, true),
                Effect::RemoveAddresses => outside.role(key, false),
                Effect::Announce { .. } => outside.announce(key),
                Effect::Transition { from, to, reason } => {
                    slot.transition(now, *from, *to, *reason);
                    // Also at the start, where nothing was held: what a
                    // predecessor left is then taken away.
                    if *to != State::Master && !slot.core.handing_over() {
                        outside.role(key, false);
                    }
                    outside.changed();
                }
                Effect::Rejected(_) | Effect::Surprise(_) => {}
            }
        }
        let deadline = slot.core.deadline();
        if deadline != slot.deadline {
            if let Some(old) = slot.deadline {
                self.deadlines.remove(&(old, key.clone()));
            }
            if let Some(new) = deadline {
                self.deadlines.insert((new, key.clone()));
            }
            slot.deadline = deadline;
        }
    }

    /// The instances' part of a report; the addresses are filled in by whom
    /// they belong to.
    pub fn report(&self) -> Vec<InstanceReport> {
        self.slots.values().map(Slot::report).collect()
    }
}

impl Slot {
    fn count(&mut self, name: &'static str) {
        let counter = self.counters.entry(name).or_default();
        *counter = counter.saturating_add(1);
    }

    fn complain(&mut self, kind: &'static str, from: IpAddr, why: &str) {
        self.count(kind);
        if self.complaints.len() < COMPLAINTS && self.complaints.insert((kind, from)) {
            tracing::warn!(
                event = "bad_advert", instance = self.model.name, kind, from = %from, reason = why,
            );
        }
    }

    fn send(&mut self, priority: u8, message: &mut Vec<u8>, outside: &mut dyn Outside) {
        let Some((index, source)) = self.place else {
            return;
        };
        self.advert.priority = priority;
        message.clear();
        let path = Path {
            src: source,
            dst: group(self.key.family),
        };
        match self.advert.encode(&path, self.model.checksum(), message) {
            Ok(()) => {
                self.count("advert_sent");
                if priority == 0 {
                    self.count("priority_zero_sent");
                }
                outside.send(index, source, message);
            }
            Err(error) => self.complain("encode", source, &error.to_string()),
        }
    }

    fn transition(&mut self, now: Mono, from: State, to: State, reason: Reason) {
        self.since = now;
        self.reason = reason.to_string();
        self.complaints.clear();
        match to {
            State::Master => self.count("became_master"),
            _ if from == State::Master => self.count("released_master"),
            _ => {}
        }
        tracing::info!(
            event = "transition", instance = self.model.name, from = %from, to = %to,
            reason = %reason, vrid = self.key.vrid, interface = self.key.interface,
        );
    }

    fn report(&self) -> InstanceReport {
        // While it is not resumed it is what the predecessor left, so that the
        // next successor can still resume it.
        let left = self.resume.as_ref().map(|resume| resume.core.clone());
        let core = left.unwrap_or_else(|| self.core.snapshot());
        let master = match (core.state, self.place) {
            (State::Master, Some((_, source))) => Some((source, self.model.priority)),
            (State::Backup, _) => core.master.map(|peer| (peer.address, peer.priority)),
            _ => None,
        };
        InstanceReport {
            name: self.model.name.clone(),
            interface: self.key.interface.clone(),
            family: match self.key.family {
                Family::Ipv4 => 4,
                Family::Ipv6 => 6,
            },
            virtual_router_id: self.key.vrid,
            version: self.advert.version.number(),
            priority: self.model.priority,
            advert_interval: self.model.advert_interval,
            core,
            since: self.since,
            reason: self.reason.clone(),
            master,
            fault: self.fault.clone(),
            counters: self
                .counters
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
            addresses: self
                .model
                .virtual_addresses
                .iter()
                .map(|address| AddressReport {
                    address: address.address,
                    prefix: address.prefix_len,
                    interface: address
                        .dev
                        .clone()
                        .unwrap_or_else(|| self.key.interface.clone()),
                    held: false,
                    conflict: None,
                })
                .collect(),
        }
    }
}
