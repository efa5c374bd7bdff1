//! `[sync_group.NAME]`.

use std::collections::HashMap;

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned, Value};
use super::super::schema::{group as keys, notify as notify_keys};
use super::super::section::{self, Section};
use super::{names, notify, track, tracking};
use crate::model::SyncGroup;

/// An instance that a group may have as a member.
pub(super) struct Member {
    /// Where something of weight is tracked.
    pub(super) weighted: Vec<Span>,
}

/// Reads groups, and remembers who is in one.
pub(super) struct Reader<'a> {
    /// The groups read.
    pub(super) done: Vec<SyncGroup>,
    /// The instances by name.
    pub(super) instances: &'a HashMap<String, Member>,
    groups: HashMap<String, String>,
    mailer: bool,
}

impl<'a> Reader<'a> {
    /// For a file with these instances, and a `[global.mail]` or none.
    pub(super) fn new(instances: &'a HashMap<String, Member>, mailer: bool) -> Self {
        Self {
            done: Vec::new(),
            instances,
            groups: HashMap::new(),
            mailer,
        }
    }

    /// Reads one group.
    pub(super) fn read(
        &mut self,
        name: &Spanned<String>,
        section: &Section<'_>,
        trackers: &mut track::Reader,
        findings: &mut Findings,
    ) {
        let members = section
            .required(&keys::MEMBERS, findings)
            .map(|raw| self.members(&name.value, raw, findings))
            .unwrap_or_default();
        let tracked = tracking::read(section, trackers, findings);
        let group = SyncGroup {
            name: name.value.clone(),
            members,
            tracking: tracked.tracking,
            tracking_weight: section.flag(&keys::TRACKING_WEIGHT, findings),
            notify: notify::read(section, &notify_keys::GROUP_TABLE, self.mailer, findings),
        };
        if !group.tracking_weight {
            self.warn_of_weights(&group, &tracked.weighted, findings);
        }
        self.done.push(group);
    }

    fn members(
        &mut self,
        group: &str,
        raw: &Spanned<Value>,
        findings: &mut Findings,
    ) -> Vec<String> {
        let mut members = Vec::new();
        let items = section::list(keys::MEMBERS.name, raw, findings);
        if matches!(raw.value, Value::Array(_)) && items.is_empty() {
            let message = "members must have at least one instance".to_owned();
            findings.error(Code::OutOfRange, raw.span, message);
        }
        if let [alone] = items {
            let message = "a group of one instance moves nothing else with it".to_owned();
            let help = "add its other members, or remove the group".to_owned();
            findings.warning(Code::Suspicious, alone.span, message, help);
        }
        for item in items {
            let Some(member) = section::string("a member", item, findings) else {
                continue;
            };
            if !self.instances.contains_key(member) {
                let mut all: Vec<_> = self.instances.keys().map(String::as_str).collect();
                all.sort_unstable();
                names::unknown(
                    "vrrp_instance",
                    member,
                    all.into_iter(),
                    item.span,
                    findings,
                );
            } else if let Some(other) = self.groups.insert(member.to_owned(), group.to_owned()) {
                let message = format!("\"{member}\" is already in sync_group \"{other}\"");
                let help = "an instance is in one group, once".to_owned();
                findings.error_help(Code::Duplicate, item.span, message, help);
            } else {
                members.push(member.to_owned());
            }
        }
        members
    }

    fn warn_of_weights(&self, group: &SyncGroup, own: &[Span], findings: &mut Findings) {
        let members = group.members.iter();
        let theirs = members.filter_map(|member| self.instances.get(member));
        for span in theirs.flat_map(|member| &member.weighted).chain(own) {
            findings.warning(
                Code::NoEffect,
                *span,
                format!("its weight has no effect in sync_group \"{}\"", group.name),
                "write tracking_weight = true in the group, or weight = 0".to_owned(),
            );
        }
    }
}
