//! Addresses, with prefix lengths and ports, and names of interfaces.

use std::net::{IpAddr, SocketAddr};

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned, Value};
use super::super::schema::Free;
use super::super::section::{self, Section};
use crate::model::Family;

/// `IFNAMSIZ` of `linux/if.h`, without the terminating zero.
const MAX_INTERFACE_BYTES: usize = 15;

/// The name of an interface, or a label.
pub(super) fn interface(
    name: &str,
    raw: &Spanned<Value>,
    findings: &mut Findings,
) -> Option<String> {
    let text = section::string(name, raw, findings)?;
    interface_name(text, name, raw.span, findings)?;
    Some(text.to_owned())
}

/// Complains of what is not the name of an interface; `name` says whose.
pub(super) fn interface_name(
    text: &str,
    name: &str,
    span: Span,
    findings: &mut Findings,
) -> Option<()> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '/';
    if text.is_empty() || text == "." || text == ".." || text.contains(bad) {
        let message = format!("{name}: \"{text}\" is not the name of an interface");
        findings.error(Code::BadValue, span, message);
        return None;
    }
    if text.len() > MAX_INTERFACE_BYTES {
        let message = format!(
            "{name} must have at most {MAX_INTERFACE_BYTES} bytes, has {}",
            text.len()
        );
        findings.error(Code::OutOfRange, span, message);
        return None;
    }
    Some(())
}

/// The same, of a key that may be absent.
pub(super) fn optional_interface(
    section: &Section<'_>,
    key: &Free,
    findings: &mut Findings,
) -> Option<String> {
    interface(key.name, section.free(key)?, findings)
}

/// `IP`, a unicast address.
pub(super) fn host(raw: &Spanned<Value>, findings: &mut Findings) -> Option<IpAddr> {
    let text = section::string("an address", raw, findings)?;
    let Ok(address) = text.parse::<IpAddr>() else {
        let message = format!("\"{text}\" is not an IP address");
        let help = "write the address alone; names are not resolved".to_owned();
        findings.error_help(Code::BadValue, raw.span, message, help);
        return None;
    };
    unicast(address, raw, findings)?;
    Some(address)
}

/// `IP`, a unicast address of `family`, in the value of a key called `name`.
pub(super) fn of_family(
    name: &str,
    raw: &Spanned<Value>,
    family: Family,
    findings: &mut Findings,
) -> Option<IpAddr> {
    let address = host(raw, findings)?;
    check_family(name, address, family, raw.span, findings)?;
    Some(address)
}

/// Complains about an address of the wrong family.
pub(super) fn check_family(
    name: &str,
    address: IpAddr,
    family: Family,
    span: Span,
    findings: &mut Findings,
) -> Option<()> {
    if Family::of(address) == family {
        return Some(());
    }
    let message = format!("{name} must be {family}, as the virtual addresses are");
    findings.error(Code::Conflict, span, message);
    None
}

/// `IP` or `IP/LENGTH`, a unicast address.
pub(super) fn with_prefix(raw: &Spanned<Value>, findings: &mut Findings) -> Option<(IpAddr, u8)> {
    let text = section::string("address", raw, findings)?;
    let (ip, length) = match text.split_once('/') {
        Some((ip, length)) => (ip, Some(length)),
        None => (text, None),
    };
    let Ok(address) = ip.parse::<IpAddr>() else {
        let message = format!("\"{text}\" is not an IP address");
        let help = match text.parse::<SocketAddr>() {
            Ok(_) => "no port is written here",
            Err(_) => "write it like \"192.0.2.1/32\" or \"2001:db8::1/128\"",
        };
        findings.error_help(Code::BadValue, raw.span, message, help.to_owned());
        return None;
    };
    unicast(address, raw, findings)?;
    let whole = host_prefix(address);
    let prefix = length.map_or(Some(whole), |length| length.parse().ok());
    match prefix {
        Some(prefix) if prefix <= whole && prefix > 0 => Some((address, prefix)),
        _ => {
            let message = format!("the prefix length of {address} must be 1..={whole}");
            findings.error(Code::OutOfRange, raw.span, message);
            None
        }
    }
}

/// `IP:PORT`, `[IPV6]:PORT`, or `IP` alone, a unicast address.
pub(super) fn with_port(
    raw: &Spanned<Value>,
    findings: &mut Findings,
) -> Option<(IpAddr, Option<u16>)> {
    let text = section::string("address", raw, findings)?;
    let parsed = match text.parse::<SocketAddr>() {
        Ok(socket) if scope_id(&socket) == 0 => Some((socket.ip(), Some(socket.port()))),
        Ok(_) => None,
        Err(_) => text.parse().ok().map(|ip| (ip, None)),
    };
    let Some((address, port)) = parsed else {
        let message = format!("\"{text}\" is not an address and port");
        let help = "write it like \"192.0.2.1:80\" or \"[2001:db8::1]:80\"; names are not resolved";
        findings.error_help(Code::BadValue, raw.span, message, help.to_owned());
        return None;
    };
    unicast(address, raw, findings)?;
    Some((address, port))
}

fn scope_id(socket: &SocketAddr) -> u32 {
    match socket {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(socket) => socket.scope_id(),
    }
}

/// The prefix length of a single address.
fn host_prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Complains about an address that no single host can have.
fn unicast(address: IpAddr, raw: &Spanned<Value>, findings: &mut Findings) -> Option<()> {
    let fault = match address {
        _ if address.is_unspecified() => "the unspecified address",
        _ if address.is_multicast() => "a multicast address",
        IpAddr::V4(v4) if v4.is_broadcast() => "the broadcast address",
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => "an IPv4 address in IPv6 form",
        _ => return Some(()),
    };
    let message = format!("{address} is {fault}, not the address of a host");
    findings.error(Code::BadValue, raw.span, message);
    None
}
