//! Raw sockets for VRRP: IP protocol 112 on one interface in one family, or 51 for messages in an
//! authentication header. One such socket serves all instances there, whatever groups and peers
//! they have, and in a VRF as well: it is bound to the interface, not to the VRF.
//!
//! The kernel makes the IP headers: type of service 0xc0 (network control), the Don't Fragment flag
//! off. Source address and TTL or hop limit are those given with each message, as ancillary data, so
//! that a virtual address on the interface can never become the source. With [`Carrier::Ah`] the
//! header comes with the message, because the authentication covers it; the kernel adds the
//! checksum.
//!
//! Checksums are ours on both ways ([`vrrp::wire`]): the kernel could do those of IPv6
//! (`IPV6_CHECKSUM`), but would drop wrong ones unseen, and those of IPv4 it cannot do at all.

mod batch;
mod drops;
mod outbox;

use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use ipvs_sys::Family;
use nix::sys::socket::{setsockopt, sockopt};
use rustix::io::Errno;
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, set_ip_mtu_discover, set_socket_recv_buffer_size_force,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use vrrp::wire::{NETWORK_CONTROL, PROTOCOL, PROTOCOL_AH, TTL};

pub use batch::{Batch, Heard, MESSAGE_LEN, Unusable};
pub use outbox::{Outbox, Outgoing};

use super::socket_error::{RawErrno, SocketError};

/// `SO_PRIORITY` of routing traffic, `TC_PRIO_CONTROL` of linux/pkt_sched.h: the first band of the
/// interface's default queue.
const PRIORITY: u32 = 7;
/// Octets of the queue for received messages: a second of 1,000 instances at 10 ms would be more,
/// a burst of all 255 VRIDs in both versions is less than half of it.
const RECEIVE_QUEUE: usize = 1 << 20;

/// A raw socket for VRRP. It does not block; for tokio wrap it in an `AsyncFd`.
#[derive(Debug)]
pub struct VrrpSocket {
    socket: Socket,
    family: Family,
    carrier: Carrier,
    ifindex: u32,
}

/// What a socket carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// IP protocol 112.
    #[default]
    Vrrp,
    /// IP protocol 51 over IPv4; what is sent has its IP header.
    Ah,
}

impl Carrier {
    const fn protocol(self) -> u8 {
        match self {
            Self::Vrrp => PROTOCOL,
            Self::Ah => PROTOCOL_AH,
        }
    }
}

impl VrrpSocket {
    /// A socket for the interface with the index `ifindex`. It receives what is sent to this host's
    /// own addresses by that interface, and after [`join`](Self::join) what is sent to the group;
    /// over IPv6 also what is sent to groups that another socket joined there.
    /// It does not outlive the interface, of which an error of sending may or may not
    /// tell: watch the links.
    ///
    /// # Errors
    ///
    /// [`SocketError`]: without `CAP_NET_RAW`, or if there is no such interface.
    pub fn open(ifindex: u32, family: Family) -> Result<Self, SocketError> {
        Self::open_for(ifindex, family, Carrier::Vrrp)
    }

    /// As [`open`](Self::open), for what `carrier` says.
    ///
    /// # Errors
    ///
    /// As those of [`open`](Self::open), and `EAFNOSUPPORT` for an authentication header over IPv6.
    pub fn open_for(ifindex: u32, family: Family, carrier: Carrier) -> Result<Self, SocketError> {
        let socket = match (family, carrier) {
            (Family::Ipv4, Carrier::Vrrp) => configured_v4(ifindex, carrier),
            (Family::Ipv4, Carrier::Ah) => configured_v4(ifindex, carrier)
                .and_then(|socket| socket.set_header_included_v4(true).map(|()| socket)),
            (Family::Ipv6, Carrier::Vrrp) => configured_v6(ifindex),
            (Family::Ipv6, Carrier::Ah) => Err(Errno::AFNOSUPPORT.into()),
        };
        let attempt = || format!("open a VRRP socket on interface {ifindex}");
        Ok(Self {
            socket: socket.map_err(|error| SocketError::new(attempt(), error))?,
            family,
            carrier,
            ifindex,
        })
    }

    /// Gives the queue for received messages room for `octets`, as the kernel counts them: at least
    /// 768 for the shortest message.
    ///
    /// # Errors
    ///
    /// [`SocketError`], hardly ever: without `CAP_NET_ADMIN` the host's limit is what it gets.
    pub fn set_receive_queue(&self, octets: usize) -> Result<(), SocketError> {
        set_receive_queue(&self.socket, octets)
            .map_err(|error| self.error("set the receive queue", error))
    }

