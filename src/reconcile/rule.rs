//! Routing rules: which to add and remove.
//!
//! A rule has nothing that could be changed: all of it tells it apart. A rule of
//! somebody else with the same words is another rule.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::drift::Changes;
use super::owned::Entry;
use super::route::Prefix;

/// A routing rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// Whether it is one for IPv6.
    pub ipv6: bool,
    /// Its place in the order.
    pub priority: u32,
    /// Whether the selectors are negated.
    pub not: bool,
    /// Source prefix.
    pub from: Option<Prefix>,
    /// Destination prefix.
    pub to: Option<Prefix>,
    /// Firewall mark and mask.
    pub fwmark: Option<(u32, u32)>,
    /// Incoming interface.
    pub iif: Option<String>,
    /// Outgoing interface.
    pub oif: Option<String>,
    /// Type of service.
    pub tos: u8,
    /// IP protocol.
    pub ipproto: Option<u8>,
    /// Source ports, first and last.
    pub sport: Option<(u16, u16)>,
    /// Destination ports, first and last.
    pub dport: Option<(u16, u16)>,
    /// User ids, first and last.
    pub uidrange: Option<(u32, u32)>,
    /// What it does.
    pub action: Action,
    /// Routes with a prefix of at most this length are passed over.
    pub suppress_prefixlength: Option<u32>,
    /// Who installed it, `FRA_PROTOCOL`; see [`super::route::PROTOCOL`].
    pub protocol: u8,
}

/// What a rule does, an `FR_ACT_*` of `linux/fib_rules.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Looks into this table.
    Table(u32),
    /// Goes on at this priority.
    Goto(u32),
    /// Does nothing.
    Nop,
    /// Drops.
    Blackhole,
    /// Answers "network unreachable".
    Unreachable,
    /// Answers "administratively prohibited".
    Prohibit,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.ipv6 { "IPv6 " } else { "" };
        write!(f, "{family}rule {}:", self.priority)?;
        if self.not {
            f.write_str(" not")?;
        }
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        if let Some(to) = self.to {
            write!(f, " to {to}")?;
        }
        if let Some((mark, mask)) = self.fwmark {
            write!(f, " fwmark {mark:#x}/{mask:#x}")?;
        }
        if let Some(iif) = &self.iif {
            write!(f, " iif {iif}")?;
        }
        if let Some(oif) = &self.oif {
            write!(f, " oif {oif}")?;
        }
        match self.action {
            Action::Table(table) => write!(f, " table {table}"),
            Action::Goto(priority) => write!(f, " goto {priority}"),
            Action::Nop => f.write_str(" nop"),
            Action::Blackhole => f.write_str(" blackhole"),
            Action::Unreachable => f.write_str(" unreachable"),
            Action::Prohibit => f.write_str(" prohibit"),
        }
    }
}

impl Entry for Rule {
    type Identity = Self;

    fn identity(&self) -> Self {
        self.clone()
    }

    fn mark(&self) -> Option<u8> {
        Some(self.protocol)
    }

    /// The protocol is part of what tells it apart.
    fn marked(self, _: u8) -> Self {
        self
    }

    fn changes(&self, _: &Self) -> Changes {
        Changes::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::super::owned::{self, Ownership, diff, properties, table};
    use super::super::route::PROTOCOL;
    use super::*;

    type Table = owned::Table<Rule>;
    type Op = owned::Op<Rule>;

    fn rule(priority: u32, table: u32, protocol: u8) -> Rule {
        Rule {
            ipv6: false,
            priority,
            not: false,
            from: None,
            to: None,
            fwmark: None,
            iif: None,
            oif: None,
            tos: 0,
            ipproto: None,
            sport: None,
            dport: None,
            uidrange: None,
            action: Action::Table(table),
            suppress_prefixlength: None,
            protocol,
        }
    }

    fn apply(kernel: &mut Table, op: &Op) -> Result<(), String> {
        match op {
            Op::Add(rule) => match kernel.insert(rule.identity(), rule.clone()) {
                Some(_) => Err(format!("EEXIST: {rule}")),
                None => Ok(()),
            },
            Op::Remove(rule) => match kernel.remove(rule) {
                Some(_) => Ok(()),
                None => Err(format!("ENOENT: {rule}")),
            },
            Op::Replace(rule) | Op::Recreate { new: rule, .. } => {
                Err(format!("{rule} has nothing to change"))
            }
        }
    }

    fn ours() -> impl Strategy<Value = Rule> {
        (1..4_u32, 100..103_u32).prop_map(|(priority, table)| rule(priority, table, PROTOCOL))
    }

    fn anybodys() -> impl Strategy<Value = Rule> {
        (ours(), prop_oneof![Just(PROTOCOL), Just(3)])
            .prop_map(|(rule, protocol)| Rule { protocol, ..rule })
    }

    proptest! {
        #[test]
        fn every_property_of_a_level_holds(
            desired in vec(ours(), 0..6).prop_map(table),
            observed in vec(anybodys(), 0..6).prop_map(table),
            managed in btree_set(anybodys(), 0..4),
            stop in any::<prop::sample::Index>(),
        ) {
            let ownership = Ownership { managed, mark: Some(PROTOCOL) };
            properties::check(&desired, &observed, &ownership, stop, apply)?;
        }
    }

    #[test]
    fn another_table_is_added_before_the_old_rule_goes() {
        let ownership = Ownership {
            managed: BTreeSet::new(),
            mark: Some(PROTOCOL),
        };
        let (old, new) = (rule(1, 100, PROTOCOL), rule(1, 101, PROTOCOL));
        let ops = diff(&table([new.clone()]), &table([old.clone()]), &ownership);
        assert_eq!(ops, [Op::Add(new), Op::Remove(old)]);
    }

    #[test]
    fn a_rule_reads_as_ip_rule_writes_it() {
        let rule = Rule {
            from: Some(Prefix {
                address: [192, 0, 2, 0].into(),
                length: 24,
            }),
            fwmark: Some((1, 0xff)),
            iif: Some("eth0".to_owned()),
            ..rule(100, 200, PROTOCOL)
        };
        assert_eq!(
            rule.to_string(),
            "rule 100: from 192.0.2.0/24 fwmark 0x1/0xff iif eth0 table 200"
        );
    }
}
