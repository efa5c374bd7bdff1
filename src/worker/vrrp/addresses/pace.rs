//! The order and the rate of announcements.
//!
//! Interfaces have lanes, one for ARP and one for neighbour advertisements, and
//! those of an announce group share theirs. In a lane, the first announcement of
//! every address comes before the second of any: a takeover of many addresses is
//! known everywhere as soon as the rate allows.
//!
//! Pure: time comes in, announcements come out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;

use crate::model::VrrpCommon;
use crate::worker::vrrp::messages::Key;

/// One packet to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// For which instance.
    pub key: Key,
    /// On which interface, by its number.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
}

/// Which lane: the name of an interface or, for a group of them, of the group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Interface(String),
    Group(String),
}

#[derive(Debug, Default)]
struct Lane {
    /// The least time between two.
    gap: Duration,
    /// Not before.
    next: Mono,
    /// By round and order of arrival.
    queue: BTreeMap<(u32, u64), Announcement>,
}

/// What waits to be announced.
#[derive(Debug, Default)]
pub struct Pace {
    lanes: BTreeMap<(Name, bool), Lane>,
    groups: BTreeMap<String, String>,
    gaps: BTreeMap<(Name, bool), Duration>,
    arrivals: u64,
}

impl Pace {
    /// These rates apply from now on.
    pub fn configure(&mut self, common: &VrrpCommon) {
        self.groups.clear();
        self.gaps.clear();
        for group in &common.announce_groups {
            let interfaces = group.interfaces.iter();
            self.groups
                .extend(interfaces.map(|name| (name.clone(), group.name.clone())));
            let name = Name::Group(group.name.clone());
            self.gaps.insert((name.clone(), false), group.garp_interval);
            self.gaps.insert((name, true), group.gna_interval);
        }
        for settings in &common.interfaces {
            let name = Name::Interface(settings.name.clone());
            self.gaps
                .insert((name.clone(), false), settings.garp_interval);
            self.gaps.insert((name, true), settings.gna_interval);
        }
        for (name, lane) in &mut self.lanes {
            lane.gap = self.gaps.get(name).copied().unwrap_or_default();
        }
    }

    /// Announces each of `addresses`, given with the name and the number of its
    /// interface, `repeat` times. What waits of the same is replaced.
    pub fn push(&mut self, key: &Key, addresses: &[(String, u32, IpAddr)], repeat: u32) {
        self.forget(key);
        for (name, interface, address) in addresses {
            let group = self.groups.get(name).cloned();
            let name = group.map_or_else(|| Name::Interface(name.clone()), Name::Group);
            let name = (name, address.is_ipv6());
            let gap = self.gaps.get(&name).copied().unwrap_or_default();
            let lane = self.lanes.entry(name).or_insert_with(|| Lane {
                gap,
                ..Lane::default()
            });
            for round in 0..repeat {
                let announcement = Announcement {
                    key: key.clone(),
                    interface: *interface,
                    address: *address,
                };
                lane.queue.insert((round, self.arrivals), announcement);
            }
            self.arrivals = self.arrivals.wrapping_add(1);
        }
    }

    /// Nothing more of this instance.
    pub fn forget(&mut self, key: &Key) {
        for lane in self.lanes.values_mut() {
            lane.queue.retain(|_, waiting| waiting.key != *key);
        }
    }

    /// When something is to be sent.
    pub fn deadline(&self) -> Option<Mono> {
        let waiting = self.lanes.values().filter(|lane| !lane.queue.is_empty());
        waiting.map(|lane| lane.next).min()
    }

    /// Takes what is to be sent now, `most` at most.
    pub fn take(&mut self, now: Mono, most: usize) -> Vec<Announcement> {
        let mut due = Vec::new();
        for lane in self.lanes.values_mut() {
            while due.len() < most && lane.next <= now {
                let Some((_, announcement)) = lane.queue.pop_first() else {
                    break;
                };
                due.push(announcement);
                if !lane.gap.is_zero() {
                    lane.next = now + lane.gap;
                }
            }
        }
        due
    }

