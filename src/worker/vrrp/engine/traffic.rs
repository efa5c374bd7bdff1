//! Packets in, adverts out.
//!
//! The checks of a packet, in their order: somebody's VRID; sent the way this instance
//! listens; TTL; the decoder's; authentication; the core's. Each failure is counted by
//! kind and touches nothing else.

use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;
use vrrp::wire::{Advert, DecodeError, Path, peek_vrid};
use vrrp::{Input, Via};

use super::ways::{Port, Way};
use super::witness::{Sighting, verdict};
use super::{Engine, Outside, Slot};
use crate::kernel::vrrp_socket::Heard;
use crate::model::Family;

/// A packet to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter<'a> {
    /// Where it leaves.
    pub port: Port,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// What follows the IP header; with [`Carrier::Ah`](crate::kernel::vrrp_socket::Carrier::Ah) the whole
    /// packet.
    pub octets: &'a [u8],
}

/// Why a packet is not heeded.
struct Refusal {
    kind: &'static str,
    reason: Reason,
}

/// Made into words only where somebody reads them.
enum Reason {
    Decode(DecodeError),
    Auth(vrrp::wire::AuthError),
    Words(String),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::Auth(error) => error.fmt(f),
            Self::Words(words) => words.fmt(f),
        }
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self {
            kind: error.classify(),
            reason: Reason::Decode(error),
        }
    }
}

impl Engine {
    /// A packet came in at `port`.
    pub fn packet(&mut self, now: Mono, port: Port, heard: &Heard<'_>, outside: &mut dyn Outside) {
        let Some(vrid) = peek_vrid(heard.payload.message()) else {
            return self.unreadable();
        };
        let Some(&(id, via)) = self.by_place.get(&(port, vrid)) else {
            return match heard.payload.message() {
                // Of either version an advert; anything else says nothing of a VRID.
                [0x21 | 0x31, ..] => self.stranger(now, port, vrid, heard.src, outside),
                _ => self.unreadable(),
            };
        };
        let Some(slot) = self.slot_mut(id) else {
            return;
        };
        if slot.has_heard(now, port, via, heard.src) {
            return;
        }
        let advert = match slot.read(via, heard, outside) {
            Ok(advert) => advert,
            Err(refusal) => {
                let note = |slot: &mut Slot| {
                    let words = || refusal.reason.to_string();
                    slot.note(now, refusal.kind, (heard.src, None, &[]), words)
                };
                if note(slot) {
                    outside.changed();
                }
                return self.identify(id, port, outside);
            }
        };
        let Some(own) = slot.way(via).map(|way| way.source) else {
            return;
        };
        slot.witness.count(match via {
            Via::Primary => "advert_received",
            Via::Heartbeat => "heartbeat_received",
        });
        if advert.priority == 0 {
            slot.witness.count("priority_zero_received");
        }
        slot.ear = (via == Via::Primary).then_some((heard.src, port, now));
        slot.heard[usize::from(via == Via::Heartbeat)] = Some(now);
        let src = heard.src;
        let input = Input::Advert {
            src,
            via,
            own,
            advert: &advert,
        };
        self.step(now, id, input, Some((src, &advert)), outside);
        self.learn_master(id, outside);
        self.identify(id, port, outside);
    }

    /// Has the sender of what is newly complained about looked for.
    fn identify(&mut self, id: u32, port: Port, outside: &mut dyn Outside) {
        let unknown = self
            .slot_mut(id)
            .and_then(|slot| slot.witness.take_unidentified());
        if let Some(from) = unknown {
            outside.identify(port.index, from);
        }
    }

    /// A packet came in that is no advert.
    pub const fn unreadable(&mut self) {
        self.unreadable = self.unreadable.saturating_add(1);
    }

    /// Somebody else's virtual router.
    fn stranger(
        &mut self,
        now: Mono,
        port: Port,
        vrid: u8,
        from: IpAddr,
        outside: &mut dyn Outside,
    ) {
        // The devices of virtual routers hear all groups of the interface below.
        let name = self.interface_name(port.index);
        let Some(name) = name.filter(|name| self.is_base(name)) else {
            return;
        };
        let name = name.to_owned();
        let place = (port.index, family_number(port.family), vrid);
        let is_new = self.strangers.note(now, place, from, || name.clone());
        if is_new {
            outside.changed();
            if self.log_unknown {
                tracing::warn!(event = "unknown_vrid", interface = name, vrid, from = %from);
            }
        }
    }

    fn interface_name(&self, index: u32) -> Option<&str> {
        use crate::worker::vrrp::messages::Interface;
        let is_it = |state: &Interface| state.there().is_some_and(|it| it.index == index);
        let mut all = self.interfaces.iter();
        all.find(|(_, state)| is_it(state))
            .map(|(name, _)| name.as_str())
    }

    fn is_base(&self, name: &str) -> bool {
        self.slots().any(|(_, slot)| slot.key.interface == name)
    }

    /// Has whoever became Master reported.
    fn learn_master(&mut self, id: u32, outside: &mut dyn Outside) {
        let master = self.host.get(id).and_then(vrrp::Instance::master);
        if let Some(slot) = self.slot_mut(id).filter(|slot| slot.master != master) {
            slot.master = master;
            outside.changed();
        }
    }

