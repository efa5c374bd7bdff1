//! Two directors, and what one sends the other.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vrrp::wire::{
    Advert, AhKey, AntiReplay, Auth, AuthConfig, AuthError, ChecksumV3, Checksums, Expect,
    GROUP_V4, Guard, HmacAuth, HmacKey, HmacMode, Path, Payload, Version, ipv4_payload,
};

/// Some day in 2026.
pub const NOON: Duration = Duration::from_secs(1_795_229_600);
pub const SECOND: Duration = Duration::from_secs(1);
pub const WINDOW: AntiReplay = AntiReplay::Time(Duration::from_secs(5));
pub const VRID: u8 = 51;

pub fn to_group(host: u8) -> Path {
    Path {
        src: Ipv4Addr::new(172, 17, 1, host).into(),
        dst: GROUP_V4.into(),
    }
}

pub fn secret(id: u8) -> Vec<u8> {
    vec![id; 32]
}

pub fn hmac(ids: &[u8], mode: HmacMode, anti_replay: AntiReplay) -> AuthConfig {
    let key = |id: &u8| HmacKey {
        id: *id,
        secret: secret(*id),
    };
    AuthConfig::Hmac(HmacAuth {
        keys: ids.iter().map(key).collect(),
        active_key: ids[0],
        mode,
        anti_replay,
    })
}

pub fn signed(anti_replay: AntiReplay) -> AuthConfig {
    hmac(&[1], HmacMode::Enforce, anti_replay)
}

pub fn ah(password: &str) -> AuthConfig {
    AuthConfig::Ah {
        key: AhKey(password.into()),
    }
}

pub fn advert(version: Version, auth: Auth) -> Advert {
    Advert {
        version,
        vrid: VRID,
        priority: 150,
        interval: SECOND,
        auth,
        addresses: vec![IpAddr::V4(Ipv4Addr::new(172, 17, 1, 160))],
    }
}

/// A director that is sometimes Master.
pub struct Director {
    pub guard: Guard,
    pub path: Path,
    version: Version,
    auth: Auth,
    /// What its clock shows while the true time is `NOON`.
    pub noon: Duration,
}

impl Director {
    pub fn new(host: u8, config: &AuthConfig) -> Self {
        let auth = config.message_auth();
        Self {
            guard: Guard::new(config),
            path: to_group(host),
            version: match auth {
                Auth::Ah => Version::V2,
                _ => Version::V3,
            },
            auth,
            noon: NOON,
        }
    }

    /// What it sends at `time` after noon.
    pub fn send(&mut self, time: Duration) -> Vec<u8> {
        let wall = self.noon + time;
        let mut message = Vec::new();
        advert(self.version, self.auth)
            .encode(&self.path, ChecksumV3::PseudoHeader, &mut message)
            .unwrap();
        if !self.guard.is_ah() {
            self.guard
                .seal(wall, self.version, VRID, &self.path, &mut message);
            return message;
        }
        let mut packet = Vec::new();
        assert!(
            self.guard
                .seal_ah(wall, &self.path, 255, &message, &mut packet)
        );
        packet
    }

    /// Hears at `time` after noon what came from `path`, and accepts it if it can.
    pub fn hear(&mut self, time: Duration, path: Path, octets: &[u8]) -> Result<(), AuthError> {
        self.listen(time, path, octets)?;
        self.guard.commit();
        Ok(())
    }

    /// Hears, but does not accept.
    pub fn listen(&mut self, time: Duration, path: Path, octets: &[u8]) -> Result<(), AuthError> {
        let payload = if octets[0] == 0x45 {
            ipv4_payload(octets).unwrap().1
        } else {
            Payload::Vrrp(octets)
        };
        let wall = self.noon + time;
        let message = self.guard.open(wall, self.version, VRID, &path, payload)?;
        let expect = Expect {
            version: self.version,
            auth: self.auth,
            checksums: Checksums::only(ChecksumV3::PseudoHeader),
            allow_empty: false,
        };
        let decoded = Advert::decode(message, &path, &expect);
        assert_eq!(decoded, Ok(advert(self.version, self.auth)));
        Ok(())
    }
}
