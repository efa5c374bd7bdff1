//! What the advert thread is told of interfaces.

use std::collections::{BTreeMap, BTreeSet};

use super::links::Links;
use super::wanted::virtual_addresses;
use crate::kernel::rtnl::{self, Link};
use crate::model::{VrrpCommon, VrrpInstance, Watch};
use crate::worker::vrrp::messages::{Interface, Key, Usable};

/// The interfaces that the advert thread cares for: those of instances, their own
/// devices, those of heartbeats, and those that are tracked.
pub fn told(instances: &BTreeMap<Key, VrrpInstance>, common: &VrrpCommon) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for instance in instances.values() {
        names.insert(instance.interface.clone());
        names.extend(instance.attachment.device().map(str::to_owned));
        names.extend(instance.heartbeat.iter().map(|h| h.interface.clone()));
        names.extend(instance.tracking.interfaces.iter().map(|u| u.name.clone()));
    }
    let groups = common.sync_groups.iter();
    let tracked = groups.flat_map(|group| &group.tracking.interfaces);
    names.extend(tracked.map(|tracked| tracked.name.clone()));
    names
}

/// All interfaces that anything of the configuration is on.
pub fn used(instances: &BTreeMap<Key, VrrpInstance>, common: &VrrpCommon) -> BTreeSet<String> {
    let mut names = told(instances, common);
    let fixed = &common.static_network;
    let mut routes: Vec<_> = fixed.routes.iter().collect();
    names.extend(fixed.addresses.iter().filter_map(|a| a.dev.clone()));
    for instance in instances.values() {
        names.extend(virtual_addresses(instance).filter_map(|a| a.dev.clone()));
        names.extend(instance.vrf.clone());
        routes.extend(&instance.virtual_routes);
    }
    let hops = routes.into_iter().flat_map(|route| &route.next_hops);
    names.extend(hops.filter_map(|hop| hop.dev.clone()));
    for tracker in &common.trackers {
        if let Watch::Route(route) = &tracker.watch {
            names.extend(route.dev.clone());
        }
    }
    names
}

/// The state of the interface called `name`. `moves` says of an address that it
/// moves between hosts: that is no name for this one.
pub fn state(
    name: &str,
    links: &Links,
    addresses: &[rtnl::Address],
    moves: impl Fn(&rtnl::Address) -> bool,
) -> Interface {
    let Some(link) = links.get(name) else {
        let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        return Interface::Unusable(absent(&names));
    };
    let of = |index| rtnl::usable_addresses(addresses, index, &moves);
    let mut own: Vec<_> = of(link.index).collect();
    // A device of ours has the virtual addresses and none of its own: it sends
    // from those of the interface it lies on.
    own.extend(lends(link).into_iter().flat_map(of));
    let first = |ipv6| rtnl::source_address(own.iter().copied(), ipv6);
    let usable = Usable {
        index: link.index,
        v4: first(false),
        v6: first(true),
        addresses: own,
    };
    match (link.up, link.running) {
        (false, _) => Interface::Down("the interface is down".into(), usable),
        (true, false) => Interface::Down("the link is down (no carrier)".into(), usable),
        (true, true) => Interface::Usable(usable),
    }
}

/// The interface whose addresses are those of `link`, too.
fn lends(link: &Link) -> Option<u32> {
    link.parent.filter(|_| link.ours)
}

/// The names help whoever mistyped one, as long as there are few.
fn absent(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    if names.len() > SHOWN {
        return format!("no such interface ({} others are there)", names.len());
    }
    format!("no such interface (there are: {})", names.join(", "))
}
