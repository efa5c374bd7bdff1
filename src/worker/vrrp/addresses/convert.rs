//! The configuration's addresses, routes and rules in the reconciler's words.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::links::Links;
use crate::model::{self, Broadcast, Family, RouteKind, RuleAction, VirtualAddress};
use crate::reconcile::address::{Address, FOREVER};
use crate::reconcile::route::{
    Encap, Identity, METRIC_V6, NextHop, PROTOCOL, Prefix, Route, UNICAST,
};
use crate::reconcile::rule::{Action, Rule};

// Kinds of routes, `RTN_*` of linux/rtnetlink.h.
const RTN_LOCAL: u8 = 2;
const RTN_BROADCAST: u8 = 3;
const RTN_BLACKHOLE: u8 = 6;
const RTN_UNREACHABLE: u8 = 7;
const RTN_PROHIBIT: u8 = 8;
const RTN_THROW: u8 = 9;
// Path properties, `RTAX_*` of the same.
const RTAX_LOCK: u16 = 1;
const RTAX_MTU: u16 = 2;
const RTAX_WINDOW: u16 = 3;
const RTAX_RTT: u16 = 4;
const RTAX_ADVMSS: u16 = 8;
const RTAX_HOPLIMIT: u16 = 10;
const RTAX_INITCWND: u16 = 11;
const RTAX_RTO_MIN: u16 = 13;
const RTAX_INITRWND: u16 = 14;
const RTAX_QUICKACK: u16 = 15;
/// Round-trip times are kept in eighths of a millisecond.
const RTT_UNIT: u32 = 8;

/// The address as it is put on the interface of this number.
pub fn address(interface: u32, virtual_address: &VirtualAddress) -> Address {
    let VirtualAddress {
        address,
        prefix_len,
        ..
    } = *virtual_address;
    // A host address is no source of connections unless the user says so, for
    // the connections would die with the next change of Master.
    let default = if address.is_ipv6() && prefix_len == 128 {
        0
    } else {
        FOREVER
    };
    Address {
        label: virtual_address.label.clone(),
        scope: match address {
            IpAddr::V4(_) => virtual_address.scope.number(),
            IpAddr::V6(_) => 0,
        },
        broadcast: match (virtual_address.broadcast, address) {
            (Some(Broadcast::Address(broadcast)), _) => Some(broadcast),
            (Some(Broadcast::Auto), IpAddr::V4(address)) => highest(address, prefix_len),
            (Some(Broadcast::Auto), IpAddr::V6(_)) | (None, _) => None,
        },
        peer: virtual_address.peer,
        preferred: virtual_address.preferred_lft.map_or(default, |lifetime| {
            u32::try_from(lifetime.as_secs()).unwrap_or(FOREVER)
        }),
        home: virtual_address.home,
        noprefixroute: virtual_address.noprefixroute,
        nodad: virtual_address.nodad,
        ..Address::plain(interface, address, prefix_len)
    }
}

/// The highest address of a prefix; a prefix of one or two hosts has no
/// broadcast address (RFC 3021).
fn highest(address: Ipv4Addr, prefix_len: u8) -> Option<Ipv4Addr> {
    let hosts = u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
    (prefix_len < 31).then(|| Ipv4Addr::from_bits(address.to_bits() | hosts))
}

fn prefix(prefix: model::Prefix) -> Prefix {
    Prefix {
        address: prefix.address,
        length: prefix.length,
    }
}

/// What tells the route apart, which does not depend on interfaces.
pub fn route_identity(route: &model::Route) -> Identity {
    let ipv6 = route.to.address.is_ipv6();
    Identity {
        table: route.table,
        to: prefix(route.to),
        from: route.from.filter(|from| from.length > 0).map(prefix),
        tos: if ipv6 { 0 } else { route.tos },
        metric: route
            .metric
            .filter(|metric| *metric != 0 || !ipv6)
            .unwrap_or(if ipv6 { METRIC_V6 } else { 0 }),
        protocol: route.protocol.unwrap_or(PROTOCOL),
    }
}

/// The route, as far as its interfaces are there and up.
///
/// # Errors
///
/// The name of the interface that it waits for.
pub fn route(route: &model::Route, links: &Links) -> Result<Route, String> {
    let hops: Result<Vec<NextHop>, String> = route
        .next_hops
        .iter()
        .map(|hop| next_hop(hop, links))
        .collect();
    Ok(Route {
        identity: route_identity(route),
        kind: kind(route.kind),
        scope: scope(route),
        source: route.source,
        next_hops: hops?,
        metrics: metrics(&route.metrics),
        congestion_control: route.metrics.congctl.clone(),
    })
}

