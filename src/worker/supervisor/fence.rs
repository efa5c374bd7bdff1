//! The fence: takes away what a Master holds when no vrrp worker can be brought
//! back to care for it, so that a dead director neither answers ARP for addresses
//! that its peer now holds nor routes by them.
//!
//! What is static is this host's own and stays.

use std::collections::BTreeSet;

use crate::kernel::netlink;
use crate::kernel::rtnl::{AddressKey, AddressOp, Op, RouteOp, Rtnl, RuleOp};
use crate::reconcile::route::PROTOCOL;
use crate::status::{AddressReport, VrrpSnapshot};
use crate::worker::protocol::Snapshot;

/// Removes every address, route and rule that bears our mark, and those that the
/// last snapshot says we put there (for kernels that keep no marks).
pub fn addresses(last: Option<&Snapshot>) {
    match remove(last.and_then(Snapshot::vrrp)) {
        Ok(removed) => tracing::warn!(event = "fenced", removed),
        Err(error) => tracing::error!(event = "fence_failed", %error),
    }
}

fn remove(last: Option<&VrrpSnapshot>) -> Result<usize, netlink::Error> {
    let mut rtnl = Rtnl::open()?;
    let links = rtnl.links()?;
    let keys = |reports: Option<&Vec<AddressReport>>| -> BTreeSet<AddressKey> {
        let reports = reports.into_iter().flatten();
        reports
            .filter_map(|address| {
                let link = links.iter().find(|link| link.name == address.interface)?;
                Some(AddressKey::new(link.index, address.address, address.prefix))
            })
            .collect()
    };
    let held = keys(last.map(|last| &last.held));
    let installed = last.map(|last| last.installed.clone()).unwrap_or_default();
    let fixed = installed.fixed;
    let own = keys(Some(&fixed.addresses));
    // A route with a number of its own is known from the snapshot only.
    let protocols = installed.routes.iter().map(|route| route.protocol);
    let protocols = protocols.chain([PROTOCOL]).collect();
    let routes = rtnl.routes_of(&protocols)?.into_iter();
    let routes = routes
        .map(|route| route.identity)
        .filter(|route| route.protocol == PROTOCOL || installed.routes.contains(route))
        .filter(|route| !fixed.routes.contains(route));
    let rules = rtnl.rules()?.into_iter();
    let rules = rules
        .filter(|rule| rule.protocol == PROTOCOL)
        .filter(|rule| !fixed.rules.contains(rule));
    let addresses = rtnl.addresses()?.into_iter().map(|a| (a.is_ours(), a.key));
    let addresses = addresses
        .filter(|(ours, key)| *ours || held.contains(key))
        .filter(|(_, key)| !own.contains(key));
    let ops: Vec<Op> = rules
        .map(|rule| Op::Rule(RuleOp::Delete(rule)))
        .chain(routes.map(|route| Op::Route(RouteOp::Delete(route))))
        .chain(addresses.map(|(_, key)| Op::Address(AddressOp::Delete(key))))
        .collect();
    for outcome in rtnl.apply(&ops)? {
        outcome?;
    }
    Ok(ops.len())
}
