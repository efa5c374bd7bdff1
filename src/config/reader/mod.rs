//! The raw tree -> the model.
//!
//! Every function reports what it finds wrong and goes on with a default, so that one
//! run finds as much as it can; the model is used only if nothing was an error.

mod address;
mod check;
mod command;
mod global;
mod group;
mod http;
mod interface;
mod names;
mod network;
mod notify;
mod pool;
mod real_server;
mod route;
mod rule;
mod statics;
mod track;
mod tracking;
mod vrrp;
mod whole;
mod words;

use super::file;
use super::findings::{Code, Findings};
use super::raw::{Span, Spanned, Table, Value};
use super::schema::{self, Free, TableKind};
use super::section::{self, Section};
use crate::model::{AddressScope, Config, VirtualServer, VrrpCommon, VrrpInstance};

/// The longest name of anything, in characters.
const MAX_NAME_CHARS: usize = 64;

/// Reads a whole file.
pub(super) fn read(root: &Table, findings: &mut Findings) -> Config {
    let top = Section::open(root, Span::default(), &schema::ROOT, findings);
    let global = top.sub(&schema::GLOBAL_TABLE, &schema::global::TABLE, findings);
    let global = global.map(|section| global::read(&section, findings));
    let mut servers = pool::Reader::default();
    for (name, section) in named(
        &top,
        &schema::VIRTUAL_SERVER_TABLE,
        &schema::VIRTUAL_SERVER,
        findings,
    ) {
        servers.read(name, section, findings);
    }
    let global = global.unwrap_or_default();
    let mailer = global.notification.mail.is_some();
    let mut spans = whole::Spans::default();
    let (vrrp_instances, vrrp) = read_vrrp(&top, &servers.done, mailer, &mut spans, findings);
    spans.virtual_servers = servers.spans;
    let config = Config {
        global,
        vrrp_instances,
        vrrp,
        virtual_servers: servers.done,
    };
    // After an error they may only be echoes of it.
    if !findings.failed() {
        whole::warn(&config, &spans, findings);
    }
    config
}

/// Reads instances, groups, and what they track.
fn read_vrrp(
    top: &Section<'_>,
    servers: &[VirtualServer],
    mailer: bool,
    spans: &mut whole::Spans,
    findings: &mut Findings,
) -> (Vec<VrrpInstance>, VrrpCommon) {
    let mut trackers = track::Reader::default();
    trackers.read_all(top, servers, findings);

    let defaults = top.sub(
        &schema::VRRP_DEFAULTS_TABLE,
        &schema::VRRP_DEFAULTS,
        findings,
    );
    let mut instances = vrrp::Reader::new(mailer);
    let tables = (&schema::VRRP_INSTANCE_TABLE, &schema::VRRP_INSTANCE);
    for (name, section) in named(top, tables.0, tables.1, findings) {
        let section = section.or(defaults.as_ref());
        instances.read(name, section, &mut trackers, findings);
    }

    let static_network = top
        .sub(&schema::STATIC_TABLE, &schema::network::STATIC, findings)
        .map(|section| statics::read(&section, &mut instances, findings))
        .unwrap_or_default();

    let mut groups = group::Reader::new(&instances.members, mailer);
    let tables = (&schema::SYNC_GROUP_TABLE, &schema::group::SYNC_GROUP);
    for (name, section) in named(top, tables.0, tables.1, findings) {
        groups.read(name, &section, &mut trackers, findings);
    }
    if !findings.failed() {
        trackers.warn_of_unused(findings);
    }

    let tables = (&schema::INTERFACE_TABLE, &schema::group::INTERFACE);
    let interfaces = named(top, tables.0, tables.1, findings);
    let interfaces = interfaces
        .into_iter()
        .filter_map(|(name, section)| {
            spans.interface(name, &section);
            interface::settings(name, &section, findings)
        })
        .collect();
    let mut announce_groups = interface::Groups::default();
    let tables = (
        &schema::ANNOUNCE_GROUP_TABLE,
        &schema::group::ANNOUNCE_GROUP,
    );
    for (name, section) in named(top, tables.0, tables.1, findings) {
        announce_groups.read(name, &section, findings);
    }
    let common = VrrpCommon {
        sync_groups: groups.done,
        trackers: trackers.done,
        interfaces,
        announce_groups: announce_groups.done,
        static_network,
    };
    (instances.done, common)
}

/// The tables under `[KEY.NAME]` with their names.
fn named<'t>(
    top: &Section<'t>,
    key: &Free,
    kind: &'static TableKind,
    findings: &mut Findings,
) -> Vec<(&'t Spanned<String>, Section<'t>)> {
    let Some(raw) = top.free(key) else {
        return Vec::new();
    };
    let Some(outer) = section::table(kind.header, raw, findings) else {
        return Vec::new();
    };
    let mut tables = Vec::new();
    for (name, raw) in &outer.entries {
        check_name("a name", &name.value, name.span, findings);
        if let Some(table) = section::table(kind.header, raw, findings) {
            let at = section::place(name, raw);
            tables.push((name, Section::open(table, at, kind, findings)));
        }
    }
    tables
}

/// Complains about a name that would upset logs, paths or people.
fn check_name(what: &str, name: &str, span: Span, findings: &mut Findings) -> bool {
    let length = name.chars().count();
    let good = (1..=MAX_NAME_CHARS).contains(&length) && !name.chars().any(char::is_control);
    if !good {
        let message = format!(
            "{what} must have 1..={MAX_NAME_CHARS} characters, none of them a control character"
        );
        findings.error(Code::BadValue, span, message);
    }
    good
}

/// The value of a key that names something.
fn optional_name(section: &Section<'_>, key: &Free, findings: &mut Findings) -> Option<String> {
    let raw = section.free(key)?;
    let text = section::string(key.name, raw, findings)?;
    check_name(key.name, text, raw.span, findings).then(|| text.to_owned())
}

/// A scope, by its word or its number.
fn scope(section: &Section<'_>, key: &Free, findings: &mut Findings) -> Option<AddressScope> {
    let raw = section.free(key)?;
    if let Value::Integer(number) = raw.value {
        let Ok(number) = u8::try_from(number) else {
            let message = format!("{} must be 0..=255, is {number}", key.name);
            findings.error(Code::OutOfRange, raw.span, message);
            return None;
        };
        let words = schema::SCOPES.iter().map(|(_, scope)| *scope);
        let named = words.into_iter().find(|scope| scope.number() == number);
        return Some(named.unwrap_or(AddressScope::Number(number)));
    }
    let words: Vec<_> = schema::SCOPES.iter().map(|(word, _)| *word).collect();
    let word = section::one_of(key.name, raw, &words, findings)?;
    let found = schema::SCOPES.iter().find(|(known, _)| *known == word);
    found.map(|(_, scope)| *scope)
}

/// The contents of a file with a secret.
fn secret_file(text: &str, span: Span, findings: &mut Findings) -> Option<Vec<u8>> {
    let path = findings.around.path(text);
    match file::secret(&path) {
        Ok(secret) => {
            findings.around.secret_file(span, path);
            Some(secret)
        }
        Err(error) => {
            let message = format!("{}: {error}", path.display());
            findings.error(Code::BadValue, span, message);
            None
        }
    }
}

/// A number whose range, which was checked, lies within a byte.
fn byte(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
