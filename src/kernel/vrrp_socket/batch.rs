//! Many messages received by one system call.
//!
//! What a message says about itself is believed only where the kernel put it there: the header of
//! IPv4, which a raw socket delivers, and the ancillary data of IPv6. A message without it, or one
//! that was cut, is counted and forgotten.
//!
//! There is no filter in the kernel for VRIDs that nobody here has: they are to be counted, and one
//! system call for 64 of them costs less than keeping such a filter in step with the configuration.
//! Who reads has to bound what it reads before its timers get their turn.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsRawFd;

use ipvs_sys::Family;
use nix::libc::{c_int, in6_pktinfo};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn, SockaddrIn6, SockaddrLike,
    recvmmsg,
};
use vrrp::wire::{Ipv4Error, Payload, ipv4_payload};

use super::VrrpSocket;
use crate::kernel::SocketError;

/// Octets of the largest message kept whole: 255 IPv6 addresses with an HMAC trailer are 4,116.
pub const MESSAGE_LEN: usize = 4352;

/// Room for the messages of one system call, made once and used for every socket.
pub struct Batch {
    octets: Box<[u8]>,
    headers_v4: MultiHeaders<SockaddrIn>,
    headers_v6: MultiHeaders<SockaddrIn6>,
    slots: Vec<Slot>,
}

/// A received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard<'b> {
    /// Source address.
    pub src: IpAddr,
    /// Destination address: a group, or one of ours.
    pub dst: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// What follows the IP header.
    pub payload: Payload<'b>,
}

/// Why a received message cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is longer than any advert.
    #[error("longer than {MESSAGE_LEN} octets")]
    Long,
    /// The kernel did not say where it came from, where it went to, or its hop limit.
    #[error("received without addresses or hop limit")]
    Ancillary,
    /// The header of IPv4, or an authentication header after it, makes no sense.
    #[error("{0}")]
    Header(#[from] Ipv4Error),
}

impl Unusable {
    /// A stable name of the kind, for counters.
    pub const fn classify(&self) -> &'static str {
        match self {
            Self::Long => "packet_long",
            Self::Ancillary => "packet_ancillary",
            Self::Header(Ipv4Error::AuthenticationHeader) => "ah_header",
            Self::Header(_) => "ip_header",
        }
    }

    /// Every name that [`classify`](Self::classify) gives.
    pub const CLASSES: [&'static str; 4] =
        ["packet_long", "packet_ancillary", "ah_header", "ip_header"];
}

/// What is known of a message besides its octets.
#[derive(Clone, Copy)]
struct Slot {
    length: usize,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// The octets begin with the IP header.
    Ipv4,
    Ipv6 {
        src: Ipv6Addr,
        dst: Ipv6Addr,
        ttl: u8,
    },
    Unusable(Unusable),
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// The most messages that one call receives.
    pub const MESSAGES: usize = 64;

    /// Allocates the room; nothing after it allocates.
    pub fn new() -> Self {
        let control = nix::cmsg_space!(in6_pktinfo, c_int);
        Self {
            octets: vec![0; Self::MESSAGES * MESSAGE_LEN].into(),
            headers_v4: MultiHeaders::preallocate(Self::MESSAGES, None),
            headers_v6: MultiHeaders::preallocate(Self::MESSAGES, Some(control)),
            slots: Vec::with_capacity(Self::MESSAGES),
        }
    }

    /// The messages of the last call, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Result<Heard<'_>, Unusable>> {
        let octets = self.octets.chunks_exact(MESSAGE_LEN);
        octets
            .zip(&self.slots)
            .map(|(octets, slot)| slot.heard(octets))
    }
}

impl Slot {
    fn heard<'b>(&self, octets: &'b [u8]) -> Result<Heard<'b>, Unusable> {
        let octets = octets.get(..self.length).ok_or(Unusable::Long)?;
        match self.kind {
            Kind::Ipv4 => {
                let (meta, payload) = ipv4_payload(octets)?;
                Ok(Heard {
                    src: meta.src.into(),
                    dst: meta.dst.into(),
                    ttl: meta.ttl,
                    payload,
                })
            }
            Kind::Ipv6 { src, dst, ttl } => Ok(Heard {
                src: src.into(),
                dst: dst.into(),
                ttl,
                payload: Payload::Vrrp(octets),
            }),
            Kind::Unusable(why) => Err(why),
        }
    }

    fn v4(message: &RecvMsg<'_, '_, SockaddrIn>) -> Self {
        Self::new(message, Kind::Ipv4)
    }

    fn v6(message: &RecvMsg<'_, '_, SockaddrIn6>) -> Self {
        let kind = ancillary(message).unwrap_or(Kind::Unusable(Unusable::Ancillary));
        Self::new(message, kind)
    }

    fn new<S>(message: &RecvMsg<'_, '_, S>, kind: Kind) -> Self {
        let cut = message.flags.contains(MsgFlags::MSG_TRUNC);
        Self {
            length: message.bytes,
            kind: if cut {
                Kind::Unusable(Unusable::Long)
            } else {
                kind
            },
        }
    }
}

/// Addresses and hop limit of an IPv6 message, if the kernel gave all of them.
fn ancillary(message: &RecvMsg<'_, '_, SockaddrIn6>) -> Option<Kind> {
    let (mut dst, mut ttl) = (None, None);
    for ancillary in message.cmsgs().ok()? {
        match ancillary {
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                dst = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
            }
            ControlMessageOwned::Ipv6HopLimit(limit) => ttl = u8::try_from(limit).ok(),
            _ => {}
        }
    }
    Some(Kind::Ipv6 {
        src: message.address?.ip(),
        dst: dst?,
        ttl: ttl?,
    })
}

impl VrrpSocket {
    /// Receives what waits, [`Batch::MESSAGES`] at most: how many it were. Fewer than that means
    /// that nothing is left.
    ///
    /// # Errors
    ///
    /// [`SocketError`], of which [`SocketError::is_down`] comes once when the link goes down.
    pub fn recv_batch(&self, batch: &mut Batch) -> Result<usize, SocketError> {
        batch.slots.clear();
        let Batch {
            octets,
            headers_v4,
            headers_v6,
            slots,
        } = batch;
        let received = match self.family {
            Family::Ipv4 => self.recv_into(octets, headers_v4, slots, Slot::v4),
            Family::Ipv6 => self.recv_into(octets, headers_v6, slots, Slot::v6),
        };
        match received {
            Ok(()) => Ok(slots.len()),
            Err(nix::errno::Errno::EAGAIN) => Ok(0),
            Err(errno) => Err(self.error("receive", errno)),
        }
    }

    fn recv_into<S: SockaddrLike + Copy>(
        &self,
        octets: &mut [u8],
        headers: &mut MultiHeaders<S>,
        slots: &mut Vec<Slot>,
        slot: impl Fn(&RecvMsg<'_, '_, S>) -> Slot,
    ) -> nix::Result<()> {
        let fd = self.socket.as_raw_fd();
        loop {
            let mut rooms = octets.chunks_exact_mut(MESSAGE_LEN);
            let mut parts: [_; Batch::MESSAGES] =
                std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
            let flags = MsgFlags::MSG_DONTWAIT;
            match recvmmsg(fd, headers, parts.iter_mut(), flags, None) {
                Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(errno),
                Ok(messages) => {
                    slots.extend(messages.map(|message| slot(&message)));
                    return Ok(());
                }
            }
        }
    }
}
