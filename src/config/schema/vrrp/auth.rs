//! Authentication.

use std::time::Duration;

use super::super::TableKind;
use super::super::key::{Choice, Free, Key, Preset};
use crate::model::{HmacMode, defaults};

pub(in crate::config) const AUTH_PASS: Free = Free {
    name: "auth_pass",
    kind: "string",
    default: "no authentication",
    range: "1..=8 bytes, version 2",
    doc: "short for `authentication = { type = \"pass\", password = ... }`",
};
pub(in crate::config) const AUTHENTICATION: Free = Free {
    name: "authentication",
    kind: "table",
    default: "none",
    range: "",
    doc: "how adverts are authenticated",
};

/// How adverts are authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum AuthType {
    Pass,
    Ah,
    Hmac,
}

/// Authentication whose type is not known yet.
pub(in crate::config) const AUTH_ANY: TableKind = TableKind {
    header: "authentication = { type = ... }",
    doc: "",
    keys: &[&AUTH_TYPE],
};

/// `pass` and `ah`.
pub(in crate::config) const AUTH_OLD: TableKind = TableKind {
    header: "authentication = { type = \"pass\" } or { type = \"ah\" }",
    doc: "Version 2 only. `pass` is a password that travels in clear: it keeps apart, not \
          out. `ah` (IPv4) signs with HMAC-MD5, for old peers; better is hmac.",
    keys: &[&AUTH_TYPE, &AUTH_PASSWORD],
};

/// `hmac`.
pub(in crate::config) const AUTH_HMAC: TableKind = TableKind {
    header: "authentication = { type = \"hmac\" }",
    doc: "Signs every advert with HMAC-SHA-256, in version 2 and 3; keepalived 2.4 calls it \
          `auth_hmac`. To change a key: add the new one to all directors, then make it \
          active on all, then remove the old one.",
    keys: &[
        &AUTH_TYPE,
        &HMAC_KEYS,
        &ACTIVE_KEY,
        &HMAC_MODE,
        &ANTI_REPLAY,
        &TIME_WINDOW,
    ],
};

pub(in crate::config) const AUTH_TYPE: Choice<AuthType> = Choice {
    name: "type",
    preset: Preset::Required,
    words: &[
        ("pass", AuthType::Pass),
        ("ah", AuthType::Ah),
        ("hmac", AuthType::Hmac),
    ],
    doc: "how",
};
pub(in crate::config) const AUTH_PASSWORD: Free = Free {
    name: "password",
    kind: "string",
    default: "required",
    range: "1..=8 bytes",
    doc: "equal on all directors",
};
pub(in crate::config) const HMAC_KEYS: Free = Free {
    name: "keys",
    kind: "list of tables",
    default: "required",
    range: "1..=255 keys",
    doc: "the keys; adverts signed with any of them are accepted",
};
pub(in crate::config) const ACTIVE_KEY: Key<u32> = Key {
    name: "active_key",
    preset: Preset::Unset("the only key's"),
    min: 1,
    max: 255,
    doc: "the id of the key that our adverts are signed with",
};
pub(in crate::config) const HMAC_MODE: Choice<HmacMode> = Choice {
    name: "mode",
    preset: Preset::Value(defaults::HMAC_MODE),
    words: &[
        ("enforce", HmacMode::Enforce),
        ("permissive", HmacMode::Permissive),
        ("receive-only", HmacMode::ReceiveOnly),
    ],
    doc: "`permissive` accepts adverts without signature, too; `receive-only` does, and \
          signs none: the two steps to introduce signatures without an outage",
};

/// How replayed adverts are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum ReplayWord {
    Time,
    Monotonic,
}

pub(in crate::config) const ANTI_REPLAY: Choice<ReplayWord> = Choice {
    name: "anti_replay",
    preset: Preset::Value(ReplayWord::Time),
    words: &[
        ("time", ReplayWord::Time),
        ("monotonic", ReplayWord::Monotonic),
    ],
    doc: "how old adverts are told: by the wall clock, which all directors keep together, \
          or by a counter that only grows",
};
pub(in crate::config) const TIME_WINDOW: Key<Duration> = Key {
    name: "time_window",
    preset: Preset::Unset("three `advert_interval`s, at least `5s`"),
    min: Duration::from_secs(1),
    max: Duration::from_secs(300),
    doc: "how far the clocks may be apart with `anti_replay = \"time\"`",
};

/// A table in `keys`.
pub(in crate::config) const HMAC_KEY: TableKind = TableKind {
    header: "keys = [{ ... }]",
    doc: "A key, with one of the three secrets. The file should be readable by root only.",
    keys: &[&KEY_ID, &SECRET, &SECRET_HEX, &SECRET_FILE],
};

pub(in crate::config) const KEY_ID: Key<u32> = Key {
    name: "id",
    preset: Preset::Required,
    min: 1,
    max: 255,
    doc: "names the key in adverts; unique",
};
pub(in crate::config) const SECRET: Free = Free {
    name: "secret",
    kind: "string",
    default: "one of three",
    range: "32..=64 bytes",
    doc: "the secret as text",
};
pub(in crate::config) const SECRET_HEX: Free = Free {
    name: "secret_hex",
    kind: "string",
    default: "one of three",
    range: "64..=128 digits",
    doc: "the secret in hexadecimal digits",
};
pub(in crate::config) const SECRET_FILE: Free = Free {
    name: "secret_file",
    kind: "path",
    default: "one of three",
    range: "a file of 32..=64 bytes",
    doc: "the file that holds the secret; a line feed at its end does not count. A relative \
          path begins where this file is",
};
