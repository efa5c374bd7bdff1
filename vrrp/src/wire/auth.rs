//! Authentication of whole messages: what [`Guard`] puts around them and takes off again.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ah::{self, Envelope, Sequences};
use super::hmac::{self, Subject, Trailer};
use super::replay::{Sources, Stamp};
use super::{Auth, AuthError, Path, Payload, Version};

/// How adverts are authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuthConfig {
    /// Not at all.
    #[default]
    None,
    /// Version 2: a password in the message.
    Pass(Auth),
    /// Version 2 over IPv4: the IP authentication header, HMAC-MD5-96.
    Ah {
        /// The key. keepalived uses the first eight octets of its password.
        key: AhKey,
    },
    /// keepalived's trailer, HMAC-SHA-256-128, in either version.
    Hmac(HmacAuth),
}

impl AuthConfig {
    /// What the message itself has in its authentication fields.
    pub const fn message_auth(&self) -> Auth {
        match self {
            Self::None | Self::Hmac(_) => Auth::None,
            Self::Pass(auth) => *auth,
            Self::Ah { .. } => Auth::Ah,
        }
    }
}

/// A key for [`AuthConfig::Ah`]. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct AhKey(pub Vec<u8>);

impl fmt::Debug for AhKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AhKey(***)")
    }
}

/// The keys and rules of the HMAC trailer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HmacAuth {
    /// The keys by id, at least one; ids are unique.
    pub keys: Vec<HmacKey>,
    /// The id of the key adverts are signed with.
    pub active_key: u8,
    /// What is demanded of received adverts.
    pub mode: HmacMode,
    /// How replayed adverts are told.
    pub anti_replay: AntiReplay,
}

/// A key with the id by which messages name it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HmacKey {
    /// 1..=255.
    pub id: u8,
    /// 32..=64 bytes. `Debug` does not show them.
    pub secret: Vec<u8>,
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey({}, ***)", self.id)
    }
}

/// What is demanded of received adverts. Changing a running pair from none to [`Enforce`] without a
/// gap goes by way of the other two, one director after the other at each step.
///
/// [`Enforce`]: HmacMode::Enforce
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HmacMode {
    /// They are signed.
    #[default]
    Enforce,
    /// They are signed, or not at all.
    Permissive,
    /// As permissive, and we do not sign ours.
    ReceiveOnly,
}

/// How replayed adverts are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AntiReplay {
    /// By the wall clock, within this window.
    Time(Duration),
    /// By a counter that only grows.
    Monotonic,
}

/// Signs the messages of one instance and checks those of its peers.
///
/// - To send: [`Advert::encode`](super::Advert::encode) with [`AuthConfig::message_auth`], then
///   [`seal`](Self::seal); with [`is_ah`](Self::is_ah), [`seal_ah`](Self::seal_ah) instead, which
///   makes a whole IP packet. Once for every destination.
/// - To receive: [`Advert::decode`](super::Advert::decode) of [`Payload::message`], then
///   [`open`](Self::open), and if both agree and the advert is one to be heeded,
///   [`commit`](Self::commit). Only then the message counts as heard: one that is refused for
///   whatever reason moves nothing.
///
/// `wall` is the time since 1970 by the system's clock, which may be stepped at will.
///
/// No call allocates once every sender has been heard.
#[derive(Clone)]
pub struct Guard {
    method: Method,
    state: GuardSnapshot,
    /// What the message opened last has to say, if it is accepted.
    opened: Option<Opened>,
}

#[derive(Clone)]
enum Method {
    Plain,
    Ah(ah::Key),
    Hmac {
        keys: Vec<hmac::Key>,
        active: u8,
        mode: HmacMode,
        anti_replay: AntiReplay,
    },
}

#[derive(Clone, Copy)]
struct Opened {
    source: IpAddr,
    wall: Duration,
    mark: Mark,
}

#[derive(Clone, Copy)]
enum Mark {
    Sequence(u32),
    Stamp(Stamp),
}

/// What a [`Guard`] has to know of its past, so that a process that comes after it is believed by
/// the peers and does not believe what was heard before. It holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardSnapshot {
    sequences: Sequences,
    sent: Option<Stamp>,
    sources: Sources,
}

impl Guard {
    /// A guard without a past. If the active key is not among the keys, the first is used.
    pub fn new(config: &AuthConfig) -> Self {
        Self {
            method: Method::new(config),
            state: GuardSnapshot::default(),
            opened: None,
        }
    }

    /// Takes over another configuration, for instance other keys. What was sent and heard remains.
    pub fn reconfigure(&mut self, config: &AuthConfig) {
        self.method = Method::new(config);
        self.opened = None;
    }

    /// What was sent and heard so far.
    pub fn snapshot(&self) -> GuardSnapshot {
        self.state.clone()
    }

    /// Goes on from what another guard of this instance sent and heard. The snapshot may be some
    /// thousand messages older than the last one that was sent.
    pub fn restore(&mut self, snapshot: GuardSnapshot) {
        self.state = snapshot;
        self.state.sequences.leap();
        self.opened = None;
    }

    /// Whether messages travel in IP protocol 51, sealed by [`seal_ah`](Self::seal_ah).
    pub const fn is_ah(&self) -> bool {
        matches!(self.method, Method::Ah(_))
    }

    /// How far the clock of a sender was ahead of ours when it was last heard, in milliseconds;
    /// `None` if it sent nothing signed with a time.
    pub fn clock_ahead_ms(&self, source: IpAddr) -> Option<i64> {
        self.state.sources.clock_ahead_ms(source)
    }

