//! `[interface.NAME]` and `[announce_group.NAME]`.

use std::collections::HashMap;

use super::super::findings::{Code, Findings};
use super::super::raw::Spanned;
use super::super::schema::group as keys;
use super::super::section::{self, Section};
use super::address;
use crate::model::{AnnounceGroup, InterfaceSettings};

/// Reads the settings of one interface; `None` if its name is none.
pub(super) fn settings(
    name: &Spanned<String>,
    section: &Section<'_>,
    findings: &mut Findings,
) -> Option<InterfaceSettings> {
    address::interface_name(&name.value, "interface", name.span, findings)?;
    Some(InterfaceSettings {
        name: name.value.clone(),
        down_delay: section.value(&keys::DOWN_DELAY, findings),
        up_delay: section.value(&keys::UP_DELAY, findings),
        garp_interval: section.value(&keys::GARP_INTERVAL, findings),
        gna_interval: section.value(&keys::GNA_INTERVAL, findings),
    })
}

/// Reads groups, and remembers which interface is in one.
#[derive(Default)]
pub(super) struct Groups {
    /// The groups read.
    pub(super) done: Vec<AnnounceGroup>,
    taken: HashMap<String, String>,
}

impl Groups {
    /// Reads one group.
    pub(super) fn read(
        &mut self,
        name: &Spanned<String>,
        section: &Section<'_>,
        findings: &mut Findings,
    ) {
        let garp_interval = section.value(&keys::GARP_INTERVAL, findings);
        let gna_interval = section.value(&keys::GNA_INTERVAL, findings);
        let Some(raw) = section.required(&keys::GROUP_INTERFACES, findings) else {
            return;
        };
        let mut interfaces = Vec::new();
        for item in section::list(keys::GROUP_INTERFACES.name, raw, findings) {
            let Some(interface) = address::interface(keys::GROUP_INTERFACES.name, item, findings)
            else {
                continue;
            };
            if let Some(other) = self.taken.insert(interface.clone(), name.value.clone()) {
                let message = format!("{interface} is already in announce_group \"{other}\"");
                findings.error(Code::Duplicate, item.span, message);
            }
            interfaces.push(interface);
        }
        if garp_interval.is_zero() && gna_interval.is_zero() {
            let message = "an announce_group without an interval has no effect".to_owned();
            let help = "add garp_interval or gna_interval".to_owned();
            findings.warning(Code::NoEffect, section.at(), message, help);
        }
        self.done.push(AnnounceGroup {
            name: name.value.clone(),
            interfaces,
            garp_interval,
            gna_interval,
        });
    }
}
