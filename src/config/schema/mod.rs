//! Every table and key of the configuration: its type, range and default.
//!
//! The reader takes ranges and defaults from here and from nowhere else, and the
//! documentation is generated from here, so the three cannot differ.

mod check;
pub(super) mod global;
pub(super) mod group;
mod key;
pub(super) mod network;
pub(super) mod notify;
mod pool;
pub(super) mod track;
mod vrrp;

pub(super) use check::*;
pub(super) use key::{Choice, Describe, Flag, Free, Key, Preset};
pub(super) use pool::*;
pub(super) use vrrp::*;

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
        &SYNC_GROUP_TABLE,
        &track::SCRIPT_TABLE,
        &track::FILE_TABLE,
        &track::PROCESS_TABLE,
        &track::PING_TABLE,
        &track::ROUTE_TABLES,
        &track::VIRTUAL_SERVER_TABLE,
        &INTERFACE_TABLE,
        &ANNOUNCE_GROUP_TABLE,
        &STATIC_TABLE,
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
/// The tables `[sync_group.NAME]`.
pub(super) const SYNC_GROUP_TABLE: Free = Free {
    name: "sync_group",
    doc: "instances that move together",
    ..VRRP_INSTANCE_TABLE
};
/// The tables `[interface.NAME]`.
pub(super) const INTERFACE_TABLE: Free = Free {
    name: "interface",
    doc: "settings of network interfaces",
    ..VRRP_INSTANCE_TABLE
};
/// The tables `[announce_group.NAME]`.
pub(super) const ANNOUNCE_GROUP_TABLE: Free = Free {
    name: "announce_group",
    doc: "interfaces that share announcement rates",
    ..VRRP_INSTANCE_TABLE
};
/// The table `[static]`.
pub(super) const STATIC_TABLE: Free = Free {
    name: "static",
    doc: "what is in place whatever the state of instances",
    ..VRRP_DEFAULTS_TABLE
};
/// The tables `[virtual_server.NAME]`.
pub(super) const VIRTUAL_SERVER_TABLE: Free = Free {
    name: "virtual_server",
    kind: "table of tables",
    default: "none",
    range: "",
    doc: "the virtual servers by name",
};

/// Every kind of table, in the order of the documentation.
pub(super) const TABLES: &[&TableKind] = &[
    &ROOT,
    &global::TABLE,
    &global::FIFO_TABLE,
    &global::MAIL_TABLE,
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
    &notify::TABLE,
    &notify::COMMAND_TABLE,
    &group::SYNC_GROUP,
    &track::SCRIPT,
    &track::FILE,
    &track::PROCESS,
    &track::PING,
    &track::ROUTE,
    &track::VIRTUAL_SERVER,
    &track::USE,
    &group::INTERFACE,
    &group::ANNOUNCE_GROUP,
    &network::STATIC,
    &network::ROUTE,
    &network::NEXT_HOP,
    &network::ENCAP_MPLS,
    &network::ENCAP_IP,
    &network::RULE,
    &VIRTUAL_SERVER,
    &REAL_SERVER,
    &CHECK_TCP,
    &CHECK_HTTP,
    &CHECK_ICMP,
];
