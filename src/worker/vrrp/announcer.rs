//! Gratuitous ARP and unsolicited neighbour advertisements: telling the
//! segment where an address is now, and finding out whether somebody else
//! answers for it.
//!
//! An announcement is an edge and may get lost, so a set has several packets,
//! the core asks for a second set later, and a refresh can be configured.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;
use tokio::sync::mpsc::UnboundedSender;

use super::messages::Key;
use crate::kernel::SocketError;
use crate::kernel::announce;
use crate::kernel::packet::{self, PacketSocket};
use crate::kernel::rtnl::Link;
use crate::kernel::sysctl;
use crate::model::VrrpInstance;

/// How long after a takeover the segment is asked who else has the address:
/// long enough for the old Master to have let go of it.
const PROBE_AFTER: Duration = Duration::from_secs(2);
/// How often it is asked again while somebody else answers.
const PROBE_AGAIN: Duration = Duration::from_secs(30);
/// How long an answer is waited for.
const PROBE_WAIT: Duration = Duration::from_secs(1);

/// The result of asking who else has an address.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The address.
    pub address: IpAddr,
    /// The hardware address that answered; none if nobody did.
    pub other: Option<String>,
}

/// When something is due for one instance that is Master.
#[derive(Debug)]
struct Plan {
    refresh_at: Option<Mono>,
    probe_at: Option<Mono>,
}

/// Sends announcements.
#[derive(Debug)]
pub struct Announcer {
    plans: BTreeMap<Key, Plan>,
    conflicts: UnboundedSender<Conflict>,
}

impl Announcer {
    /// Conflicts that are found are sent to `conflicts`.
    pub fn new(conflicts: UnboundedSender<Conflict>) -> Self {
        Self {
            plans: BTreeMap::new(),
            conflicts,
        }
    }

    /// Sends a set of announcements for the addresses of an instance.
    pub fn announce(
        &mut self,
        now: Mono,
        key: &Key,
        instance: &VrrpInstance,
        links: &BTreeMap<String, Link>,
    ) {
        announce(instance, links, instance.announce.master_repeat);
        let plan = Plan {
            refresh_at: refresh(now, instance),
            probe_at: Some(now + PROBE_AFTER),
        };
        self.plans.insert(key.clone(), plan);
    }

    /// These instances exist from now on.
    pub fn configure(&mut self, now: Mono, instances: &BTreeMap<Key, VrrpInstance>) {
        self.plans.retain(|key, plan| {
            let Some(instance) = instances.get(key) else {
                return false;
            };
            // Sooner than planned if the interval is shorter now.
            plan.refresh_at = refresh(now, instance)
                .map(|next| plan.refresh_at.map_or(next, |planned| planned.min(next)));
            true
        });
    }

    /// The instance is no longer Master.
    pub fn forget(&mut self, key: &Key) {
        self.plans.remove(key);
    }

    /// An address of this instance is still claimed by somebody else: ask
    /// again later.
    pub fn probe_again(&mut self, now: Mono, key: &Key) {
        if let Some(plan) = self.plans.get_mut(key) {
            plan.probe_at = Some(now + PROBE_AGAIN);
        }
    }

    /// The next moment at which [`Self::fire`] has something to do.
    pub fn deadline(&self) -> Option<Mono> {
        self.plans
            .values()
            .flat_map(|plan| [plan.refresh_at, plan.probe_at])
            .flatten()
            .min()
    }

    /// Does what is due.
    pub fn fire(
        &mut self,
        now: Mono,
        instances: &BTreeMap<Key, VrrpInstance>,
        links: &BTreeMap<String, Link>,
    ) {
        for (key, plan) in &mut self.plans {
            let Some(instance) = instances.get(key) else {
                continue;
            };
            if plan.refresh_at.is_some_and(|at| at <= now) {
                plan.refresh_at = refresh(now, instance);
                announce(instance, links, instance.announce.refresh_repeat);
            }
            if plan.probe_at.is_some_and(|at| at <= now) {
                plan.probe_at = None;
                probe(instance, links, &self.conflicts);
            }
        }
    }
}

/// When the addresses have to be announced next without a cause.
fn refresh(now: Mono, instance: &VrrpInstance) -> Option<Mono> {
    let interval = instance.announce.refresh;
    (!interval.is_zero()).then(|| now + interval)
}

fn announce(instance: &VrrpInstance, links: &BTreeMap<String, Link>, repeat: u32) {
    for address in &instance.virtual_addresses {
        let device = address.dev.as_ref().unwrap_or(&instance.interface);
        let Some((link, mac)) = links.get(device).and_then(|link| Some((link, link.mac?))) else {
            continue;
        };
        // Unknown means that we do not forward.
        let router = address.address.is_ipv6() && sysctl::is_ipv6_router(device).unwrap_or(false);
        let frame = announce::announcement(mac, address.address, router);
        if let Err(error) = send(link.index, &frame, repeat) {
            tracing::warn!(event = "announcement_not_sent", address = %address, %error);
        }
    }
}

fn probe(
    instance: &VrrpInstance,
    links: &BTreeMap<String, Link>,
    conflicts: &UnboundedSender<Conflict>,
) {
    for address in &instance.virtual_addresses {
        let device = address.dev.as_ref().unwrap_or(&instance.interface);
        let Some((index, mac)) = links.get(device).and_then(|l| Some((l.index, l.mac?))) else {
            continue;
        };
        let (ip, conflicts) = (address.address, conflicts.clone());
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

fn send(index: u32, frame: &[u8], repeat: u32) -> Result<(), SocketError> {
    let socket = PacketSocket::open(index)?;
    for _ in 0..repeat {
        socket.send(frame)?;
    }
    Ok(())
}

fn mac_text(mac: &[u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}
