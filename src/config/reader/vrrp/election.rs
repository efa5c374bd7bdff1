//! Who becomes master, and when.

use std::time::Duration;

use super::super::super::findings::{Code, Findings};
use super::super::super::schema;
use super::super::super::section::Section;
use super::super::byte;
use super::transport::no_effect;
use crate::model::{Family, Version, VrrpInstance};

/// The longest interval a version 3 advert can say: 12 bits of centiseconds.
const MAX_V3_INTERVAL: Duration = Duration::from_millis(40_950);

/// Reads what decides about it.
pub(super) fn read(instance: &mut VrrpInstance, section: &Section<'_>, findings: &mut Findings) {
    instance.priority = byte(section.value(&schema::PRIORITY, findings));
    instance.advert_interval = advert_interval(section, instance.version, findings);
    instance.preempt = section.flag(&schema::PREEMPT, findings);
    instance.preempt_delay = section.value(&schema::PREEMPT_DELAY, findings);
    instance.down_timer_adverts = byte(section.value(&schema::DOWN_TIMER_ADVERTS, findings));
    instance.lower_prio_no_advert = section.flag(&schema::LOWER_PRIO_NO_ADVERT, findings);
    instance.higher_prio_send_advert = section.flag(&schema::HIGHER_PRIO_SEND_ADVERT, findings);
    instance.owner_ignore_adverts = section.flag(&schema::OWNER_IGNORE_ADVERTS, findings);
    instance.timer_expired_backup = section.flag(&schema::TIMER_EXPIRED_BACKUP, findings);
    instance.check_addresses = section.flag(&schema::CHECK_ADDRESSES, findings);
    instance.strict = section.flag(&schema::STRICT, findings);
    if instance.owner_ignore_adverts
        && instance.priority != u8::MAX
        && section.own(schema::OWNER_IGNORE_ADVERTS.name)
    {
        let why = "with a priority below 255";
        no_effect(section, schema::OWNER_IGNORE_ADVERTS.name, why, findings);
    }
    warn_of_preemption(section, instance, findings);
}

/// The version; IPv6 has one only, whatever is said for all.
pub(super) fn version(section: &Section<'_>, family: Family, findings: &mut Findings) -> Version {
    let version = match section.value(&schema::VERSION, findings) {
        2 => Version::V2,
        _ => Version::V3,
    };
    if version == Version::V2 && family == Family::Ipv6 {
        if section.own(schema::VERSION.name) {
            let span = section.value_span(schema::VERSION.name);
            let message = "VRRP version 2 knows no IPv6".to_owned();
            let help = "write version = 3, or leave it out".to_owned();
            findings.error_help(Code::Conflict, span, message, help);
        }
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

/// What is said for all instances is let be where it does nothing.
fn warn_of_preemption(section: &Section<'_>, instance: &VrrpInstance, findings: &mut Findings) {
    let never_waits = instance.priority == u8::MAX;
    if never_waits && !instance.preempt && section.own(schema::PREEMPT.name) {
        findings.warning(
            Code::NoEffect,
            section.value_span(schema::PREEMPT.name),
            "preempt = false has no effect with priority 255".to_owned(),
            "the owner of an address always takes it; choose a priority below 255".to_owned(),
        );
    }
    let delayed = section.own(schema::PREEMPT_DELAY.name) && !instance.preempt_delay.is_zero();
    if delayed && (never_waits || !instance.preempt) {
        let why = if never_waits {
            "with priority 255"
        } else {
            "without preempt"
        };
        no_effect(section, schema::PREEMPT_DELAY.name, why, findings);
    }
}
