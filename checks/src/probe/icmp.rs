//! The `icmp` probe: an echo request and its reply.
//!
//! All probes of an address family share one socket, opened when the first
//! one runs. It is an ICMP datagram socket where `net.ipv4.ping_group_range`
//! allows us one (the kernel then filters replies for us), and a raw socket
//! otherwise. Every request carries an identifier and sequence number that no
//! other request of the last 2^32 had (on a datagram socket, where the kernel
//! chooses the identifier, 2^16); a reply counts only with both, and only from
//! the host that was asked. An ICMP error quoting the request ends the probe
//! at once.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use surge_ping::{
    Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, Pinger, SurgeError,
};

use super::{Found, Start, Timeouts, Trouble, plain, within};
use crate::outcome::{Detail, Phase};
use crate::spec::IcmpSpec;

/// Requests that may leave in one [`WINDOW`]. A raw socket is handed every ICMP
/// packet of the host, on loopback the requests too, and its buffer (212,992
/// bytes by default) holds less than 100 of the largest: what comes in is to be
/// read before more is asked for.
const BURST: u32 = 32;
const WINDOW: Duration = Duration::from_millis(1);

/// Requests sent before giving up on a host whose every request is answered
/// by something that is neither a reply nor an error, such as a redirect.
const TRIES: u32 = 3;

pub(super) struct Sockets {
    v4: Mutex<Option<Client>>,
    v6: Mutex<Option<Client>>,
    /// Identifier and sequence number of the next request.
    next: AtomicU32,
    pace: AsyncMutex<Pace>,
}

/// Requests sent in the current [`WINDOW`].
#[derive(Default)]
struct Pace {
    begun: Option<Instant>,
    sent: u32,
}

impl Default for Sockets {
    fn default() -> Self {
        // Begin where no other process's pings are likely to be.
        let random = RandomState::new().hash_one(0_u8);
        Self {
            v4: Mutex::default(),
            v6: Mutex::default(),
            next: AtomicU32::new(u32::try_from(random >> 32).unwrap_or(0)),
            pace: AsyncMutex::default(),
        }
    }
}

impl Sockets {
    pub(super) async fn probe(&self, spec: &IcmpSpec, start: Start, timeouts: Timeouts) -> Found {
        let limit = timeouts.connect.min(timeouts.total);
        let tries = async {
            for _ in 0..TRIES {
                if let Some(found) = self.ask(spec).await {
                    return found;
                }
            }
            let error = "answered by neither reply nor error";
            Err(Trouble::remote(Phase::Reply, error))
        };
        let silent = || Trouble::remote(Phase::Reply, format!("no reply within {limit:?}"));
        within(start, limit, tries, silent).await?
    }

    /// One request. `None` if what came says nothing about the host.
    async fn ask(&self, spec: &IcmpSpec) -> Option<Found> {
        let client = match self.client(spec.target) {
            Ok(client) => client,
            Err(error) => return Some(Err(Trouble::local(Phase::Socket, plain(&error)))),
        };
        self.pace().await;
        let [a, b, c, d] = self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let identifier = PingIdentifier(u16::from_be_bytes([a, b]));
        let sequence = PingSequence(u16::from_be_bytes([c, d]));
        let payload = vec![0x6c; usize::from(spec.payload)];
        let mut pinger: Pinger = client.pinger(spec.target, identifier).await;
        // The caller's limit is the one that strikes.
        pinger.timeout(Duration::MAX);
        match pinger.ping(sequence, &payload).await {
            Ok((packet, _)) => judge(&packet),
            Err(error) => Some(Err(trouble(&error))),
        }
    }

    /// Waits until one more request may leave.
    async fn pace(&self) {
        let mut pace = self.pace.lock().await;
        let now = Instant::now();
        match pace.begun {
            Some(begun) if now < begun + WINDOW => {
                if pace.sent >= BURST {
                    tokio::time::sleep_until(begun + WINDOW).await;
                    *pace = Pace::default();
                }
            }
            _ => *pace = Pace::default(),
        }
        pace.begun.get_or_insert_with(Instant::now);
        pace.sent += 1;
    }

    /// The shared socket of the target's family.
    fn client(&self, target: IpAddr) -> io::Result<Client> {
        let (slot, kind) = match target {
            IpAddr::V4(_) => (&self.v4, ICMP::V4),
            IpAddr::V6(_) => (&self.v6, ICMP::V6),
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let client = Client::new(&Config::builder().kind(kind).build())?;
        Ok(slot.insert(client).clone())
    }
}

/// What a packet that belongs to our request means, by its type (RFC 792,
/// RFC 4443).
fn judge(packet: &IcmpPacket) -> Option<Found> {
    let (kind, code, source) = match packet {
        IcmpPacket::V4(v4) => (
            v4.get_icmp_type().0,
            v4.get_icmp_code().0,
            v4.get_source().into(),
        ),
        IcmpPacket::V6(v6) => (
            v6.get_icmpv6_type().0,
            v6.get_icmpv6_code().0,
            v6.get_source().into(),
        ),
    };
    meaning(kind, code, source)
}

fn meaning(kind: u8, code: u8, source: IpAddr) -> Option<Found> {
    let error = match (source, kind) {
        (IpAddr::V4(_), 0) | (IpAddr::V6(_), 129) => return Some(Ok(Detail::Echo)),
        (IpAddr::V4(_), 3) | (IpAddr::V6(_), 1) => "destination unreachable",
        (IpAddr::V4(_), 11) | (IpAddr::V6(_), 3) => "time exceeded",
        (IpAddr::V4(_), 12) | (IpAddr::V6(_), 4) => "parameter problem",
        (IpAddr::V6(_), 2) => "packet too big",
        _ => return None,
    };
    let error = format!("{error} (code {code}), says {source}");
    Some(Err(Trouble::remote(Phase::Reply, error)))
}

fn trouble(error: &SurgeError) -> Trouble {
    match error {
        SurgeError::IOError(error) => Trouble::from_call(Phase::Send, error),
        error => Trouble::local(Phase::Send, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_judged_by_their_type() {
        let v4 = IpAddr::from([192, 0, 2, 1]);
        let v6 = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
        assert_eq!(meaning(0, 0, v4), Some(Ok(Detail::Echo)));
        assert_eq!(meaning(129, 0, v6), Some(Ok(Detail::Echo)));
        // A type of the other family, a redirect, a source quench.
        for (kind, source) in [(129, v4), (0, v6), (5, v4), (137, v6), (4, v4)] {
            assert_eq!(meaning(kind, 0, source), None, "{kind} of {source}");
        }
        let error = |kind, code, source| match meaning(kind, code, source) {
            Some(Err(trouble)) => {
                assert_eq!((trouble.phase, trouble.local), (Phase::Reply, false));
                trouble.error
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(
            error(3, 1, v4),
            "destination unreachable (code 1), says 192.0.2.1"
        );
        assert_eq!(
            error(1, 3, v6),
            "destination unreachable (code 3), says 2001:db8::1"
        );
        assert_eq!(error(11, 0, v4), "time exceeded (code 0), says 192.0.2.1");
        assert_eq!(error(3, 0, v6), "time exceeded (code 0), says 2001:db8::1");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_paced() {
        let sockets = Sockets::default();
        let begun = Instant::now();
        for sent in 1..=10 * BURST {
            sockets.pace().await;
            let windows = (sent - 1) / BURST;
            assert!(begun.elapsed() >= WINDOW * windows, "{sent}");
            assert!(begun.elapsed() <= 2 * WINDOW * windows, "{sent}");
        }
    }
}
