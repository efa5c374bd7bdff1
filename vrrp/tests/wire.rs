//! The checks of a received message one by one, and what encoding refuses.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vrrp::wire::{
    Advert, Auth, ChecksumV3, Checksums, DecodeError, EncodeError, Expect, GROUP_V4, GROUP_V6,
    Ipv4Error, Path, Payload, TtlRange, Version, ipv4_payload, peek_vrid,
};

const MULTICAST: Path = Path {
    src: IpAddr::V4(Ipv4Addr::new(172, 17, 1, 150)),
    dst: IpAddr::V4(GROUP_V4),
};
const PEER: Path = Path {
    src: MULTICAST.src,
    dst: IpAddr::V4(Ipv4Addr::new(172, 17, 1, 151)),
};
const V3: Expect = Expect::v3(Checksums::only(ChecksumV3::PseudoHeader));

fn multicast6() -> Path {
    Path {
        src: "fe80::1".parse().unwrap(),
        dst: IpAddr::V6(GROUP_V6),
    }
}

fn advert(version: Version) -> Advert {
    Advert {
        version,
        vrid: 51,
        priority: 150,
        interval: Duration::from_secs(1),
        auth: Auth::None,
        addresses: vec!["172.17.1.160".parse().unwrap()],
    }
}

fn encoded(advert: &Advert, path: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    advert
        .encode(path, ChecksumV3::PseudoHeader, &mut out)
        .unwrap();
    out
}

/// The octets of a version 2 message after `change`, with the checksum put right again.
fn v2_with(auth: Auth, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut octets = encoded(
        &Advert {
            auth,
            ..advert(Version::V2)
        },
        &MULTICAST,
    );
    change(&mut octets);
    octets[6..8].fill(0);
    let mut sum: u32 = octets
        .chunks(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).unwrap();
    octets[6..8].copy_from_slice(&sum.to_be_bytes());
    octets
}

fn v2(octets: &[u8], auth: Auth) -> Result<Advert, DecodeError> {
    Advert::decode(octets, &MULTICAST, &Expect::v2(auth))
}

#[test]
fn a_ttl_outside_its_range_is_refused() {
    assert_eq!(TtlRange::LINK.check(255), Ok(()));
    let error = TtlRange::LINK.check(254).unwrap_err();
    assert_eq!(error.to_string(), "TTL or hop limit is 254, expected 255");
    let near = TtlRange { min: 62, max: 64 };
    let accepted: Vec<_> = (0..=255).filter(|ttl| near.check(*ttl).is_ok()).collect();
    assert_eq!(accepted, [62, 63, 64]);
    let error = near.check(65).unwrap_err();
    assert_eq!(
        error.to_string(),
        "TTL or hop limit is 65, expected 62 to 64"
    );
    assert_eq!(TtlRange::ANY.check(0), Ok(()));
}

#[test]
fn families_must_agree_and_suit_the_version() {
    let octets = encoded(&advert(Version::V3), &MULTICAST);
    let mixed = Path {
        src: multicast6().src,
        dst: MULTICAST.dst,
    };
    let refused = |version| Err(DecodeError::Family { version });
    assert_eq!(Advert::decode(&octets, &mixed, &V3), refused(3));
    let v2 = Expect::v2(Auth::None);
    assert_eq!(Advert::decode(&octets, &multicast6(), &v2), refused(2));
}

#[test]
fn version_is_checked_before_type_and_length() {
    let error = DecodeError::Version {
        found: 3,
        expected: 2,
    };
    assert_eq!(v2(&[0x3f], Auth::None), Err(error));
    let error = DecodeError::Type { found: 15 };
    assert_eq!(v2(&[0x2f], Auth::None), Err(error));
}

#[test]
fn every_cut_is_a_length_error_with_the_numbers() {
    for (version, expect, full) in [
        (Version::V2, Expect::v2(Auth::None), 20),
        (Version::V3, V3, 12),
    ] {
        let octets = encoded(&advert(version), &MULTICAST);
        assert_eq!(octets.len(), full);
        for found in 0..full {
            let expected = if found < 8 { 8 } else { full };
            let error = DecodeError::Length { found, expected };
            let decoded = Advert::decode(&octets[..found], &MULTICAST, &expect);
            assert_eq!(decoded, Err(error));
        }
    }
}

