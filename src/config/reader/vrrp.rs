//! `[vrrp_instance.NAME]`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned, Value};
use super::super::schema;
use super::super::section::{self, Section};
use super::address;
use crate::model::{
    Announce, AuthPass, Authentication, ChecksumV3, Family, Version, VirtualAddress, VrrpInstance,
};

/// The count of addresses is one byte of the advert.
const MAX_ADDRESSES: usize = 255;
/// The longest interval a version 3 advert can say: 12 bits of centiseconds.
const MAX_V3_INTERVAL: Duration = Duration::from_millis(40_950);

/// Reads instances, and remembers what may not come twice.
#[derive(Default)]
pub(super) struct Reader {
    /// The instances read.
    pub(super) done: Vec<VrrpInstance>,
    routers: HashMap<(String, Family, u8), String>,
    addresses: HashMap<(IpAddr, String), String>,
}

impl Reader {
    /// Reads one instance.
    pub(super) fn read(
        &mut self,
        name: &Spanned<String>,
        section: Section<'_>,
        findings: &mut Findings,
    ) {
        let name = name.value.as_str();
        let interface = section
            .required(&schema::INTERFACE, findings)
            .and_then(|raw| address::interface("interface", raw, findings))
            .unwrap_or_default();
        let virtual_addresses = self.addresses(name, &interface, &section, findings);
        let family = virtual_addresses
            .first()
            .map_or(Family::Ipv4, |first| Family::of(first.address));
        let version = version(&section, family, findings);
        let id = byte(section.value(&schema::VIRTUAL_ROUTER_ID, findings));
        let instance = VrrpInstance {
            version,
            priority: byte(section.value(&schema::PRIORITY, findings)),
            advert_interval: advert_interval(&section, version, findings),
            preempt: section.flag(&schema::PREEMPT, findings),
            preempt_delay: section.value(&schema::PREEMPT_DELAY, findings),
            down_timer_adverts: byte(section.value(&schema::DOWN_TIMER_ADVERTS, findings)),
            authentication: auth_pass(&section, version, findings)
                .map_or(Authentication::None, Authentication::Pass),
            virtual_addresses,
            announce: Announce {
                master_delay: section.value(&schema::GARP_MASTER_DELAY, findings),
                master_repeat: section.value(&schema::GARP_MASTER_REPEAT, findings),
                refresh: section.value(&schema::GARP_MASTER_REFRESH, findings),
                refresh_repeat: section.value(&schema::GARP_MASTER_REFRESH_REPEAT, findings),
                ..Announce::default()
            },
            v3_checksum: section
                .choice(&schema::V3_CHECKSUM, findings)
                .unwrap_or(ChecksumV3::PseudoHeader),
            ..VrrpInstance::new(name.to_owned(), interface, id, family)
        };
        warn_of_preemption(&section, &instance, findings);
        if section.good(&schema::VIRTUAL_ROUTER_ID) && !instance.interface.is_empty() {
            self.unique_router(&section, &instance, findings);
        }
        self.done.push(instance);
    }

    fn unique_router(
        &mut self,
        section: &Section<'_>,
        instance: &VrrpInstance,
        findings: &mut Findings,
    ) {
        let VrrpInstance {
            interface,
            family,
            virtual_router_id: id,
            ..
        } = instance;
        let key = (interface.clone(), *family, *id);
        if let Some(other) = self.routers.insert(key, instance.name.clone()) {
            let span = section.value_span(schema::VIRTUAL_ROUTER_ID.name);
            let message = format!(
                "virtual_router_id {id} on {interface} ({family}) is taken by vrrp_instance \"{other}\""
            );
            findings.error(Code::Duplicate, span, message);
        }
    }

    fn addresses(
        &mut self,
        name: &str,
        interface: &str,
        section: &Section<'_>,
        findings: &mut Findings,
    ) -> Vec<VirtualAddress> {
        let Some(raw) = section.required(&schema::VIRTUAL_ADDRESSES, findings) else {
            return Vec::new();
        };
        let items = section::list("virtual_addresses", raw, findings);
        let is_list = matches!(raw.value, Value::Array(_));
        if is_list && !(1..=MAX_ADDRESSES).contains(&items.len()) {
            let message = format!(
                "virtual_addresses must have 1..={MAX_ADDRESSES} addresses, has {}",
                items.len()
            );
            findings.error(Code::OutOfRange, raw.span, message);
        }
        let mut found: Vec<VirtualAddress> = Vec::new();
        for item in items {
            let Some(new) = virtual_address(item, findings) else {
                continue;
            };
            let first = found.first().map(|first| first.address);
            one_family(first, &new, item.span, findings);
            let dev = new.dev.clone().unwrap_or_else(|| interface.to_owned());
            if let Some(other) = self.addresses.insert((new.address, dev), name.to_owned()) {
                let address = new.address;
                let message =
                    format!("{address} is already an address of vrrp_instance \"{other}\"");
                findings.error(Code::Duplicate, item.span, message);
            }
            found.push(new);
        }
        found
    }
}

