//! What is tracked: `[track_script.NAME]` and its kin, and how instances and groups
//! name them.

use std::time::Duration;

use super::TableKind;
use super::key::{Choice, Flag, Free, Key, Preset};
use crate::model::{ArgumentsMatch, defaults};

/// The largest weight, and with a minus the smallest.
const MAX_WEIGHT: i32 = 253;

/// `[track_script.NAME]`.
pub(in crate::config) const SCRIPT: TableKind = TableKind {
    header: "[track_script.NAME]",
    doc: "A program whose exit status says whether something works: 0 does. The first \
          result counts at once. It runs if an instance or a group tracks it.",
    keys: &[
        &COMMAND, &INTERVAL, &TIMEOUT, &RISE, &FALL, &INIT_FAIL, &USER, &WEIGHT, &REVERSE,
    ],
};
pub(in crate::config) const COMMAND: Free = Free {
    name: "command",
    kind: "command",
    default: "required",
    range: "`\"/PROGRAM ARGUMENT...\"` or a list of words",
    doc: "the program, split into words as a shell would; no shell runs it",
};
pub(in crate::config) const INTERVAL: Key<Duration> = Key {
    name: "interval",
    preset: Preset::Value(defaults::TRACK_INTERVAL),
    min: Duration::from_millis(10),
    max: Duration::from_secs(86_400),
    doc: "from the start of one attempt to the start of the next",
};
pub(in crate::config) const TIMEOUT: Key<Duration> = Key {
    name: "timeout",
    preset: Preset::Unset("`interval`"),
    min: Duration::from_millis(1),
    max: Duration::from_secs(86_400),
    doc: "after which an attempt has failed",
};
pub(in crate::config) const RISE: Key<u32> = Key {
    name: "rise",
    preset: Preset::Value(defaults::SCRIPT_RISE),
    min: 1,
    max: 1000,
    doc: "successes in a row until it is up",
};
pub(in crate::config) const FALL: Key<u32> = Key {
    name: "fall",
    preset: Preset::Value(defaults::SCRIPT_FALL),
    min: 1,
    max: 1000,
    doc: "failures in a row until it is down",
};
pub(in crate::config) const INIT_FAIL: Flag = Flag {
    name: "init_fail",
    default: false,
    doc: "whether it is down until the first result; otherwise one of weight 0 keeps its \
          instances waiting for it",
};
pub(in crate::config) const USER: Free = Free {
    name: "user",
    kind: "string",
    default: "`script_user`",
    range: "`\"USER\"` or `\"USER:GROUP\"`",
    doc: "who runs it",
};
pub(in crate::config) const WEIGHT: Key<i32> = Key {
    name: "weight",
    preset: Preset::Value(defaults::TRACK_WEIGHT),
    min: -MAX_WEIGHT,
    max: MAX_WEIGHT,
    doc: "0: while it is down, there is a fault. Above: added to the priority while it is \
          up. Below: subtracted while it is down",
};
pub(in crate::config) const REVERSE: Flag = Flag {
    name: "reverse",
    default: false,
    doc: "whether up counts as down, and down as up",
};

/// `[track_file.NAME]`.
pub(in crate::config) const FILE: TableKind = TableKind {
    header: "[track_file.NAME]",
    doc: "A number in a file, such as the result of something else. Times `weight` it is \
          added to the priority; below -253 there is a fault, and with weight 0 when it is \
          not 0. A file that is not there is 0.",
    keys: &[&PATH, &INIT, &OVERWRITE, &FILE_WEIGHT, &REVERSE],
};
pub(in crate::config) const PATH: Free = Free {
    name: "path",
    kind: "path",
    default: "required",
    range: "absolute",
    doc: "the file",
};
pub(in crate::config) const INIT: Key<i32> = Key {
    name: "init",
    preset: Preset::Unset("the file is left as it is"),
    min: i32::MIN,
    max: i32::MAX,
    doc: "written into the file when lvsd starts, if it is not there",
};
pub(in crate::config) const OVERWRITE: Flag = Flag {
    name: "overwrite",
    default: false,
    doc: "whether `init` is also written if it is there",
};
pub(in crate::config) const FILE_WEIGHT: Key<i32> = Key {
    preset: Preset::Value(defaults::TRACK_FILE_WEIGHT),
    doc: "what the number is multiplied by",
    ..WEIGHT
};

