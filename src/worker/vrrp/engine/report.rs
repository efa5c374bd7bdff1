//! The snapshot of the engine: for people, and for a successor.

use std::time::Duration;

use mono::Mono;
use vrrp::{Instance, State};

use super::traffic::family_number;
use super::{Engine, Given, GroupSlot, Slot};
use crate::model::VirtualAddress;
use crate::status::{AddressReport, GroupReport, HeartbeatReport, InstanceReport, VrrpSnapshot};

/// A way counts as silent when nothing came for this long, and three intervals.
const SILENCE: Duration = Duration::from_secs(3);

impl Engine {
    /// The advert thread's part of a snapshot; the rest is filled in by whom it belongs
    /// to.
    pub fn report(&self, now: Mono) -> VrrpSnapshot {
        VrrpSnapshot {
            instances: self
                .by_key
                .values()
                .filter_map(|id| self.instance(now, *id))
                .collect(),
            worst_lateness: self.worst_lateness,
            groups: self.group_reports(),
            measured: self.known.results(),
            started: self.started,
            passive_until: self.passive_until,
            strangers: self.strangers.report(),
            unreadable: self.unreadable,
            ..VrrpSnapshot::new(now)
        }
    }

    fn group_reports(&self) -> Vec<GroupReport> {
        let groups = self.groups.iter();
        groups
            .map(|(name, group)| GroupReport {
                name: name.clone(),
                state: self.group_state(group),
                since: group.since,
                reason: group.reason.clone(),
                members: group.config.members.clone(),
            })
            .collect()
    }

    /// While none of its members has been resumed it is what the predecessor left.
    fn group_state(&self, group: &GroupSlot) -> State {
        let waits =
            |slot: &Slot| slot.left.is_some() && group.config.members.contains(&slot.model.name);
        let left = group
            .left
            .filter(|_| self.slots().any(|(_, slot)| waits(slot)));
        let now = || self.host.group_state(group.id);
        left.or_else(now).unwrap_or(State::Initialize)
    }

    fn instance(&self, now: Mono, id: u32) -> Option<InstanceReport> {
        let (slot, core) = (self.slot(id)?, self.host.get(id)?);
        let group = self
            .groups
            .iter()
            .find(|(_, group)| group.config.members.contains(&slot.model.name));
        // While it is not resumed it is what the predecessor left, so that the
        // next successor can still resume it.
        let left = slot.left.as_ref().map(|left| left.report.core.clone());
        let is_held_back = left.is_none()
            && core.state() == State::Initialize
            && matches!(slot.given, Given::Startup(_));
        let fault = slot.fault.clone().or_else(|| {
            let (name, _) = group.filter(|_| is_held_back)?;
            Some(format!("not all members of its group {name} can run"))
        });
        let snapshot = left.unwrap_or_else(|| core.snapshot());
        Some(InstanceReport {
            name: slot.model.name.clone(),
            interface: slot.key.interface.clone(),
            family: family_number(slot.key.family),
            virtual_router_id: slot.key.vrid,
            version: slot.advert.version.number(),
            priority: slot.model.priority,
            advert_interval: slot.model.advert_interval,
            master: snapshot
                .master
                .filter(|_| snapshot.state != State::Initialize)
                .map(|peer| (peer.address, peer.priority)),
            core: snapshot,
            since: slot.since,
            reason: slot.reason.clone(),
            fault,
            counters: slot.witness.counters(),
            addresses: slot.addresses(),
            group: group.map(|(name, _)| name.clone()),
            terms: slot.assessment.terms.clone(),
            waiting: slot.waiting.clone(),
            handing_over: core.handing_over(),
            heartbeat: slot.heartbeat(),
            verdicts: slot
                .witness
                .verdicts()
                .chain(slot.one_way(now, core))
                .collect(),
            complaints: slot.witness.complaints(),
            guard: slot.guard.snapshot(),
        })
    }
}

impl Slot {
    fn addresses(&self) -> Vec<AddressReport> {
        let base = self
            .model
            .attachment
            .device()
            .unwrap_or(&self.key.interface);
        let report = |address: &VirtualAddress| AddressReport {
            address: address.address,
            prefix: address.prefix_len,
            interface: address.dev.clone().unwrap_or_else(|| base.to_owned()),
            held: false,
            conflict: None,
        };
        self.model.held_addresses().map(report).collect()
    }

    /// Of two ways, one that is silent while the other is not.
    fn one_way(&self, now: Mono, core: &Instance) -> Option<String> {
        let second = &self.model.heartbeat.as_ref()?.interface;
        let works = self.ways.as_ref()?.heartbeat.as_ref()?.is_ok();
        // By a Master nobody need be heard.
        if !works || core.state() != State::Backup || now.since(self.since) < SILENCE {
            return None;
        }
        let patience = SILENCE.max(core.snapshot().interval.saturating_mul(3));
        let is_heard = |heard: Option<Mono>| heard.is_some_and(|at| now.since(at) < patience);
        let first = &self.key.interface;
        let (silent, other) = match self.heard.map(is_heard) {
            [true, false] => (second, first),
            [false, true] => (first, second),
            _ => return None,
        };
        Some(format!(
            "the master is heard by {other} only, not by {silent}"
        ))
    }

    fn heartbeat(&self) -> Option<HeartbeatReport> {
        let model = self.model.heartbeat.as_ref()?;
        let ways = self.ways.as_ref();
        let way = ways.and_then(|ways| ways.heartbeat.as_ref());
        Some(HeartbeatReport {
            interface: model.interface.clone(),
            fault: way.and_then(|way| Some(way.as_ref().err()?.words().to_owned())),
            heard: self.heard[1],
        })
    }
}
