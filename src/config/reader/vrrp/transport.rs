//! How adverts travel.

use std::collections::HashSet;
use std::net::IpAddr;

use super::super::super::findings::{Code, Findings};
use super::super::super::raw::{Spanned, Value};
use super::super::super::schema::{self, Free};
use super::super::super::section::{self, Section};
use super::super::{address, byte};
use crate::model::{Delivery, Family, Heartbeat, Transport, UnicastPeer};

/// Keys that mean something with `unicast_peers` only.
const OF_UNICAST: &[&str] = &[
    schema::UNICAST_TTL.name,
    schema::CHECK_UNICAST_SOURCE.name,
    schema::UNICAST_FAULT_NO_PEER.name,
];

/// Reads where adverts go and come from.
pub(super) fn read(section: &Section<'_>, family: Family, findings: &mut Findings) -> Transport {
    let source = section
        .free(&schema::SOURCE)
        .and_then(|raw| address::of_family(schema::SOURCE.name, raw, family, findings));
    let track_source = section.flag(&schema::TRACK_SOURCE, findings);
    if source.is_none() && track_source && section.own(schema::TRACK_SOURCE.name) {
        no_effect(
            section,
            schema::TRACK_SOURCE.name,
            "without source",
            findings,
        );
    }
    let transport = Transport {
        mode: delivery(section, family, source, findings),
        source,
        track_source,
        receive_buffer: section
            .get(&schema::RECEIVE_BUFFER, findings)
            .and_then(|bytes| u32::try_from(bytes.0).ok()),
    };
    warn_of_source(section, &transport, findings);
    transport
}

fn delivery(
    section: &Section<'_>,
    family: Family,
    source: Option<IpAddr>,
    findings: &mut Findings,
) -> Delivery {
    let ttl = byte(section.value(&schema::UNICAST_TTL, findings));
    let check_source = section.flag(&schema::CHECK_UNICAST_SOURCE, findings);
    let fault_no_peer = section.flag(&schema::UNICAST_FAULT_NO_PEER, findings);
    let group = group(section, family, findings);
    let Some(raw) = section.free(&schema::UNICAST_PEERS) else {
        for key in OF_UNICAST.iter().filter(|key| section.own(key)) {
            no_effect(section, key, "without unicast_peers", findings);
        }
        let own = Transport::multicast(family).mode;
        return group.map_or(own, |group| Delivery::Multicast { group });
    };
    if section.own(schema::MULTICAST_GROUP.name) {
        let key = schema::MULTICAST_GROUP.name;
        no_effect(section, key, "beside unicast_peers", findings);
    }
    Delivery::Unicast {
        peers: peers(raw, family, source, findings),
        ttl,
        check_source,
        fault_no_peer,
    }
}

/// The group, if one is written, for this instance or for all of its family.
fn group(section: &Section<'_>, family: Family, findings: &mut Findings) -> Option<IpAddr> {
    let of_all = match family {
        Family::Ipv4 => &schema::MULTICAST_GROUP4,
        Family::Ipv6 => &schema::MULTICAST_GROUP6,
    };
    let own = section.free(&schema::MULTICAST_GROUP);
    let (key, raw) = match own {
        Some(raw) => (&schema::MULTICAST_GROUP, raw),
        None => (of_all, section.free(of_all)?),
    };
    let text = section::string(key.name, raw, findings)?;
    let parsed = text.parse::<IpAddr>().ok();
    let group = parsed.filter(|group| group.is_multicast() && Family::of(*group) == family);
    if group.is_none() {
        let message = format!("{} must be an {family} multicast address", key.name);
        findings.error(Code::BadValue, raw.span, message);
    }
    group
}

