//! What is to be there: configuration and roles in, entries out.
//!
//! What an instance holds while it is Master is desired if it is. If its role is
//! not known yet (right after a start), its entries are desired exactly as far
//! as they are there: a successor must not take away what it is about to resume.

use std::collections::{BTreeMap, BTreeSet};

use super::convert;
use super::held::{Desired, Held};
use super::links::Links;
use crate::model::{Attachment, Route, StaticNetwork, VirtualAddress, VrrpInstance};
use crate::reconcile::address::{self, Address};
use crate::reconcile::owned::{Entry, Table};
use crate::reconcile::route;
use crate::reconcile::rule::Rule;
use crate::worker::vrrp::messages::Key;

/// The priority of whoever has the virtual addresses as its own.
pub const OWNER: u8 = 255;

/// What the desired state follows from.
#[derive(Clone, Copy)]
pub struct Config<'a> {
    /// The instances.
    pub instances: &'a BTreeMap<Key, VrrpInstance>,
    /// Whether each holds its role; absent: not known yet.
    pub roles: &'a BTreeMap<Key, bool>,
    /// What is there in any case.
    pub fixed: &'a StaticNetwork,
    /// The interfaces.
    pub links: &'a Links,
}

/// The addresses that follow an instance's role, in order.
pub fn virtual_addresses(instance: &VrrpInstance) -> impl Iterator<Item = &VirtualAddress> {
    let excluded = instance.excluded_addresses.iter();
    instance.virtual_addresses.iter().chain(excluded)
}

/// The interface that carries a virtual address.
pub fn device(instance: &VrrpInstance, address: &VirtualAddress, links: &Links) -> Option<String> {
    let Some(dev) = &address.dev else {
        let own = instance.attachment.device();
        return Some(own.unwrap_or(&instance.interface).to_owned());
    };
    match &instance.attachment {
        Attachment::Vmac {
            name,
            addresses_too: true,
            ..
        } if *dev == instance.interface => Some(name.clone()),
        Attachment::Vmac {
            addresses_too: true,
            ..
        } => Some(extra_device(instance, links.index(dev)?)),
        _ => Some(dev.clone()),
    }
}

/// The name of an instance's further interface on the one of this number: it
/// goes with that one, so the number may be part of its name.
pub fn extra_device(instance: &VrrpInstance, parent: u32) -> String {
    let family = if instance
        .virtual_addresses
        .iter()
        .any(|a| a.address.is_ipv6())
    {
        6
    } else {
        4
    };
    format!("vr{family}.{}.{parent}", instance.virtual_router_id)
}

impl<'a> Config<'a> {
    /// The instances, and whether each holds its role.
    fn each(self) -> impl Iterator<Item = (&'a VrrpInstance, Option<bool>)> {
        let role = move |key| self.roles.get(key).copied();
        self.instances
            .iter()
            .map(move |(key, instance)| (instance, role(key)))
    }

    /// An instance's addresses where they belong, with whether somebody else may
    /// remove them.
    pub fn addresses_of(self, instance: &VrrpInstance) -> impl Iterator<Item = (Address, bool)> {
        virtual_addresses(instance).filter_map(move |address| {
            let device = device(instance, address, self.links)?;
            let index = self.links.index(&device)?;
            Some((convert::address(index, address), address.no_track))
        })
    }

    /// The addresses that this host has whatever the roles.
    fn fixed_addresses(self) -> impl Iterator<Item = (Address, bool)> {
        let fixed = self.fixed.addresses.iter().filter_map(move |address| {
            let index = self.links.index(address.dev.as_ref()?)?;
            Some((convert::address(index, address), address.no_track))
        });
        let own = self.instances.values().filter_map(move |instance| {
            let Attachment::Ipvlan { name, address, .. } = &instance.attachment else {
                return None;
            };
            let (address, prefix_len) = (*address)?;
            let index = self.links.index(name)?;
            Some((Address::plain(index, address, prefix_len), false))
        });
        fixed.chain(own)
    }