#[test]
fn octets_after_an_ipv4_message_are_ignored_and_not_summed() {
    for (version, expect) in [(Version::V2, Expect::v2(Auth::None)), (Version::V3, V3)] {
        let mut octets = encoded(&advert(version), &MULTICAST);
        octets.extend([1, 2, 3, 4, 5]);
        let decoded = Advert::decode(&octets, &MULTICAST, &expect);
        assert_eq!(decoded, Ok(advert(version)));
    }
}

#[test]
fn octets_after_an_ipv6_message_are_ignored_but_summed() {
    // Captured from keepalived 2.4.3, which appends 28 octets here; its kernel sums over all.
    let octets = [
        "3133960200644349fe800000000000000000000000005100fd0000000000000000000000",
        "00000160010100006b0107f4b55c00009a43d0b58c32ddf50bdd4e312be5fbd1",
    ]
    .concat();
    let octets: Vec<u8> = (0..octets.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&octets[at..at + 2], 16).unwrap())
        .collect();
    let path = Path {
        src: "fe80::9412:4fff:fe5b:4648".parse().unwrap(),
        dst: IpAddr::V6(GROUP_V6),
    };
    let advert = Advert::decode(&octets, &path, &V3).unwrap();
    let addresses: [IpAddr; 2] = ["fe80::5100".parse().unwrap(), "fd00::160".parse().unwrap()];
    assert_eq!(advert.addresses, addresses);
    let cut = Advert::decode(&octets[..40], &path, &V3).unwrap_err();
    assert_eq!(cut.classify(), "checksum");
}

#[test]
fn a_wrong_checksum_is_told_with_the_right_one() {
    for (version, expect, right) in [
        (Version::V2, Expect::v2(Auth::None), 0x9b18),
        (Version::V3, V3, 0xfc7e),
    ] {
        let mut octets = encoded(&advert(version), &MULTICAST);
        octets[6..8].copy_from_slice(&[0x12, 0x34]);
        let error = DecodeError::Checksum {
            found: 0x1234,
            expected: right,
        };
        let decoded = Advert::decode(&octets, &MULTICAST, &expect);
        assert_eq!(decoded, Err(error));
    }
}

#[test]
fn only_the_accepted_checksum_dialects_pass() {
    let dialects = [
        ChecksumV3::PseudoHeader,
        ChecksumV3::MessageOnly,
        ChecksumV3::GroupPseudoHeader,
    ];
    let sent = advert(Version::V3);
    for spoken in dialects {
        let mut octets = Vec::new();
        sent.encode(&PEER, spoken, &mut octets).unwrap();
        for accepted in dialects {
            let expect = Expect::v3(Checksums::only(accepted));
            let decoded = Advert::decode(&octets, &PEER, &expect);
            assert_eq!(
                decoded.is_ok(),
                spoken == accepted,
                "{spoken:?} {accepted:?}"
            );
        }
        let decoded = Advert::decode(&octets, &PEER, &Expect::v3(Checksums::ANY));
        assert_eq!(decoded.as_ref(), Ok(&sent));
    }
}

#[test]
fn the_checksum_holds_for_its_path_only() {
    let octets = encoded(&advert(Version::V3), &MULTICAST);
    let error = Advert::decode(&octets, &PEER, &V3).unwrap_err();
    assert_eq!(error.classify(), "checksum");
    // Version 2 does not cover the addresses of the IP header.
    let octets = encoded(&advert(Version::V2), &MULTICAST);
    let expect = Expect::v2(Auth::None);
    assert!(Advert::decode(&octets, &PEER, &expect).is_ok());
}

#[test]
fn authentication_must_be_the_configured_one() {
    let pass = Auth::pass(b"s3cret");
    let octets = v2_with(pass, |_| ());
    assert_eq!(v2(&octets, pass).unwrap().auth, pass);
    assert_eq!(
        v2(&octets, Auth::pass(b"s3cret!")),
        Err(DecodeError::AuthData)
    );
    let error = DecodeError::AuthType {
        found: 1,
        expected: 0,
    };
    assert_eq!(v2(&octets, Auth::None), Err(error));
    let octets = v2_with(Auth::None, |octets| octets[4] = 2);
    let error = DecodeError::AuthType {
        found: 2,
        expected: 1,
    };
    assert_eq!(v2(&octets, pass), Err(error));
}

