//! `[vrrp_instance.NAME]`.

mod addresses;
mod attachment;
mod auth;
mod election;
mod strict;
mod transport;

use std::collections::HashMap;
use std::net::IpAddr;

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned, Value};
use super::super::schema::{self, Free};
use super::super::section::{self, Section};
use super::group::Member;
use super::{address, byte, network, notify, route, rule, track, tracking};
use crate::model::{
    Announce, Authentication, ChecksumV3, Family, Route, Rule, Version, VirtualAddress,
    VrrpInstance,
};

/// The count of addresses is one byte of the advert.
const MAX_ADDRESSES: usize = 255;
/// What an Ethernet frame carries, in bytes.
const ETHERNET_MTU: usize = 1500;

/// The instance whose adverts are on an interface under a VRID.
struct Router {
    name: String,
    /// Whether they are there as those of its heartbeat.
    heartbeat: bool,
}

/// Reads instances, and remembers what may not come twice.
#[derive(Default)]
pub(super) struct Reader {
    /// The instances read.
    pub(super) done: Vec<VrrpInstance>,
    /// What groups need of them, by name.
    pub(super) members: HashMap<String, Member>,
    /// Whether there is a `[global.mail]`.
    mailer: bool,
    routers: HashMap<(String, Family, u8), Router>,
    addresses: HashMap<(IpAddr, String), String>,
    devices: HashMap<String, String>,
    taken: network::Taken,
}

impl Reader {
    /// For a file with a `[global.mail]` or none.
    pub(super) fn new(mailer: bool) -> Self {
        Self {
            mailer,
            ..Self::default()
        }
    }

    /// Reads one instance.
    pub(super) fn read(
        &mut self,
        name: &Spanned<String>,
        section: Section<'_>,
        trackers: &mut track::Reader,
        findings: &mut Findings,
    ) {
        let name = name.value.as_str();
        let interface = section
            .required(&schema::INTERFACE, findings)
            .and_then(|raw| address::interface("interface", raw, findings))
            .unwrap_or_default();
        let owner = format!("vrrp_instance \"{name}\"");
        let virtual_addresses = self.virtual_addresses(&owner, &interface, &section, findings);
        let family = virtual_addresses
            .first()
            .map_or(Family::Ipv4, |first| Family::of(first.address));
        let excluded_addresses = self.excluded_addresses(&owner, &interface, &section, findings);
        let keys = (
            &schema::network::VIRTUAL_ROUTES,
            &schema::network::VIRTUAL_RULES,
        );
        let virtual_routes = self.routes(&owner, &section, keys.0, family, findings);
        let virtual_rules = self.rules(&owner, &section, keys.1, family, findings);
        let version = election::version(&section, family, findings);
        let id = byte(section.value(&schema::VIRTUAL_ROUTER_ID, findings));
        let instance = VrrpInstance::new(name.to_owned(), interface, id, family);
        let mut instance = VrrpInstance {
            version,
            virtual_addresses,
            excluded_addresses,
            virtual_routes,
            virtual_rules,
            ..instance
        };
        election::read(&mut instance, &section, findings);
        on_the_wire(&mut instance, &section, findings);
        instance.announce = announce(&section, findings);
        let tracked = tracking::read(&section, trackers, findings);
        instance.tracking = tracked.tracking;
        instance.notify = notify::read(&section, &schema::notify::TABLE, self.mailer, findings);
        if instance.priority == u8::MAX {
            warn_of_weights(&tracked.weighted, findings);
        }
        let member = Member {
            weighted: tracked.weighted,
        };
        self.members.insert(name.to_owned(), member);
        strict::apply(&mut instance, &section, findings);
        warn_of_length(&section, &instance, findings);
        if !instance.interface.is_empty() {
            self.unique(&section, &instance, findings);
        }
        self.done.push(instance);
    }

    /// Complains about a virtual router or an interface that another instance has.
    fn unique(&mut self, section: &Section<'_>, instance: &VrrpInstance, findings: &mut Findings) {
        if section.good(&schema::VIRTUAL_ROUTER_ID) && !self.alone(section, instance, findings) {
            return;
        }
        if let Some(device) = instance.attachment.device()
            && let Some(other) = self
                .devices
                .insert(device.to_owned(), instance.name.clone())
        {
            let span = [schema::VMAC.name, schema::IPVLAN.name]
                .into_iter()
                .find(|key| section.has(key))
                .map_or(section.at(), |key| section.value_span(key));
            let message = format!("the interface {device} is made by vrrp_instance \"{other}\"");
            let help = "give one of them another name, as in vmac = { name = \"...\" }".to_owned();
            findings.error_help(Code::Duplicate, span, message, help);
        }
    }

