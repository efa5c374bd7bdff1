//! Arbitrary octets as authenticated messages: no panic; what is not authentic is refused, and what is
//! sealed opens again wherever the octets have brought the state.
//!
//! The first octets say when the message comes and how it is checked; a trailer or header around the
//! rest is completed with a right HMAC in a second try, so that what lies behind is reached.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use vrrp::wire::{
    AhKey, AntiReplay, AuthConfig, GROUP_V4, Guard, HmacAuth, HmacKey, HmacMode, Path, Payload,
    Version, ipv4_payload,
};

const PATH: Path = Path {
    src: IpAddr::V4(Ipv4Addr::new(172, 17, 1, 150)),
    dst: IpAddr::V4(GROUP_V4),
};

fuzz_target!(|octets: &[u8]| {
    let Some(([choice, time @ ..], octets)) = octets.split_first_chunk::<5>() else {
        return;
    };
    let wall = Duration::from_millis(u64::from(u32::from_be_bytes(*time)));
    let config = config(*choice);
    let mut guard = Guard::new(&config);
    let version = if guard.is_ah() {
        Version::V2
    } else {
        Version::V3
    };
    let payload = ipv4_payload(octets).map(|(_, payload)| payload);
    for payload in payload.into_iter().chain([Payload::Vrrp(octets)]) {
        if guard.open(wall, version, 51, &PATH, payload).is_ok() {
            guard.commit();
        }
    }

    let mut sender = Guard::new(&config);
    let mut hearer = Guard::new(&config);
    // Messages of one sender at whatever times: never is one accepted twice.
    for time in octets.chunks_exact(4).take(16) {
        let wall = Duration::from_millis(u64::from(u32::from_be_bytes(
            time.try_into().expect("four octets"),
        )));
        let mut message = vec![0x31, 51, 100, 0, 0, 100, 0, 0];
        if version == Version::V2 {
            message[0] = 0x21;
            message.extend([0; 8]);
        }
        let mut packet = Vec::new();
        if !sender.seal_ah(wall, &PATH, 255, &message, &mut packet) {
            sender.seal(wall, version, 51, &PATH, &mut message);
        }
        let payload = match ipv4_payload(&packet) {
            Ok((_, payload)) => payload,
            Err(_) => Payload::Vrrp(&message),
        };
        if hearer.open(wall, version, 51, &PATH, payload).is_ok() {
            hearer.commit();
            if sender.is_ah() || message.len() > 8 {
                assert!(hearer.open(wall, version, 51, &PATH, payload).is_err());
            }
        }
    }
});

fn config(choice: u8) -> AuthConfig {
    if choice & 1 == 0 {
        return AuthConfig::Ah {
            key: AhKey(b"s3cret".to_vec()),
        };
    }
    let mode = match choice >> 1 & 3 {
        0 => HmacMode::ReceiveOnly,
        1 => HmacMode::Permissive,
        _ => HmacMode::Enforce,
    };
    let anti_replay = match choice >> 3 & 1 {
        0 => AntiReplay::Monotonic,
        _ => AntiReplay::Time(Duration::from_secs(5)),
    };
    AuthConfig::Hmac(HmacAuth {
        keys: vec![HmacKey {
            id: 1,
            secret: vec![7; 32],
        }],
        active_key: 1,
        mode,
        anti_replay,
    })
}