#[test]
fn authentication_data_without_a_type_is_ignored() {
    let octets = v2_with(Auth::None, |octets| octets[12..].fill(7));
    assert_eq!(v2(&octets, Auth::None), Ok(advert(Version::V2)));
}

#[test]
fn a_password_is_cut_at_eight_octets_and_never_shown() {
    let auth = Auth::pass(b"longer than eight");
    assert_eq!(auth, Auth::Pass(*b"longer t"));
    let shown = format!(
        "{:?}",
        Advert {
            auth,
            ..advert(Version::V2)
        }
    );
    assert!(shown.contains("Pass(..)"), "{shown}");
    let expect = format!("{:?}", Expect::v2(auth));
    for text in [shown, expect] {
        assert!(!text.contains("108") && !text.contains("longer"), "{text}");
    }
}

#[test]
fn an_interval_of_zero_is_refused() {
    let octets = v2_with(Auth::None, |octets| octets[5] = 0);
    assert_eq!(v2(&octets, Auth::None), Err(DecodeError::Interval));
}

#[test]
fn an_empty_list_is_refused_unless_allowed() {
    let empty = Advert {
        addresses: Vec::new(),
        ..advert(Version::V3)
    };
    let octets = encoded(&empty, &MULTICAST);
    let decoded = Advert::decode(&octets, &MULTICAST, &V3);
    assert_eq!(decoded, Err(DecodeError::Count));
    let expect = Expect {
        allow_empty: true,
        ..V3
    };
    assert_eq!(Advert::decode(&octets, &MULTICAST, &expect), Ok(empty));
}

#[test]
fn reserved_bits_of_version_3_are_ignored() {
    let mut octets = encoded(&advert(Version::V3), &MULTICAST);
    octets[4] |= 0xf0;
    // 0xf000 more in one word is 0xf000 less in the checksum: fc7e - f000.
    octets[6..8].copy_from_slice(&[0x0c, 0x7e]);
    let decoded = Advert::decode(&octets, &MULTICAST, &V3);
    assert_eq!(decoded, Ok(advert(Version::V3)));
}

#[test]
fn the_longest_intervals_fit() {
    for (version, interval, timing) in [
        (Version::V2, Duration::from_secs(255), [0, 255]),
        (Version::V3, Duration::from_millis(40_950), [0x0f, 0xff]),
    ] {
        let advert = Advert {
            interval,
            ..advert(version)
        };
        assert_eq!(encoded(&advert, &MULTICAST)[4..6], timing);
    }
}

#[test]
fn encoding_refuses_intervals_the_wire_cannot_say() {
    for (version, interval) in [
        (Version::V2, Duration::ZERO),
        (Version::V2, Duration::from_millis(1500)),
        (Version::V2, Duration::from_secs(256)),
        (Version::V3, Duration::ZERO),
        (Version::V3, Duration::from_millis(15)),
        (Version::V3, Duration::from_millis(40_960)),
        (Version::V3, Duration::MAX),
    ] {
        let advert = Advert {
            interval,
            ..advert(version)
        };
        let mut out = vec![1];
        let encoded = advert.encode(&MULTICAST, ChecksumV3::PseudoHeader, &mut out);
        let error = EncodeError::Interval {
            interval,
            version: version.number(),
        };
        assert_eq!(encoded, Err(error));
        assert_eq!(out, [1], "nothing is appended");
    }
}

#[test]
fn encoding_refuses_addresses_of_another_family_and_too_many() {
    fn encode(advert: &Advert, path: &Path) -> Result<(), EncodeError> {
        advert.encode(path, ChecksumV3::PseudoHeader, &mut Vec::new())
    }
    let v3 = advert(Version::V3);
    let error = EncodeError::Address {
        address: v3.addresses[0],
    };
    assert_eq!(encode(&v3, &multicast6()), Err(error));
    let error = EncodeError::Family { version: 2 };
    assert_eq!(encode(&advert(Version::V2), &multicast6()), Err(error));
    let many = Advert {
        addresses: vec![v3.addresses[0]; 256],
        ..v3
    };
    assert_eq!(
        encode(&many, &MULTICAST),
        Err(EncodeError::Count { found: 256 })
    );
}

