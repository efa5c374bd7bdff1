//! Arbitrary octets as a VRRP message, over both families and for both versions: no panic, and what
//! is accepted can be sent again and is then read the same.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use vrrp::wire::{
    Advert, Auth, ChecksumV3, Checksums, Expect, GROUP_V4, GROUP_V6, Path, Version, ipv4_payload,
};

const IPV4: Path = Path {
    src: IpAddr::V4(Ipv4Addr::new(172, 17, 1, 150)),
    dst: IpAddr::V4(GROUP_V4),
};
const IPV6: Path = Path {
    src: IpAddr::V6(Ipv6Addr::LOCALHOST),
    dst: IpAddr::V6(GROUP_V6),
};

fuzz_target!(|octets: &[u8]| {
    if let Ok((meta, payload)) = ipv4_payload(octets) {
        let path = Path {
            src: IpAddr::V4(meta.src),
            dst: IpAddr::V4(meta.dst),
        };
        decode(payload.message(), &path);
    }
    decode(octets, &IPV4);
    decode(octets, &IPV6);
    // A checksum that happens to be right is rare: put it right, so that what lies behind is reached.
    let mut message = octets.to_vec();
    if let Some(field) = message.get_mut(6..8) {
        field.fill(0);
        let sum = sum(&message);
        message[6..8].copy_from_slice(&sum.to_be_bytes());
        decode(&message, &IPV4);
    }
});

fn decode(octets: &[u8], path: &Path) {
    for (version, auth) in [
        (Version::V2, Auth::None),
        (Version::V2, Auth::pass(b"s3cret")),
        (Version::V3, Auth::None),
    ] {
        let expect = Expect {
            version,
            auth,
            checksums: Checksums::ANY,
            allow_empty: true,
        };
        let Ok(advert) = Advert::decode(octets, path, &expect) else {
            continue;
        };
        let mut again = Vec::new();
        advert
            .encode(path, ChecksumV3::PseudoHeader, &mut again)
            .expect("what was received can be sent");
        assert_eq!(Advert::decode(&again, path, &expect), Ok(advert));
    }
}

/// The checksum of version 2, and of version 3 without pseudo header.
fn sum(octets: &[u8]) -> u16 {
    let mut sum: u32 = octets
        .chunks(2)
        .map(|word| {
            let low = word.get(1).copied().unwrap_or(0);
            u32::from(u16::from_be_bytes([word[0], low]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