fn peers(
    raw: &Spanned<Value>,
    family: Family,
    source: Option<IpAddr>,
    findings: &mut Findings,
) -> Vec<UnicastPeer> {
    let mut seen = HashSet::new();
    let mut peers = Vec::new();
    for item in section::list(schema::UNICAST_PEERS.name, raw, findings) {
        let Some(peer) = peer(item, family, findings) else {
            continue;
        };
        if !seen.insert(peer.address) {
            let message = format!("{} is already a peer", peer.address);
            findings.error(Code::Duplicate, item.span, message);
        } else if source == Some(peer.address) {
            let message = format!("{} is our own source address", peer.address);
            let help = "list the other directors only".to_owned();
            findings.error_help(Code::Conflict, item.span, message, help);
        }
        peers.push(peer);
    }
    peers
}

fn peer(raw: &Spanned<Value>, family: Family, findings: &mut Findings) -> Option<UnicastPeer> {
    let Value::Table(table) = &raw.value else {
        return Some(UnicastPeer {
            address: address::of_family("a peer", raw, family, findings)?,
            min_ttl: u8::MIN,
            max_ttl: u8::MAX,
        });
    };
    let section = Section::open(table, raw.span, &schema::UNICAST_PEER, findings);
    let min_ttl = byte(section.value(&schema::MIN_TTL, findings));
    let max_ttl = byte(section.value(&schema::MAX_TTL, findings));
    if min_ttl > max_ttl {
        let span = section.value_span(schema::MIN_TTL.name);
        let message = format!("min_ttl {min_ttl} is above max_ttl {max_ttl}");
        findings.error(Code::Conflict, span, message);
    }
    let written = section.required(&schema::PEER_ADDRESS, findings)?;
    Some(UnicastPeer {
        address: address::of_family("address", written, family, findings)?,
        min_ttl,
        max_ttl,
    })
}

/// Reads the second way of adverts.
pub(super) fn heartbeat(
    section: &Section<'_>,
    interface: &str,
    family: Family,
    findings: &mut Findings,
) -> Option<Heartbeat> {
    let table = section.sub(&schema::HEARTBEAT, &schema::HEARTBEAT_TABLE, findings)?;
    let source = table
        .free(&schema::HEARTBEAT_SOURCE)
        .and_then(|raw| address::of_family("source", raw, family, findings));
    let peers = table
        .free(&schema::HEARTBEAT_PEERS)
        .map(|raw| addresses(&schema::HEARTBEAT_PEERS, raw, family, findings))
        .unwrap_or_default();
    let raw = table.required(&schema::HEARTBEAT_INTERFACE, findings)?;
    let second = address::interface("interface", raw, findings)?;
    if second == interface {
        let message = format!("{second} is the instance's own interface");
        let help = "name an interface with a cable of its own".to_owned();
        findings.error_help(Code::Conflict, raw.span, message, help);
    }
    Some(Heartbeat {
        interface: second,
        source,
        peers,
    })
}

fn addresses(
    key: &Free,
    raw: &Spanned<Value>,
    family: Family,
    findings: &mut Findings,
) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for item in section::list(key.name, raw, findings) {
        let Some(address) = address::of_family("a peer", item, family, findings) else {
            continue;
        };
        if found.contains(&address) {
            let message = format!("{address} is already a peer");
            findings.error(Code::Duplicate, item.span, message);
        }
        found.push(address);
    }
    found
}

/// RFC 9568 section 5.1.2.1: adverts over IPv6 come from a link-local address.
fn warn_of_source(section: &Section<'_>, transport: &Transport, findings: &mut Findings) {
    let multicast = matches!(transport.mode, Delivery::Multicast { .. });
    if let Some(IpAddr::V6(source)) = transport.source
        && multicast
        && !source.is_unicast_link_local()
    {
        findings.warning(
            Code::Suspicious,
            section.value_span(schema::SOURCE.name),
            format!("{source} is not a link-local address"),
            "others may drop adverts over IPv6 that do not come from fe80::/10".to_owned(),
        );
    }
}

/// Warns of a key that does nothing here.
pub(super) fn no_effect(section: &Section<'_>, key: &str, why: &str, findings: &mut Findings) {
    findings.warning(
        Code::NoEffect,
        section.value_span(key),
        format!("{key} has no effect {why}"),
        "remove it".to_owned(),
    );
}
