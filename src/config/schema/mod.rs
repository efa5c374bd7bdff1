//! Every table and key of the configuration: its type, range and default.
//!
//! The reader takes ranges and defaults from here and from nowhere else, and the
//! documentation is generated from here, so the three cannot differ.

mod check;
mod key;
mod pool;
mod vrrp;

pub(super) use check::*;
pub(super) use key::{Choice, Describe, Flag, Free, Key, Preset};
pub(super) use pool::*;
pub(super) use vrrp::*;

use crate::model::{OnStop, defaults};

/// A kind of table.
pub(super) struct TableKind {
    /// How its header is written, with `NAME` for what the user chooses.
    pub(super) header: &'static str,
    /// What it is for, for the documentation.
    pub(super) doc: &'static str,
    /// Its keys, in the order of the documentation.
    pub(super) keys: &'static [&'static dyn Describe],
}

impl TableKind {
    /// Whether the table has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|known| known.name() == key)
    }
}

/// The top of the file.
pub(super) const ROOT: TableKind = TableKind {
    header: "the top level of the file",
    doc: "",
    keys: &[
        &GLOBAL_TABLE,
        &VRRP_DEFAULTS_TABLE,
        &VRRP_INSTANCE_TABLE,
        &VIRTUAL_SERVER_TABLE,
    ],
};

/// The table `[global]`.
pub(super) const GLOBAL_TABLE: Free = Free {
    name: "global",
    kind: "table",
    default: "empty",
    range: "",
    doc: "settings of the whole director",
};
/// The table `[vrrp_defaults]`.
pub(super) const VRRP_DEFAULTS_TABLE: Free = Free {
    name: "vrrp_defaults",
    kind: "table",
    default: "empty",
    range: "",
    doc: "what holds for all VRRP instances",
};
/// The tables `[vrrp_instance.NAME]`.
pub(super) const VRRP_INSTANCE_TABLE: Free = Free {
    name: "vrrp_instance",
    kind: "table of tables",
    default: "none",
    range: "",
    doc: "the VRRP instances by name",
};
/// The tables `[virtual_server.NAME]`.
pub(super) const VIRTUAL_SERVER_TABLE: Free = Free {
    name: "virtual_server",
    kind: "table of tables",
    default: "none",
    range: "",
    doc: "the virtual servers by name",
};

/// `[global]`.
pub(super) const GLOBAL: TableKind = TableKind {
    header: "[global]",
    doc: "Settings of the whole director.",
    keys: &[&ROUTER_ID, &IPVS_ON_STOP],
};

/// The name of this director.
pub(super) const ROUTER_ID: Free = Free {
    name: "router_id",
    kind: "string",
    default: "the host name",
    range: "1..=64 characters",
    doc: "the name of this director in logs and status",
};

/// What becomes of the table at a stop.
pub(super) const IPVS_ON_STOP: Choice<OnStop> = Choice {
    name: "ipvs_on_stop",
    preset: Preset::Value(defaults::IPVS_ON_STOP),
    words: &[("remove", OnStop::Remove), ("keep", OnStop::Keep)],
    doc: "what becomes of our IPVS entries when lvsd is stopped",
};

/// Every kind of table, in the order of the documentation.
pub(super) const TABLES: &[&TableKind] = &[
    &ROOT,
    &GLOBAL,
    &VRRP_DEFAULTS,
    &VRRP_INSTANCE,
    &VIRTUAL_ADDRESS,
    &UNICAST_PEER,
    &HEARTBEAT_TABLE,
    &AUTH_OLD,
    &AUTH_HMAC,
    &HMAC_KEY,
    &VMAC_TABLE,
    &IPVLAN_TABLE,
    &VIRTUAL_SERVER,
    &REAL_SERVER,
    &CHECK_TCP,
    &CHECK_HTTP,
    &CHECK_ICMP,
];
