//! Routes.

use std::net::IpAddr;

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned, Table, Value};
use super::super::schema::network::{self as keys, EncapType};
use super::super::schema::{Free, Key};
use super::super::section::{self, Section};
use super::words::{self, Grammar, Takes};
use super::{address, byte, network};
use crate::model::{Encap, Family, NextHop, Route, RouteKind, RouteMetrics};

/// The words of `ip route`.
const WORDS: Grammar = Grammar {
    bare: Some("to"),
    kinds: (
        "type",
        &[
            "unicast",
            "local",
            "broadcast",
            "blackhole",
            "unreachable",
            "prohibit",
            "throw",
        ],
    ),
    words: &[
        ("to", "to", Takes::Text),
        ("via", "via", Takes::Text),
        ("dev", "dev", Takes::Text),
        ("onlink", "onlink", Takes::Nothing),
        ("src", "source", Takes::Text),
        ("from", "from", Takes::Text),
        ("table", "table", Takes::Number),
        ("metric", "metric", Takes::Number),
        ("preference", "metric", Takes::Number),
        ("scope", "scope", Takes::Number),
        ("proto", "protocol", Takes::Number),
        ("protocol", "protocol", Takes::Number),
        ("tos", "tos", Takes::Number),
        ("dsfield", "tos", Takes::Number),
        ("mtu", "mtu", Takes::Number),
        ("advmss", "advmss", Takes::Number),
        ("hoplimit", "hoplimit", Takes::Number),
        ("initcwnd", "initcwnd", Takes::Number),
        ("initrwnd", "initrwnd", Takes::Number),
        ("rto_min", "rto_min", Takes::Text),
        ("rtt", "rtt", Takes::Text),
        ("window", "window", Takes::Number),
        ("quickack", "quickack", Takes::Switch),
        ("congctl", "congctl", Takes::Text),
        ("no_track", "no_track", Takes::Nothing),
    ],
};
/// The largest MPLS label.
const MAX_LABEL: u32 = (1 << 20) - 1;

/// Reads one route, in either form; `family` is that of a default route that does not
/// say its own.
pub(super) fn read(raw: &Spanned<Value>, family: Family, findings: &mut Findings) -> Option<Route> {
    match &raw.value {
        Value::String(text) => {
            let table = words::table(text, raw.span, &WORDS, findings)?;
            from_table(&table, raw.span, family, findings)
        }
        _ => {
            let table = section::table(keys::ROUTE.header, raw, findings)?;
            from_table(table, raw.span, family, findings)
        }
    }
}

fn from_table(table: &Table, span: Span, family: Family, findings: &mut Findings) -> Option<Route> {
    let section = Section::open(table, span, &keys::ROUTE, findings);
    let kind = section.choice(&keys::TYPE, findings).unwrap_or_default();
    let next_hops = next_hops(&section, kind, findings);
    let source = optional_host(&section, &keys::SOURCE, findings);
    let gateway = next_hops.iter().find_map(|hop| hop.via);
    let said = gateway.or(source).map(Family::of);
    let from = section
        .free(&keys::FROM)
        .and_then(|raw| network::prefix("from", raw, None, findings));
    let metrics = metrics(&section, findings);
    let protocol = section.get(&keys::PROTOCOL, findings).map(byte);
    let raw = section.required(&keys::TO, findings)?;
    let to = match &raw.value {
        Value::String(text) if text == "default" => {
            network::prefix("to", raw, said.or(Some(family)), findings)?
        }
        _ => network::prefix("to", raw, said, findings)?,
    };
    let route = Route {
        to,
        kind,
        next_hops,
        source,
        from,
        table: network::table(&section, &keys::TABLE, findings),
        metric: section.get(&keys::METRIC, findings),
        scope: super::scope(&section, &keys::SCOPE, findings),
        protocol,
        tos: byte(section.value(&keys::TOS, findings)),
        metrics,
        no_track: section.flag(&keys::ROUTE_NO_TRACK, findings),
    };
    one_family(&section, &route, findings);
    Some(route)
}