    /// Joins a group, usually [`vrrp::wire::GROUP_V4`] or [`vrrp::wire::GROUP_V6`]. The kernel
    /// leaves it when the socket is dropped, and joins again when the link was down.
    ///
    /// # Errors
    ///
    /// [`SocketError`]: `EADDRINUSE` if it was joined before, `EINVAL` if it is no group of the
    /// socket's family.
    pub fn join(&self, group: IpAddr) -> Result<(), SocketError> {
        match (self.family, group) {
            (Family::Ipv4, IpAddr::V4(group)) => {
                let interface = InterfaceIndexOrAddress::Index(self.ifindex);
                self.socket.join_multicast_v4_n(&group, &interface)
            }
            (Family::Ipv6, IpAddr::V6(group)) => {
                self.socket.join_multicast_v6(&group, self.ifindex)
            }
            _ => Err(Errno::INVAL.into()),
        }
        .map_err(|error| self.error(&format!("join {group}"), error))
    }

    /// Leaves a group.
    ///
    /// # Errors
    ///
    /// [`SocketError`]: `EADDRNOTAVAIL` if it was not joined, or the interface is gone.
    pub fn leave(&self, group: IpAddr) -> Result<(), SocketError> {
        match (self.family, group) {
            (Family::Ipv4, IpAddr::V4(group)) => {
                let interface = InterfaceIndexOrAddress::Index(self.ifindex);
                self.socket.leave_multicast_v4_n(&group, &interface)
            }
            (Family::Ipv6, IpAddr::V6(group)) => {
                self.socket.leave_multicast_v6(&group, self.ifindex)
            }
            _ => Err(Errno::INVAL.into()),
        }
        .map_err(|error| self.error(&format!("leave {group}"), error))
    }

    fn error(&self, what: &str, errno: impl RawErrno) -> SocketError {
        let attempt = format!("{what} on the VRRP socket of interface {}", self.ifindex);
        SocketError::new(attempt, errno)
    }
}

impl AsFd for VrrpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for VrrpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// A raw socket with the options of both families. Bound to the interface, it needs no option that
/// says where to send groups.
fn configured(domain: Domain, carrier: Carrier) -> io::Result<Socket> {
    let protocol = Protocol::from(i32::from(carrier.protocol()));
    let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(protocol))?;
    set_receive_queue(&socket, RECEIVE_QUEUE)?;
    Ok(socket)
}

/// Beyond the host's limit only with `CAP_NET_ADMIN`; without it as much as is allowed.
fn set_receive_queue(socket: &Socket, octets: usize) -> io::Result<()> {
    if set_socket_recv_buffer_size_force(socket, octets).is_err() {
        socket.set_recv_buffer_size(octets)?;
    }
    Ok(())
}

fn configured_v4(ifindex: u32, carrier: Carrier) -> io::Result<Socket> {
    let socket = configured(Domain::IPV4, carrier)?;
    socket.bind_device_by_index_v4(Some(interface(ifindex, &socket)?))?;
    socket.set_multicast_loop_v4(false)?;
    socket.set_multicast_all_v4(false)?;
    socket.set_multicast_ttl_v4(u32::from(TTL))?;
    socket.set_ttl_v4(u32::from(TTL))?;
    set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DONT)?;
    socket.set_tos_v4(u32::from(NETWORK_CONTROL))?;
    // After the type of service, which sets a priority as well.
    socket.set_priority(PRIORITY)?;
    Ok(socket)
}

fn configured_v6(ifindex: u32) -> io::Result<Socket> {
    let socket = configured(Domain::IPV6, Carrier::Vrrp)?;
    socket.bind_device_by_index_v6(Some(interface(ifindex, &socket)?))?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_multicast_hops_v6(u32::from(TTL))?;
    socket.set_unicast_hops_v6(u32::from(TTL))?;
    socket.set_tclass_v6(u32::from(NETWORK_CONTROL))?;
    socket.set_priority(PRIORITY)?;
    socket.set_recv_hoplimit_v6(true)?;
    // A virtual router's own interface sends from the link-local address of the one below.
    socket.set_freebind_v6(true)?;
    setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    Ok(socket)
}

/// The index of an interface, if there is one: binding to any index succeeds.
fn interface(ifindex: u32, socket: &Socket) -> io::Result<NonZeroU32> {
    rustix::net::netdevice::index_to_name_inlined(socket, ifindex)?;
    NonZeroU32::new(ifindex).ok_or_else(|| Errno::NODEV.into())
}
