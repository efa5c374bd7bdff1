//! What the virtual router's interface is.

use super::super::super::findings::{Code, Findings};
use super::super::super::raw::{Span, Spanned, Value};
use super::super::super::schema::{self, Free, TableKind};
use super::super::super::section::{self, Section};
use super::super::address;
use crate::model::{Attachment, Delivery, Family, defaults};

/// What else of the instance decides about it.
pub(super) struct Around<'a> {
    pub(super) interface: &'a str,
    pub(super) family: Family,
    pub(super) virtual_router_id: u8,
    pub(super) delivery: &'a Delivery,
}

impl Around<'_> {
    /// The name of the interface where none is written.
    fn name(&self) -> String {
        let family = match self.family {
            Family::Ipv4 => "",
            Family::Ipv6 => "6",
        };
        format!("vrrp{family}.{}", self.virtual_router_id)
    }
}

/// Reads `vmac` and `ipvlan`.
pub(super) fn read(
    section: &Section<'_>,
    around: &Around<'_>,
    findings: &mut Findings,
) -> Attachment {
    let vmac = wanted(section, &schema::VMAC, &schema::VMAC_TABLE, findings);
    let ipvlan = wanted(section, &schema::IPVLAN, &schema::IPVLAN_TABLE, findings);
    if vmac.is_some() && ipvlan.is_some() {
        let span = section.value_span(schema::IPVLAN.name);
        let message = "an instance has vmac or ipvlan, not both".to_owned();
        findings.error(Code::Conflict, span, message);
    }
    match (vmac, ipvlan) {
        (Some(table), _) => read_vmac(table.as_ref(), around, findings),
        (None, Some(table)) => read_ipvlan(table.as_ref(), around, findings),
        (None, None) => Attachment::Plain,
    }
}

/// `None`: not wanted; `Some(None)`: with every default.
fn wanted<'t>(
    section: &Section<'t>,
    key: &Free,
    kind: &'static TableKind,
    findings: &mut Findings,
) -> Option<Option<Section<'t>>> {
    match section.free(key)?.value {
        Value::Boolean(wanted) => wanted.then_some(None),
        _ => section.sub(key, kind, findings).map(Some),
    }
}

fn read_vmac(
    table: Option<&Section<'_>>,
    around: &Around<'_>,
    findings: &mut Findings,
) -> Attachment {
    let unicast = matches!(around.delivery, Delivery::Unicast { .. });
    let written = |key| table.is_some_and(|table| table.has(key));
    let mut transmit_base = unicast;
    if written(schema::TRANSMIT_BASE.name)
        && let Some(table) = table
    {
        transmit_base = table.flag(&schema::TRANSMIT_BASE, findings);
        if unicast && !transmit_base {
            let span = table.value_span(schema::TRANSMIT_BASE.name);
            let message = "unicast adverts do not leave by a macvlan interface".to_owned();
            let help = "it has no address of its own; remove transmit_base".to_owned();
            findings.error_help(Code::Conflict, span, message, help);
        }
    }
    Attachment::Vmac {
        name: device(table, &schema::VMAC_NAME, around, findings),
        mac: table
            .and_then(|table| table.free(&schema::VMAC_MAC))
            .and_then(|raw| mac(raw, findings)),
        transmit_base,
        addresses_too: table.is_some_and(|table| table.flag(&schema::ADDRESSES_TOO, findings)),
    }
}

fn read_ipvlan(
    table: Option<&Section<'_>>,
    around: &Around<'_>,
    findings: &mut Findings,
) -> Attachment {
    let mode = table.and_then(|table| table.choice(&schema::IPVLAN_MODE, findings));
    let address = table
        .and_then(|table| table.free(&schema::IPVLAN_ADDRESS))
        .and_then(|raw| {
            let (address, length) = address::with_prefix(raw, findings)?;
            address::check_family("address", address, around.family, raw.span, findings)?;
            Some((address, length))
        });
    Attachment::Ipvlan {
        name: device(table, &schema::IPVLAN_NAME, around, findings),
        mode: mode.unwrap_or(defaults::IPVLAN_MODE),
        address,
    }
}

fn device(
    table: Option<&Section<'_>>,
    key: &Free,
    around: &Around<'_>,
    findings: &mut Findings,
) -> String {
    let raw = table.and_then(|table| table.free(key));
    let written = raw.and_then(|raw| {
        let name = address::interface(key.name, raw, findings)?;
        Some((name, raw.span))
    });
    let Some((name, span)) = written else {
        return around.name();
    };
    if name == around.interface {
        base_itself(&name, span, findings);
    }
    name
}

fn base_itself(name: &str, span: Span, findings: &mut Findings) {
    let message = format!("{name} is the interface it is made on");
    let help = "leave name out, or choose one that no interface has".to_owned();
    findings.error_help(Code::Conflict, span, message, help);
}

fn mac(raw: &Spanned<Value>, findings: &mut Findings) -> Option<[u8; 6]> {
    let text = section::string(schema::VMAC_MAC.name, raw, findings)?;
    let octets: Option<Vec<u8>> = text
        .split([':', '-'])
        .map(|octet| {
            let digits = octet.len() == 2 && octet.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u8::from_str_radix(octet, 16).ok()).flatten()
        })
        .collect();
    let mac = octets.and_then(|octets| <[u8; 6]>::try_from(octets).ok());
    let unicast = mac.filter(|[first, rest @ ..]| first & 1 == 0 && (*first, *rest) != (0, [0; 5]));
    if unicast.is_none() {
        let message = format!("\"{text}\" is not the MAC address of a host");
        let help = "write it like \"02:00:00:00:00:01\"; the first octet is even".to_owned();
        findings.error_help(Code::BadValue, raw.span, message, help);
    }
    unicast
}
