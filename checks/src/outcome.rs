//! What a probe found.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// The result of one probe.
pub type Outcome = Result<Report, Failure>;

/// A probe that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// From the start of the probe to its success.
    pub elapsed: Duration,
    /// What was seen.
    pub detail: Detail,
}

/// What a successful probe saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// The server accepted a TCP connection.
    Connected,
    /// The server gave an HTTP answer with an accepted status and a whole body.
    Http {
        /// The status code.
        status: u16,
        /// Bytes of the body, after any transfer coding was undone.
        body: u64,
    },
    /// The host answered an ICMP echo request.
    Echo,
}

/// A probe that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Failure {
    /// How far the probe had come.
    pub phase: Phase,
    /// The reason in plain words, such as `connection refused`.
    pub error: String,
    /// From the start of the probe to its failure.
    pub elapsed: Duration,
    /// The trouble is on this host (out of descriptors, missing privilege,
    /// ...) and says nothing about the server: a check keeps its state.
    pub local: bool,
}

/// The phase of a probe in which it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Finding the server's address by name.
    Resolve,
    /// Making our own socket ready; always local trouble.
    Socket,
    /// Connecting to the server.
    Connect,
    /// Sending the request.
    Send,
    /// Waiting for the server's answer, and judging its status.
    Status,
    /// Reading the answer's body.
    Body,
    /// Waiting for a reply datagram.
    Reply,
    /// The probe itself was cut or broke.
    Run,
}

impl Phase {
    /// The phase as one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Resolve => "resolve",
            Phase::Socket => "socket",
            Phase::Connect => "connect",
            Phase::Send => "send",
            Phase::Status => "status",
            Phase::Body => "body",
            Phase::Reply => "reply",
            Phase::Run => "run",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `connect: connection refused (0.4 ms)`; local trouble says so in front.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = if self.local { "local trouble: " } else { "" };
        let Self { phase, error, .. } = self;
        write!(f, "{local}{phase}: {error} ({})", Millis(self.elapsed))
    }
}

/// `connected (0.4 ms)`, `status 200, 612 bytes (1.2 ms)`, `echo reply (0.1 ms)`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail {
            Detail::Connected => f.write_str("connected")?,
            Detail::Http { status, body } => write!(f, "status {status}, {body} bytes")?,
            Detail::Echo => f.write_str("echo reply")?,
        }
        write!(f, " ({})", Millis(self.elapsed))
    }
}

/// A duration as milliseconds with one decimal, truncated.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.as_micros() / 100;
        write!(f, "{}.{} ms", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_read_as_one_line() {
        let mut failure = Failure {
            phase: Phase::Connect,
            error: "connection refused".into(),
            elapsed: Duration::from_micros(450),
            local: false,
        };
        assert_eq!(failure.to_string(), "connect: connection refused (0.4 ms)");
        failure.phase = Phase::Socket;
        failure.error = "too many open files".into();
        failure.local = true;
        assert_eq!(
            failure.to_string(),
            "local trouble: socket: too many open files (0.4 ms)"
        );
        let report = Report {
            elapsed: Duration::from_micros(12_345),
            detail: Detail::Http {
                status: 204,
                body: 0,
            },
        };
        assert_eq!(report.to_string(), "status 204, 0 bytes (12.3 ms)");
    }

    #[test]
    fn outcomes_survive_serde() {
        let outcome: Outcome = Err(Failure {
            phase: Phase::Body,
            error: "body exceeds 10 bytes".into(),
            elapsed: Duration::from_millis(3),
            local: false,
        });
        let text = serde_json::to_string(&outcome).expect("serializes");
        assert!(text.contains("\"body\""), "{text}");
        assert_eq!(
            serde_json::from_str::<Outcome>(&text).expect("parses"),
            outcome
        );
    }
}
