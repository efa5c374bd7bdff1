//! Authentication of adverts.

use std::fmt;

use serde::{Deserialize, Serialize};
use vrrp::wire::{AhKey, Auth, AuthConfig};
pub use vrrp::wire::{AntiReplay, HmacAuth, HmacKey, HmacMode};

/// How adverts are authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// Not at all.
    #[default]
    None,
    /// Version 2 "simple text": keeps apart, not out.
    Pass(AuthPass),
    /// Version 2 IP authentication header, HMAC-MD5-96 (RFC 2402, RFC 2338 section
    /// 5.3.6), IPv4. For old peers only.
    Ah(AuthPass),
    /// keepalived's trailer, HMAC-SHA-256-128, either version.
    Hmac(HmacAuth),
}

impl Authentication {
    /// The same, as the wire needs it.
    #[must_use]
    pub fn config(&self) -> AuthConfig {
        match self {
            Self::None => AuthConfig::None,
            Self::Pass(pass) => AuthConfig::Pass(pass.auth()),
            Self::Ah(pass) => AuthConfig::Ah {
                key: AhKey(pass.0.as_bytes().to_vec()),
            },
            Self::Hmac(hmac) => AuthConfig::Hmac(hmac.clone()),
        }
    }
}

/// A version 2 password: 1..=8 bytes. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuthPass(String);

impl AuthPass {
    /// The longest password the packet has room for, in bytes (RFC 2338 section 5.3.6).
    pub const MAX_BYTES: usize = 8;

    /// The password as an advert carries it.
    pub fn auth(&self) -> Auth {
        Auth::pass(self.0.as_bytes())
    }
}

impl TryFrom<String> for AuthPass {
    type Error = AuthPassError;

    fn try_from(text: String) -> Result<Self, AuthPassError> {
        match text.len() {
            0 => Err(AuthPassError::Empty),
            1..=Self::MAX_BYTES => Ok(Self(text)),
            bytes => Err(AuthPassError::TooLong { bytes }),
        }
    }
}

impl From<AuthPass> for String {
    fn from(pass: AuthPass) -> String {
        pass.0
    }
}

impl fmt::Debug for AuthPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthPass(***)")
    }
}

/// Why a text is not a version 2 password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthPassError {
    /// It has no byte.
    #[error("the password is empty")]
    Empty,
    /// It does not fit into the packet's field.
    #[error("the password has {bytes} bytes, and the packet has room for 8")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}
