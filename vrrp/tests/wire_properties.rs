//! What holds for every message: encoding and decoding are inverse, arbitrary octets do no harm,
//! a flipped bit does not go unnoticed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;
use vrrp::wire::{
    Advert, Auth, ChecksumV3, Checksums, Expect, Path, Version, ipv4_payload, peek_vrid,
};

/// A message with the path it takes and the dialect it is sent in.
#[derive(Clone, Debug)]
struct Sent {
    advert: Advert,
    path: Path,
    sum: ChecksumV3,
}

impl Sent {
    fn octets(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.advert
            .encode(&self.path, self.sum, &mut out)
            .expect("a valid advert");
        out
    }

    fn expect(&self) -> Expect {
        Expect {
            version: self.advert.version,
            auth: self.advert.auth,
            checksums: Checksums::only(self.sum),
            allow_empty: self.advert.addresses.is_empty(),
        }
    }
}

fn address(ipv4: bool) -> BoxedStrategy<IpAddr> {
    if ipv4 {
        any::<Ipv4Addr>().prop_map(IpAddr::V4).boxed()
    } else {
        any::<Ipv6Addr>().prop_map(IpAddr::V6).boxed()
    }
}

fn path(ipv4: bool) -> impl Strategy<Value = Path> {
    (address(ipv4), address(ipv4)).prop_map(|(src, dst)| Path { src, dst })
}

fn sum() -> impl Strategy<Value = ChecksumV3> {
    prop_oneof![
        Just(ChecksumV3::PseudoHeader),
        Just(ChecksumV3::MessageOnly),
        Just(ChecksumV3::GroupPseudoHeader),
    ]
}

/// Version and family, of which version 2 has one only.
fn kind() -> impl Strategy<Value = (Version, bool)> {
    prop_oneof![
        Just((Version::V2, true)),
        Just((Version::V3, true)),
        Just((Version::V3, false)),
    ]
}

/// Interval and authentication that suit the version.
fn timing(version: Version) -> BoxedStrategy<(Duration, Auth)> {
    match version {
        Version::V2 => {
            let auth = prop_oneof![Just(Auth::None), any::<[u8; 8]>().prop_map(Auth::Pass)];
            (1..=255_u64, auth)
                .prop_map(|(seconds, auth)| (Duration::from_secs(seconds), auth))
                .boxed()
        }
        Version::V3 => (1..=4095_u64)
            .prop_map(|centiseconds| (Duration::from_millis(centiseconds * 10), Auth::None))
            .boxed(),
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    kind().prop_flat_map(|(version, ipv4)| {
        let addresses = prop_oneof![
            4 => prop::collection::vec(address(ipv4), 0..5),
            1 => prop::collection::vec(address(ipv4), 250..=255),
        ];
        let octets = (any::<u8>(), any::<u8>());
        (octets, timing(version), addresses, path(ipv4), sum()).prop_map(
            move |((vrid, priority), (interval, auth), addresses, path, sum)| Sent {
                advert: Advert {
                    version,
                    vrid,
                    priority,
                    interval,
                    auth,
                    addresses,
                },
                path,
                sum,
            },
        )
    })
}

fn expect() -> impl Strategy<Value = Expect> {
    let auth = prop_oneof![Just(Auth::None), any::<[u8; 8]>().prop_map(Auth::Pass)];
    let version = prop_oneof![Just(Version::V2), Just(Version::V3)];
    (version, auth, any::<bool>()).prop_map(|(version, auth, allow_empty)| Expect {
        version,
        auth,
        checksums: Checksums::ANY,
        allow_empty,
    })
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(sent in sent()) {
        let octets = sent.octets();
        prop_assert_eq!(peek_vrid(&octets), Some(sent.advert.vrid));
        let decoded = Advert::decode(&octets, &sent.path, &sent.expect());
        prop_assert_eq!(decoded, Ok(sent.advert));
    }

    #[test]
    fn a_flipped_bit_is_refused(sent in sent(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut octets = sent.octets();
        let at = at.index(octets.len());
        octets[at] ^= 1_u8 << bit;
        let decoded = Advert::decode(&octets, &sent.path, &sent.expect());
        // A lower count leaves octets behind the message unsummed, so it may pass by chance; the
        // advert is another one then.
        prop_assert_ne!(decoded.as_ref(), Ok(&sent.advert));
        if at != 3 {
            prop_assert!(decoded.is_err());
        }
    }

    #[test]
    fn arbitrary_octets_do_no_harm(
        octets in prop::collection::vec(any::<u8>(), 0..128),
        ipv4 in path(true),
        ipv6 in path(false),
        expect in expect(),
    ) {
        let _ = ipv4_payload(&octets);
        for path in [ipv4, ipv6] {
            if let Ok(advert) = Advert::decode(&octets, &path, &expect) {
                prop_assert!(advert.encode(&path, ChecksumV3::PseudoHeader, &mut Vec::new()).is_ok());
            }
        }
    }

    /// Octets that pass all checks but the last few, so that the deeper ones are reached.
    #[test]
    fn what_is_accepted_encodes_to_an_equal_message(
        sent in sent(),
        timing in any::<[u8; 2]>(),
        tail in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut octets = sent.octets();
        octets[4..6].copy_from_slice(&timing);
        octets.extend(tail);
        let expect = Expect { checksums: Checksums::ANY, ..sent.expect() };
        if let Ok(advert) = Advert::decode(&octets, &sent.path, &expect) {
            let again = Sent { advert, ..sent };
            prop_assert_eq!(
                Advert::decode(&again.octets(), &again.path, &again.expect()),
                Ok(again.advert)
            );
        }
    }
}
