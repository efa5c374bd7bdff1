//! `[[virtual_server.NAME.real_server]]`.

use std::net::SocketAddr;

use super::super::findings::{Code, Findings};
use super::super::raw::Span;
use super::super::schema;
use super::super::section::Section;
use super::{address, check, optional_name};
use crate::model::{CheckConfig, Family, Forward, Probe, RealServer, ServiceId};

/// What a real server takes over from its virtual server.
pub(super) struct Pool<'a> {
    /// The service, if it could be read.
    pub(super) service: Option<ServiceId>,
    /// The forwarding method of servers that name none.
    pub(super) forward: Forward,
    /// The checks of servers that have none.
    pub(super) checks: &'a [CheckConfig],
}

/// Reads one real server; `None` without a usable address.
pub(super) fn read(
    section: &Section<'_>,
    pool: &Pool<'_>,
    findings: &mut Findings,
) -> Option<RealServer> {
    let name = optional_name(section, &schema::RS_NAME, findings);
    let weight = section.value(&schema::WEIGHT, findings);
    let forward = section.choice(&schema::RS_FORWARD, findings);
    let forward = forward.unwrap_or(pool.forward);
    let (upper_threshold, lower_threshold) = thresholds(section, findings);
    let checks = match section.free(&schema::RS_CHECK) {
        Some(raw) => check::read_all(raw, findings),
        None => pool.checks.to_vec(),
    };
    let raw = section.required(&schema::RS_ADDRESS, findings)?;
    let (ip, port) = address::with_port(raw, findings)?;
    let address = SocketAddr::new(ip, port.unwrap_or_else(|| service_port(pool.service)));
    if let Some(service) = pool.service {
        check_path(&service, address, forward, raw.span, findings);
    }
    checks_have_port(&checks, address, raw.span, findings);
    Some(RealServer {
        name,
        address,
        weight,
        forward,
        upper_threshold,
        lower_threshold,
        checks,
    })
}

fn service_port(service: Option<ServiceId>) -> u16 {
    match service {
        Some(ServiceId::Addr { address, .. }) => address.port(),
        Some(ServiceId::Fwmark { .. }) | None => 0,
    }
}

fn thresholds(section: &Section<'_>, findings: &mut Findings) -> (u32, u32) {
    let upper = section.value(&schema::UPPER_THRESHOLD, findings);
    let lower = section.value(&schema::LOWER_THRESHOLD, findings);
    if lower > upper {
        let span = section.value_span(schema::LOWER_THRESHOLD.name);
        let message = format!("lower_threshold {lower} is above upper_threshold {upper}");
        findings.error(Code::Conflict, span, message);
    }
    (upper, lower)
}

/// Complains where the kernel could not forward from the service to the server.
fn check_path(
    service: &ServiceId,
    address: SocketAddr,
    forward: Forward,
    span: Span,
    findings: &mut Findings,
) {
    let (wanted, family) = (service.family(), Family::of(address.ip()));
    if wanted != family && forward != Forward::Tun {
        let message = format!("the real server is {family}, the service {wanted}");
        let help = "only forward = \"tun\" crosses families".to_owned();
        findings.error_help(Code::Conflict, span, message, help);
    }
    if let ServiceId::Addr {
        address: service, ..
    } = service
        && forward != Forward::Nat
        && service.port() != address.port()
    {
        let message = format!(
            "forward = \"{forward}\" cannot change port {} to {}",
            service.port(),
            address.port()
        );
        let help = format!(
            "write port {}, or forward = \"nat\"; a check of another port says connect_port",
            service.port()
        );
        findings.error_help(Code::Conflict, span, message, help);
    }
}

fn checks_have_port(
    checks: &[CheckConfig],
    address: SocketAddr,
    span: Span,
    findings: &mut Findings,
) {
    let portless = checks.iter().find(|check| match &check.probe {
        Probe::Tcp { connect_port } => connect_port.is_none(),
        Probe::Http(http) => http.connect_port.is_none(),
        Probe::Icmp => false,
    });
    if address.port() == 0
        && let Some(check) = portless
    {
        let kind = check.probe.name();
        let message = format!("the {kind} check of a real server without port needs connect_port");
        findings.error(Code::Conflict, span, message);
    }
}