    /// The interface's queue is full: this one, and others of its lane, not before
    /// `until`.
    pub fn put_back(&mut self, announcement: Announcement, interface: &str, until: Mono) {
        let group = self.groups.get(interface).cloned();
        let name = group.map_or_else(|| Name::Interface(interface.to_owned()), Name::Group);
        let name = (name, announcement.address.is_ipv6());
        if let Some(lane) = self.lanes.get_mut(&name) {
            lane.next = lane.next.max(until);
            // Before all others.
            let mut place = (0, 0);
            while lane.queue.contains_key(&place) {
                place.1 += 1;
            }
            lane.queue.insert(place, announcement);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AnnounceGroup, Family, InterfaceSettings};

    const START: Mono = Mono::ZERO;

    fn key(vrid: u8) -> Key {
        Key {
            interface: "eth0".into(),
            family: Family::Ipv4,
            vrid,
        }
    }

    fn on(interface: &str, last: u8) -> (String, u32, IpAddr) {
        let number = u32::from(interface.as_bytes()[3] - b'0');
        (interface.to_owned(), number, [192, 0, 2, last].into())
    }

    /// Sends all that is due as time goes by: when, on which interface, which.
    fn run(pace: &mut Pace) -> Vec<(u128, u32, u8)> {
        let mut sent = Vec::new();
        while let Some(at) = pace.deadline() {
            for announcement in pace.take(at, 8) {
                let IpAddr::V4(ip) = announcement.address else {
                    continue;
                };
                let millis = at.since(START).as_millis();
                sent.push((millis, announcement.interface, ip.octets()[3]));
            }
        }
        sent
    }

    fn common(interval: u64, groups: &[&str]) -> VrrpCommon {
        let interval = Duration::from_millis(interval);
        let mut common = VrrpCommon::default();
        if groups.is_empty() {
            common.interfaces.push(InterfaceSettings {
                name: "eth0".into(),
                down_delay: Duration::ZERO,
                up_delay: Duration::ZERO,
                garp_interval: interval,
                gna_interval: Duration::ZERO,
            });
        } else {
            common.announce_groups.push(AnnounceGroup {
                name: "uplink".into(),
                interfaces: groups.iter().map(|name| (*name).to_owned()).collect(),
                garp_interval: interval,
                gna_interval: Duration::ZERO,
            });
        }
        common
    }

    #[test]
    fn without_a_rate_everything_goes_at_once_round_by_round() {
        let mut pace = Pace::default();
        pace.push(&key(1), &[on("eth0", 1), on("eth0", 2)], 2);
        let sent = run(&mut pace);
        assert_eq!(sent, [(0, 0, 1), (0, 0, 2), (0, 0, 1), (0, 0, 2)]);
    }

    #[test]
    fn a_rate_spaces_the_packets_of_all_instances_of_an_interface() {
        let mut pace = Pace::default();
        pace.configure(&common(10, &[]));
        pace.push(&key(1), &[on("eth0", 1)], 2);
        pace.push(&key(2), &[on("eth0", 2)], 2);
        pace.push(&key(3), &[on("eth1", 3)], 1);
        let sent = run(&mut pace);
        let expected = [(0, 0, 1), (0, 1, 3), (10, 0, 2), (20, 0, 1), (30, 0, 2)];
        assert_eq!(sent, expected);
    }

    #[test]
    fn interfaces_of_a_group_share_the_rate() {
        let mut pace = Pace::default();
        pace.configure(&common(10, &["eth0", "eth1"]));
        pace.push(&key(1), &[on("eth0", 1), on("eth1", 2)], 1);
        assert_eq!(run(&mut pace), [(0, 0, 1), (10, 1, 2)]);
    }

    #[test]
    fn a_newer_set_replaces_what_waits_of_the_instance() {
        let mut pace = Pace::default();
        pace.configure(&common(10, &[]));
        pace.push(&key(1), &[on("eth0", 1)], 5);
        assert_eq!(pace.take(START, 8).len(), 1);
        pace.push(&key(1), &[on("eth0", 1)], 2);
        assert_eq!(run(&mut pace).len(), 2);
        pace.push(&key(1), &[on("eth0", 1)], 2);
        pace.forget(&key(1));
        assert_eq!(pace.deadline(), None);
    }

    #[test]
    fn what_does_not_fit_comes_first_later() {
        let mut pace = Pace::default();
        pace.push(&key(1), &[on("eth0", 1), on("eth0", 2)], 1);
        let first = pace.take(START, 1).remove(0);
        pace.put_back(first, "eth0", START + Duration::from_millis(5));
        assert_eq!(run(&mut pace), [(5, 0, 1), (5, 0, 2)]);
    }
}
