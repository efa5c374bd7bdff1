//! Routes, between the reconciler's words and rtnetlink's.

use std::net::IpAddr;

use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    MplsLabel, RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteIp6Tunnel,
    RouteIpTunnel, RouteLwEnCapType, RouteLwTunnelEncap, RouteMessage, RouteMetric,
    RouteMplsIpTunnel, RouteNextHop, RouteNextHopFlags, RouteVia,
};

use super::FromPayload;
use crate::reconcile::route::{Encap, Identity, NextHop, Prefix, Route};

/// `RT_SCOPE_NOWHERE`: any scope, in a deletion.
const ANY_SCOPE: u8 = 255;

/// The message that adds `route`.
pub(super) fn new_message(route: &Route) -> RouteMessage {
    let mut message = key_message(&route.identity);
    message.header.kind = route.kind.into();
    message.header.scope = route.scope.into();
    let attributes = &mut message.attributes;
    attributes.extend(route.source.map(|ip| RouteAttribute::PrefSource(ip.into())));
    let metrics = metrics(route);
    if !metrics.is_empty() {
        attributes.push(RouteAttribute::Metrics(metrics));
    }
    let to = route.identity.to.address;
    match route.next_hops.as_slice() {
        [] => {}
        [hop] => {
            attributes.extend(hop.interface.map(RouteAttribute::Oif));
            attributes.extend(hop_attributes(hop, to));
            if hop.onlink {
                message.header.flags = RouteFlags::Onlink;
            }
        }
        hops => {
            let hops = hops.iter().map(|hop| next_hop(hop, to)).collect();
            attributes.push(RouteAttribute::MultiPath(hops));
        }
    }
    message
}

/// The message that deletes the route of this identity, whatever its values.
pub(super) fn delete_message(identity: &Identity) -> RouteMessage {
    let mut message = key_message(identity);
    message.header.scope = ANY_SCOPE.into();
    message
}

/// A request for the routes of one family, all of them or those that `protocol`
/// installed.
pub(super) fn dump_message(ipv6: bool, protocol: Option<u8>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(ipv6);
    message.header.protocol = protocol.unwrap_or_default().into();
    message
}

fn family(ipv6: bool) -> AddressFamily {
    if ipv6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    }
}

fn key_message(identity: &Identity) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(identity.to.address.is_ipv6()),
        destination_prefix_length: identity.to.length,
        source_prefix_length: identity.from.map_or(0, |from| from.length),
        tos: identity.tos,
        // Zero where the number does not fit: RTA_TABLE says it.
        table: u8::try_from(identity.table).unwrap_or_default(),
        protocol: identity.protocol.into(),
        ..RouteHeader::default()
    };
    let to = (identity.to.length > 0).then(|| identity.to.address.into());
    let from = identity.from.map(|from| from.address.into());
    let metric = (identity.metric != 0).then_some(RouteAttribute::Priority(identity.metric));
    message.attributes = [
        Some(RouteAttribute::Table(identity.table)),
        to.map(RouteAttribute::Destination),
        from.map(RouteAttribute::Source),
        metric,
    ]
    .into_iter()
    .flatten()
    .collect();
    message
}

fn metrics(route: &Route) -> Vec<RouteMetric> {
    let numbers = route.metrics.iter().filter_map(|(kind, value)| {
        Some(match kind {
            1 => RouteMetric::Lock(*value),
            2 => RouteMetric::Mtu(*value),
            3 => RouteMetric::Window(*value),
            4 => RouteMetric::Rtt(*value),
            8 => RouteMetric::Advmss(*value),
            10 => RouteMetric::Hoplimit(*value),
            11 => RouteMetric::InitCwnd(*value),
            13 => RouteMetric::RtoMin(*value),
            14 => RouteMetric::InitRwnd(*value),
            15 => RouteMetric::QuickAck(*value),
            _ => return None,
        })
    });
    let algorithm = route.congestion_control.clone().map(RouteMetric::CcAlgo);
    numbers.chain(algorithm).collect()
}

fn next_hop(hop: &NextHop, to: IpAddr) -> RouteNextHop {
    let mut message = RouteNextHop::default();
    // The kernel counts weights from 0.
    message.hops = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
    message.interface_index = hop.interface.unwrap_or_default();
    message.attributes = hop_attributes(hop, to);
    if hop.onlink {
        message.flags = RouteNextHopFlags::Onlink;
    }
    message
}