fn optional_host(section: &Section<'_>, key: &Free, findings: &mut Findings) -> Option<IpAddr> {
    address::host(section.free(key)?, findings)
}

fn next_hops(section: &Section<'_>, kind: RouteKind, findings: &mut Findings) -> Vec<NextHop> {
    let single = [keys::VIA.name, keys::DEV.name]
        .into_iter()
        .find(|key| section.has(key));
    let ends = !matches!(
        kind,
        RouteKind::Unicast | RouteKind::Local | RouteKind::Broadcast
    );
    let written = section.free(&keys::NEXT_HOPS);
    if let Some(raw) = written {
        if ends {
            let message = "a route of this type leads nowhere".to_owned();
            findings.error(Code::Conflict, raw.span, message);
        }
        if let Some(key) = single {
            let message = format!("{key} beside next_hops");
            let help = "write it into one of them".to_owned();
            findings.error_help(Code::Conflict, section.value_span(key), message, help);
        }
        return several(raw, findings);
    }
    match single {
        Some(key) if ends => {
            let message = "a route of this type leads nowhere".to_owned();
            findings.error(Code::Conflict, section.value_span(key), message);
            Vec::new()
        }
        None if ends => Vec::new(),
        None => {
            let message = "the route says not where packets go on".to_owned();
            let help = "add via or dev".to_owned();
            findings.error_help(Code::MissingKey, section.at(), message, help);
            Vec::new()
        }
        Some(_) => vec![next_hop(section, 1, findings)],
    }
}

fn several(raw: &Spanned<Value>, findings: &mut Findings) -> Vec<NextHop> {
    let items = section::tables(keys::NEXT_HOP.header, raw, findings);
    if matches!(raw.value, Value::Array(_)) && items.is_empty() {
        let message = "next_hops must have at least one".to_owned();
        findings.error(Code::OutOfRange, raw.span, message);
    }
    items
        .iter()
        .filter_map(|item| {
            let table = section::table(keys::NEXT_HOP.header, item, findings)?;
            let section = Section::open(table, item.span, &keys::NEXT_HOP, findings);
            if !section.has(keys::VIA.name) && !section.has(keys::DEV.name) {
                let message = "the next hop has neither via nor dev".to_owned();
                findings.error(Code::MissingKey, item.span, message);
            }
            let weight = section.value(&keys::HOP_WEIGHT, findings);
            Some(next_hop(&section, weight, findings))
        })
        .collect()
}

fn next_hop(section: &Section<'_>, weight: u32, findings: &mut Findings) -> NextHop {
    NextHop {
        via: optional_host(section, &keys::VIA, findings),
        dev: address::optional_interface(section, &keys::DEV, findings),
        weight: u16::try_from(weight).unwrap_or(u16::MAX),
        onlink: section.flag(&keys::ONLINK, findings),
        encap: section
            .free(&keys::ENCAP)
            .and_then(|raw| encap(raw, findings)),
    }
}

fn encap(raw: &Spanned<Value>, findings: &mut Findings) -> Option<Encap> {
    let table = section::table(keys::ENCAP_ANY.header, raw, findings)?;
    let only_type = table.only(keys::ENCAP_TYPE.name);
    let kind = Section::open(&only_type, raw.span, &keys::ENCAP_ANY, findings)
        .choice(&keys::ENCAP_TYPE, findings)?;
    match kind {
        EncapType::Mpls => {
            let section = Section::open(table, raw.span, &keys::ENCAP_MPLS, findings);
            let raw = section.required(&keys::LABELS, findings)?;
            labels(raw, findings).map(Encap::Mpls)
        }
        EncapType::Ip => {
            let section = Section::open(table, raw.span, &keys::ENCAP_IP, findings);
            let src = optional_host(&section, &keys::TUNNEL_SRC, findings);
            let written = section.required(&keys::TUNNEL_DST, findings)?;
            let dst = address::host(written, findings)?;
            if src.is_some_and(|src| src.is_ipv4() != dst.is_ipv4()) {
                let span = section.value_span(keys::TUNNEL_SRC.name);
                findings.error(
                    Code::Conflict,
                    span,
                    "src and dst differ in family".to_owned(),
                );
            }
            Some(Encap::Ip {
                id: section.value(&keys::TUNNEL_ID, findings).into(),
                dst,
                src,
                ttl: byte(section.value(&keys::TUNNEL_TTL, findings)),
                tos: byte(section.value(&keys::TOS, findings)),
            })
        }
    }
}

