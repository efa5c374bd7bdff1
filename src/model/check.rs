//! Health checks of real servers.

use std::net::SocketAddr;
use std::time::Duration;

use checks::{Connect, HttpSpec, IcmpSpec, Method, Policy, Spec, Start, Statuses};
use serde::{Deserialize, Serialize};

/// One check of one real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckConfig {
    /// What is done to find out.
    pub probe: Probe,
    /// From the end of one attempt to the start of the next while all is well,
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
    pub start: Start,
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
    pub method: Method,
    /// The `Host` header; `None`: the address, with the port
    /// unless it is 80.
    pub host: Option<String>,
    /// The accepted status codes; never empty.
    pub status: Statuses,
    /// The largest body that is read, in bytes; more is a failure.
    pub body_limit: u64,
    /// The longest time for everything, connecting included, 1 ms..=1 h.
    pub timeout: Duration,
}

impl CheckConfig {
    /// What is run against the real server at `server`.
    pub fn spec(&self, server: SocketAddr) -> Spec {
        let at = |port: &Option<u16>| {
            Connect::to(SocketAddr::new(server.ip(), port.unwrap_or(server.port())))
        };
        match &self.probe {
            Probe::Tcp { connect_port } => Spec::Tcp {
                connect: at(connect_port),
            },
            Probe::Http(http) => Spec::Http(http.spec(at(&http.connect_port))),
            Probe::Icmp => Spec::Icmp(IcmpSpec::ping(server.ip())),
        }
    }

    /// How often it is run, and what its failures mean.
    pub fn policy(&self) -> Policy {
        Policy {
            interval: self.interval,
            connect_timeout: self.connect_timeout,
            retries: self.retries,
            retry_delay: self.retry_delay,
            start: self.start,
        }
    }
}

impl HttpCheck {
    /// The request as the probe sends it.
    pub fn spec(&self, connect: Connect) -> HttpSpec {
        HttpSpec {
            connect,
            method: self.method,
            path: self.path.clone(),
            host: self.host.clone(),
            statuses: self.status.clone(),
            max_body: self.body_limit,
            timeout: Some(self.timeout),
        }
    }
}
