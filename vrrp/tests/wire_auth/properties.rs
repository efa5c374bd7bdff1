//! What holds for every authenticated message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;
use vrrp::wire::{
    Advert, Auth, AuthConfig, AuthError, ChecksumV3, Checksums, Expect, Guard, HmacAuth, HmacKey,
    HmacMode, Path, Payload, Version, ipv4_payload,
};

use crate::site::{NOON, WINDOW, ah};

#[derive(Clone, Debug)]
struct Sent {
    advert: Advert,
    path: Path,
    config: AuthConfig,
}

impl Sent {
    fn octets(&self) -> Vec<u8> {
        let mut message = Vec::new();
        self.advert
            .encode(&self.path, ChecksumV3::PseudoHeader, &mut message)
            .unwrap();
        let mut guard = Guard::new(&self.config);
        let Advert { version, vrid, .. } = self.advert;
        if guard.is_ah() {
            let mut packet = Vec::new();
            assert!(guard.seal_ah(NOON, &self.path, 255, &message, &mut packet));
            return packet;
        }
        guard.seal(NOON, version, vrid, &self.path, &mut message);
        message
    }

    /// Authentic, and an advert.
    fn received(&self, octets: &[u8]) -> Result<Advert, &'static str> {
        let payload = match self.config {
            AuthConfig::Ah { .. } => ipv4_payload(octets).map_err(|_| "ip")?.1,
            _ => Payload::Vrrp(octets),
        };
        let Advert { version, vrid, .. } = self.advert;
        let message = Guard::new(&self.config)
            .open(NOON, version, vrid, &self.path, payload)
            .map_err(|error| error.classify())?;
        let expect = Expect {
            version,
            auth: self.advert.auth,
            checksums: Checksums::ANY,
            allow_empty: true,
        };
        Advert::decode(message, &self.path, &expect).map_err(|error| error.classify())
    }
}

fn hmac_config() -> impl Strategy<Value = AuthConfig> {
    let secret = prop::collection::vec(any::<u8>(), 32..=64);
    (1..=255_u8, secret).prop_map(|(id, secret)| {
        AuthConfig::Hmac(HmacAuth {
            keys: vec![HmacKey { id, secret }],
            active_key: id,
            mode: HmacMode::Enforce,
            anti_replay: WINDOW,
        })
    })
}

fn address(ipv4: bool) -> BoxedStrategy<IpAddr> {
    if ipv4 {
        any::<Ipv4Addr>().prop_map(IpAddr::V4).boxed()
    } else {
        any::<Ipv6Addr>().prop_map(IpAddr::V6).boxed()
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let kind = prop_oneof![
        (Just((Version::V2, true)), Just(ah("s3cret")).boxed()),
        (Just((Version::V2, true)), hmac_config().boxed()),
        (Just((Version::V3, true)), hmac_config().boxed()),
        (Just((Version::V3, false)), hmac_config().boxed()),
    ];
    kind.prop_flat_map(|((version, ipv4), config)| {
        let addresses = prop::collection::vec(address(ipv4), 0..5);
        let path = (address(ipv4), address(ipv4)).prop_map(|(src, dst)| Path { src, dst });
        let octets = (any::<u8>(), any::<u8>(), 1..=40_u64);
        (octets, addresses, path, Just(config)).prop_map(
            move |((vrid, priority, seconds), addresses, path, config)| Sent {
                advert: Advert {
                    version,
                    vrid,
                    priority,
                    interval: Duration::from_secs(seconds),
                    auth: config.message_auth(),
                    addresses,
                },
                path,
                config,
            },
        )
    })
}

proptest! {
    #[test]
    fn opening_undoes_sealing(sent in sent()) {
        prop_assert_eq!(sent.received(&sent.octets()), Ok(sent.advert));
    }

    #[test]
    fn a_flipped_bit_is_refused(sent in sent(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut octets = sent.octets();
        let at = at.index(octets.len());
        octets[at] ^= 1_u8 << bit;
        // Of the IP header, fields that change on the way.
        let may_change = sent.config.message_auth() == Auth::Ah && [1, 6, 7, 10, 11].contains(&at);
        prop_assert_eq!(sent.received(&octets).is_ok(), may_change, "octet {}", at);
    }

    #[test]
    fn arbitrary_octets_do_no_harm(
        sent in sent(),
        octets in prop::collection::vec(any::<u8>(), 0..128),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut guard = Guard::new(&sent.config);
        let mut longer = sent.octets();
        longer.extend(tail);
        for octets in [octets, longer] {
            let payload = ipv4_payload(&octets).map(|(_, payload)| payload);
            for payload in payload.into_iter().chain([Payload::Vrrp(&octets)]) {
                let opened = guard.open(NOON, Version::V3, 51, &sent.path, payload);
                if let Err(error) = opened {
                    prop_assert!(AuthError::CLASSES.contains(&error.classify()));
                }
            }
        }
    }
}