/// `[track_process.NAME]`.
pub(in crate::config) const PROCESS: TableKind = TableKind {
    header: "[track_process.NAME]",
    doc: "Processes that must run. The kernel tells of them; nothing is polled.",
    keys: &[
        &PROCESS_NAME,
        &ARGUMENTS,
        &ARGUMENTS_MATCH,
        &FULL_COMMAND,
        &QUORUM,
        &QUORUM_MAX,
        &DELAY,
        &FORK_DELAY,
        &TERMINATE_DELAY,
        &WEIGHT,
        &REVERSE,
    ],
};
pub(in crate::config) const PROCESS_NAME: Free = Free {
    name: "process",
    kind: "string",
    default: "required",
    range: "up to 15 bytes without `full_command`",
    doc: "the name of the process",
};
pub(in crate::config) const ARGUMENTS: Free = Free {
    name: "arguments",
    kind: "string or list",
    default: "any",
    range: "a list of words, or one string that is split as a shell would",
    doc: "its arguments",
};
pub(in crate::config) const ARGUMENTS_MATCH: Choice<ArgumentsMatch> = Choice {
    name: "arguments_match",
    preset: Preset::Unset("`\"exact\"` with `arguments`"),
    words: &[
        ("exact", ArgumentsMatch::Exact),
        ("initial", ArgumentsMatch::Initial),
        ("partial", ArgumentsMatch::Partial),
    ],
    doc: "`initial`: more may follow; `partial`: and of the last one only the beginning \
          counts",
};
pub(in crate::config) const FULL_COMMAND: Flag = Flag {
    name: "full_command",
    default: false,
    doc: "whether `process` is what was started, with its path, not the short name",
};
pub(in crate::config) const QUORUM: Key<u32> = Key {
    name: "quorum",
    preset: Preset::Value(defaults::PROCESS_QUORUM),
    min: 1,
    max: 65_535,
    doc: "at least so many",
};
pub(in crate::config) const QUORUM_MAX: Key<u32> = Key {
    name: "quorum_max",
    preset: Preset::Unset("no limit"),
    min: 1,
    max: 65_535,
    doc: "at most so many",
};
pub(in crate::config) const DELAY: Key<Duration> = Key {
    name: "delay",
    preset: Preset::Value(defaults::PROCESS_DELAY),
    min: Duration::ZERO,
    max: Duration::from_secs(3600),
    doc: "`fork_delay` and `terminate_delay` in one",
};
pub(in crate::config) const FORK_DELAY: Key<Duration> = Key {
    name: "fork_delay",
    preset: Preset::Unset("`delay`"),
    doc: "how long there must be enough until it is up",
    ..DELAY
};
pub(in crate::config) const TERMINATE_DELAY: Key<Duration> = Key {
    name: "terminate_delay",
    preset: Preset::Unset("`delay`"),
    doc: "how long there must be too few until it is down: a restart takes a moment",
    ..DELAY
};

/// `[track_ping.NAME]`.
pub(in crate::config) const PING: TableKind = TableKind {
    header: "[track_ping.NAME]",
    doc: "A host that must answer, such as the default router. If it is down for both \
          directors and has weight 0, neither of them serves: a negative weight moves the \
          addresses to the director that reaches it, and leaves them where none does.",
    keys: &[
        &TARGET, &INTERVAL, &TIMEOUT, &PING_RISE, &PING_FALL, &WEIGHT, &REVERSE,
    ],
};
pub(in crate::config) const TARGET: Free = Free {
    name: "target",
    kind: "address",
    default: "required",
    range: "",
    doc: "the address that echo requests go to",
};
pub(in crate::config) const PING_RISE: Key<u32> = Key {
    preset: Preset::Value(defaults::PING_RISE),
    doc: "answers in a row until it is up",
    ..RISE
};
pub(in crate::config) const PING_FALL: Key<u32> = Key {
    preset: Preset::Value(defaults::PING_FALL),
    doc: "missing answers in a row until it is down",
    ..FALL
};

