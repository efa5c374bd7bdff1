//! `[static]`.

use super::super::findings::{Code, Findings};
use super::super::schema::network as keys;
use super::super::section::Section;
use super::vrrp;
use crate::model::{Family, StaticNetwork};

/// Who has what is static, in diagnostics.
const OWNER: &str = "[static]";

/// Reads what is in place whatever the state of instances; `instances` know what they
/// have themselves.
pub(super) fn read(
    section: &Section<'_>,
    instances: &mut vrrp::Reader,
    findings: &mut Findings,
) -> StaticNetwork {
    let mut addresses = Vec::new();
    if let Some(raw) = section.free(&keys::ADDRESSES) {
        for (address, span) in instances.addresses(OWNER, "", &keys::ADDRESSES, raw, findings) {
            if address.dev.is_none() {
                let message = "a static address needs a dev".to_owned();
                let help = format!("write \"{address} dev eth0\"");
                findings.error_help(Code::MissingKey, span, message, help);
            }
            addresses.push(address);
        }
    }
    StaticNetwork {
        addresses,
        routes: instances.routes(OWNER, section, &keys::ROUTES, Family::Ipv4, findings),
        rules: instances.rules(OWNER, section, &keys::RULES, Family::Ipv4, findings),
    }
}
