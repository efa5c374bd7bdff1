//! Prefixes, routing tables, and what may be there once only.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned, Value};
use super::super::schema::Free;
use super::super::section::{self, Section};
use crate::model::{Family, Prefix, Route, Rule};

/// The tables that have a name (`RT_TABLE_*` of `linux/rtnetlink.h`).
const TABLES: &[(&str, u32)] = &[("default", 253), ("main", 254), ("local", 255)];

/// A routing table, by its name or its number; `main` if the key is absent.
pub(super) fn table(section: &Section<'_>, key: &Free, findings: &mut Findings) -> u32 {
    let main = 254;
    let Some(raw) = section.free(key) else {
        return main;
    };
    table_of(key.name, raw, findings).unwrap_or(main)
}

/// The same, of a value.
pub(super) fn table_of(name: &str, raw: &Spanned<Value>, findings: &mut Findings) -> Option<u32> {
    if let Value::Integer(number) = raw.value {
        let table = u32::try_from(number).ok().filter(|table| *table != 0);
        if table.is_none() {
            let message = format!("{name} must be 1..=4294967295, is {number}");
            findings.error(Code::OutOfRange, raw.span, message);
        }
        return table;
    }
    let words: Vec<_> = TABLES.iter().map(|(word, _)| *word).collect();
    let word = section::one_of(name, raw, &words, findings)?;
    let found = TABLES.iter().find(|(known, _)| *known == word);
    found.map(|(_, table)| *table)
}

/// `IP/LENGTH`, `IP`, or `default`, which is of `family` or else IPv4.
pub(super) fn prefix(
    name: &str,
    raw: &Spanned<Value>,
    family: Option<Family>,
    findings: &mut Findings,
) -> Option<Prefix> {
    let text = section::string(name, raw, findings)?;
    if text == "default" {
        let address = match family {
            Some(Family::Ipv6) => Ipv6Addr::UNSPECIFIED.into(),
            Some(Family::Ipv4) | None => Ipv4Addr::UNSPECIFIED.into(),
        };
        return Some(Prefix { address, length: 0 });
    }
    let Some(prefix) = parsed(text) else {
        let message = format!("{name}: \"{text}\" is not a prefix");
        let help = "write it like \"192.0.2.0/24\" or \"default\"".to_owned();
        findings.error_help(Code::BadValue, raw.span, message, help);
        return None;
    };
    let first = masked(prefix);
    if first != prefix {
        let message = format!("{name}: {text} has bits beyond its length");
        let help = format!("write \"{}/{}\"", first.address, first.length);
        findings.error_help(Code::BadValue, raw.span, message, help);
        return None;
    }
    if let Some(family) = family.filter(|family| *family != Family::of(prefix.address)) {
        let message = format!("{name} must be {family}, as the gateway is");
        findings.error(Code::Conflict, raw.span, message);
        return None;
    }
    Some(prefix)
}

fn parsed(text: &str) -> Option<Prefix> {
    let (ip, length) = match text.split_once('/') {
        Some((ip, length)) => (ip, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = ip.parse().ok()?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(whole), |length| length.parse().ok())?;
    (length <= whole).then_some(Prefix { address, length })
}

/// The prefix with its host bits zero.
fn masked(prefix: Prefix) -> Prefix {
    let length = u32::from(prefix.length);
    let address = match prefix.address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - length.min(32)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - length.min(128)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    };
    Prefix { address, ..prefix }
}

/// `FIRST-LAST` or one number, each up to `most`.
pub(super) fn range(
    section: &Section<'_>,
    key: &Free,
    most: u32,
    findings: &mut Findings,
) -> Option<(u32, u32)> {
    let raw = section.free(key)?;
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let both = match &raw.value {
        Value::Integer(number) => u32::try_from(*number).ok().map(|number| (number, number)),
        Value::String(text) => match text.split_once('-') {
            Some((first, last)) => number(first).zip(number(last)),
            None => number(text).map(|number| (number, number)),
        },
        other => {
            let kind = other.kind();
            let message = format!("{} must be a number or a range, is {kind}", key.name);
            findings.error(Code::WrongType, raw.span, message);
            return None;
        }
    };
    let good = both.filter(|(first, last)| first <= last && *last <= most);
    if good.is_none() {
        let message = format!("{} must be a number or a range up to {most}", key.name);
        let help = "write it like 80 or \"1024-2047\"".to_owned();
        findings.error_help(Code::BadValue, raw.span, message, help);
    }
    good
}

/// What may be there once only, and who has it.
#[derive(Default)]
pub(super) struct Taken {
    routes: HashMap<(Prefix, u32, u8, Option<u32>), String>,
    rules: HashMap<(Family, u32), String>,
}

impl Taken {
    /// Complains about a route that another one would replace.
    pub(super) fn route(
        &mut self,
        route: &Route,
        owner: &str,
        span: Span,
        findings: &mut Findings,
    ) {
        let place = (route.to, route.table, route.tos, route.metric);
        if let Some(other) = self.routes.insert(place, owner.to_owned()) {
            let message = format!("{other} has a route to the same in the same table");
            let help = "give one of them another metric or table".to_owned();
            findings.error_help(Code::Duplicate, span, message, help);
        }
    }

    /// Complains about a rule in the place of another one.
    pub(super) fn rule(&mut self, rule: &Rule, owner: &str, span: Span, findings: &mut Findings) {
        let place = (rule.family, rule.priority);
        if let Some(other) = self.rules.insert(place, owner.to_owned()) {
            let (priority, family) = (rule.priority, rule.family);
            let message = format!("{other} has an {family} rule of priority {priority}");
            let help = "rules are told apart by priority; choose another".to_owned();
            findings.error_help(Code::Duplicate, span, message, help);
        }
    }
}