fn hop_attributes(hop: &NextHop, to: IpAddr) -> Vec<RouteAttribute> {
    let gateway = hop.via.map(|via| match via {
        IpAddr::V6(via) if to.is_ipv4() => RouteAttribute::Via(RouteVia::Inet6(via)),
        via => RouteAttribute::Gateway(via.into()),
    });
    let encap = hop.encap.as_ref().and_then(encapsulation);
    let (kind, encap) = encap.unzip();
    [
        gateway,
        kind.map(RouteAttribute::EncapType),
        encap.map(RouteAttribute::Encap),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn encapsulation(encap: &Encap) -> Option<(RouteLwEnCapType, Vec<RouteLwTunnelEncap>)> {
    Some(match encap {
        Encap::Mpls(labels) => {
            let last = labels.len().saturating_sub(1);
            let labels = labels.iter().enumerate().map(|(at, label)| MplsLabel {
                label: *label,
                traffic_class: 0,
                bottom_of_stack: at == last,
                ttl: 0,
            });
            let labels = RouteMplsIpTunnel::Destination(labels.collect());
            (
                RouteLwEnCapType::Mpls,
                vec![RouteLwTunnelEncap::Mpls(labels)],
            )
        }
        Encap::Ip {
            id,
            dst: IpAddr::V4(dst),
            src,
            ttl,
            tos,
        } => {
            let src = src.and_then(|src| match src {
                IpAddr::V4(src) => Some(RouteIpTunnel::Source(src)),
                IpAddr::V6(_) => None,
            });
            let values = [
                RouteIpTunnel::Id(*id),
                RouteIpTunnel::Destination(*dst),
                RouteIpTunnel::Ttl(*ttl),
                RouteIpTunnel::Tos(*tos),
            ];
            let values = values.into_iter().chain(src).map(RouteLwTunnelEncap::Ip);
            (RouteLwEnCapType::Ip, values.collect())
        }
        Encap::Ip {
            id,
            dst: IpAddr::V6(dst),
            src,
            ttl,
            tos,
        } => {
            let src = src.and_then(|src| match src {
                IpAddr::V6(src) => Some(RouteIp6Tunnel::Source(src)),
                IpAddr::V4(_) => None,
            });
            let values = [
                RouteIp6Tunnel::Id(*id),
                RouteIp6Tunnel::Destination(*dst),
                RouteIp6Tunnel::Hoplimit(*ttl),
                RouteIp6Tunnel::Tc(*tos),
            ];
            let values = values.into_iter().chain(src).map(RouteLwTunnelEncap::Ip6);
            (RouteLwEnCapType::Ip6, values.collect())
        }
        Encap::Other(_) => return None,
    })
}

impl FromPayload for Route {
    fn from_payload(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let header = RouteHeader::parse(payload)?;
        if !matches!(
            header.address_family,
            AddressFamily::Inet | AddressFamily::Inet6
        ) || header.flags.contains(RouteFlags::Cloned)
        {
            return Ok(None);
        }
        // A route with something nobody has seen must not hide the others.
        Ok(RouteMessage::parse(payload).ok().and_then(read))
    }
}

fn read(message: RouteMessage) -> Option<Route> {
    let header = message.header;
    let any = match header.address_family {
        AddressFamily::Inet6 => IpAddr::from([0; 16]),
        _ => IpAddr::from([0; 4]),
    };
    let mut route = Route {
        identity: Identity {
            table: header.table.into(),
            to: Prefix {
                address: any,
                length: header.destination_prefix_length,
            },
            from: None,
            tos: header.tos,
            metric: 0,
            protocol: header.protocol.into(),
        },
        kind: header.kind.into(),
        scope: header.scope.into(),
        source: None,
        next_hops: Vec::new(),
        metrics: std::collections::BTreeMap::new(),
        congestion_control: None,
    };
    let mut single = Hop::default();
    for attribute in message.attributes {
        match attribute {
            RouteAttribute::Table(table) => route.identity.table = table,
            RouteAttribute::Destination(to) => route.identity.to.address = ip(&to)?,
            RouteAttribute::Source(from) => {
                route.identity.from = Some(Prefix {
                    address: ip(&from)?,
                    length: header.source_prefix_length,
                });
            }
            RouteAttribute::Priority(metric) => route.identity.metric = metric,
            RouteAttribute::PrefSource(source) => route.source = ip(&source),
            RouteAttribute::Metrics(metrics) => read_metrics(&mut route, metrics),
            RouteAttribute::MultiPath(hops) => {
                route.next_hops = hops.into_iter().map(read_hop).collect();
            }
            RouteAttribute::Oif(index) => single.interface = Some(index),
            other => single.read(other),
        }
    }
    if route.next_hops.is_empty() && (single.interface.is_some() || single.via.is_some()) {
        let onlink = header.flags.contains(RouteFlags::Onlink);
        route.next_hops.push(single.next_hop(1, onlink));
    }
    Some(route)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

/// What is known of a next hop while its attributes are read.
#[derive(Default)]
struct Hop {
    via: Option<IpAddr>,
    interface: Option<u32>,
    kind: Option<RouteLwEnCapType>,
    encap: Vec<RouteLwTunnelEncap>,
}

impl Hop {
    fn read(&mut self, attribute: RouteAttribute) {
        match attribute {
            RouteAttribute::Gateway(via) => self.via = ip(&via),
            RouteAttribute::Via(RouteVia::Inet(via)) => self.via = Some(via.into()),
            RouteAttribute::Via(RouteVia::Inet6(via)) => self.via = Some(via.into()),
            RouteAttribute::EncapType(kind) => self.kind = Some(kind),
            RouteAttribute::Encap(encap) => self.encap = encap,
            _ => {}
        }
    }

    fn next_hop(self, weight: u16, onlink: bool) -> NextHop {
        NextHop {
            via: self.via,
            interface: self.interface,
            weight,
            onlink,
            encap: self.kind.map(|kind| read_encap(kind, &self.encap)),
        }
    }
}

fn read_hop(message: RouteNextHop) -> NextHop {
    let mut hop = Hop {
        interface: Some(message.interface_index),
        ..Hop::default()
    };
    for attribute in message.attributes {
        hop.read(attribute);
    }
    let onlink = message.flags.contains(RouteNextHopFlags::Onlink);
    hop.next_hop(u16::from(message.hops) + 1, onlink)
}

fn read_encap(kind: RouteLwEnCapType, values: &[RouteLwTunnelEncap]) -> Encap {
    let (mut id, mut dst, mut src, mut ttl, mut tos) = (0, None, None, 0, 0);
    for value in values {
        match value {
            RouteLwTunnelEncap::Mpls(RouteMplsIpTunnel::Destination(labels)) => {
                return Encap::Mpls(labels.iter().map(|label| label.label).collect());
            }
            RouteLwTunnelEncap::Ip(RouteIpTunnel::Id(number))
            | RouteLwTunnelEncap::Ip6(RouteIp6Tunnel::Id(number)) => id = *number,
            RouteLwTunnelEncap::Ip(RouteIpTunnel::Destination(ip)) => dst = Some((*ip).into()),
            RouteLwTunnelEncap::Ip6(RouteIp6Tunnel::Destination(ip)) => dst = Some((*ip).into()),
            RouteLwTunnelEncap::Ip(RouteIpTunnel::Source(ip)) => src = Some((*ip).into()),
            RouteLwTunnelEncap::Ip6(RouteIp6Tunnel::Source(ip)) => src = Some((*ip).into()),
            RouteLwTunnelEncap::Ip(RouteIpTunnel::Ttl(number))
            | RouteLwTunnelEncap::Ip6(RouteIp6Tunnel::Hoplimit(number)) => ttl = *number,
            RouteLwTunnelEncap::Ip(RouteIpTunnel::Tos(number))
            | RouteLwTunnelEncap::Ip6(RouteIp6Tunnel::Tc(number)) => tos = *number,
            _ => {}
        }
    }
    match dst {
        Some(dst) => Encap::Ip {
            id,
            dst,
            src: src.filter(|src: &IpAddr| !src.is_unspecified()),
            ttl,
            tos,
        },
        None => Encap::Other(kind.into()),
    }
}

fn read_metrics(route: &mut Route, metrics: Vec<RouteMetric>) {
    for metric in metrics {
        let (kind, value) = match metric {
            RouteMetric::Lock(value) => (1, value),
            RouteMetric::Mtu(value) => (2, value),
            RouteMetric::Window(value) => (3, value),
            RouteMetric::Rtt(value) => (4, value),
            RouteMetric::Advmss(value) => (8, value),
            RouteMetric::Hoplimit(value) => (10, value),
            RouteMetric::InitCwnd(value) => (11, value),
            RouteMetric::RtoMin(value) => (13, value),
            RouteMetric::InitRwnd(value) => (14, value),
            RouteMetric::QuickAck(value) => (15, value),
            RouteMetric::CcAlgo(name) => {
                route.congestion_control = Some(name);
                continue;
            }
            _ => continue,
        };
        if value != 0 {
            route.metrics.insert(kind, value);
        }
    }
}