#[test]
fn encoding_appends() {
    let mut out = vec![9; 3];
    advert(Version::V3)
        .encode(&MULTICAST, ChecksumV3::PseudoHeader, &mut out)
        .unwrap();
    assert_eq!(out[..3], [9; 3]);
    assert_eq!(out[3..], encoded(&advert(Version::V3), &MULTICAST));
}

#[test]
fn the_vrid_can_be_looked_at_first() {
    assert_eq!(peek_vrid(&[0x21]), None);
    assert_eq!(peek_vrid(&[0x21, 51]), Some(51));
}

#[test]
fn every_class_of_error_is_listed() {
    let errors = [
        DecodeError::Ip(Ipv4Error::Version { found: 6 }),
        DecodeError::Ttl {
            found: 1,
            expected: TtlRange::LINK,
        },
        DecodeError::Family { version: 2 },
        DecodeError::Version {
            found: 2,
            expected: 3,
        },
        DecodeError::Type { found: 2 },
        DecodeError::Length {
            found: 0,
            expected: 8,
        },
        DecodeError::Checksum {
            found: 0,
            expected: 1,
        },
        DecodeError::AuthType {
            found: 0,
            expected: 1,
        },
        DecodeError::AuthData,
        DecodeError::Count,
        DecodeError::Interval,
    ];
    let classes: Vec<_> = errors.iter().map(DecodeError::classify).collect();
    assert_eq!(classes, DecodeError::CLASSES);
}

/// An advert's IP header as captured, with `change` applied.
fn packet(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut packet = vec![
        0x45, 0xc0, 0x00, 0x20, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0x2c, 0xf3, 0xac, 0x11, 0x01,
        0x96, 0xe0, 0x00, 0x00, 0x12,
    ];
    packet.extend(encoded(&advert(Version::V3), &MULTICAST));
    change(&mut packet);
    packet
}

#[test]
fn an_ipv4_header_is_taken_off_with_options_and_padding() {
    let plain = packet(|_| ());
    let (meta, payload) = ipv4_payload(&plain).unwrap();
    assert_eq!(IpAddr::V4(meta.src), MULTICAST.src);
    assert_eq!(IpAddr::V4(meta.dst), MULTICAST.dst);
    assert_eq!(meta.ttl, 255);
    assert_eq!(payload, Payload::Vrrp(&plain[20..]));

    let padded = packet(|packet| packet.extend([0; 14]));
    assert_eq!(ipv4_payload(&padded).unwrap().1, payload);

    let options = packet(|packet| {
        packet[0] = 0x46;
        packet[3] += 4;
        packet.splice(20..20, [0x94, 4, 0, 0]);
    });
    assert_eq!(ipv4_payload(&options).unwrap().1, payload);
}

#[test]
fn broken_ipv4_headers_are_refused() {
    let refused = |change: fn(&mut Vec<u8>)| ipv4_payload(&packet(change)).unwrap_err();
    assert_eq!(
        refused(|packet| packet.truncate(19)),
        Ipv4Error::Short {
            found: 19,
            expected: 20
        }
    );
    assert_eq!(
        refused(|packet| packet[0] = 0x4f),
        Ipv4Error::Short {
            found: 32,
            expected: 60
        }
    );
    assert_eq!(
        refused(|packet| packet[0] = 0x65),
        Ipv4Error::Version { found: 6 }
    );
    assert_eq!(
        refused(|packet| packet[0] = 0x44),
        Ipv4Error::HeaderLength { found: 16 }
    );
    for claimed in [19, 33] {
        let mut packet = packet(|_| ());
        packet[3] = claimed;
        let error = Ipv4Error::TotalLength {
            claimed: usize::from(claimed),
            found: 32,
        };
        assert_eq!(ipv4_payload(&packet), Err(error));
    }
    assert_eq!(
        refused(|packet| packet[9] = 50),
        Ipv4Error::Protocol { found: 50 }
    );
    assert_eq!(
        refused(|packet| packet[9] = 51),
        Ipv4Error::AuthenticationHeader
    );
}