    /// The identities of the addresses that are this host's own although we put
    /// them there.
    pub fn own_addresses(self) -> BTreeSet<address::Identity> {
        self.fixed_addresses()
            .map(|(address, _)| address.identity())
            .collect()
    }

    /// The addresses to have, given those that are there.
    pub fn addresses(self, observed: &Table<Address>) -> Desired<Address> {
        let mut desired = Desired::default();
        for (address, no_track) in self.fixed_addresses() {
            desired.insert(address, no_track);
        }
        for (instance, role) in self.each() {
            for (address, no_track) in self.addresses_of(instance) {
                if role.unwrap_or_else(|| observed.contains_key(&address.identity())) {
                    desired.insert(address, no_track);
                }
            }
        }
        desired
    }

    /// The addresses that are ours by what the configuration says: a leftover of
    /// another director's software must not stay on a Backup. The owner of an
    /// address (priority 255) has it as its own, so there only what we put
    /// counts.
    pub fn claimed_addresses(self) -> impl Iterator<Item = address::Identity> {
        let instances = self.instances.values();
        instances
            .filter(|instance| instance.priority < OWNER)
            .flat_map(move |instance| self.addresses_of(instance))
            .map(|(address, _)| address.identity())
    }

    /// Whether this address moves between hosts.
    pub fn is_virtual(self, ip: std::net::IpAddr) -> bool {
        let mut instances = self.instances.values();
        instances.any(|instance| {
            instance.priority < OWNER
                && virtual_addresses(instance).any(|address| address.address == ip)
        })
    }

    /// The routes to have, given those that are there. One whose interface is
    /// not there or down waits for it.
    pub fn routes(self, held: &Held<route::Route>) -> Desired<route::Route> {
        let mut desired = Desired::default();
        let mut want = |route: &Route| {
            if let Ok(entry) = convert::route(route, self.links) {
                desired.insert(entry, route.no_track);
            }
        };
        self.fixed.routes.iter().for_each(&mut want);
        for (instance, role) in self.each() {
            let there = |route: &&Route| {
                let identity = convert::route_identity(route);
                role.unwrap_or_else(|| held.observed.contains_key(&identity))
            };
            let routes = instance.virtual_routes.iter();
            routes.filter(there).for_each(&mut want);
        }
        desired
    }

    /// The rules to have, given those that are there.
    pub fn rules(self, held: &Held<Rule>) -> Desired<Rule> {
        let mut desired = Desired::default();
        for rule in &self.fixed.rules {
            desired.insert(convert::rule(rule), rule.no_track);
        }
        for (instance, role) in self.each() {
            for rule in &instance.virtual_rules {
                let entry = convert::rule(rule);
                if role.unwrap_or_else(|| held.observed.contains_key(&entry)) {
                    desired.insert(entry, rule.no_track);
                }
            }
        }
        desired
    }

    /// The identities of the routes that are there whatever the roles.
    pub fn fixed_routes(self) -> BTreeSet<route::Identity> {
        let routes = self.fixed.routes.iter();
        routes.map(convert::route_identity).collect()
    }

    /// The rules that are there whatever the roles.
    pub fn fixed_rules(self) -> BTreeSet<Rule> {
        self.fixed.rules.iter().map(convert::rule).collect()
    }

    /// The protocol numbers of the routes that may be ours.
    pub fn route_protocols(self) -> BTreeSet<u8> {
        let virtual_routes = self.instances.values().flat_map(|i| &i.virtual_routes);
        let routes = self.fixed.routes.iter().chain(virtual_routes);
        routes
            .map(|route| route.protocol.unwrap_or(route::PROTOCOL))
            .collect()
    }

    /// Whether any rule may be ours.
    pub fn has_rules(self) -> bool {
        !self.fixed.rules.is_empty()
            || self
                .instances
                .values()
                .any(|instance| !instance.virtual_rules.is_empty())
    }
}
