//! What an `http` check has beyond the others.

use std::net::SocketAddr;
use std::time::Duration;

use checks::{HttpSpec, Spec};

use super::super::findings::{Code, Findings};
use super::super::raw::{Spanned, Value};
use super::super::schema;
use super::super::section::Section;
use super::super::value::Bytes;
use super::check::{connect_port, request_text};
use crate::model::{HttpCheck, StatusRange, Statuses, defaults};

/// Reads the keys of an `http` check.
pub(super) fn read(
    section: &Section<'_>,
    connect_timeout: Duration,
    findings: &mut Findings,
) -> HttpCheck {
    let Bytes(body_limit) = section.value(&schema::BODY_LIMIT, findings);
    HttpCheck {
        connect_port: connect_port(section, findings),
        path: path(section, findings),
        method: section
            .choice(&schema::METHOD, findings)
            .unwrap_or(defaults::HTTP_METHOD),
        host: request_text(section, &schema::HOST, findings).map(str::to_owned),
        status: section
            .free(&schema::STATUS)
            .map(|raw| status(raw, findings))
            .map_or_else(defaults::http_status, Statuses),
        body_limit,
        timeout: timeout(section, connect_timeout, findings),
    }
}

fn path(section: &Section<'_>, findings: &mut Findings) -> String {
    let path = request_text(section, &schema::PATH, findings).unwrap_or(defaults::HTTP_PATH);
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 80));
    let request = Spec::Http(HttpSpec::get(anywhere, path));
    if request.validate().is_err() {
        let span = section.value_span(schema::PATH.name);
        let message = "path must begin with / and be fit for a request line".to_owned();
        let help = "the host goes into host, the port into connect_port".to_owned();
        findings.error_help(Code::BadValue, span, message, help);
    }
    path.to_owned()
}

fn timeout(section: &Section<'_>, connect_timeout: Duration, findings: &mut Findings) -> Duration {
    let timeout = section.value(&schema::TIMEOUT, findings);
    if !section.has(schema::TIMEOUT.name) {
        return timeout.max(connect_timeout);
    }
    if section.has(schema::CONNECT_TIMEOUT.name) && connect_timeout > timeout {
        findings.warning(
            Code::NoEffect,
            section.value_span(schema::CONNECT_TIMEOUT.name),
            "connect_timeout has no effect: timeout is shorter".to_owned(),
            "timeout is for everything, connecting included".to_owned(),
        );
    }
    timeout
}

/// A code, a range, or a list of them.
fn status(raw: &Spanned<Value>, findings: &mut Findings) -> Vec<StatusRange> {
    match &raw.value {
        Value::Array(items) if items.is_empty() => {
            let message = "status is empty: no response would do".to_owned();
            findings.error(Code::OutOfRange, raw.span, message);
            Vec::new()
        }
        Value::Array(items) => items
            .iter()
            .filter_map(|item| status_range(item, findings))
            .collect(),
        _ => status_range(raw, findings).into_iter().collect(),
    }
}

fn status_range(raw: &Spanned<Value>, findings: &mut Findings) -> Option<StatusRange> {
    let range = match &raw.value {
        Value::Integer(code) => u16::try_from(*code)
            .ok()
            .and_then(|code| StatusRange::new(code, code).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    if range.is_none() {
        let message = "status must be codes 100..=599".to_owned();
        let help = "write 200, \"200-299\", or a list of them".to_owned();
        findings.error_help(Code::BadValue, raw.span, message, help);
    }
    range
}
