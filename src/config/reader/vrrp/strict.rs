//! `strict`: what the RFC does not allow is refused, and what it demands is done.

use super::super::super::findings::{Code, Findings};
use super::super::super::schema;
use super::super::super::section::Section;
use crate::model::{
    Attachment, Authentication, Delivery, Family, HmacMode, Version, VrrpInstance, defaults,
};

/// Completes a strict instance, and complains about what it may not have.
pub(super) fn apply(instance: &mut VrrpInstance, section: &Section<'_>, findings: &mut Findings) {
    if !instance.strict {
        return;
    }
    if !section.has(schema::ACCEPT.name) {
        instance.accept = instance.priority == u8::MAX;
    }
    // RFC 3768 section 6.4.3: discarded. RFC 9568 section 6.4.3: answered.
    if instance.version == Version::V2 && !section.has(schema::LOWER_PRIO_NO_ADVERT.name) {
        instance.lower_prio_no_advert = true;
    }
    if !section.has(schema::GARP_LOWER_PRIO_REPEAT.name) {
        instance.announce.lower_prio_repeat = 0;
    }
    let auth_key = if section.has(schema::AUTH_PASS.name) {
        schema::AUTH_PASS.name
    } else {
        schema::AUTHENTICATION.name
    };
    for (key, wrong) in broken(instance, auth_key) {
        let message = format!("{wrong} is not allowed by the RFC, and strict is set");
        let help = "change it, or remove strict".to_owned();
        findings.error_help(Code::Conflict, section.value_span(key), message, help);
    }
}

/// The keys that break a rule, and how.
fn broken(instance: &VrrpInstance, auth_key: &'static str) -> Vec<(&'static str, &'static str)> {
    let unicast = matches!(instance.transport.mode, Delivery::Unicast { .. });
    let (password, unsigned) = match &instance.authentication {
        Authentication::None => (false, false),
        Authentication::Pass(_) | Authentication::Ah(_) => (true, false),
        Authentication::Hmac(hmac) => (false, hmac.mode != HmacMode::Enforce),
    };
    let transmit_base = matches!(
        instance.attachment,
        Attachment::Vmac {
            transmit_base: true,
            ..
        }
    );
    let first = instance
        .virtual_addresses
        .first()
        .map(|first| first.address);
    let not_link_local = instance.family == Family::Ipv6
        && !matches!(first, Some(std::net::IpAddr::V6(first)) if first.is_unicast_link_local());
    let v2_accepts =
        instance.version == Version::V2 && instance.accept && instance.priority != u8::MAX;
    let down_timer = u32::from(instance.down_timer_adverts) != defaults::DOWN_TIMER_ADVERTS;
    let rules = [
        (unicast, schema::UNICAST_PEERS.name, "unicast"),
        (password, auth_key, "a password"),
        (
            unsigned,
            schema::AUTHENTICATION.name,
            "an hmac that is not enforced",
        ),
        (
            not_link_local,
            schema::VIRTUAL_ADDRESSES.name,
            "a first IPv6 address outside of fe80::/10",
        ),
        (
            !instance.preempt_delay.is_zero(),
            schema::PREEMPT_DELAY.name,
            "preempt_delay",
        ),
        (
            down_timer,
            schema::DOWN_TIMER_ADVERTS.name,
            "down_timer_adverts other than 3",
        ),
        (
            instance.higher_prio_send_advert,
            schema::HIGHER_PRIO_SEND_ADVERT.name,
            "higher_prio_send_advert",
        ),
        (
            instance.announce.lower_prio_repeat != 0,
            schema::GARP_LOWER_PRIO_REPEAT.name,
            "garp_lower_prio_repeat above 0",
        ),
        (transmit_base, schema::VMAC.name, "transmit_base"),
        (
            v2_accepts,
            schema::ACCEPT.name,
            "accept in version 2 below priority 255",
        ),
    ];
    rules
        .into_iter()
        .filter(|(broken, ..)| *broken)
        .map(|(_, key, wrong)| (key, wrong))
        .collect()
}
