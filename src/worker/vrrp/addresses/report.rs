//! The address thread's part of a report.

use std::collections::BTreeSet;

use super::Addresses;
use super::held::Held;
use crate::reconcile::address::{Address, Identity};
use crate::reconcile::owned::Entry;
use crate::status::{AddressReport, FixedReport, InstalledReport, VrrpSnapshot};

impl Addresses {
    /// Fills in our part.
    pub(super) fn complete(&self, snapshot: &mut VrrpSnapshot) {
        let present: BTreeSet<(u32, std::net::IpAddr, u8)> = self
            .installer
            .addresses
            .observed
            .values()
            .map(|address| (address.interface, address.address, address.prefix_len))
            .collect();
        let instances = snapshot.instances.iter_mut();
        for address in instances.flat_map(|instance| &mut instance.addresses) {
            let index = self.links.index(&address.interface);
            address.held = index
                .is_some_and(|index| present.contains(&(index, address.address, address.prefix)));
            address.conflict = self.conflicts.of(&address.address).cloned();
        }
        let config = self.config();
        let own = config.own_addresses();
        let (own, held): (Vec<&Address>, Vec<&Address>) = self
            .expected()
            .partition(|address| own.contains(&address.identity()));
        snapshot.held = held.into_iter().map(|a| self.report(a)).collect();
        let (fixed_routes, routes) = split(&self.installer.routes, &config.fixed_routes());
        let (fixed_rules, rules) = split(&self.installer.rules, &config.fixed_rules());
        snapshot.installed = InstalledReport {
            routes,
            rules,
            fixed: FixedReport {
                addresses: own.into_iter().map(|a| self.report(a)).collect(),
                routes: fixed_routes,
                rules: fixed_rules,
            },
            sysctls: self.parameters.clone(),
            firewall: self.firewall.is_used(),
        };
        let error = self.error.as_ref().or(self.firewall_error.as_ref());
        snapshot.address_error = error.cloned();
        snapshot.repairs = self.installer.repairs;
    }

    /// The addresses that we have put there and that still are.
    fn expected(&self) -> impl Iterator<Item = &Address> {
        let addresses = &self.installer.addresses;
        let there = |identity: &Identity| addresses.observed.contains_key(identity);
        let expected = addresses.expected.iter();
        expected
            .filter(move |(identity, _)| there(identity))
            .map(|(_, address)| address)
    }

    fn report(&self, address: &Address) -> AddressReport {
        AddressReport {
            address: address.address,
            prefix: address.prefix_len,
            interface: self.links.name(address.interface).to_owned(),
            held: true,
            conflict: self.conflicts.of(&address.address).cloned(),
        }
    }
}

/// What was left in the kernel: that of `fixed`, and the rest.
fn split<E: Entry>(
    held: &Held<E>,
    fixed: &BTreeSet<E::Identity>,
) -> (Vec<E::Identity>, Vec<E::Identity>) {
    let identities = held.expected.keys().cloned();
    identities.partition(|identity| fixed.contains(identity))
}
