use super::*;

const MAC: Mac = [0xb2, 0x65, 0xaf, 0x8e, 0xcd, 0x0b];
const OTHER: Mac = [0xd2, 0x71, 0x19, 0xe8, 0xf8, 0xe9];

fn octets(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// Captured from keepalived 2.2.7 (and the same from 2.4.3).
#[test]
fn a_gratuitous_arp_has_the_captured_octets() {
    let captured = octets(
        "ffff ffff ffff b265 af8e cd0b 0806 0001 0800 0604 0001 b265 af8e cd0b ac11 01a0
         ffff ffff ffff ac11 01a0",
    );
    let frame = announcement(MAC, "172.17.1.160".parse().unwrap(), true);
    assert_eq!(frame, captured);
}

/// Captured from keepalived 2.2.7.
#[test]
fn an_unsolicited_advertisement_has_the_captured_octets() {
    let captured = octets(
        "3333 0000 0001 b265 af8e cd0b 86dd 6000 0000 0020 3aff fd00 0000 0000 0000 0000
         0000 0000 0160 ff02 0000 0000 0000 0000 0000 0000 0001 8800 2ade 2000 0000 fd00
         0000 0000 0000 0000 0000 0000 0160 0201 b265 af8e cd0b",
    );
    let frame = announcement(MAC, "fd00::160".parse().unwrap(), false);
    assert_eq!(frame, captured);
    let link_local = octets(
        "3333 0000 0001 b265 af8e cd0b 86dd 6000 0000 0020 3aff fe80 0000 0000 0000 0000
         0000 0000 5100 ff02 0000 0000 0000 0000 0000 0000 0001 8800 889d 2000 0000 fe80
         0000 0000 0000 0000 0000 0000 5100 0201 b265 af8e cd0b",
    );
    let frame = announcement(MAC, "fe80::5100".parse().unwrap(), false);
    assert_eq!(frame, link_local);
}

#[test]
fn a_router_says_so() {
    let host = unsolicited_na(MAC, "fd00::160".parse().unwrap(), false);
    let router = unsolicited_na(MAC, "fd00::160".parse().unwrap(), true);
    assert_eq!((host[58], router[58]), (0x20, 0xa0));
    // 0x8000 more in a word is 0x8000 less in the checksum, borrowed from the top.
    assert_eq!(router[56..58], [0xaa, 0xdd]);
}

#[test]
fn an_arp_probe_claims_nothing() {
    let expected = octets(
        "ffff ffff ffff b265 af8e cd0b 0806 0001 0800 0604 0001 b265 af8e cd0b 0000 0000
         0000 0000 0000 ac11 01a0",
    );
    assert_eq!(probe(MAC, "172.17.1.160".parse().unwrap()), expected);
}

#[test]
fn a_solicitation_asks_the_solicited_node_group() {
    // The checksum is from another program.
    let expected = octets(
        "3333 ff00 0160 b265 af8e cd0b 86dd 6000 0000 0018 3aff 0000 0000 0000 0000 0000
         0000 0000 0000 ff02 0000 0000 0000 0000 0001 ff00 0160 8700 7ae7 0000 0000 fd00
         0000 0000 0000 0000 0000 0000 0160",
    );
    assert_eq!(probe(MAC, "fd00::160".parse().unwrap()), expected);
}

#[test]
fn an_arp_sender_claims_its_address() {
    let address = "172.17.1.160".parse().unwrap();
    let gratuitous = announcement(MAC, address, false);
    assert_eq!(claimant(&gratuitous, address, OTHER), Some(MAC));
    let mut reply = gratuitous.clone();
    reply[21] = 2;
    assert_eq!(claimant(&reply, address, OTHER), Some(MAC));

    assert_eq!(claimant(&gratuitous, address, MAC), None, "our own");
    let other = "172.17.1.161".parse().unwrap();
    assert_eq!(claimant(&gratuitous, other, OTHER), None);
    assert_eq!(claimant(&probe(MAC, address), address, OTHER), None);
    let mut not_ethernet = gratuitous;
    not_ethernet[15] = 6;
    assert_eq!(claimant(&not_ethernet, address, OTHER), None);
}

#[test]
fn an_advertisement_claims_its_target() {
    let address = "fd00::160".parse().unwrap();
    let advertisement = announcement(MAC, address, false);
    assert_eq!(claimant(&advertisement, address, OTHER), Some(MAC));
    assert_eq!(claimant(&advertisement, address, MAC), None, "our own");
    let other = "fd00::161".parse().unwrap();
    assert_eq!(claimant(&advertisement, other, OTHER), None);
    assert_eq!(claimant(&probe(MAC, address), address, OTHER), None);

    let mut proxied = advertisement.clone();
    proxied[6..12].copy_from_slice(&OTHER);
    assert_eq!(claimant(&proxied, address, [0; 6]), Some(MAC), "the option");
    let without_option = &proxied[..78];
    assert_eq!(claimant(without_option, address, [0; 6]), Some(OTHER));
    let mut routed = advertisement;
    routed[21] = 254;
    assert_eq!(claimant(&routed, address, OTHER), None);
}

#[test]
fn cut_frames_claim_nothing() {
    for address in ["172.17.1.160", "fd00::160"] {
        let address: IpAddr = address.parse().unwrap();
        let frame = announcement(MAC, address, false);
        let needed = if address.is_ipv4() { 32 } else { 78 };
        for cut in 0..needed {
            assert_eq!(claimant(&frame[..cut], address, OTHER), None, "{cut}");
        }
    }
}
