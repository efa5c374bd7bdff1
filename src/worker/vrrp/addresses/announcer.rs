//! Gratuitous ARP and unsolicited neighbour advertisements: telling the
//! segment where an address is now, and finding out whether somebody else
//! answers for it.
//!
//! An announcement is an edge and may get lost, so a set has several packets,
//! the core asks for a second set later, and a refresh can be configured.
//! Nothing here blocks: what an interface does not take waits.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;
use tokio::sync::mpsc::UnboundedSender;
use vrrp::Cause;

use super::links::Links;
use super::pace::{Announcement, Pace};
use super::wanted::{device, virtual_addresses};
use crate::kernel::SocketError;
use crate::kernel::announce;
use crate::kernel::packet::{self, PacketSocket};
use crate::kernel::sysctl;
use crate::model::{VrrpCommon, VrrpInstance};
use crate::worker::vrrp::messages::Key;

/// How long after a takeover the segment is asked who else has the address:
/// long enough for the old Master to have let go of it.
const PROBE_AFTER: Duration = Duration::from_secs(2);
/// How often it is asked again while somebody else answers.
const PROBE_AGAIN: Duration = Duration::from_secs(30);
/// How long after the first answer it is asked again: whoever has preempted us has
/// spoken by then.
const PROBE_SURELY: Duration = Duration::from_secs(1);
/// How long an answer is waited for.
const PROBE_WAIT: Duration = Duration::from_secs(1);
/// What is added without the core's asking is announced after this time, in case
/// the core asks, too.
const UNASKED: Duration = Duration::from_millis(20);
/// When an interface takes no more, this soon again.
const FULL: Duration = Duration::from_millis(5);
/// Packets sent before commands get their turn.
const BURST: usize = 256;

/// The result of asking who else has an address.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The address.
    pub address: IpAddr,
    /// The hardware address that answered; none if nobody did.
    pub other: Option<String>,
}

/// When something is due for one instance that is Master.
#[derive(Debug, Default)]
struct Plan {
    /// A set that the core has not asked for.
    unasked_at: Option<Mono>,
    refresh_at: Option<Mono>,
    /// A refresh of the addresses on other interfaces than the instance's.
    extra_at: Option<Mono>,
    probe_at: Option<Mono>,
}

impl Plan {
    fn times(&self) -> [Option<Mono>; 4] {
        [
            self.unasked_at,
            self.refresh_at,
            self.extra_at,
            self.probe_at,
        ]
    }
}

/// Sends announcements.
#[derive(Debug)]
pub struct Announcer {
    plans: BTreeMap<Key, Plan>,
    pace: Pace,
    sockets: BTreeMap<u32, PacketSocket>,
    conflicts: UnboundedSender<Conflict>,
}

/// Whose addresses, and where they are.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The instances.
    pub instances: &'a BTreeMap<Key, VrrpInstance>,
    /// The interfaces.
    pub links: &'a Links,
}

impl Announcer {
    /// Conflicts that are found are sent to `conflicts`.
    pub fn new(conflicts: UnboundedSender<Conflict>) -> Self {
        Self {
            plans: BTreeMap::new(),
            pace: Pace::default(),
            sockets: BTreeMap::new(),
            conflicts,
        }
    }

    /// Announces the addresses of an instance.
    pub fn announce(&mut self, now: Mono, key: &Key, cause: Cause, scene: Scene<'_>) {
        let Some(instance) = scene.instances.get(key) else {
            return;
        };
        let repeat = match cause {
            Cause::Master | Cause::Again => instance.announce.master_repeat,
            Cause::Rival => instance.announce.lower_prio_repeat,
        };
        if repeat > 0 {
            self.pace
                .push(key, &places(instance, scene.links, false), repeat);
        }
        if cause == Cause::Master || !self.plans.contains_key(key) {
            let plan = Plan {
                unasked_at: None,
                refresh_at: after(now, instance.announce.refresh),
                extra_at: after(now, instance.announce.extra_interfaces),
                probe_at: Some(now + PROBE_AFTER),
            };
            self.plans.insert(key.clone(), plan);
        }
    }

    /// Addresses of an instance that is Master were added: they are announced
    /// soon, unless the core asks for it before.
    pub fn announce_unasked(&mut self, now: Mono, key: &Key) {
        let plan = self.plans.entry(key.clone()).or_default();
        plan.unasked_at.get_or_insert(now + UNASKED);
    }

    /// Announces an address that is this host's own.
    pub fn announce_own(&mut self, key: &Key, interface: &str, index: u32, address: IpAddr) {
        self.pace
            .push(key, &[(interface.to_owned(), index, address)], 1);
    }

    /// These instances exist from now on.
    pub fn configure(
        &mut self,
        now: Mono,
        instances: &BTreeMap<Key, VrrpInstance>,
        common: &VrrpCommon,
    ) {
        self.pace.configure(common);
        self.plans.retain(|key, plan| {
            let Some(instance) = instances.get(key) else {
                return false;
            };
            // Sooner than planned if the interval is shorter now.
            let sooner = |interval, planned: Option<Mono>| {
                after(now, interval).map(|next| planned.map_or(next, |planned| planned.min(next)))
            };
            plan.refresh_at = sooner(instance.announce.refresh, plan.refresh_at);
            plan.extra_at = sooner(instance.announce.extra_interfaces, plan.extra_at);
            true
        });
    }

