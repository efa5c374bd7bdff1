//! Frames that tell the neighbours who has an address, and ask whether anyone has it.
//!
//! A new master tells hosts and switches by a gratuitous ARP (RFC 9568 section 6.4.2, RFC 5944
//! section 4.6) or an unsolicited neighbour advertisement (RFC 4861 section 7.2.6), in the same
//! octets as keepalived sends them. [`arp_probe`] and [`dad_solicitation`] ask, and [`claimant`]
//! reads the answers.
//!
//! All frames are whole Ethernet frames, without padding: the driver pads. Nothing here does I/O:
//! see [`packet`](super::packet).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
pub type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
pub(super) const ETHERTYPE_ARP: u16 = 0x0806;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Octets of an Ethernet header.
const ETHERNET_LEN: usize = 14;

/// Hardware type Ethernet, protocol type IPv4, and the lengths of both addresses (RFC 826).
const ARP_ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ARP_REQUEST: u16 = 1;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
pub(super) const NEXT_HEADER_ICMPV6: u8 = 58;
const NEIGHBOUR_SOLICITATION: u8 = 135;
pub(super) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Neighbour discovery takes no message that has crossed a router (RFC 4861 section 7.1).
const HOP_LIMIT: u8 = 255;
/// Flags of a neighbour advertisement, in its fifth octet (RFC 4861 section 4.4).
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
/// The option that carries an advertisement's link-layer address, and its length in 8 octets.
const TARGET_LINK_LAYER: [u8; 2] = [2, 1];

/// The frame by which `mac` tells everyone that it has `address`: a gratuitous ARP, or an
/// unsolicited neighbour advertisement, whose Router flag is `router` (whether this host forwards
/// IPv6 on that interface).
pub fn announcement(mac: Mac, address: IpAddr, router: bool) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => gratuitous_arp(mac, address),
        IpAddr::V6(address) => unsolicited_na(mac, address, router),
    }
}

/// A gratuitous ARP in its request form: broadcast, sender and target both `address`, target
/// hardware address all ones.
pub fn gratuitous_arp(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    arp_request(mac, address, BROADCAST, address)
}

/// An unsolicited neighbour advertisement to all nodes, from `address` itself, with the Override
/// flag, so that caches take the new link-layer address at once.
pub fn unsolicited_na(mac: Mac, address: Ipv6Addr, router: bool) -> Vec<u8> {
    let flags = OVERRIDE | if router { ROUTER } else { 0 };
    let mut message = vec![NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    message.extend(address.octets());
    message.extend(TARGET_LINK_LAYER);
    message.extend(mac);
    icmpv6(mac, address, ALL_NODES, message)
}

/// The question whether anyone has `address`, asked without claiming it: an ARP probe (RFC 5227
/// section 2.1.1) or a solicitation of duplicate address detection.
pub fn probe(mac: Mac, address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => arp_probe(mac, address),
        IpAddr::V6(address) => dad_solicitation(mac, address),
    }
}

/// An ARP request for `address` with the sender address 0.0.0.0, which leaves the caches of others
/// as they are (RFC 5227 section 2.1.1).
pub fn arp_probe(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    arp_request(mac, Ipv4Addr::UNSPECIFIED, [0; 6], address)
}

/// A neighbour solicitation for `address` from the unspecified address, without a link-layer
/// option (RFC 4862 section 5.4.2).
pub fn dad_solicitation(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(address.octets());
    icmpv6(mac, Ipv6Addr::UNSPECIFIED, solicited_node(address), message)
}

/// Who says in `frame` that it has `address`, unless it is `own`: the sender of any ARP message
/// with that sender address, or of a neighbour advertisement for it. `None` for all else.
pub fn claimant(frame: &[u8], address: IpAddr, own: Mac) -> Option<Mac> {
    let (ethernet, rest) = frame.split_at_checked(ETHERNET_LEN)?;
    let source: Mac = *ethernet.get(6..)?.first_chunk()?;
    let ethertype = u16::from_be_bytes(*ethernet.get(12..)?.first_chunk()?);
    let mac = match (ethertype, address) {
        (ETHERTYPE_ARP, IpAddr::V4(address)) => arp_claimant(rest, address)?,
        (ETHERTYPE_IPV6, IpAddr::V6(address)) => na_claimant(rest, address, source)?,
        _ => return None,
    };
    (mac != own).then_some(mac)
}