    /// Whether no other instance is heard under the same VRID where this one is. An
    /// advert does not say whether it came for the one or for the heartbeat of the other.
    fn alone(
        &mut self,
        section: &Section<'_>,
        instance: &VrrpInstance,
        findings: &mut Findings,
    ) -> bool {
        let (family, id) = (instance.family, instance.virtual_router_id);
        let second = instance.heartbeat.as_ref();
        let second = second.map(|heartbeat| (heartbeat.interface.as_str(), true));
        let first = (instance.interface.as_str(), false);
        for (interface, heartbeat) in [first].into_iter().chain(second) {
            let new = Router {
                name: instance.name.clone(),
                heartbeat,
            };
            let key = (interface.to_owned(), family, id);
            // That its heartbeat is on its own interface is said elsewhere.
            let old = self.routers.insert(key, new);
            let Some(other) = old.filter(|other| other.name != instance.name) else {
                continue;
            };
            let span = section.value_span(schema::VIRTUAL_ROUTER_ID.name);
            let (what, whose) = (of_heartbeat(heartbeat), of_heartbeat(other.heartbeat));
            let message = format!(
                "virtual_router_id {id} on {interface} ({family}){what} is taken by \
                 vrrp_instance \"{}\"{whose}",
                other.name
            );
            if heartbeat || other.heartbeat {
                let help = "adverts of both would be mistaken for one another; choose another \
                            virtual_router_id, or another interface for the heartbeat";
                findings.error_help(Code::Duplicate, span, message, help.to_owned());
            } else {
                findings.error(Code::Duplicate, span, message);
            }
            return false;
        }
        true
    }

    fn virtual_addresses(
        &mut self,
        owner: &str,
        interface: &str,
        section: &Section<'_>,
        findings: &mut Findings,
    ) -> Vec<VirtualAddress> {
        let Some(raw) = section.required(&schema::VIRTUAL_ADDRESSES, findings) else {
            return Vec::new();
        };
        if let Value::Array(items) = &raw.value
            && !(1..=MAX_ADDRESSES).contains(&items.len())
        {
            let message = format!(
                "virtual_addresses must have 1..={MAX_ADDRESSES} addresses, has {}",
                items.len()
            );
            let help = "what no advert needs to name goes into excluded_addresses".to_owned();
            findings.error_help(Code::OutOfRange, raw.span, message, help);
        }
        let key = &schema::VIRTUAL_ADDRESSES;
        let found = self.addresses(owner, interface, key, raw, findings);
        let first = found.first().map(|(first, _)| first.address);
        for (new, span) in &found {
            one_family(first, new, *span, findings);
        }
        found.into_iter().map(|(address, _)| address).collect()
    }

    fn excluded_addresses(
        &mut self,
        owner: &str,
        interface: &str,
        section: &Section<'_>,
        findings: &mut Findings,
    ) -> Vec<VirtualAddress> {
        let key = &schema::EXCLUDED_ADDRESSES;
        let Some(raw) = section.free(key) else {
            return Vec::new();
        };
        let found = self.addresses(owner, interface, key, raw, findings);
        found.into_iter().map(|(address, _)| address).collect()
    }

    /// Reads a list of addresses of `owner`, who has them on `interface` if they do not
    /// say otherwise.
    pub(super) fn addresses(
        &mut self,
        owner: &str,
        interface: &str,
        key: &Free,
        raw: &Spanned<Value>,
        findings: &mut Findings,
    ) -> Vec<(VirtualAddress, Span)> {
        let mut found: Vec<(VirtualAddress, Span)> = Vec::new();
        for item in section::list(key.name, raw, findings) {
            let Some(new) = addresses::read(item, findings) else {
                continue;
            };
            let dev = new.dev.clone().unwrap_or_else(|| interface.to_owned());
            if let Some(other) = self.addresses.insert((new.address, dev), owner.to_owned()) {
                let address = new.address;
                let message = format!("{address} is already an address of {other}");
                findings.error(Code::Duplicate, item.span, message);
            }
            found.push((new, item.span));
        }
        found
    }

    /// Reads a list of routes of `owner`.
    pub(super) fn routes(
        &mut self,
        owner: &str,
        section: &Section<'_>,
        key: &Free,
        family: Family,
        findings: &mut Findings,
    ) -> Vec<Route> {
        let Some(raw) = section.free(key) else {
            return Vec::new();
        };
        let mut routes = Vec::new();
        for item in section::list(key.name, raw, findings) {
            if let Some(route) = route::read(item, family, findings) {
                self.taken.route(&route, owner, item.span, findings);
                routes.push(route);
            }
        }
        routes
    }

