//! Messages as other routers send them, kept as octets: each file of `vectors/` says under which
//! conditions they were sent. Decoding gives the advert described, encoding it the same octets.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use vrrp::wire::{Advert, Auth, ChecksumV3, Checksums, Expect, Path, Version};

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
    checksum: ChecksumV3,
    password: Option<String>,
    interval_ms: u64,
    addresses: Vec<IpAddr>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    vrid: u8,
    priority: u8,
    octets: String,
}

impl Vector {
    fn version(&self) -> Version {
        match self.version {
            2 => Version::V2,
            3 => Version::V3,
            other => panic!("version {other}"),
        }
    }

    fn auth(&self) -> Auth {
        self.password
            .as_ref()
            .map_or(Auth::None, |password| Auth::pass(password.as_bytes()))
    }

    fn expect(&self) -> Expect {
        match self.version() {
            Version::V2 => Expect::v2(self.auth()),
            Version::V3 => Expect::v3(Checksums::only(self.checksum)),
        }
    }

    fn advert(&self, message: &Message) -> Advert {
        Advert {
            version: self.version(),
            vrid: message.vrid,
            priority: message.priority,
            interval: Duration::from_millis(self.interval_ms),
            auth: self.auth(),
            addresses: self.addresses.clone(),
        }
    }
}

fn octets(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// All vectors, with the names of their files.
fn vectors() -> Vec<(String, Vector)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let files = std::fs::read_dir(&folder).expect("the folder of vectors");
    let mut vectors: Vec<_> = files
        .map(|file| file.expect("a file").path())
        .filter(|file| file.extension().is_some())
        .map(|file| {
            let text = std::fs::read_to_string(&file).expect("a readable file");
            let vector = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            (file.display().to_string(), vector)
        })
        .collect();
    vectors.sort_by(|a, b| a.0.cmp(&b.0));
    vectors
}

#[test]
fn all_vectors_are_read() {
    assert_eq!(vectors().len(), 19);
}

#[test]
fn decoding_gives_the_advert_described() {
    for (name, vector) in vectors() {
        let path = Path {
            src: vector.src,
            dst: vector.dst,
        };
        for message in &vector.messages {
            let decoded = Advert::decode(&octets(&message.octets), &path, &vector.expect());
            assert_eq!(decoded, Ok(vector.advert(message)), "{name}");
        }
    }
}

#[test]
fn encoding_gives_the_same_octets() {
    for (name, vector) in vectors() {
        let path = Path {
            src: vector.src,
            dst: vector.dst,
        };
        for message in &vector.messages {
            let mut out = Vec::new();
            vector
                .advert(message)
                .encode(&path, vector.checksum, &mut out)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(out, octets(&message.octets), "{name}");
        }
    }
}
