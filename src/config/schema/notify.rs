//! Programs that are told of changes.

use std::time::Duration;

use super::TableKind;
use super::key::{Flag, Free, Key, Preset};
use crate::model::defaults;

pub(in crate::config) const NOTIFY: Free = Free {
    name: "notify",
    kind: "table or command",
    default: "none",
    range: "",
    doc: "the programs run at its changes; a command alone is `notify = { any = ... }`",
};
pub(in crate::config) const PRIORITY_CHANGES: Flag = Flag {
    name: "notify_priority_changes",
    default: defaults::NOTIFY_PRIORITY_CHANGES,
    doc: "whether `any` and the FIFOs are told of changes of the effective priority",
};
pub(in crate::config) const MAIL: Flag = Flag {
    name: "mail",
    default: defaults::NOTIFY_MAIL,
    doc: "whether its changes are mailed, see `[global.mail]`",
};

/// `notify`.
pub(in crate::config) const TABLE: TableKind = TableKind {
    header: "notify = { ... }",
    doc: "Programs that are run when the state changes, in order. Each is a string, which is \
          split into words as a shell would, a list of words, or a table of its own. No \
          shell runs them.",
    keys: &[
        &MASTER,
        &BACKUP,
        &FAULT,
        &STOP,
        &ANY,
        &MASTER_RX_LOWER_PRI,
        &DELETED,
    ],
};

/// The same for groups.
pub(in crate::config) const GROUP_TABLE: TableKind = TableKind {
    header: "notify = { ... } of a [sync_group.NAME]",
    doc: "",
    keys: &[&MASTER, &BACKUP, &FAULT, &STOP, &ANY],
};

const fn when(name: &'static str, doc: &'static str) -> Free {
    Free {
        name,
        kind: "command",
        default: "none",
        range: "",
        doc,
    }
}
pub(in crate::config) const MASTER: Free = when("master", "it became master");
pub(in crate::config) const BACKUP: Free = when("backup", "it became backup");
pub(in crate::config) const FAULT: Free = when("fault", "it cannot run");
pub(in crate::config) const STOP: Free = when("stop", "lvsd stops");
pub(in crate::config) const ANY: Free = when(
    "any",
    "any of these; it is given `INSTANCE` or `GROUP`, the name, the state (`MASTER`) and the \
     priority as further arguments. keepalived's `notify`",
);
pub(in crate::config) const MASTER_RX_LOWER_PRI: Free = when(
    "master_rx_lower_pri",
    "as master it heard a master of lower priority",
);
pub(in crate::config) const DELETED: Free = Free {
    kind: "command or `true`",
    ..when(
        "deleted",
        "a reload removed it. Without this key that is a fault; `true` runs no program of its \
         own",
    )
};

/// A command.
pub(in crate::config) const COMMAND_TABLE: TableKind = TableKind {
    header: "{ command = ... }",
    doc: "A program with more to say than its words.",
    keys: &[&COMMAND, &USER, &TIMEOUT],
};

/// The reader of a FIFO, which has no end.
pub(in crate::config) const READER_TABLE: TableKind = TableKind {
    header: "script = { command = ... }",
    doc: "",
    keys: &[&COMMAND, &USER],
};
pub(in crate::config) const COMMAND: Free = super::track::COMMAND;
pub(in crate::config) const USER: Free = super::track::USER;
pub(in crate::config) const TIMEOUT: Key<Duration> = Key {
    name: "timeout",
    preset: Preset::Value(defaults::NOTIFY_TIMEOUT),
    min: Duration::from_millis(1),
    max: Duration::from_secs(86_400),
    doc: "after which it is ended",
};