    /// Reads a list of rules of `owner`.
    pub(super) fn rules(
        &mut self,
        owner: &str,
        section: &Section<'_>,
        key: &Free,
        family: Family,
        findings: &mut Findings,
    ) -> Vec<Rule> {
        let Some(raw) = section.free(key) else {
            return Vec::new();
        };
        let mut rules = Vec::new();
        for item in section::list(key.name, raw, findings) {
            if let Some(rule) = rule::read(item, family, findings) {
                self.taken.rule(&rule, owner, item.span, findings);
                rules.push(rule);
            }
        }
        rules
    }
}

/// What the heartbeat has to do with it.
fn of_heartbeat(heartbeat: bool) -> &'static str {
    if heartbeat { " for its heartbeat" } else { "" }
}

/// How adverts travel, and what carries the addresses.
fn on_the_wire(instance: &mut VrrpInstance, section: &Section<'_>, findings: &mut Findings) {
    let family = instance.family;
    let around = auth::Around {
        version: instance.version,
        family,
        advert_interval: instance.advert_interval,
    };
    instance.authentication = auth::read(section, &around, findings);
    instance.v3_checksum = section
        .choice(&schema::V3_CHECKSUM, findings)
        .unwrap_or(ChecksumV3::PseudoHeader);
    instance.transport = transport::read(section, family, findings);
    instance.heartbeat = transport::heartbeat(section, &instance.interface, family, findings);
    let around = attachment::Around {
        interface: &instance.interface,
        family,
        virtual_router_id: instance.virtual_router_id,
        delivery: &instance.transport.mode,
    };
    instance.attachment = attachment::read(section, &around, findings);
    instance.vrf = address::optional_interface(section, &schema::VRF, findings);
    instance.dont_track_primary = section.flag(&schema::DONT_TRACK_PRIMARY, findings);
    instance.accept = section.flag(&schema::ACCEPT, findings);
    instance.promote_secondaries = section.flag(&schema::PROMOTE_SECONDARIES, findings);
}

fn announce(section: &Section<'_>, findings: &mut Findings) -> Announce {
    let master_repeat = section.value(&schema::GARP_MASTER_REPEAT, findings);
    Announce {
        master_delay: section.value(&schema::GARP_MASTER_DELAY, findings),
        master_repeat,
        refresh: section.value(&schema::GARP_MASTER_REFRESH, findings),
        refresh_repeat: section.value(&schema::GARP_MASTER_REFRESH_REPEAT, findings),
        lower_prio_delay: section.value(&schema::GARP_LOWER_PRIO_DELAY, findings),
        lower_prio_repeat: section
            .get(&schema::GARP_LOWER_PRIO_REPEAT, findings)
            .unwrap_or(master_repeat),
        extra_interfaces: section.value(&schema::GARP_EXTRA_INTERFACES, findings),
    }
}

fn one_family(first: Option<IpAddr>, new: &VirtualAddress, span: Span, findings: &mut Findings) {
    let family = Family::of(new.address);
    if let Some(first) = first.map(Family::of).filter(|first| *first != family) {
        let message = format!("{} is {family}, the first address is {first}", new.address);
        let help = "write it into excluded_addresses, or make a second instance of its family";
        findings.error_help(Code::Conflict, span, message, help.to_owned());
    }
}

fn warn_of_weights(weighted: &[Span], findings: &mut Findings) {
    for span in weighted {
        findings.warning(
            Code::NoEffect,
            *span,
            "its weight has no effect with priority 255".to_owned(),
            "the priority of an owner never changes; choose one below 255, or weight = 0"
                .to_owned(),
        );
    }
}

/// Warns of an advert that does not fit into one Ethernet frame.
fn warn_of_length(section: &Section<'_>, instance: &VrrpInstance, findings: &mut Findings) {
    let count = instance.virtual_addresses.len();
    let (ip, address) = match instance.family {
        Family::Ipv4 => (20, 4),
        Family::Ipv6 => (40, 16),
    };
    let version_2 = match instance.version {
        Version::V2 => 8,
        Version::V3 => 0,
    };
    let auth = match instance.authentication {
        Authentication::Hmac(_) => 28,
        Authentication::Ah(_) => 24,
        Authentication::Pass(_) | Authentication::None => 0,
    };
    let bytes = ip + 8 + version_2 + auth + address * count;
    if bytes > ETHERNET_MTU && count <= MAX_ADDRESSES {
        findings.warning(
            Code::Suspicious,
            section.value_span(schema::VIRTUAL_ADDRESSES.name),
            format!("an advert with {count} addresses has {bytes} bytes, a frame {ETHERNET_MTU}"),
            "move addresses into excluded_addresses, on all directors".to_owned(),
        );
    }
}