    /// Sends the advert of an instance on all its ways.
    pub(super) fn send(&mut self, id: u32, priority: u8, outside: &mut dyn Outside) {
        let (mut message, mut packet) = (
            std::mem::take(&mut self.message),
            std::mem::take(&mut self.packet),
        );
        if let Some(slot) = self.slot_mut(id) {
            slot.send(priority, (&mut message, &mut packet), outside);
        }
        (self.message, self.packet) = (message, packet);
    }
}

pub(super) const fn family_number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 6,
    }
}

impl Slot {
    fn way(&self, via: Via) -> Option<&Way> {
        let ways = self.ways.as_ref()?;
        match via {
            Via::Primary => Some(&ways.primary),
            Via::Heartbeat => ways.heartbeat.as_ref()?.as_ref().ok(),
        }
    }

    /// Whether this is the same advert once more: the device of a virtual router and the
    /// interface below may both hear it.
    fn has_heard(&self, now: Mono, port: Port, via: Via, src: IpAddr) -> bool {
        let copies = self.way(via).is_some_and(|way| way.ears.len() > 1);
        let soon = self.model.advert_interval.min(Duration::from_secs(1)) / 2;
        copies
            && self
                .ear
                .is_some_and(|(from, at, then)| from == src && at != port && now.since(then) < soon)
    }

    fn read(
        &mut self,
        via: Via,
        heard: &Heard<'_>,
        outside: &dyn Outside,
    ) -> Result<Advert, Refusal> {
        let Heard { src, dst, ttl, .. } = *heard;
        let silent = || Refusal {
            kind: "delivery",
            reason: Reason::Words("there is no way for it".into()),
        };
        let way = self.way(via).ok_or_else(silent)?;
        let range = way
            .accept
            .check(src, dst)
            .map_err(|(kind, words)| Refusal {
                kind,
                reason: Reason::Words(words),
            })?;
        range.check(ttl)?;
        let path = Path { src, dst };
        let advert = Advert::decode(heard.payload.message(), &path, &self.expect)?;
        let wall = outside.wall();
        let opened = self
            .guard
            .open(wall, advert.version, advert.vrid, &path, heard.payload);
        if let Err(error) = opened {
            return Err(Refusal {
                kind: error.classify(),
                reason: Reason::Auth(error),
            });
        }
        self.guard.commit();
        Ok(advert)
    }

    /// Takes note of a bad or surprising advert; true if that is news.
    pub(super) fn note(
        &mut self,
        now: Mono,
        kind: &'static str,
        (from, priority, addresses): (IpAddr, Option<u8>, &[IpAddr]),
        words: impl Fn() -> String,
    ) -> bool {
        let sighting = Sighting {
            kind,
            from,
            priority,
            addresses,
            interval: self.model.advert_interval,
        };
        let vrid = self.key.vrid;
        let noted = self.witness.note(now, sighting, || {
            let reason = words();
            let verdict = verdict(&sighting, vrid, &reason);
            (reason, verdict)
        });
        if noted.log {
            tracing::warn!(
                event = "bad_advert", instance = self.model.name, kind, from = %from,
                reason = words(),
            );
        }
        noted.is_new
    }

    /// As [`Self::note`], for what the core found.
    pub(super) fn complain(
        &mut self,
        now: Mono,
        kind: &'static str,
        heard: Option<(IpAddr, &Advert)>,
        words: impl Fn() -> String,
    ) -> bool {
        let Some((src, advert)) = heard else {
            return false;
        };
        let what = (src, Some(advert.priority), advert.addresses.as_slice());
        self.note(now, kind, what, words)
    }

    fn send(
        &mut self,
        priority: u8,
        (message, packet): (&mut Vec<u8>, &mut Vec<u8>),
        outside: &mut dyn Outside,
    ) {
        self.advert.priority = priority;
        let Some(ways) = &self.ways else {
            return;
        };
        let second = ways.heartbeat.as_ref().and_then(|way| way.as_ref().ok());
        for way in std::iter::once(&ways.primary).chain(second) {
            for dst in &way.to {
                let path = Path {
                    src: way.source,
                    dst: *dst,
                };
                message.clear();
                let encoded = self.advert.encode(&path, self.model.checksum(), message);
                if let Err(error) = encoded {
                    // A validated configuration never leads here.
                    tracing::error!(event = "advert_not_made", instance = self.model.name, %error);
                    return;
                }
                let octets = if self.guard.is_ah() {
                    packet.clear();
                    self.guard
                        .seal_ah(outside.wall(), &path, way.ttl, message, packet);
                    &*packet
                } else {
                    let (version, vrid) = (self.advert.version, self.advert.vrid);
                    self.guard
                        .seal(outside.wall(), version, vrid, &path, message);
                    &*message
                };
                outside.send(&Letter {
                    port: way.mouth,
                    src: way.source,
                    dst: *dst,
                    ttl: way.ttl,
                    octets,
                });
            }
        }
        self.witness.count("advert_sent");
        if priority == 0 {
            self.witness.count("priority_zero_sent");
        }
    }
}
