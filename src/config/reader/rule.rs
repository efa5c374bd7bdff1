//! Routing rules.

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned, Table, Value};
use super::super::schema::Free;
use super::super::schema::network::{self as keys, Act};
use super::super::section::{self, Section};
use super::words::{self, Grammar, Takes};
use super::{address, byte, network};
use crate::model::{Family, Prefix, Rule, RuleAction};

/// The words of `ip rule`.
const WORDS: Grammar = Grammar {
    bare: None,
    kinds: ("action", &["nop", "blackhole", "unreachable", "prohibit"]),
    words: &[
        ("priority", "priority", Takes::Number),
        ("preference", "priority", Takes::Number),
        ("pref", "priority", Takes::Number),
        ("order", "priority", Takes::Number),
        ("family", "family", Takes::Text),
        ("not", "not", Takes::Nothing),
        ("from", "from", Takes::Text),
        ("to", "to", Takes::Text),
        ("fwmark", "fwmark", Takes::Number),
        ("iif", "iif", Takes::Text),
        ("dev", "iif", Takes::Text),
        ("oif", "oif", Takes::Text),
        ("tos", "tos", Takes::Number),
        ("dsfield", "tos", Takes::Number),
        ("ipproto", "ipproto", Takes::Number),
        ("sport", "sport", Takes::Number),
        ("dport", "dport", Takes::Number),
        ("uidrange", "uidrange", Takes::Number),
        ("table", "table", Takes::Number),
        ("lookup", "table", Takes::Number),
        ("goto", "goto", Takes::Number),
        (
            "suppress_prefixlength",
            "suppress_prefixlength",
            Takes::Number,
        ),
        ("sup_pl", "suppress_prefixlength", Takes::Number),
        ("no_track", "no_track", Takes::Nothing),
    ],
};
/// Protocols by name.
const PROTOCOLS: &[(&str, u8)] = &[
    ("tcp", 6),
    ("udp", 17),
    ("sctp", 132),
    ("icmp", 1),
    ("icmpv6", 58),
];

/// Reads one rule, in either form; `family` is that of a rule that does not say its own.
pub(super) fn read(raw: &Spanned<Value>, family: Family, findings: &mut Findings) -> Option<Rule> {
    match &raw.value {
        Value::String(text) => {
            let table = words::table(text, raw.span, &WORDS, findings)?;
            from_table(&table, raw.span, family, findings)
        }
        _ => {
            let table = section::table(keys::RULE.header, raw, findings)?;
            from_table(table, raw.span, family, findings)
        }
    }
}

fn from_table(table: &Table, span: Span, family: Family, findings: &mut Findings) -> Option<Rule> {
    let section = Section::open(table, span, &keys::RULE, findings);
    let from = selector(&section, &keys::RULE_FROM, findings);
    let to = selector(&section, &keys::RULE_TO, findings);
    let family = self::family(&section, from.or(to), family, findings);
    if let Some(to) = to.filter(|to| Family::of(to.address) != family) {
        let span = section.value_span(keys::RULE_TO.name);
        let message = format!("the rule is {family}, {} is not", to.address);
        findings.error(Code::Conflict, span, message);
    }
    let priority = section.value(&keys::PRIORITY, findings);
    let ports = |(first, last)| {
        let port = |number| u16::try_from(number).unwrap_or(u16::MAX);
        (port(first), port(last))
    };
    let most = u16::MAX.into();
    let rule = Rule {
        family,
        priority,
        not: section.flag(&keys::NOT, findings),
        from,
        to,
        fwmark: fwmark(&section, findings),
        iif: address::optional_interface(&section, &keys::IIF, findings),
        oif: address::optional_interface(&section, &keys::OIF, findings),
        tos: byte(section.value(&keys::TOS, findings)),
        ipproto: ipproto(&section, findings),
        sport: network::range(&section, &keys::SPORT, most, findings).map(ports),
        dport: network::range(&section, &keys::DPORT, most, findings).map(ports),
        uidrange: network::range(&section, &keys::UIDRANGE, u32::MAX, findings),
        action: action(&section, priority, findings)?,
        suppress_prefixlength: section.get(&keys::SUPPRESS_PREFIXLENGTH, findings),
        no_track: section.flag(&keys::RULE_NO_TRACK, findings),
    };
    // Without its place it would only be in the way of others.
    section.good(&keys::PRIORITY).then_some(rule)
}

