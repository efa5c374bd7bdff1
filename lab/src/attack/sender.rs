//! Sending from a host that is none of the directors.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};

use super::Forged;
use super::packet::{GROUP, ip_packet};
use crate::failure::{Attempt, Result};
use crate::net::Host;
use crate::random::Random;

/// Packets that go out together, so that a high rate needs no precise sleep.
const BURST: usize = 50;

/// A host with a raw socket that writes its own IP headers.
pub struct Attacker {
    socket: OwnedFd,
    host: String,
}

/// What was sent, and how long that took.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Packets.
    pub packets: usize,
    /// From the first to the last.
    pub took: Duration,
}

impl Sent {
    /// Nothing at all.
    pub const NOTHING: Self = Self {
        packets: 0,
        took: Duration::ZERO,
    };

    /// Packets a second.
    #[must_use]
    pub fn rate(&self) -> usize {
        let millis = usize::try_from(self.took.as_millis()).unwrap_or(usize::MAX);
        self.packets * 1_000 / millis.max(1)
    }
}

impl Attacker {
    /// Sits on `host`, which has one interface.
    ///
    /// # Errors
    /// When the kernel refuses the route or the socket.
    pub fn new(host: &Host, interface: &str) -> Result<Self> {
        host.run(["ip", "route", "add", "224.0.0.0/4", "dev", interface])?;
        let socket = host
            .inside(|| {
                socket(
                    AddressFamily::Inet,
                    SockType::Raw,
                    SockFlag::SOCK_CLOEXEC,
                    SockProtocol::Raw,
                )
            })?
            .attempt(|| format!("open a raw socket on {}", host.name()))?;
        Ok(Self {
            socket,
            host: host.name().to_owned(),
        })
    }

    fn send(&self, packet: &[u8]) -> Result<()> {
        let to = SockaddrIn::from(SocketAddrV4::new(GROUP, 0));
        sendto(self.socket.as_raw_fd(), packet, &to, MsgFlags::empty())
            .map(drop)
            .attempt(|| format!("send {} octets from {}", packet.len(), self.host))
    }

    /// Sends these again and again for `span`, one every `pause`.
    ///
    /// # Errors
    /// When the kernel refuses a packet.
    pub fn repeat(&self, packets: &[Forged], pause: Duration, span: Duration) -> Result<Sent> {
        let packets: Vec<Vec<u8>> = packets.iter().map(Forged::packet).collect();
        let start = Instant::now();
        let mut sent = 0;
        for packet in packets.iter().cycle() {
            if start.elapsed() >= span {
                break;
            }
            self.send(packet)?;
            sent += 1;
            let due = pause * u32::try_from(sent).unwrap_or(u32::MAX);
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
        Ok(Sent {
            packets: sent,
            took: start.elapsed(),
        })
    }

    /// Sends random octets as VRRP, up to `rate` packets a second, for `span`.
    ///
    /// # Errors
    /// When the kernel refuses a packet.
    pub fn flood(
        &self,
        random: &mut Random,
        source: Ipv4Addr,
        rate: usize,
        span: Duration,
    ) -> Result<Sent> {
        let bursts = rate.div_ceil(BURST).max(1);
        let pause = Duration::from_secs(1) / u32::try_from(bursts).unwrap_or(u32::MAX);
        let start = Instant::now();
        let (mut sent, mut due) = (0, Duration::ZERO);
        while start.elapsed() < span {
            for _ in 0..BURST {
                let length = random.below(64);
                self.send(&ip_packet(source, 255, &random.octets(length)))?;
                sent += 1;
            }
            due += pause;
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
        Ok(Sent {
            packets: sent,
            took: start.elapsed(),
        })
    }
}