fn labels(raw: &Spanned<Value>, findings: &mut Findings) -> Option<Vec<u32>> {
    let labels: Option<Vec<u32>> = section::list(keys::LABELS.name, raw, findings)
        .iter()
        .map(|item| match item.value {
            Value::Integer(label) => u32::try_from(label).ok().filter(|it| *it <= MAX_LABEL),
            _ => None,
        })
        .collect();
    let good = labels.filter(|labels| !labels.is_empty());
    if good.is_none() && matches!(raw.value, Value::Array(_)) {
        let message = format!("labels must be one or more numbers, 0..={MAX_LABEL}");
        findings.error(Code::OutOfRange, raw.span, message);
    }
    good
}

fn metrics(section: &Section<'_>, findings: &mut Findings) -> RouteMetrics {
    let mut of = |key: &Key<u32>| section.get(key, findings);
    let (mtu, advmss, hoplimit) = (of(&keys::MTU), of(&keys::ADVMSS), of(&keys::HOPLIMIT));
    let (initcwnd, initrwnd) = (of(&keys::INITCWND), of(&keys::INITRWND));
    let window = of(&keys::WINDOW);
    let mtu_lock = section.flag(&keys::MTU_LOCK, findings);
    if mtu_lock && mtu.is_none() {
        let span = section.value_span(keys::MTU_LOCK.name);
        let message = "mtu_lock has no effect without mtu".to_owned();
        findings.warning(Code::NoEffect, span, message, "remove it".to_owned());
    }
    RouteMetrics {
        mtu,
        mtu_lock,
        advmss,
        hoplimit,
        initcwnd,
        initrwnd,
        rto_min: section.get(&keys::RTO_MIN, findings),
        rtt: section.get(&keys::RTT, findings),
        window,
        quickack: section.optional_flag(&keys::QUICKACK, findings),
        congctl: address::optional_interface(section, &keys::CONGCTL, findings),
    }
}

/// Complains about parts of different families.
fn one_family(section: &Section<'_>, route: &Route, findings: &mut Findings) {
    let family = Family::of(route.to.address);
    let mut others = route.next_hops.iter().filter_map(|hop| hop.via);
    let key = if others.any(|via| Family::of(via) != family) {
        Some(keys::VIA.name)
    } else if route
        .source
        .is_some_and(|source| Family::of(source) != family)
    {
        Some(keys::SOURCE.name)
    } else {
        None
    };
    if let Some(key) = key {
        let message = format!("the route is {family}, {key} is not");
        findings.error(Code::Conflict, section.value_span(key), message);
    }
    if route.from.is_some() && family == Family::Ipv4 {
        let span = section.value_span(keys::FROM.name);
        let message = "an IPv4 route has no `from`".to_owned();
        let help = "write a rule with `from` and a table".to_owned();
        findings.error_help(Code::Conflict, span, message, help);
    } else if route
        .from
        .is_some_and(|from| Family::of(from.address) != family)
    {
        let span = section.value_span(keys::FROM.name);
        findings.error(
            Code::Conflict,
            span,
            format!("the route is {family}, from is not"),
        );
    }
}