/// `[track_route.NAME]`.
pub(in crate::config) const ROUTE: TableKind = TableKind {
    header: "[track_route.NAME]",
    doc: "A route that must be there, such as the default route of a routing daemon.",
    keys: &[
        &ROUTE_TO,
        &ROUTE_TABLE,
        &ROUTE_VIA,
        &ROUTE_DEV,
        &WEIGHT,
        &REVERSE,
    ],
};
pub(in crate::config) const ROUTE_TO: Free = Free {
    name: "to",
    kind: "prefix",
    default: "required",
    range: "`\"IP/LENGTH\"`, `\"default\"`; IPv6: `\"::/0\"`",
    doc: "where to, exactly",
};
pub(in crate::config) const ROUTE_TABLE: Free = Free {
    name: "table",
    kind: "number or word",
    default: "`\"main\"`",
    range: "1..=4294967295, `main`, `local`, `default`",
    doc: "the routing table",
};
pub(in crate::config) const ROUTE_VIA: Free = Free {
    name: "via",
    kind: "address",
    default: "any",
    range: "",
    doc: "by this gateway only",
};
pub(in crate::config) const ROUTE_DEV: Free = Free {
    name: "dev",
    kind: "string",
    default: "any",
    range: "1..=15 bytes",
    doc: "by this interface only",
};

/// `[track_virtual_server.NAME]`.
pub(in crate::config) const VIRTUAL_SERVER: TableKind = TableKind {
    header: "[track_virtual_server.NAME]",
    doc: "A virtual server of this director that must have its quorum: a director whose pool \
          is dead lets the other one try. As with a ping, a negative weight leaves the \
          addresses where they are when it is dead for both.",
    keys: &[&SERVER_NAME, &WEIGHT, &REVERSE],
};
pub(in crate::config) const SERVER_NAME: Free = Free {
    name: "virtual_server",
    kind: "string",
    default: "`NAME`",
    range: "the name of a `[virtual_server.NAME]`",
    doc: "the virtual server",
};

pub(in crate::config) const TRACK: Free = Free {
    name: "track",
    kind: "list of names",
    default: "none",
    range: "`\"NAME\"` or a table of its own",
    doc: "the trackers it depends on: scripts, files, processes, pings, routes, virtual \
          servers",
};
pub(in crate::config) const TRACK_INTERFACES: Free = Free {
    name: "track_interfaces",
    kind: "list of interfaces",
    default: "none",
    range: "`\"eth1\"` or a table of its own",
    doc: "interfaces besides its own that it depends on",
};

/// A table in `track` or `track_interfaces`.
pub(in crate::config) const USE: TableKind = TableKind {
    header: "track = [{ ... }], track_interfaces = [{ ... }]",
    doc: "Something tracked with a weight of its own.",
    keys: &[&USE_NAME, &USE_WEIGHT, &USE_REVERSE],
};
pub(in crate::config) const USE_NAME: Free = Free {
    name: "name",
    kind: "string",
    default: "required",
    range: "",
    doc: "the tracker or the interface",
};
pub(in crate::config) const USE_WEIGHT: Key<i32> = Key {
    preset: Preset::Unset("the tracker's; 0 for an interface"),
    ..WEIGHT
};
pub(in crate::config) const USE_REVERSE: Free = Free {
    name: "reverse",
    kind: "boolean",
    default: "the tracker's",
    range: "`true`, `false`",
    doc: REVERSE.doc,
};

/// The tables of trackers, and the key of the top level each stands under.
pub(in crate::config) const TABLES: &[(&Free, &TableKind)] = &[
    (&SCRIPT_TABLE, &SCRIPT),
    (&FILE_TABLE, &FILE),
    (&PROCESS_TABLE, &PROCESS),
    (&PING_TABLE, &PING),
    (&ROUTE_TABLES, &ROUTE),
    (&VIRTUAL_SERVER_TABLE, &VIRTUAL_SERVER),
];

pub(in crate::config) const SCRIPT_TABLE: Free = tables("track_script", "programs");
pub(in crate::config) const FILE_TABLE: Free = tables("track_file", "files");
pub(in crate::config) const PROCESS_TABLE: Free = tables("track_process", "processes");
pub(in crate::config) const PING_TABLE: Free = tables("track_ping", "hosts");
pub(in crate::config) const ROUTE_TABLES: Free = tables("track_route", "routes");
pub(in crate::config) const VIRTUAL_SERVER_TABLE: Free =
    tables("track_virtual_server", "virtual servers");

const fn tables(name: &'static str, doc: &'static str) -> Free {
    Free {
        name,
        kind: "table of tables",
        default: "none",
        range: "",
        doc,
    }
}
