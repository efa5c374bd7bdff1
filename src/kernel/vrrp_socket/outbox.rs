//! Many messages sent by one system call.

use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use ipvs_sys::Family;
use nix::errno::Errno;
use nix::libc::{c_int, in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, sendmmsg,
};

use super::{Carrier, VrrpSocket};
use crate::kernel::SocketError;

/// A message to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'m> {
    /// The source address, one of this host.
    pub source: IpAddr,
    /// A group, or a peer.
    pub dest: IpAddr,
    /// TTL or hop limit, at least 1.
    pub ttl: u8,
    /// What follows the IP header; with [`Carrier::Ah`] the whole IP packet, which says the rest.
    pub bytes: &'m [u8],
}

/// What sending many messages at once needs, made once and used for every socket.
pub struct Outbox {
    v4: MultiHeaders<SockaddrIn>,
    v6: MultiHeaders<SockaddrIn6>,
    /// For packets that have their IP header.
    whole: MultiHeaders<SockaddrIn>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Outbox {
    /// The most messages that one system call sends.
    pub const MESSAGES: usize = 64;

    /// Allocates the room; nothing after it allocates, but for errors.
    pub fn new() -> Self {
        let v4 = nix::cmsg_space!(in_pktinfo, c_int);
        let v6 = nix::cmsg_space!(in6_pktinfo, c_int);
        Self {
            v4: MultiHeaders::preallocate(Self::MESSAGES, Some(v4)),
            v6: MultiHeaders::preallocate(Self::MESSAGES, Some(v6)),
            whole: MultiHeaders::preallocate(Self::MESSAGES, None),
        }
    }
}

impl VrrpSocket {
    /// Sends messages in their order, those that follow each other with the same source and TTL
    /// together. `failed` is called with the index of each message that was not sent, and the
    /// others are sent none the less.
    ///
    /// What it may be given: `EINVAL` if the host no longer has the source address;
    /// [`SocketError::is_down`] and [`SocketError::is_full`] belong to normal life.
    pub fn send_batch(
        &self,
        outbox: &mut Outbox,
        messages: &[Outgoing<'_>],
        mut failed: impl FnMut(usize, SocketError),
    ) {
        let mut start = 0;
        while let Some(rest @ [first, ..]) = messages.get(start..) {
            let together = rest
                .iter()
                .take(Outbox::MESSAGES)
                .take_while(|next| (next.source, next.ttl) == (first.source, first.ttl))
                .count();
            let group = rest.get(..together).unwrap_or_default();
            start += match self.send_group(outbox, first, group) {
                Ok(sent) => sent,
                Err(Errno::EINTR) => 0,
                // It is about the first one: that others were sent before would not be told.
                Err(errno) => {
                    let Outgoing { source, dest, .. } = first;
                    let what = format!("send from {source} to {dest}");
                    failed(start, self.error(&what, errno));
                    1
                }
            };
        }
    }

    fn send_group(
        &self,
        outbox: &mut Outbox,
        first: &Outgoing<'_>,
        group: &[Outgoing<'_>],
    ) -> nix::Result<usize> {
        let ttl = c_int::from(first.ttl.max(1));
        match (self.family, self.carrier, first.source) {
            (Family::Ipv4, Carrier::Ah, _) => {
                self.send_with(&mut outbox.whole, &[], group, |to| self.sockaddr_v4(to))
            }
            (Family::Ipv4, Carrier::Vrrp, IpAddr::V4(source)) => {
                let info = self.source_v4(source);
                let with = [
                    ControlMessage::Ipv4PacketInfo(&info),
                    ControlMessage::Ipv4Ttl(&ttl),
                ];
                self.send_with(&mut outbox.v4, &with, group, |to| self.sockaddr_v4(to))
            }
            (Family::Ipv6, _, IpAddr::V6(source)) => {
                let info = self.source_v6(source);
                let with = [
                    ControlMessage::Ipv6PacketInfo(&info),
                    ControlMessage::Ipv6HopLimit(&ttl),
                ];
                self.send_with(&mut outbox.v6, &with, group, |to| self.sockaddr_v6(to))
            }
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    fn send_with<S: SockaddrLike + Copy>(
        &self,
        headers: &mut MultiHeaders<S>,
        ancillary: &[ControlMessage<'_>],
        group: &[Outgoing<'_>],
        sockaddr: impl Fn(IpAddr) -> Option<S>,
    ) -> nix::Result<usize> {
        let mut messages = group.iter();
        let parts: [_; Outbox::MESSAGES] = std::array::from_fn(|_| {
            let bytes = messages.next().map(|message| message.bytes);
            [IoSlice::new(bytes.unwrap_or_default())]
        });
        let mut messages = group.iter();
        let to: [_; Outbox::MESSAGES] = std::array::from_fn(|_| sockaddr(messages.next()?.dest));
        // One of the other family ends the group, and is refused when it comes first.
        let fit = to.iter().take_while(|to| to.is_some()).count();
        if fit == 0 {
            return Err(Errno::EAFNOSUPPORT);
        }
        let fd = self.socket.as_raw_fd();
        let parts = parts.iter().take(fit);
        let sent = sendmmsg(fd, headers, parts, to, ancillary, MsgFlags::empty())?;
        Ok(sent.count())
    }

    fn sockaddr_v4(&self, to: IpAddr) -> Option<SockaddrIn> {
        match to {
            IpAddr::V4(to) => Some(SocketAddrV4::new(to, 0).into()),
            IpAddr::V6(_) => None,
        }
    }

    fn sockaddr_v6(&self, to: IpAddr) -> Option<SockaddrIn6> {
        match to {
            IpAddr::V4(_) => None,
            IpAddr::V6(to) => Some(SocketAddrV6::new(to, 0, 0, self.ifindex).into()),
        }
    }

    /// What has a message leave from an address.
    fn source_v4(&self, source: Ipv4Addr) -> in_pktinfo {
        in_pktinfo {
            ipi_ifindex: c_int::try_from(self.ifindex).unwrap_or_default(),
            ipi_spec_dst: in_addr {
                s_addr: u32::from_ne_bytes(source.octets()),
            },
            ipi_addr: in_addr { s_addr: 0 },
        }
    }

    fn source_v6(&self, source: Ipv6Addr) -> in6_pktinfo {
        in6_pktinfo {
            ipi6_addr: in6_addr {
                s6_addr: source.octets(),
            },
            ipi6_ifindex: self.ifindex,
        }
    }
}