fn arp_claimant(arp: &[u8], address: Ipv4Addr) -> Option<Mac> {
    let rest = arp.strip_prefix(&ARP_ETHERNET_IPV4)?;
    let (mac, rest) = rest.get(2..)?.split_first_chunk()?;
    let sender: [u8; 4] = *rest.first_chunk()?;
    (sender == address.octets()).then_some(*mac)
}

fn na_claimant(packet: &[u8], address: Ipv6Addr, source: Mac) -> Option<Mac> {
    let (header, message) = packet.split_first_chunk::<40>()?;
    let [first, _, _, _, _, _, next_header, hop_limit, ..] = *header;
    let valid = (first >> 4, next_header, hop_limit) == (6, NEXT_HEADER_ICMPV6, HOP_LIMIT);
    let (head, rest) = message.split_first_chunk::<8>()?;
    let [kind, code, ..] = *head;
    if !valid || (kind, code) != (NEIGHBOUR_ADVERTISEMENT, 0) {
        return None;
    }
    let (target, options) = rest.split_first_chunk::<16>()?;
    if *target != address.octets() {
        return None;
    }
    // The option comes first or not at all in what real hosts send; the frame's source is the same
    // but for proxies.
    let option = options.strip_prefix(&TARGET_LINK_LAYER);
    Some(
        option
            .and_then(|mac| mac.first_chunk())
            .copied()
            .unwrap_or(source),
    )
}

fn ethernet(destination: Mac, source: Mac, ethertype: u16, capacity: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ETHERNET_LEN + capacity);
    frame.extend(destination);
    frame.extend(source);
    frame.extend(ethertype.to_be_bytes());
    frame
}

fn arp_request(mac: Mac, sender: Ipv4Addr, target_mac: Mac, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = ethernet(BROADCAST, mac, ETHERTYPE_ARP, 28);
    frame.extend(ARP_ETHERNET_IPV4);
    frame.extend(ARP_REQUEST.to_be_bytes());
    frame.extend(mac);
    frame.extend(sender.octets());
    frame.extend(target_mac);
    frame.extend(target.octets());
    frame
}

/// A frame with `message`, an ICMPv6 message whose checksum is still zero.
fn icmpv6(mac: Mac, src: Ipv6Addr, dst: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    // Built here from parts of fixed size: 24 or 32 octets.
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let checksum = icmpv6_checksum(src, dst, length, &message);
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
    let mut frame = ethernet(multicast_mac(dst), mac, ETHERTYPE_IPV6, 40 + message.len());
    frame.extend([0x60, 0, 0, 0]);
    frame.extend(length.to_be_bytes());
    frame.extend([NEXT_HEADER_ICMPV6, HOP_LIMIT]);
    frame.extend(src.octets());
    frame.extend(dst.octets());
    frame.extend(message);
    frame
}

/// The checksum over the pseudo header and the message (RFC 4443 section 2.3, RFC 1071).
fn icmpv6_checksum(src: Ipv6Addr, dst: Ipv6Addr, length: u16, message: &[u8]) -> u16 {
    let words = |octets: &[u8]| -> u32 {
        let (words, _) = octets.as_chunks::<2>();
        words
            .iter()
            .map(|word| u32::from(u16::from_be_bytes(*word)))
            .sum()
    };
    let addresses = words(&src.octets()) + words(&dst.octets());
    let mut sum = addresses + u32::from(length) + u32::from(NEXT_HEADER_ICMPV6) + words(message);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // The loop leaves 16 bits.
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// The Ethernet address of an IPv6 group: 33:33 and its last four octets (RFC 2464 section 7).
fn multicast_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

/// The group in which the holders of `address` are asked for it (RFC 4291 section 2.7.1).
fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

#[cfg(test)]
#[path = "announce/tests.rs"]
mod tests;
