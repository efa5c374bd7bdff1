//! `[global]`.

use std::time::Duration;

use super::TableKind;
use super::key::{Choice, Flag, Free, Key, Preset};
use crate::model::{MailTls, OnStop, defaults};

/// `[global]`.
pub(in crate::config) const TABLE: TableKind = TableKind {
    header: "[global]",
    doc: "Settings of the whole director.",
    keys: &[
        &ROUTER_ID,
        &IPVS_ON_STOP,
        &STARTUP_DELAY,
        &DELAY_AFTER_BOOT,
        &LOG_UNKNOWN_VRIDS,
        &SCRIPT_USER,
        &SCRIPT_SECURITY,
        &NOTIFY_FIFO,
        &VRRP_NOTIFY_FIFO,
        &LVS_NOTIFY_FIFO,
        &MAIL,
    ],
};

pub(in crate::config) const ROUTER_ID: Free = Free {
    name: "router_id",
    kind: "string",
    default: "the host name",
    range: "1..=64 characters",
    doc: "the name of this director in logs and status",
};
pub(in crate::config) const IPVS_ON_STOP: Choice<OnStop> = Choice {
    name: "ipvs_on_stop",
    preset: Preset::Value(defaults::IPVS_ON_STOP),
    words: &[("remove", OnStop::Remove), ("keep", OnStop::Keep)],
    doc: "what becomes of our IPVS entries when lvsd is stopped",
};
pub(in crate::config) const STARTUP_DELAY: Key<Duration> = Key {
    name: "startup_delay",
    preset: Preset::Value(defaults::STARTUP_DELAY),
    min: Duration::ZERO,
    max: Duration::from_secs(86_400),
    doc: "how long after its start the director's instances do not take part",
};
pub(in crate::config) const DELAY_AFTER_BOOT: Key<Duration> = Key {
    name: "delay_after_boot",
    preset: Preset::Value(defaults::DELAY_AFTER_BOOT),
    min: Duration::ZERO,
    max: Duration::from_secs(86_400),
    doc: "the same until the host has been up for so long; the longer one counts",
};
pub(in crate::config) const LOG_UNKNOWN_VRIDS: Flag = Flag {
    name: "log_unknown_vrids",
    default: defaults::LOG_UNKNOWN_VRIDS,
    doc: "whether adverts of virtual routers that are not configured here are logged; they \
          are always counted",
};
pub(in crate::config) const SCRIPT_USER: Free = Free {
    name: "script_user",
    kind: "string",
    default: "root",
    range: "`\"USER\"` or `\"USER:GROUP\"`",
    doc: "who runs programs for which no user is named",
};
pub(in crate::config) const SCRIPT_SECURITY: Flag = Flag {
    name: "script_security",
    default: defaults::SCRIPT_SECURITY,
    doc: "whether a program that others than root may change is not run as root",
};
pub(in crate::config) const NOTIFY_FIFO: Free = Free {
    name: "notify_fifo",
    kind: "table",
    default: "none",
    range: "",
    doc: "a FIFO with a line for every event",
};
pub(in crate::config) const VRRP_NOTIFY_FIFO: Free = Free {
    name: "vrrp_notify_fifo",
    doc: "a FIFO for those of VRRP",
    ..NOTIFY_FIFO
};
pub(in crate::config) const LVS_NOTIFY_FIFO: Free = Free {
    name: "lvs_notify_fifo",
    doc: "a FIFO for those of virtual and real servers; without effect yet",
    ..NOTIFY_FIFO
};
pub(in crate::config) const MAIL: Free = Free {
    name: "mail",
    kind: "table",
    default: "none",
    range: "",
    doc: "how mail is sent",
};

