//! Health checks of real servers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One check of one real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckConfig {
    /// What is done to find out.
    pub probe: Probe,
    /// From the start of one attempt to the start of the next while all is well,
    /// 10 ms..=24 h.
    pub interval: Duration,
    /// The longest time to wait for a connection (`icmp`: for the reply), 1 ms..=1 h.
    pub connect_timeout: Duration,
    /// How many more attempts are made after a failure before the server counts as
    /// down, 0..=1000.
    pub retries: u32,
    /// The time between a failed attempt and the next, up to 1 h.
    pub retry_delay: Duration,
    /// What the server counts as until the first attempt has ended.
    pub start: StartState,
}

/// What a check counts as before its first result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartState {
    /// In the pool until a failure.
    Up,
    /// Out of the pool until a success; keepalived's `alpha`.
    Down,
}

/// What a check does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Probe {
    /// Opens a TCP connection and closes it.
    Tcp {
        /// Another port than the real server's.
        connect_port: Option<u16>,
    },
    /// Asks for a page over HTTP/1.1.
    Http(HttpCheck),
    /// Sends an echo request.
    Icmp,
}

impl Probe {
    /// The word for it in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "tcp",
            Self::Http(_) => "http",
            Self::Icmp => "icmp",
        }
    }
}

/// The request and what is expected of the response.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HttpCheck {
    /// Another port than the real server's.
    pub connect_port: Option<u16>,
    /// The request target, beginning with `/`.
    pub path: String,
    /// The method.
    pub method: HttpMethod,
    /// The `Host` header; `None`: the address and port connected to.
    pub host: Option<String>,
    /// The accepted status codes; never empty.
    pub status: Vec<StatusRange>,
    /// The largest body that is read, in bytes; more is a failure.
    pub body_limit: u64,
    /// The longest time for everything, connecting included, 1 ms..=1 h.
    pub timeout: Duration,
}

/// The method of an HTTP check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
}

/// Status codes from `first` to `last`, both included, 100..=599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StatusRange {
    /// The lowest code.
    pub first: u16,
    /// The highest code.
    pub last: u16,
}

impl StatusRange {
    /// Whether `code` is in the range.
    pub fn contains(&self, code: u16) -> bool {
        (self.first..=self.last).contains(&code)
    }
}