    /// The instance is no longer Master.
    pub fn forget(&mut self, key: &Key) {
        self.plans.remove(key);
        self.pace.forget(key);
    }

    /// An address of this instance is claimed by somebody else, surely or as it seems:
    /// ask again later.
    pub fn probe_again(&mut self, now: Mono, key: &Key, is_sure: bool) {
        let at = now + if is_sure { PROBE_AGAIN } else { PROBE_SURELY };
        if let Some(plan) = self.plans.get_mut(key) {
            plan.probe_at = Some(plan.probe_at.map_or(at, |planned| planned.min(at)));
        }
    }

    /// The next moment at which [`Self::fire`] has something to do.
    pub fn deadline(&self) -> Option<Mono> {
        let plans = self.plans.values().flat_map(Plan::times).flatten();
        plans.chain(self.pace.deadline()).min()
    }

    /// Does what is due.
    pub fn fire(&mut self, now: Mono, scene: Scene<'_>) {
        let due = |at: Option<Mono>| at.is_some_and(|at| at <= now);
        let mut unasked = Vec::new();
        for (key, plan) in &mut self.plans {
            let Some(instance) = scene.instances.get(key) else {
                continue;
            };
            let repeat = instance.announce.refresh_repeat;
            if due(plan.unasked_at) {
                unasked.push(key.clone());
                continue;
            }
            let (refresh, extra) = (due(plan.refresh_at), due(plan.extra_at));
            if extra {
                plan.extra_at = after(now, instance.announce.extra_interfaces);
            }
            if refresh {
                plan.refresh_at = after(now, instance.announce.refresh);
            }
            if refresh || extra {
                let places = places(instance, scene.links, !refresh);
                self.pace.push(key, &places, repeat);
            }
            if due(plan.probe_at) {
                plan.probe_at = None;
                probe(instance, scene.links, &self.conflicts);
            }
        }
        for key in unasked {
            self.announce(now, &key, Cause::Master, scene);
        }
        self.send_due(now, scene.links);
    }

    fn send_due(&mut self, now: Mono, links: &Links) {
        let due = self.pace.take(now, BURST);
        if due.is_empty() {
            return;
        }
        self.sockets
            .retain(|index, _| links.by_index(*index).is_some());
        let mut routers = BTreeMap::new();
        for announcement in due {
            let Some(link) = links.by_index(announcement.interface) else {
                continue;
            };
            let Some(mac) = link.mac else { continue };
            let address = announcement.address;
            // Unknown means that we do not forward.
            let router = address.is_ipv6()
                && *routers
                    .entry(link.index)
                    .or_insert_with(|| sysctl::is_ipv6_router(&link.name).unwrap_or(false));
            let frame = announce::announcement(mac, address, router);
            match self.send(link.index, &frame) {
                Ok(()) => {}
                Err(error) if error.is_full() => {
                    self.pace.put_back(announcement, &link.name, now + FULL);
                }
                Err(error) => {
                    self.sockets.remove(&link.index);
                    let Announcement { key, .. } = announcement;
                    tracing::warn!(event = "announcement_not_sent", %address, %key, %error);
                    // The others would fail, too; whoever mends the interface
                    // makes us announce again.
                    self.pace.forget(&key);
                }
            }
        }
    }

    fn send(&mut self, index: u32, frame: &[u8]) -> Result<(), SocketError> {
        let socket = match self.sockets.entry(index) {
            std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(PacketSocket::open(index)?)
            }
        };
        socket.send(frame)
    }
}

/// When something that comes every `interval` is due; zero: never.
fn after(now: Mono, interval: Duration) -> Option<Mono> {
    (!interval.is_zero()).then(|| now + interval)
}

/// The addresses of an instance, with the names and numbers of their interfaces.
/// `elsewhere`: only those on others than the instance's own.
fn places(instance: &VrrpInstance, links: &Links, elsewhere: bool) -> Vec<(String, u32, IpAddr)> {
    let home = instance.attachment.device().unwrap_or(&instance.interface);
    let places = virtual_addresses(instance).filter_map(|address| {
        let name = device(instance, address, links)?;
        let index = links.index(&name)?;
        (!elsewhere || name != home).then_some((name, index, address.address))
    });
    places.collect()
}

fn probe(instance: &VrrpInstance, links: &Links, conflicts: &UnboundedSender<Conflict>) {
    for (name, index, ip) in places(instance, links, false) {
        let Some(mac) = links.get(&name).and_then(|link| link.mac) else {
            continue;
        };
        let conflicts = conflicts.clone();
        tokio::spawn(async move {
            match packet::duplicate_address(index, mac, ip, PROBE_WAIT).await {
                Ok(other) => {
                    let other = other.map(|mac| mac_text(&mac));
                    // The receiver ends only with the process.
                    let _ = conflicts.send(Conflict { address: ip, other });
                }
                Err(error) => {
                    tracing::debug!(event = "probe_failed", address = %ip, %error);
                }
            }
        });
    }
}

fn mac_text(mac: &[u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}
