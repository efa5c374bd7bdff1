//! `notify`, `notify_priority_changes` and `mail` of an instance or a group.

use super::super::findings::{Code, Findings};
use super::super::raw::{Spanned, Value};
use super::super::schema::{Free, TableKind, notify as keys};
use super::super::section::Section;
use super::command;
use crate::model::{Command, Notify};

/// Reads what an instance or a group tells; `kind` is its table, `mailer` whether there
/// is a `[global.mail]`.
pub(super) fn read(
    section: &Section<'_>,
    kind: &'static TableKind,
    mailer: bool,
    findings: &mut Findings,
) -> Notify {
    let mut notify = match section.free(&keys::NOTIFY) {
        Some(Spanned {
            value: Value::Table(_),
            ..
        }) => section
            .sub(&keys::NOTIFY, kind, findings)
            .map(|table| commands(&table, findings))
            .unwrap_or_default(),
        Some(raw) => Notify {
            any: command::read(keys::NOTIFY.name, raw, findings),
            ..Notify::default()
        },
        None => Notify::default(),
    };
    notify.priority_changes = section.flag(&keys::PRIORITY_CHANGES, findings);
    notify.mail = section.flag(&keys::MAIL, findings);
    if notify.mail && !mailer {
        findings.warning(
            Code::NoEffect,
            section.value_span(keys::MAIL.name),
            "no mail is sent: it is not said how".to_owned(),
            "add a [global.mail], or remove it".to_owned(),
        );
    }
    notify
}

fn commands(table: &Section<'_>, findings: &mut Findings) -> Notify {
    let mut of = |key: &Free| command::optional(table, key, findings);
    let notify = Notify {
        master: of(&keys::MASTER),
        backup: of(&keys::BACKUP),
        fault: of(&keys::FAULT),
        stop: of(&keys::STOP),
        any: of(&keys::ANY),
        master_rx_lower_pri: of(&keys::MASTER_RX_LOWER_PRI),
        ..Notify::default()
    };
    let (deleted, notify_deleted) = deleted(table, findings);
    Notify {
        deleted,
        notify_deleted,
        ..notify
    }
}

/// The program for a removal, and whether a removal says `DELETED`.
fn deleted(table: &Section<'_>, findings: &mut Findings) -> (Option<Command>, bool) {
    match table.free(&keys::DELETED).map(|raw| &raw.value) {
        None => (None, false),
        Some(Value::Boolean(wanted)) => (None, *wanted),
        Some(_) => (command::optional(table, &keys::DELETED, findings), true),
    }
}
