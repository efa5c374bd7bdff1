//! Authenticated messages as keepalived sends them, kept as octets.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use vrrp::wire::{
    Advert, AhKey, AuthConfig, ChecksumV3, Checksums, Expect, Guard, HmacAuth, HmacKey, HmacMode,
    Path, Payload, Version, ipv4_payload,
};

use crate::site::WINDOW;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    #[serde(rename = "conditions")]
    _conditions: String,
    #[serde(rename = "origin")]
    _origin: String,
    src: IpAddr,
    dst: IpAddr,
    version: u8,
    /// `None`: an authentication header, and the packets begin with the IP header.
    key_id: Option<u8>,
    /// In hexadecimal.
    key: String,
    vrid: u8,
    interval_ms: u64,
    addresses: Vec<IpAddr>,
    packets: Vec<Packet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Packet {
    captured_us: u64,
    priority: u8,
    octets: String,
}

fn octets(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

impl Vector {
    fn version(&self) -> Version {
        match self.version {
            2 => Version::V2,
            3 => Version::V3,
            other => panic!("version {other}"),
        }
    }

    fn path(&self) -> Path {
        Path {
            src: self.src,
            dst: self.dst,
        }
    }

    fn config(&self) -> AuthConfig {
        let secret = octets(&self.key);
        match self.key_id {
            None => AuthConfig::Ah { key: AhKey(secret) },
            Some(id) => AuthConfig::Hmac(HmacAuth {
                keys: vec![HmacKey { id, secret }],
                active_key: id,
                mode: HmacMode::Enforce,
                anti_replay: WINDOW,
            }),
        }
    }

    fn advert(&self, packet: &Packet) -> Advert {
        Advert {
            version: self.version(),
            vrid: self.vrid,
            priority: packet.priority,
            interval: Duration::from_millis(self.interval_ms),
            auth: self.config().message_auth(),
            addresses: self.addresses.clone(),
        }
    }

    /// What our own guard makes of the advert in `packet`.
    fn sealed(&self, guard: &mut Guard, packet: &Packet) -> Vec<u8> {
        let path = self.path();
        let mut message = Vec::new();
        self.advert(packet)
            .encode(&path, ChecksumV3::PseudoHeader, &mut message)
            .unwrap();
        let captured = octets(&packet.octets);
        if self.key_id.is_some() {
            let wall = sent(captured[message.len() + 4..][..6].try_into().unwrap());
            guard.seal(wall, self.version(), self.vrid, &path, &mut message);
            return message;
        }
        let mut out = Vec::new();
        // The first sequence number is the time.
        assert!(guard.seal_ah(Duration::from_secs(1), &path, 255, &message, &mut out));
        // The header checksum is the kernel's.
        out[10..12].copy_from_slice(&captured[10..12]);
        out
    }
}

/// The least time that a trailer says so.
fn sent(time: [u8; 6]) -> Duration {
    let [s0, s1, s2, s3, f0, f1] = time;
    let seconds = u32::from_be_bytes([s0, s1, s2, s3]);
    let fraction = u64::from(u16::from_be_bytes([f0, f1]));
    Duration::from_secs(u64::from(seconds))
        + Duration::from_nanos((fraction * 1_000_000_000).div_ceil(1 << 16))
}

fn vectors() -> Vec<(String, Vector)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/auth");
    let files = std::fs::read_dir(&folder).expect("the folder of vectors");
    files
        .map(|file| {
            let file = file.expect("a file").path();
            let text = std::fs::read_to_string(&file).expect("a readable file");
            let vector = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            (file.display().to_string(), vector)
        })
        .collect()
}

#[test]
fn all_vectors_are_read() {
    let packets: usize = vectors().iter().map(|(_, v)| v.packets.len()).sum();
    assert_eq!((vectors().len(), packets), (7, 63));
}

#[test]
fn captured_messages_are_accepted_in_their_order() {
    for (name, vector) in vectors() {
        let mut guard = Guard::new(&vector.config());
        for packet in &vector.packets {
            let octets = octets(&packet.octets);
            let payload = match vector.key_id {
                None => ipv4_payload(&octets).unwrap().1,
                Some(_) => Payload::Vrrp(&octets),
            };
            let wall = Duration::from_micros(packet.captured_us);
            let opened = guard.open(wall, vector.version(), vector.vrid, &vector.path(), payload);
            let message = opened.unwrap_or_else(|error| panic!("{name}: {error}"));
            let expect = Expect {
                version: vector.version(),
                auth: vector.config().message_auth(),
                checksums: Checksums::only(ChecksumV3::PseudoHeader),
                allow_empty: false,
            };
            let decoded = Advert::decode(message, &vector.path(), &expect);
            assert_eq!(decoded, Ok(vector.advert(packet)), "{name}");
            guard.commit();
            let again = guard.open(wall, vector.version(), vector.vrid, &vector.path(), payload);
            let class = again.map_err(|error| error.classify());
            assert!(
                matches!(class, Err("auth_ext_replay" | "ah_replay")),
                "{name}: {class:?}"
            );
        }
    }
}

#[test]
fn sealing_gives_the_same_octets() {
    for (name, vector) in vectors() {
        let mut guard = Guard::new(&vector.config());
        for packet in &vector.packets {
            let sealed = vector.sealed(&mut guard, packet);
            assert_eq!(sealed, octets(&packet.octets), "{name}");
        }
    }
}

#[test]
fn the_other_key_is_refused() {
    for (name, mut vector) in vectors() {
        vector.key = vector.key.replacen('3', "4", 1);
        let mut guard = Guard::new(&vector.config());
        for packet in &vector.packets {
            let octets = octets(&packet.octets);
            let payload = match vector.key_id {
                None => ipv4_payload(&octets).unwrap().1,
                Some(_) => Payload::Vrrp(&octets),
            };
            let wall = Duration::from_micros(packet.captured_us);
            let opened = guard.open(wall, vector.version(), vector.vrid, &vector.path(), payload);
            let class = opened.map_err(|error| error.classify());
            assert!(
                matches!(class, Err("auth_ext_invalid_hmac" | "auth_failure")),
                "{name}: {class:?}"
            );
        }
    }
}