    /// Makes of an encoded message what follows the IP header: appends the trailer if there is to be
    /// one. Over IPv6 the checksum then covers it. With [`AuthConfig::Ah`] nothing is done here.
    pub fn seal(
        &mut self,
        wall: Duration,
        version: Version,
        vrid: u8,
        path: &Path,
        message: &mut Vec<u8>,
    ) {
        let Method::Hmac {
            keys,
            active,
            mode: HmacMode::Enforce | HmacMode::Permissive,
            anti_replay,
        } = &self.method
        else {
            return;
        };
        let active = keys.iter().find(|key| key.id == *active);
        if let Some(key) = active.or_else(|| keys.first()) {
            let stamp = Stamp::next(self.state.sent, wall, *anti_replay);
            self.state.sent = Some(stamp);
            let subject = Subject {
                version,
                vrid,
                source: path.src,
            };
            key.sign(&subject, stamp, path, message);
        }
    }

    /// Appends to `out` the whole IPv4 packet that carries a message in an authentication header,
    /// for a socket with `IP_HDRINCL`; the kernel computes the header checksum. False, and nothing
    /// appended, if this guard is not for [`AuthConfig::Ah`] or the path is not an IPv4 one.
    pub fn seal_ah(
        &mut self,
        wall: Duration,
        path: &Path,
        ttl: u8,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let (Method::Ah(key), IpAddr::V4(src), IpAddr::V4(dst)) =
            (&self.method, path.src, path.dst)
        else {
            return false;
        };
        let (identification, sequence) = self.state.sequences.next(wall);
        let envelope = Envelope {
            src,
            dst,
            ttl,
            identification,
            sequence,
        };
        ah::build(key, &envelope, message, out);
        true
    }

    /// Checks what a peer sent, and gives what [`Advert::decode`](super::Advert::decode) reads: the
    /// message, which over IPv6 still has the trailer behind it, because the checksum covers it.
    ///
    /// # Errors
    ///
    /// [`AuthError`]. Like a message that was opened and not [committed](Self::commit), a refused
    /// one changes nothing of what is accepted later, but for runs of three that show a stepped
    /// clock (see the module `replay`).
    pub fn open<'a>(
        &mut self,
        wall: Duration,
        version: Version,
        vrid: u8,
        path: &Path,
        payload: Payload<'a>,
    ) -> Result<&'a [u8], AuthError> {
        self.opened = None;
        let mark = match (&self.method, payload) {
            (Method::Plain, Payload::Vrrp(_)) => None,
            (Method::Ah(key), Payload::Ah(packet)) => {
                key.verify(&packet)?;
                let sequence = self.state.sequences.check(path.src, &packet, wall)?;
                Some(Mark::Sequence(sequence))
            }
            (Method::Hmac { .. }, Payload::Vrrp(payload)) => {
                let subject = Subject {
                    version,
                    vrid,
                    source: path.src,
                };
                self.open_signed(wall, &subject, payload)?
            }
            (Method::Plain | Method::Hmac { .. }, Payload::Ah(_)) => {
                return Err(AuthError::Carrier {
                    found: "AH",
                    expected: "VRRP",
                });
            }
            (Method::Ah(_), Payload::Vrrp(_)) => {
                return Err(AuthError::Carrier {
                    found: "VRRP",
                    expected: "AH",
                });
            }
        };
        self.opened = mark.map(|mark| Opened {
            source: path.src,
            wall,
            mark,
        });
        Ok(payload.message())
    }

    fn open_signed(
        &mut self,
        wall: Duration,
        subject: &Subject,
        payload: &[u8],
    ) -> Result<Option<Mark>, AuthError> {
        let Method::Hmac {
            keys,
            mode,
            anti_replay,
            ..
        } = &self.method
        else {
            return Ok(None);
        };
        let ipv4 = subject.source.is_ipv4();
        let (message, trailer) = match Trailer::split(payload, subject.version, ipv4) {
            Err(AuthError::Missing) if *mode != HmacMode::Enforce => return Ok(None),
            split => split?,
        };
        let key = keys.iter().find(|key| key.id == trailer.key_id);
        let id = trailer.key_id;
        key.ok_or(AuthError::UnknownKey { id })?
            .verify(subject, message, &trailer)?;
        let (source, stamp) = (subject.source, trailer.stamp);
        self.state
            .sources
            .check(source, stamp, wall, *anti_replay)?;
        Ok(Some(Mark::Stamp(stamp)))
    }

    /// The message opened last is accepted: neither it nor an older one will be again.
    pub fn commit(&mut self) {
        let Some(Opened { source, wall, mark }) = self.opened.take() else {
            return;
        };
        match mark {
            Mark::Sequence(sequence) => self.state.sequences.commit(source, sequence, wall),
            Mark::Stamp(stamp) => self.state.sources.commit(source, stamp, wall),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match &self.method {
            Method::Plain => "Plain",
            Method::Ah(_) => "Ah",
            Method::Hmac { .. } => "Hmac",
        };
        f.debug_struct("Guard")
            .field("method", &method)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Method {
    fn new(config: &AuthConfig) -> Self {
        match config {
            AuthConfig::None | AuthConfig::Pass(_) => Self::Plain,
            AuthConfig::Ah { key } => Self::Ah(ah::Key::new(&key.0)),
            AuthConfig::Hmac(HmacAuth {
                keys,
                active_key,
                mode,
                anti_replay,
            }) => Self::Hmac {
                keys: keys
                    .iter()
                    .map(|key| hmac::Key::new(key.id, &key.secret))
                    .collect(),
                active: *active_key,
                mode: *mode,
                anti_replay: *anti_replay,
            },
        }
    }
}
