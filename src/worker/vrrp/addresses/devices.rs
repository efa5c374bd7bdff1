//! The interfaces and kernel parameters that instances need.
//!
//! A virtual router with a MAC address of its own lives on a macvlan. It is there
//! as long as the instance is configured, not only while it is Master: a Backup
//! sends nothing from it, so that no switch learns its address at the wrong port.
//! For that it has no address of its own, no IPv6 autoconfiguration, no duplicate
//! address detection, and joins no group: adverts are heard on the interface below.
//! And only it answers ARP for what is on it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::links::Links;
use super::wanted::{device, extra_device, virtual_addresses};
use crate::kernel::sysctl::{self, of_interface};
use crate::model::{Attachment, Family, IpvlanMode, VrrpInstance};
use crate::reconcile::link::{self, Device, IPVLAN_PRIVATE, IPVLAN_VEPA, Kind, Present};
use crate::reconcile::sysctl::Want;
use crate::worker::vrrp::messages::Key;

/// The interfaces to have. Those whose parent is not there wait for it.
pub fn devices(instances: &BTreeMap<Key, VrrpInstance>, links: &Links) -> BTreeMap<String, Device> {
    let mut devices = BTreeMap::new();
    for instance in instances.values() {
        let master = instance.vrf.as_ref().and_then(|vrf| links.index(vrf));
        let mut want = |name: String, parent: u32, kind: Kind| {
            let device = Device {
                name: name.clone(),
                parent,
                kind,
                master: master.unwrap_or_default(),
            };
            devices.insert(name, device);
        };
        let parent = links.index(&instance.interface);
        match &instance.attachment {
            Attachment::Plain => {}
            Attachment::Vmac {
                name,
                mac,
                addresses_too,
                ..
            } => {
                let kind = Kind::Macvlan(mac.unwrap_or_else(|| virtual_mac(instance)));
                if let Some(parent) = parent {
                    want(name.clone(), parent, kind);
                }
                let devs = virtual_addresses(instance).filter_map(|a| a.dev.as_ref());
                for dev in devs.filter(|dev| *addresses_too && **dev != instance.interface) {
                    if let Some(parent) = links.index(dev) {
                        want(extra_device(instance, parent), parent, kind);
                    }
                }
            }
            Attachment::Ipvlan { name, mode, .. } => {
                let flags = match mode {
                    IpvlanMode::Bridge => 0,
                    IpvlanMode::Private => IPVLAN_PRIVATE,
                    IpvlanMode::Vepa => IPVLAN_VEPA,
                };
                if let Some(parent) = parent {
                    want(name.clone(), parent, Kind::Ipvlan(flags));
                }
            }
        }
    }
    devices
}

/// The virtual router's MAC address (RFC 9568 section 7.3).
fn virtual_mac(instance: &VrrpInstance) -> [u8; 6] {
    let family = match instance.family {
        Family::Ipv4 => 1,
        Family::Ipv6 => 2,
    };
    [0, 0, 0x5e, 0, family, instance.virtual_router_id]
}

/// The interfaces that are there, as far as they matter.
pub fn present(desired: &BTreeMap<String, Device>, links: &Links) -> BTreeMap<String, Present> {
    let relevant = links
        .iter()
        .filter(|link| link.ours || desired.contains_key(&link.name));
    relevant
        .map(|link| (link.name.clone(), link.present()))
        .collect()
}

/// The parameters to have.
pub fn parameters(
    instances: &BTreeMap<Key, VrrpInstance>,
    devices: &BTreeMap<String, Device>,
    links: &Links,
) -> BTreeMap<String, Want> {
    let mut wants = BTreeMap::new();
    // The stricter of an interface's and of all interfaces' counts.
    let filtered = sysctl::read_number("net/ipv4/conf/all/rp_filter").unwrap_or(0) != 0;
    for instance in instances.values() {
        let own = instance.attachment.device().unwrap_or(&instance.interface);
        if instance.promote_secondaries {
            let key = of_interface(false, own, "promote_secondaries");
            wants.insert(key, Want::Exactly("1".into()));
        }
    }
    for device in devices.values() {
        let on_it = instances.values().flat_map(|instance| {
            virtual_addresses(instance)
                .filter(|address| {
                    self::device(instance, address, links).as_ref() == Some(&device.name)
                })
                .map(|address| address.address)
        });
        let ipv6 = on_it.into_iter().any(|address: IpAddr| address.is_ipv6());
        let macvlan = matches!(device.kind, Kind::Macvlan(_));
        own_parameters(&mut wants, &device.name, macvlan, filtered, ipv6);
        if macvlan {
            parent_parameters(&mut wants, links.name(device.parent));
        }
    }
    wants
}

fn own_parameters(
    wants: &mut BTreeMap<String, Want>,
    name: &str,
    macvlan: bool,
    filtered: bool,
    ipv6: bool,
) {
    let mut want = |ipv6: bool, key: &str, value: &str| {
        let value = Want::Exactly(value.to_owned());
        wants.insert(of_interface(ipv6, name, key), value);
    };
    if macvlan {
        // The way back to most senders is the parent: a strict filter would drop
        // what comes in here. 2 is loose, and stronger than a strict "all".
        want(false, "rp_filter", if filtered { "2" } else { "0" });
        // Answer for the addresses that are here, and for no others.
        want(false, "arp_ignore", "1");
        want(false, "arp_announce", "2");
        if !ipv6 {
            want(true, "disable_ipv6", "1");
            return;
        }
        want(true, "disable_ipv6", "0");
    }
    want(true, "accept_ra", "0");
    want(true, "autoconf", "0");
    want(true, "router_solicitations", "0");
    want(true, "accept_dad", "0");
    want(true, "dad_transmits", "0");
    // None.
    want(true, "addr_gen_mode", "1");
}

/// The parent neither answers for what is on the macvlan nor asks as it.
fn parent_parameters(wants: &mut BTreeMap<String, Want>, parent: &str) {
    for (key, least) in [("arp_ignore", 1), ("arp_announce", 2)] {
        wants.insert(of_interface(false, parent, key), Want::AtLeast(least));
    }
}

/// What has to be done to interfaces, those to be deleted apart; and the names
/// that are taken.
pub fn plan(
    desired: &BTreeMap<String, Device>,
    links: &Links,
) -> (Vec<link::Op>, Vec<link::Op>, Vec<String>) {
    let (ops, taken) = link::diff(desired, &present(desired, links));
    let (losses, gains) = ops
        .into_iter()
        .partition(|op| matches!(op, link::Op::Remove(_)));
    (gains, losses, taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_address_is_that_of_the_rfc() {
        let mut instance = VrrpInstance::new("web".into(), "eth0".into(), 51, Family::Ipv4);
        assert_eq!(virtual_mac(&instance), [0, 0, 0x5e, 0, 1, 51]);
        instance.family = Family::Ipv6;
        assert_eq!(virtual_mac(&instance), [0, 0, 0x5e, 0, 2, 51]);
    }
}