/// A prefix; `all` is none.
fn selector(section: &Section<'_>, key: &Free, findings: &mut Findings) -> Option<Prefix> {
    let raw = section.free(key)?;
    if matches!(&raw.value, Value::String(text) if text == "all") {
        return None;
    }
    network::prefix(key.name, raw, None, findings)
}

fn family(
    section: &Section<'_>,
    prefix: Option<Prefix>,
    otherwise: Family,
    findings: &mut Findings,
) -> Family {
    let written = section.choice(&keys::FAMILY, findings);
    let said = prefix.map(|prefix| Family::of(prefix.address));
    if let (Some(written), Some(said)) = (written, said)
        && written != said
    {
        let span = section.value_span(keys::FAMILY.name);
        let message = format!("the rule has {said} addresses");
        findings.error_help(Code::Conflict, span, message, "remove family".to_owned());
    }
    said.or(written).unwrap_or(otherwise)
}

fn fwmark(section: &Section<'_>, findings: &mut Findings) -> Option<(u32, u32)> {
    let raw = section.free(&keys::FWMARK)?;
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let mark = match &raw.value {
        Value::Integer(mark) => u32::try_from(*mark).ok().map(|mark| (mark, u32::MAX)),
        Value::String(text) => match text.split_once('/') {
            Some((mark, mask)) => number(mark).zip(number(mask)),
            None => number(text).map(|mark| (mark, u32::MAX)),
        },
        _ => None,
    };
    if mark.is_none() {
        let message = "fwmark must be a number of 32 bits, with or without a mask".to_owned();
        let help = "write it like 1 or \"0x1/0xff\"".to_owned();
        findings.error_help(Code::BadValue, raw.span, message, help);
    }
    mark
}

fn ipproto(section: &Section<'_>, findings: &mut Findings) -> Option<u8> {
    let raw = section.free(&keys::IPPROTO)?;
    if let Value::Integer(number) = raw.value {
        let protocol = u8::try_from(number).ok().filter(|number| *number != 0);
        if protocol.is_none() {
            let message = format!("ipproto must be 1..=255, is {number}");
            findings.error(Code::OutOfRange, raw.span, message);
        }
        return protocol;
    }
    let words: Vec<_> = PROTOCOLS.iter().map(|(word, _)| *word).collect();
    let word = section::one_of(keys::IPPROTO.name, raw, &words, findings)?;
    let found = PROTOCOLS.iter().find(|(known, _)| *known == word);
    found.map(|(_, number)| *number)
}

fn action(section: &Section<'_>, priority: u32, findings: &mut Findings) -> Option<RuleAction> {
    let table = section
        .free(&keys::RULE_TABLE)
        .map(|raw| network::table_of(keys::RULE_TABLE.name, raw, findings));
    let goto = section.get(&keys::GOTO, findings);
    let act = section.choice(&keys::ACTION, findings);
    if goto.is_some_and(|target| target <= priority) {
        let span = section.value_span(keys::GOTO.name);
        let message = format!("goto leads to a priority that is not after {priority}");
        findings.error(Code::Conflict, span, message);
    }
    match (table, goto, act) {
        (Some(table), None, None) => table.map(RuleAction::Table),
        (None, Some(target), None) => Some(RuleAction::Goto(target)),
        (None, None, Some(act)) => Some(match act {
            Act::Nop => RuleAction::Nop,
            Act::Blackhole => RuleAction::Blackhole,
            Act::Unreachable => RuleAction::Unreachable,
            Act::Prohibit => RuleAction::Prohibit,
        }),
        (None, None, None) => {
            let broken = section.has(keys::GOTO.name) || section.has(keys::ACTION.name);
            if !broken {
                let message = "the rule says not what it does".to_owned();
                let help = "add a table, such as `table 100`".to_owned();
                findings.error_help(Code::MissingKey, section.at(), message, help);
            }
            None
        }
        _ => {
            let message = "a rule has one of table, goto and action".to_owned();
            findings.error(Code::Conflict, section.at(), message);
            None
        }
    }
}