fn one_family(first: Option<IpAddr>, new: &VirtualAddress, span: Span, findings: &mut Findings) {
    let family = Family::of(new.address);
    if let Some(first) = first.map(Family::of).filter(|first| *first != family) {
        let message = format!("{} is {family}, the first address is {first}", new.address);
        let help = "an instance has one family; make a second instance for the other";
        findings.error_help(Code::Conflict, span, message, help.to_owned());
    }
}

fn virtual_address(raw: &Spanned<Value>, findings: &mut Findings) -> Option<VirtualAddress> {
    let Value::Table(table) = &raw.value else {
        let (address, prefix_len) = address::with_prefix(raw, findings)?;
        return Some(VirtualAddress::plain(address, prefix_len));
    };
    let section = Section::open(table, raw.span, &schema::VIRTUAL_ADDRESS, findings);
    let dev = section
        .free(&schema::VIP_DEV)
        .and_then(|dev| address::interface("dev", dev, findings));
    let label = section
        .free(&schema::VIP_LABEL)
        .and_then(|label| address::interface("label", label, findings));
    let scope = section.choice(&schema::VIP_SCOPE, findings);
    let written = section.required(&schema::VIP_ADDRESS, findings)?;
    let (address, prefix_len) = address::with_prefix(written, findings)?;
    if label.is_some() && address.is_ipv6() {
        let span = section.value_span(schema::VIP_LABEL.name);
        let message = "an IPv6 address has no label".to_owned();
        findings.error(Code::Conflict, span, message);
    }
    Some(VirtualAddress {
        dev,
        label,
        scope: scope.unwrap_or_default(),
        ..VirtualAddress::plain(address, prefix_len)
    })
}

fn version(section: &Section<'_>, family: Family, findings: &mut Findings) -> Version {
    let version = match section.value(&schema::VERSION, findings) {
        2 => Version::V2,
        _ => Version::V3,
    };
    if version == Version::V2 && family == Family::Ipv6 {
        let span = section.value_span(schema::VERSION.name);
        let message = "VRRP version 2 knows no IPv6".to_owned();
        let help = "write version = 3, or leave it out".to_owned();
        findings.error_help(Code::Conflict, span, message, help);
        return Version::V3;
    }
    version
}

fn advert_interval(section: &Section<'_>, version: Version, findings: &mut Findings) -> Duration {
    let interval = section.value(&schema::ADVERT_INTERVAL, findings);
    let centisecond = Duration::from_millis(10).as_nanos();
    let fault = match version {
        Version::V2 if interval.subsec_nanos() != 0 => {
            "must be whole seconds, 1s..=255s, in VRRP version 2"
        }
        Version::V3 if interval > MAX_V3_INTERVAL => "must be 10ms..=40.95s in VRRP version 3",
        Version::V3 if !interval.as_nanos().is_multiple_of(centisecond) => {
            "must be a multiple of 10ms in VRRP version 3"
        }
        _ => return interval,
    };
    let span = section.value_span(schema::ADVERT_INTERVAL.name);
    findings.error(Code::OutOfRange, span, format!("advert_interval {fault}"));
    interval
}

fn auth_pass(section: &Section<'_>, version: Version, findings: &mut Findings) -> Option<AuthPass> {
    let raw = section.free(&schema::AUTH_PASS)?;
    let text = section::string("auth_pass", raw, findings)?;
    if version == Version::V3 {
        let message = "VRRP version 3 has no authentication".to_owned();
        let help = "write version = 2, or remove auth_pass".to_owned();
        findings.error_help(Code::Conflict, raw.span, message, help);
    }
    AuthPass::try_from(text.to_owned())
        .map_err(|error| {
            let message = format!("auth_pass must have 1..=8 bytes: {error}");
            findings.error(Code::OutOfRange, raw.span, message);
        })
        .ok()
}

fn warn_of_preemption(section: &Section<'_>, instance: &VrrpInstance, findings: &mut Findings) {
    let never_waits = instance.priority == u8::MAX;
    if never_waits && !instance.preempt {
        findings.warning(
            Code::NoEffect,
            section.value_span(schema::PREEMPT.name),
            "preempt = false has no effect with priority 255".to_owned(),
            "the owner of an address always takes it; choose a priority below 255".to_owned(),
        );
    }
    if !instance.preempt_delay.is_zero() && (never_waits || !instance.preempt) {
        let reason = if never_waits {
            "with priority 255"
        } else {
            "without preempt"
        };
        findings.warning(
            Code::NoEffect,
            section.value_span(schema::PREEMPT_DELAY.name),
            format!("preempt_delay has no effect {reason}"),
            "remove it".to_owned(),
        );
    }
}

/// A number whose range, which was checked, lies within a byte.
fn byte(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
