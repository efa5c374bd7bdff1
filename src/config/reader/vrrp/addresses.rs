//! Virtual addresses.

use std::net::IpAddr;
use std::time::Duration;

use super::super::super::findings::{Code, Findings};
use super::super::super::raw::{Spanned, Value};
use super::super::super::schema;
use super::super::super::section::{self, Section};
use super::super::words::{self, Grammar, Takes};
use super::super::{address, scope};
use crate::model::{Broadcast, Family, VirtualAddress};

/// The words of `ip address`.
const WORDS: Grammar = Grammar {
    bare: Some("address"),
    kinds: ("", &[]),
    words: &[
        ("dev", "dev", Takes::Text),
        ("label", "label", Takes::Text),
        ("scope", "scope", Takes::Number),
        ("brd", "broadcast", Takes::Text),
        ("broadcast", "broadcast", Takes::Text),
        ("peer", "peer", Takes::Text),
        ("preferred_lft", "preferred_lft", Takes::Seconds),
        ("home", "home", Takes::Nothing),
        ("nodad", "nodad", Takes::Nothing),
        ("noprefixroute", "noprefixroute", Takes::Nothing),
        ("no_track", "no_track", Takes::Nothing),
    ],
};

/// Reads one address, in any of its forms.
pub(in super::super) fn read(
    raw: &Spanned<Value>,
    findings: &mut Findings,
) -> Option<VirtualAddress> {
    match &raw.value {
        Value::Table(table) => {
            let section = Section::open(table, raw.span, &schema::VIRTUAL_ADDRESS, findings);
            from_table(&section, findings)
        }
        Value::String(text) if text.contains(char::is_whitespace) => {
            let table = words::table(text, raw.span, &WORDS, findings)?;
            let section = Section::open(&table, raw.span, &schema::VIRTUAL_ADDRESS, findings);
            from_table(&section, findings)
        }
        _ => {
            let (address, prefix_len) = address::with_prefix(raw, findings)?;
            Some(VirtualAddress::plain(address, prefix_len))
        }
    }
}

fn from_table(section: &Section<'_>, findings: &mut Findings) -> Option<VirtualAddress> {
    let dev = address::optional_interface(section, &schema::VIP_DEV, findings);
    let label = address::optional_interface(section, &schema::VIP_LABEL, findings);
    let scope = scope(section, &schema::VIP_SCOPE, findings).unwrap_or_default();
    let broadcast = broadcast(section, findings);
    let nodad = section.flag(&schema::VIP_NODAD, findings);
    let preferred_lft = preferred_lft(section, findings);
    let home = section.flag(&schema::VIP_HOME, findings);
    let noprefixroute = section.flag(&schema::VIP_NOPREFIXROUTE, findings);
    let no_track = section.flag(&schema::VIP_NO_TRACK, findings);
    let written = section.required(&schema::VIP_ADDRESS, findings)?;
    let (address, mut prefix_len) = address::with_prefix(written, findings)?;
    let peer = peer(section, address, &mut prefix_len, findings);
    only_one_family(section, address, findings);
    Some(VirtualAddress {
        dev,
        label,
        scope,
        broadcast,
        peer,
        nodad,
        preferred_lft,
        home,
        noprefixroute,
        no_track,
        ..VirtualAddress::plain(address, prefix_len)
    })
}

fn broadcast(section: &Section<'_>, findings: &mut Findings) -> Option<Broadcast> {
    let raw = section.free(&schema::VIP_BROADCAST)?;
    let text = section::string("broadcast", raw, findings)?;
    if text == "+" {
        return Some(Broadcast::Auto);
    }
    let address = text.parse().ok().map(Broadcast::Address);
    if address.is_none() {
        let message = format!("\"{text}\" is not an IPv4 address");
        let help = "write the address, or \"+\" for the last one of the prefix".to_owned();
        findings.error_help(Code::BadValue, raw.span, message, help);
    }
    address
}

fn preferred_lft(section: &Section<'_>, findings: &mut Findings) -> Option<Duration> {
    let lifetime = section.get(&schema::VIP_PREFERRED_LFT, findings)?;
    if lifetime.subsec_nanos() != 0 {
        let span = section.value_span(schema::VIP_PREFERRED_LFT.name);
        let message = "preferred_lft must be whole seconds".to_owned();
        findings.error(Code::OutOfRange, span, message);
    }
    Some(lifetime)
}

/// The other end, whose prefix length is that of the address.
fn peer(
    section: &Section<'_>,
    address: IpAddr,
    prefix_len: &mut u8,
    findings: &mut Findings,
) -> Option<IpAddr> {
    let raw = section.free(&schema::VIP_PEER)?;
    let (peer, length) = address::with_prefix(raw, findings)?;
    if Family::of(peer) != Family::of(address) {
        let message = format!("{peer} is {}, the address is not", Family::of(peer));
        findings.error(Code::Conflict, raw.span, message);
        return None;
    }
    if matches!(&raw.value, Value::String(text) if text.contains('/')) {
        *prefix_len = length;
    }
    Some(peer)
}

fn only_one_family(section: &Section<'_>, address: IpAddr, findings: &mut Findings) {
    let (other, keys) = if address.is_ipv6() {
        let label = (schema::VIP_LABEL.name, "label");
        (
            "IPv6",
            [label, (schema::VIP_BROADCAST.name, "broadcast address")],
        )
    } else {
        let home = (schema::VIP_HOME.name, "home flag");
        (
            "IPv4",
            [
                home,
                (schema::VIP_NODAD.name, "duplicate address detection"),
            ],
        )
    };
    for (key, what) in keys {
        if section.has(key) {
            let message = format!("an {other} address has no {what}");
            findings.error(Code::Conflict, section.value_span(key), message);
        }
    }
}
