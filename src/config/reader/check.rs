//! `[[....check]]`.

use std::time::Duration;

use super::super::findings::{Code, Findings};
use super::super::raw::{Spanned, Table, Value};
use super::super::schema::{self, CheckType, Free};
use super::super::section::{self, Section};
use super::super::value::Unit;
use super::http;
use crate::model::{CheckConfig, Probe, defaults};

/// Reads a list of checks.
pub(super) fn read_all(raw: &Spanned<Value>, findings: &mut Findings) -> Vec<CheckConfig> {
    section::tables(schema::CHECK_ANY.header, raw, findings)
        .iter()
        .filter_map(|item| {
            let table = section::table(schema::CHECK_ANY.header, item, findings)?;
            read(table, item, findings)
        })
        .collect()
}

fn read(table: &Table, item: &Spanned<Value>, findings: &mut Findings) -> Option<CheckConfig> {
    let kind = check_type(table, item, findings)?;
    let kind_of_table = match kind {
        CheckType::Tcp => &schema::CHECK_TCP,
        CheckType::Http => &schema::CHECK_HTTP,
        CheckType::Icmp => &schema::CHECK_ICMP,
        CheckType::Later => return None,
    };
    let section = Section::open(table, item.span, kind_of_table, findings);
    let interval = section.value(&schema::INTERVAL, findings);
    let connect_timeout = section.value(&schema::CONNECT_TIMEOUT, findings);
    let probe = match kind {
        CheckType::Http => Probe::Http(http::read(&section, connect_timeout, findings)),
        CheckType::Icmp => Probe::Icmp,
        CheckType::Tcp | CheckType::Later => Probe::Tcp {
            connect_port: connect_port(&section, findings),
        },
    };
    warn_of_length(&section, &probe, interval, connect_timeout, findings);
    Some(CheckConfig {
        probe,
        interval,
        connect_timeout,
        retries: section.value(&schema::RETRIES, findings),
        retry_delay: section.value(&schema::RETRY_DELAY, findings),
        start: section
            .choice(&schema::START, findings)
            .unwrap_or(defaults::CHECK_START),
    })
}

/// The type, looked at before the table is opened: it decides which keys there are.
fn check_type(table: &Table, item: &Spanned<Value>, findings: &mut Findings) -> Option<CheckType> {
    let only_type = table.only(schema::TYPE.name);
    let section = Section::open(&only_type, item.span, &schema::CHECK_ANY, findings);
    let kind = section.choice(&schema::TYPE, findings)?;
    if kind == CheckType::Later {
        let span = section.value_span(schema::TYPE.name);
        let message = "checks of this type are not available in this version".to_owned();
        let help = "it does tcp, http and icmp".to_owned();
        findings.error_help(Code::NotAvailable, span, message, help);
    }
    Some(kind)
}

/// The port to connect to instead of the real server's.
pub(super) fn connect_port(section: &Section<'_>, findings: &mut Findings) -> Option<u16> {
    let port = section.get(&schema::CONNECT_PORT, findings)?;
    u16::try_from(port).ok()
}

/// Warns where one attempt can take longer than the time to the next.
fn warn_of_length(
    section: &Section<'_>,
    probe: &Probe,
    interval: Duration,
    connect_timeout: Duration,
    findings: &mut Findings,
) {
    let (key, longest) = match probe {
        Probe::Http(http) => (schema::TIMEOUT.name, http.timeout),
        Probe::Tcp { .. } | Probe::Icmp => (schema::CONNECT_TIMEOUT.name, connect_timeout),
    };
    if longest > interval {
        let (longest, interval) = (longest.show(), interval.show());
        findings.warning(
            Code::Suspicious,
            section.value_span(key),
            format!("an attempt can take {longest}, longer than the interval of {interval}"),
            format!("lower {key}, or raise interval; until it ends no other is started"),
        );
    }
}

/// The text of a key that goes into a request, free of what would break it.
pub(super) fn request_text<'t>(
    section: &Section<'t>,
    key: &Free,
    findings: &mut Findings,
) -> Option<&'t str> {
    let raw = section.free(key)?;
    let text = section::string(key.name, raw, findings)?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("{} must be ASCII text without blanks", key.name);
        let help = "write other characters percent-encoded, a blank as %20".to_owned();
        findings.error_help(Code::BadValue, raw.span, message, help);
        return None;
    }
    Some(text)
}
