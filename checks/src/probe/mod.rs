//! The probes: one request to a real server, on tokio.
//!
//! Each watches its own deadline, so that a [`Failure`] can say in which phase
//! it struck; none keeps more than a few buffers, whatever the server sends.

mod http;
mod icmp;
mod tcp;

use core::future::Future;
use core::time::Duration;
use std::io;

use tokio::time::Instant;

use crate::outcome::{Detail, Failure, Outcome, Phase, Report};
use crate::spec::Spec;

/// How long a probe may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection (`tcp`, `http`) or the reply (`icmp`).
    pub connect: Duration,
    /// For everything.
    pub total: Duration,
}

impl Timeouts {
    /// The limits of `spec` under a policy's `connect_timeout`.
    #[must_use]
    pub fn of(spec: &Spec, connect_timeout: Duration) -> Self {
        Self {
            connect: connect_timeout,
            total: spec.total_timeout(connect_timeout),
        }
    }
}

/// Runs probes. One serves any number at a time; the `icmp` ones share its
/// sockets, one for each address family, opened when first needed.
#[derive(Default)]
pub struct Prober {
    icmp: icmp::Sockets,
}

impl Prober {
    /// Runs one probe to its end. Must be called on a tokio runtime with
    /// timers and I/O. Dropping the future ends the probe.
    ///
    /// # Errors
    ///
    /// A [`Failure`]; with [`Failure::local`] when the trouble is ours.
    pub async fn probe(&self, spec: &Spec, timeouts: Timeouts) -> Outcome {
        let start = Start(Instant::now());
        let found = match spec {
            Spec::Tcp { connect } => tcp::probe(connect, start, timeouts).await,
            Spec::Http(http) => http::probe(http, start, timeouts).await,
            Spec::Icmp(icmp) => self.icmp.probe(icmp, start, timeouts).await,
        };
        let elapsed = start.0.elapsed();
        match found {
            Ok(detail) => Ok(Report { elapsed, detail }),
            Err(Trouble {
                phase,
                error,
                local,
            }) => Err(Failure {
                phase,
                error,
                elapsed,
                local,
            }),
        }
    }
}

/// When a probe began.
#[derive(Clone, Copy)]
struct Start(Instant);

/// What a probe finds: the outcome without the time it took.
type Found = Result<Detail, Trouble>;

/// A failure without the time it took.
#[derive(Debug, PartialEq, Eq)]
struct Trouble {
    phase: Phase,
    error: String,
    local: bool,
}

impl Trouble {
    /// The server's failure.
    fn remote(phase: Phase, error: impl Into<String>) -> Self {
        Self {
            phase,
            error: error.into(),
            local: false,
        }
    }

    /// Our own.
    fn local(phase: Phase, error: impl Into<String>) -> Self {
        Self {
            phase,
            error: error.into(),
            local: true,
        }
    }

    /// A system call that failed there and then: ours, unless the error is
    /// one by which the kernel speaks of the network.
    fn from_call(phase: Phase, error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        let network = matches!(
            error.kind(),
            Kind::ConnectionRefused
                | Kind::ConnectionReset
                | Kind::ConnectionAborted
                | Kind::NetworkUnreachable
                | Kind::HostUnreachable
                | Kind::NetworkDown
                | Kind::TimedOut
        ) || error.raw_os_error() == Some(EHOSTDOWN);
        Self {
            phase,
            error: plain(error),
            local: !network,
        }
    }
}

/// `EHOSTDOWN` of linux/errno.h, which [`io::ErrorKind`] does not name.
const EHOSTDOWN: i32 = 112;

/// The error without its number, beginning in lower case.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

/// Waits for `future` until `limit` after `start`; then the error is
/// `unanswered`'s.
async fn within<T>(
    start: Start,
    limit: Duration,
    future: impl Future<Output = T>,
    unanswered: impl FnOnce() -> Trouble,
) -> Result<T, Trouble> {
    let left = limit.saturating_sub(start.0.elapsed());
    tokio::time::timeout(left, future)
        .await
        .map_err(|_| unanswered())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_plain_words() {
        let error = io::Error::from_raw_os_error(111);
        assert_eq!(plain(&error), "connection refused");
        assert_eq!(plain(&io::Error::other("Odd")), "odd");
        assert_eq!(plain(&io::Error::other("")), "");
    }

    #[test]
    fn calls_that_fail_are_told_apart() {
        // ECONNABORTED, ECONNRESET, ECONNREFUSED, ETIMEDOUT, EHOSTDOWN,
        // EHOSTUNREACH, ENETDOWN, ENETUNREACH
        for network in [103, 104, 111, 110, 112, 113, 100, 101] {
            let error = io::Error::from_raw_os_error(network);
            assert!(!Trouble::from_call(Phase::Connect, &error).local, "{error}");
        }
        // EPERM, ENOMEM, EACCES, ENFILE, EMFILE, EADDRINUSE, EADDRNOTAVAIL,
        // ENOBUFS
        for ours in [1, 12, 13, 23, 24, 98, 99, 105] {
            let error = io::Error::from_raw_os_error(ours);
            assert!(Trouble::from_call(Phase::Connect, &error).local, "{error}");
        }
    }
}
