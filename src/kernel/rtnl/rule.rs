//! Routing rules, between the reconciler's words and rtnetlink's.

use std::net::IpAddr;

use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::rule::{
    RuleAction, RuleAttribute, RuleFlags, RuleHeader, RuleMessage, RulePortRange, RuleUidRange,
};

use super::FromPayload;
use crate::reconcile::route::Prefix;
use crate::reconcile::rule::{Action, Rule};

/// The message that adds or deletes `rule`.
pub(super) fn message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    let length = |prefix: Option<Prefix>| prefix.map_or(0, |prefix| prefix.length);
    message.header = RuleHeader {
        family: if rule.ipv6 {
            AddressFamily::Inet6
        } else {
            AddressFamily::Inet
        },
        dst_len: length(rule.to),
        src_len: length(rule.from),
        tos: rule.tos,
        action: match rule.action {
            Action::Table(_) => RuleAction::ToTable,
            Action::Goto(_) => RuleAction::Goto,
            Action::Nop => RuleAction::Nop,
            Action::Blackhole => RuleAction::Blackhole,
            Action::Unreachable => RuleAction::Unreachable,
            Action::Prohibit => RuleAction::Prohibit,
        },
        flags: if rule.not {
            RuleFlags::Invert
        } else {
            RuleFlags::empty()
        },
        ..RuleHeader::default()
    };
    let target = match rule.action {
        Action::Table(table) => Some(RuleAttribute::Table(table)),
        Action::Goto(priority) => Some(RuleAttribute::Goto(priority)),
        _ => None,
    };
    let (mark, mask) = rule.fwmark.unzip();
    let ports = |(start, end)| RulePortRange { start, end };
    let users = |(start, end)| RuleUidRange { start, end };
    message.attributes = [
        Some(RuleAttribute::Priority(rule.priority)),
        Some(RuleAttribute::Protocol(rule.protocol.into())),
        rule.from.map(|from| RuleAttribute::Source(from.address)),
        rule.to.map(|to| RuleAttribute::Destination(to.address)),
        mark.map(RuleAttribute::FwMark),
        mask.map(RuleAttribute::FwMask),
        rule.iif.clone().map(RuleAttribute::Iifname),
        rule.oif.clone().map(RuleAttribute::Oifname),
        rule.ipproto
            .map(|number| RuleAttribute::IpProtocol(i32::from(number).into())),
        rule.sport.map(ports).map(RuleAttribute::SourcePortRange),
        rule.dport
            .map(ports)
            .map(RuleAttribute::DestinationPortRange),
        rule.uidrange.map(users).map(RuleAttribute::UidRange),
        rule.suppress_prefixlength
            .map(RuleAttribute::SuppressPrefixLen),
        target,
    ]
    .into_iter()
    .flatten()
    .collect();
    message
}

impl FromPayload for Rule {
    fn from_payload(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let header = RuleHeader::parse(payload)?;
        let known = matches!(header.family, AddressFamily::Inet | AddressFamily::Inet6);
        // A rule with something nobody has seen must not hide the others.
        let message = RuleMessage::parse(payload).ok();
        Ok(message.filter(|_| known).and_then(read))
    }
}

/// `None` for a rule that ours cannot be like.
fn read(message: RuleMessage) -> Option<Rule> {
    let header = message.header;
    let (mut table, mut goto) = (u32::from(header.table), 0);
    let (mut mark, mut mask) = (None, None);
    let prefix = |address: IpAddr, length: u8| Some(Prefix { address, length });
    let mut rule = Rule {
        ipv6: header.family == AddressFamily::Inet6,
        priority: 0,
        not: header.flags.contains(RuleFlags::Invert),
        from: None,
        to: None,
        fwmark: None,
        iif: None,
        oif: None,
        tos: header.tos,
        ipproto: None,
        sport: None,
        dport: None,
        uidrange: None,
        action: Action::Nop,
        suppress_prefixlength: None,
        protocol: 0,
    };
    for attribute in message.attributes {
        match attribute {
            RuleAttribute::Priority(number) => rule.priority = number,
            RuleAttribute::Protocol(number) => rule.protocol = number.into(),
            RuleAttribute::Source(from) => rule.from = prefix(from, header.src_len),
            RuleAttribute::Destination(to) => rule.to = prefix(to, header.dst_len),
            RuleAttribute::FwMark(number) => mark = Some(number),
            RuleAttribute::FwMask(number) => mask = Some(number),
            RuleAttribute::Iifname(name) => rule.iif = Some(name),
            RuleAttribute::Oifname(name) => rule.oif = Some(name),
            RuleAttribute::IpProtocol(number) => {
                rule.ipproto = u8::try_from(i32::from(number)).ok();
            }
            RuleAttribute::SourcePortRange(ports) => rule.sport = Some((ports.start, ports.end)),
            RuleAttribute::DestinationPortRange(ports) => {
                rule.dport = Some((ports.start, ports.end));
            }
            RuleAttribute::UidRange(users) => rule.uidrange = Some((users.start, users.end)),
            // All ones: none.
            RuleAttribute::SuppressPrefixLen(length) => {
                rule.suppress_prefixlength = (length != u32::MAX).then_some(length);
            }
            RuleAttribute::Table(number) => table = number,
            RuleAttribute::Goto(number) => goto = number,
            RuleAttribute::TunId(_) | RuleAttribute::L3MDev(_) | RuleAttribute::Realm(_) => {
                return None;
            }
            _ => {}
        }
    }
    rule.fwmark = mark
        .or(mask)
        .map(|_| (mark.unwrap_or(0), mask.unwrap_or(u32::MAX)));
    rule.action = match header.action {
        RuleAction::ToTable => Action::Table(table),
        RuleAction::Goto => Action::Goto(goto),
        RuleAction::Nop => Action::Nop,
        RuleAction::Blackhole => Action::Blackhole,
        RuleAction::Unreachable => Action::Unreachable,
        RuleAction::Prohibit => Action::Prohibit,
        _ => return None,
    };
    Some(rule)
}