fn next_hop(hop: &model::NextHop, links: &Links) -> Result<NextHop, String> {
    // The kernel takes no route along an interface that is down.
    let interface = hop.dev.as_ref().map(|name| {
        let link = links.get(name).filter(|link| link.up);
        link.map(|link| link.index).ok_or_else(|| name.clone())
    });
    Ok(NextHop {
        via: hop.via,
        interface: interface.transpose()?,
        weight: hop.weight.max(1),
        onlink: hop.onlink,
        encap: hop.encap.as_ref().map(|encap| match encap {
            model::Encap::Mpls(labels) => Encap::Mpls(labels.clone()),
            model::Encap::Ip {
                id,
                dst,
                src,
                ttl,
                tos,
            } => Encap::Ip {
                id: *id,
                dst: *dst,
                src: *src,
                ttl: *ttl,
                tos: *tos,
            },
        }),
    })
}

const fn kind(kind: RouteKind) -> u8 {
    match kind {
        RouteKind::Unicast => UNICAST,
        RouteKind::Local => RTN_LOCAL,
        RouteKind::Broadcast => RTN_BROADCAST,
        RouteKind::Blackhole => RTN_BLACKHOLE,
        RouteKind::Unreachable => RTN_UNREACHABLE,
        RouteKind::Prohibit => RTN_PROHIBIT,
        RouteKind::Throw => RTN_THROW,
    }
}

/// As `ip route` chooses it.
fn scope(route: &model::Route) -> u8 {
    use crate::model::AddressScope as Scope;
    let default = match route.kind {
        RouteKind::Local => Scope::Host,
        RouteKind::Broadcast => Scope::Link,
        RouteKind::Unicast if route.next_hops.iter().all(|hop| hop.via.is_none()) => Scope::Link,
        _ => Scope::Global,
    };
    if route.to.address.is_ipv6() {
        return 0;
    }
    route.scope.unwrap_or(default).number()
}

fn metrics(metrics: &model::RouteMetrics) -> BTreeMap<u16, u32> {
    let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    [
        (RTAX_LOCK, metrics.mtu_lock.then_some(1 << RTAX_MTU)),
        (RTAX_MTU, metrics.mtu),
        (RTAX_WINDOW, metrics.window),
        (
            RTAX_RTT,
            metrics.rtt.map(|rtt| millis(rtt).saturating_mul(RTT_UNIT)),
        ),
        (RTAX_ADVMSS, metrics.advmss),
        (RTAX_HOPLIMIT, metrics.hoplimit),
        (RTAX_INITCWND, metrics.initcwnd),
        (RTAX_RTO_MIN, metrics.rto_min.map(millis)),
        (RTAX_INITRWND, metrics.initrwnd),
        (RTAX_QUICKACK, metrics.quickack.map(u32::from)),
    ]
    .into_iter()
    .filter_map(|(kind, value)| Some((kind, value.filter(|value| *value != 0)?)))
    .collect()
}

/// The rule.
pub fn rule(rule: &model::Rule) -> Rule {
    let some = |prefix_or_none: Option<model::Prefix>| {
        prefix_or_none
            .filter(|prefix| prefix.length > 0)
            .map(prefix)
    };
    Rule {
        ipv6: rule.family == Family::Ipv6,
        priority: rule.priority,
        not: rule.not,
        from: some(rule.from),
        to: some(rule.to),
        fwmark: rule.fwmark,
        iif: rule.iif.clone(),
        oif: rule.oif.clone(),
        tos: rule.tos,
        ipproto: rule.ipproto,
        sport: rule.sport,
        dport: rule.dport,
        uidrange: rule.uidrange,
        action: match rule.action {
            RuleAction::Table(table) => Action::Table(table),
            RuleAction::Goto(priority) => Action::Goto(priority),
            RuleAction::Nop => Action::Nop,
            RuleAction::Blackhole => Action::Blackhole,
            RuleAction::Unreachable => Action::Unreachable,
            RuleAction::Prohibit => Action::Prohibit,
        },
        suppress_prefixlength: rule.suppress_prefixlength,
        protocol: PROTOCOL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broadcast_address_is_the_highest_of_the_prefix() {
        let mut vip = VirtualAddress::plain("192.0.2.160".parse().unwrap(), 25);
        vip.broadcast = Some(Broadcast::Auto);
        let highest = address(2, &vip).broadcast;
        assert_eq!(highest, Some(Ipv4Addr::new(192, 0, 2, 255)));
        vip.prefix_len = 31;
        assert_eq!(address(2, &vip).broadcast, None);
        vip.prefix_len = 0;
        assert_eq!(address(2, &vip).broadcast, Some(Ipv4Addr::BROADCAST));
    }

    #[test]
    fn an_ipv6_host_address_is_no_source_unless_said() {
        let mut vip = VirtualAddress::plain("2001:db8::1".parse().unwrap(), 128);
        assert_eq!(address(2, &vip).preferred, 0);
        vip.preferred_lft = Some(Duration::from_secs(60));
        assert_eq!(address(2, &vip).preferred, 60);
        let subnet = VirtualAddress::plain("2001:db8::1".parse().unwrap(), 64);
        assert_eq!(address(2, &subnet).preferred, FOREVER);
    }
}
