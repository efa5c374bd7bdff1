//! `[virtual_server.NAME]`.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned};
use super::super::schema;
use super::super::section::{self, Section};
use super::{address, check, real_server};
use crate::model::{RealServer, SCHEDULERS, ServiceId, VirtualServer, defaults};

/// Reads virtual servers, and remembers what may not come twice.
#[derive(Default)]
pub(super) struct Reader {
    /// The virtual servers read.
    pub(super) done: Vec<VirtualServer>,
    /// Where the address of each was written.
    pub(super) spans: Vec<Span>,
    services: HashMap<ServiceId, String>,
}

impl Reader {
    /// Reads one virtual server.
    pub(super) fn read(
        &mut self,
        name: &Spanned<String>,
        section: Section<'_>,
        findings: &mut Findings,
    ) {
        let name = name.value.as_str();
        let persistence_timeout = persistence(&section, findings);
        let service = service(&section, persistence_timeout, findings);
        let scheduler = scheduler(&section, findings);
        let forward = section.choice(&schema::FORWARD, findings);
        let quorum = section.value(&schema::QUORUM, findings);
        let checks = section
            .free(&schema::CHECK)
            .map(|raw| check::read_all(raw, findings))
            .unwrap_or_default();
        let pool = real_server::Pool {
            service,
            forward: forward.unwrap_or(defaults::FORWARD),
            checks: &checks,
        };
        let real_servers = real_servers(&section, &pool, findings);
        warn_of_pool(&section, name, quorum, &real_servers, findings);
        let Some(service) = service else {
            return;
        };
        let span = section.value_span(match service {
            ServiceId::Addr { .. } => schema::ADDRESS.name,
            ServiceId::Fwmark { .. } => schema::FWMARK.name,
        });
        if let Some(other) = self.services.insert(service, name.to_owned()) {
            let message = format!("{service} is already the service of virtual_server \"{other}\"");
            findings.error(Code::Duplicate, span, message);
        }
        self.spans.push(span);
        self.done.push(VirtualServer {
            name: name.to_owned(),
            service,
            scheduler,
            persistence_timeout,
            quorum,
            real_servers,
        });
    }
}

fn service(
    section: &Section<'_>,
    persistence: Option<Duration>,
    findings: &mut Findings,
) -> Option<ServiceId> {
    let written = section.free(&schema::ADDRESS);
    match (written, section.has(schema::FWMARK.name)) {
        (Some(_), true) => {
            let span = section.value_span(schema::FWMARK.name);
            let message = "a virtual server has either address or fwmark".to_owned();
            findings.error(Code::Conflict, span, message);
            None
        }
        (None, false) => {
            let header = schema::VIRTUAL_SERVER.header;
            let message = format!("{header} needs the key `address` or `fwmark`");
            let help = "write address = \"IP:PORT\" or fwmark = N".to_owned();
            findings.error_help(Code::MissingKey, section.at(), message, help);
            None
        }
        (None, true) => fwmark(section, findings),
        (Some(raw), false) => {
            no_effect(section, schema::FAMILY.name, "beside address", findings);
            let protocol = section.choice(&schema::PROTOCOL, findings);
            let (ip, port) = address::with_port(raw, findings)?;
            let Some(port) = port else {
                let message = format!("the address {ip} needs a port");
                let help = format!("write \"{}\"", SocketAddr::new(ip, 80));
                findings.error_help(Code::BadValue, raw.span, message, help);
                return None;
            };
            if port == 0 && persistence.is_none() {
                let message = "port 0, every port, needs a persistent service".to_owned();
                let help = "add persistence_timeout, or name a port".to_owned();
                findings.error_help(Code::Conflict, raw.span, message, help);
            }
            Some(ServiceId::Addr {
                protocol: protocol.unwrap_or(defaults::PROTOCOL),
                address: SocketAddr::new(ip, port),
            })
        }
    }
}

fn fwmark(section: &Section<'_>, findings: &mut Findings) -> Option<ServiceId> {
    no_effect(section, schema::PROTOCOL.name, "beside fwmark", findings);
    let family = section.choice(&schema::FAMILY, findings)?;
    let mark = section.get(&schema::FWMARK, findings)?;
    Some(ServiceId::Fwmark { mark, family })
}

fn no_effect(section: &Section<'_>, key: &str, reason: &str, findings: &mut Findings) {
    if section.has(key) {
        findings.warning(
            Code::NoEffect,
            section.value_span(key),
            format!("{key} has no effect {reason}"),
            "remove it".to_owned(),
        );
    }
}

fn scheduler(section: &Section<'_>, findings: &mut Findings) -> String {
    section
        .free(&schema::SCHEDULER)
        .and_then(|raw| section::one_of("scheduler", raw, SCHEDULERS, findings))
        .unwrap_or(defaults::SCHEDULER)
        .to_owned()
}

fn persistence(section: &Section<'_>, findings: &mut Findings) -> Option<Duration> {
    let timeout = section.get(&schema::PERSISTENCE_TIMEOUT, findings)?;
    if timeout.subsec_nanos() != 0 {
        let span = section.value_span(schema::PERSISTENCE_TIMEOUT.name);
        let message = "persistence_timeout must be whole seconds".to_owned();
        findings.error(Code::OutOfRange, span, message);
    }
    Some(timeout)
}

fn real_servers(
    section: &Section<'_>,
    pool: &real_server::Pool<'_>,
    findings: &mut Findings,
) -> Vec<RealServer> {
    let Some(raw) = section.free(&schema::REAL_SERVERS) else {
        return Vec::new();
    };
    let mut addresses = HashSet::new();
    let mut found = Vec::new();
    let header = schema::REAL_SERVER.header;
    for item in section::tables(header, raw, findings) {
        let Some(table) = section::table(header, item, findings) else {
            continue;
        };
        let section = Section::open(table, item.span, &schema::REAL_SERVER, findings);
        let Some(server) = real_server::read(&section, pool, findings) else {
            continue;
        };
        if !addresses.insert(server.address) {
            let span = section.value_span(schema::RS_ADDRESS.name);
            let message = format!("real server {} is already in this pool", server.address);
            findings.error(Code::Duplicate, span, message);
        }
        found.push(server);
    }
    found
}

fn warn_of_pool(
    section: &Section<'_>,
    name: &str,
    quorum: u32,
    pool: &[RealServer],
    findings: &mut Findings,
) {
    if pool.is_empty() && !section.has(schema::REAL_SERVERS.name) {
        findings.warning(
            Code::Suspicious,
            section.at(),
            format!("virtual_server \"{name}\" has no real server"),
            format!("add a {}", schema::REAL_SERVER.header),
        );
        return;
    }
    let unchecked = pool
        .iter()
        .filter(|server| server.checks.is_empty())
        .count();
    if unchecked > 0 {
        findings.warning(
            Code::Suspicious,
            section.at(),
            format!("{unchecked} of {} real servers have no check", pool.len()),
            "they stay in the pool whatever happens; add a [[virtual_server.NAME.check]]"
                .to_owned(),
        );
    }
    let weights: u64 = pool.iter().map(|server| u64::from(server.weight)).sum();
    if !pool.is_empty() && u64::from(quorum) > weights {
        findings.warning(
            Code::Suspicious,
            section.value_span(schema::QUORUM.name),
            format!("the pool never has a quorum of {quorum}: its weights sum to {weights}"),
            "lower quorum, or raise weights".to_owned(),
        );
    }
}