/// A FIFO.
pub(in crate::config) const FIFO_TABLE: TableKind = TableKind {
    header: "[global.notify_fifo]",
    doc: "A FIFO with lines such as `INSTANCE \"web\" MASTER 100`. `[global.vrrp_notify_fifo]` \
          and `[global.lvs_notify_fifo]` have the same keys.",
    keys: &[&FIFO_PATH, &FIFO_OWNER, &FIFO_SCRIPT],
};
pub(in crate::config) const FIFO_PATH: Free = Free {
    name: "path",
    kind: "path",
    default: "required",
    range: "absolute",
    doc: "where it is; it is made if it is not there",
};
pub(in crate::config) const FIFO_OWNER: Free = Free {
    name: "owner",
    kind: "string",
    default: "`script_user`",
    range: "`\"USER\"` or `\"USER:GROUP\"`",
    doc: "whom it belongs to",
};
pub(in crate::config) const FIFO_SCRIPT: Free = Free {
    name: "script",
    kind: "command",
    default: "none",
    range: "",
    doc: "a program that reads it, and is given the path as its last argument",
};

/// `[global.mail]`.
pub(in crate::config) const MAIL_TABLE: TableKind = TableKind {
    header: "[global.mail]",
    doc: "Mail about the instances and groups that have `mail = true`. What cannot be sent is \
          kept and tried again.",
    keys: &[
        &MAIL_SERVER,
        &MAIL_TLS,
        &MAIL_USER,
        &MAIL_PASSWORD,
        &MAIL_PASSWORD_FILE,
        &MAIL_FROM,
        &MAIL_TO,
        &MAIL_HELO_NAME,
        &MAIL_TIMEOUT,
        &MAIL_NO_FAULTS,
    ],
};
pub(in crate::config) const MAIL_SERVER: Free = Free {
    name: "server",
    kind: "string",
    default: "required",
    range: "`\"HOST\"` or `\"HOST:PORT\"`",
    doc: "the mail server; the port is 25, with `tls = \"starttls\"` 587, with `\"tls\"` 465",
};
pub(in crate::config) const MAIL_TLS: Choice<MailTls> = Choice {
    name: "tls",
    preset: Preset::Value(defaults::MAIL_TLS),
    words: &[
        ("none", MailTls::None),
        ("opportunistic", MailTls::Opportunistic),
        ("starttls", MailTls::Starttls),
        ("tls", MailTls::Tls),
    ],
    doc: "`opportunistic`: STARTTLS if the server offers it; `starttls`: that or no mail; \
          `tls`: from the start",
};
pub(in crate::config) const MAIL_USER: Free = Free {
    name: "user",
    kind: "string",
    default: "no login",
    range: "",
    doc: "the user name at the server",
};
pub(in crate::config) const MAIL_PASSWORD: Free = Free {
    name: "password",
    kind: "string",
    default: "none",
    range: "",
    doc: "the password",
};
pub(in crate::config) const MAIL_PASSWORD_FILE: Free = Free {
    name: "password_file",
    kind: "path",
    default: "none",
    range: "",
    doc: "the file that holds the password; a relative path begins where this file is",
};
pub(in crate::config) const MAIL_FROM: Free = Free {
    name: "from",
    kind: "string",
    default: "required",
    range: "`\"a@example.com\"` or `\"Name <a@example.com>\"`",
    doc: "the sender",
};
pub(in crate::config) const MAIL_TO: Free = Free {
    name: "to",
    kind: "string or list",
    default: "required",
    range: "one or more",
    doc: "the recipients",
};
pub(in crate::config) const MAIL_HELO_NAME: Free = Free {
    name: "helo_name",
    kind: "string",
    default: "the host name",
    range: "1..=64 characters",
    doc: "what the director calls itself at the server",
};
pub(in crate::config) const MAIL_TIMEOUT: Key<Duration> = Key {
    name: "timeout",
    preset: Preset::Value(defaults::MAIL_TIMEOUT),
    min: Duration::from_secs(1),
    max: Duration::from_secs(600),
    doc: "how long one attempt may take",
};
pub(in crate::config) const MAIL_NO_FAULTS: Flag = Flag {
    name: "no_faults",
    default: defaults::MAIL_NO_FAULTS,
    doc: "whether faults are not mailed",
};
