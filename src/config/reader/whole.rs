//! What is seen only when everything is read.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned};
use super::super::schema::group::DOWN_DELAY;
use super::super::section::Section;
use super::super::value::Unit;
use crate::model::{Config, InterfaceSettings, ServiceId, Tracking, VrrpInstance};

/// Where things are that warnings point at.
#[derive(Default)]
pub(super) struct Spans {
    /// The address of each virtual server.
    pub(super) virtual_servers: Vec<Span>,
    interfaces: HashMap<String, Place>,
}

/// Where the settings of an interface are.
#[derive(Clone, Copy)]
struct Place {
    name: Span,
    down_delay: Span,
}

impl Spans {
    /// Notes where the settings of an interface are.
    pub(super) fn interface(&mut self, name: &Spanned<String>, section: &Section<'_>) {
        let place = Place {
            name: name.span,
            down_delay: section.value_span(DOWN_DELAY.name),
        };
        self.interfaces.insert(name.value.clone(), place);
    }
}

/// Warns of what is seen only when everything is read.
pub(super) fn warn(config: &Config, spans: &Spans, findings: &mut Findings) {
    if config.vrrp_instances.is_empty() && config.virtual_servers.is_empty() {
        findings.warning(
            Code::Suspicious,
            Span::default(),
            "the configuration has no VRRP instance and no virtual server".to_owned(),
            "add a [vrrp_instance.NAME] or a [virtual_server.NAME]".to_owned(),
        );
    }
    for settings in &config.vrrp.interfaces {
        if let Some(place) = spans.interfaces.get(&settings.name) {
            warn_of_interface(settings, config, *place, findings);
        }
    }
    if !config.vrrp_instances.is_empty() {
        warn_of_addresses(config, &spans.virtual_servers, findings);
    }
}

/// Services on addresses that do not come here.
fn warn_of_addresses(config: &Config, spans: &[Span], findings: &mut Findings) {
    let instances = config.vrrp_instances.iter();
    let held: HashSet<IpAddr> = instances
        .flat_map(VrrpInstance::held_addresses)
        .chain(&config.vrrp.static_network.addresses)
        .map(|virtual_address| virtual_address.address)
        .collect();
    for (server, span) in config.virtual_servers.iter().zip(spans) {
        if let ServiceId::Addr { address, .. } = server.service
            && !held.contains(&address.ip())
        {
            let message = format!("no VRRP instance has the address {}", address.ip());
            let help = "add it to virtual_addresses, unless something else brings it here";
            findings.warning(Code::Suspicious, *span, message, help.to_owned());
        }
    }
}

fn warn_of_interface(
    settings: &InterfaceSettings,
    config: &Config,
    place: Place,
    findings: &mut Findings,
) {
    let name = settings.name.as_str();
    if !used(name, config) {
        let message = format!("nothing uses the interface {name}");
        let help = "correct the name, or remove its settings".to_owned();
        findings.warning(Code::NoEffect, place.name, message, help);
    }
    let instances = config.vrrp_instances.iter();
    let soonest = instances
        .filter(|instance| instance.interface == name)
        .map(|instance| (silence(instance), instance.name.as_str()))
        .min();
    if let Some((limit, instance)) = soonest
        && !settings.down_delay.is_zero()
        && settings.down_delay >= limit
    {
        let (delay, limit) = (settings.down_delay.show(), limit.show());
        let message = format!(
            "down_delay {delay} is not below {limit}, when the peer of vrrp_instance \"{instance}\" \
             may take over"
        );
        let help = "shorten it, or raise down_timer_adverts or advert_interval".to_owned();
        findings.warning(Code::Suspicious, place.down_delay, message, help);
    }
}

/// How long a peer waits at least before it takes over.
fn silence(instance: &VrrpInstance) -> Duration {
    let adverts = instance.down_timer_adverts.saturating_sub(1);
    instance.advert_interval.saturating_mul(adverts.into())
}

/// Whether anything is on the interface, or watches it.
fn used(name: &str, config: &Config) -> bool {
    let tracks = |tracking: &Tracking| tracking.interfaces.iter().any(|used| used.name == name);
    let on = |dev: &Option<String>| dev.as_deref() == Some(name);
    let by_instance = |instance: &VrrpInstance| {
        instance.interface == name
            || instance.attachment.device() == Some(name)
            || instance
                .heartbeat
                .as_ref()
                .is_some_and(|heartbeat| heartbeat.interface == name)
            || instance.held_addresses().any(|address| on(&address.dev))
            || tracks(&instance.tracking)
    };
    let common = &config.vrrp;
    config.vrrp_instances.iter().any(by_instance)
        || common
            .sync_groups
            .iter()
            .any(|group| tracks(&group.tracking))
        || common
            .static_network
            .addresses
            .iter()
            .any(|address| on(&address.dev))
}
