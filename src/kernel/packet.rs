//! Whole Ethernet frames to and from one interface.

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::LinkAddr;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};
use vrrp::wire::{PROTOCOL, PROTOCOL_AH};

use super::SocketError;
use super::announce::{
    ETHERTYPE_ARP, ETHERTYPE_IPV6, Mac, NEIGHBOUR_ADVERTISEMENT, NEXT_HEADER_ICMPV6, claimant,
    probe,
};
use super::ready::readable;

const ETHERTYPE_IPV4: u16 = 0x0800;
/// How often [`duplicate_address`] asks (RFC 5227 section 1.1, `PROBE_NUM`).
const PROBES: u32 = 3;

/// A packet socket (packet(7)) on one interface. It does not block: see
/// [`is_full`](SocketError::is_full).
#[derive(Debug)]
pub struct PacketSocket {
    socket: Socket,
    ifindex: u32,
}

impl PacketSocket {
    /// A socket to send frames on the interface with the index `ifindex`. It receives nothing.
    ///
    /// # Errors
    ///
    /// [`SocketError`]: without `CAP_NET_RAW`, or if there is no such interface.
    pub fn open(ifindex: u32) -> Result<Self, SocketError> {
        Self::with_protocol(ifindex, 0)
    }

    /// A socket that receives the frames of an Ethernet protocol besides (0: of none).
    fn with_protocol(ifindex: u32, ethertype: u16) -> Result<Self, SocketError> {
        let attempt = format!("open a packet socket on interface {ifindex}");
        let failed = |error| SocketError::new(&attempt, error);
        // The protocol is in network byte order for the packet family.
        let protocol = Protocol::from(i32::from(ethertype.to_be()));
        let socket =
            Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol)).map_err(failed)?;
        let address = link_address(ifindex).map_err(|error| SocketError::new(&attempt, error))?;
        nix::sys::socket::bind(socket.as_raw_fd(), &address)
            .map_err(|error| SocketError::new(&attempt, error))?;
        Ok(Self { socket, ifindex })
    }

    /// Sends one whole Ethernet frame.
    ///
    /// # Errors
    ///
    /// [`SocketError`], of which [`is_down`](SocketError::is_down) and
    /// [`is_full`](SocketError::is_full) belong to normal life.
    pub fn send(&self, frame: &[u8]) -> Result<(), SocketError> {
        let attempt = || format!("send a frame on interface {}", self.ifindex);
        rustix::io::retry_on_intr(|| rustix::net::send(&self.socket, frame, SendFlags::empty()))
            .map(drop)
            .map_err(|errno| SocketError::new(attempt(), errno))
    }

    /// Receives one frame, or what of it fits `buffer`. `None` if there is none.
    fn receive<'b>(&self, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>, SocketError> {
        let flags = RecvFlags::empty();
        match rustix::io::retry_on_intr(|| rustix::net::recv(&self.socket, &mut *buffer, flags)) {
            Ok((length, _)) => Ok(buffer.get(..length)),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => {
                let attempt = format!("receive frames on interface {}", self.ifindex);
                Err(SocketError::new(attempt, errno))
            }
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

/// The packet address of an interface. The kernel lists it among the addresses of the host; there
/// is no other way to one without `unsafe`.
fn link_address(ifindex: u32) -> Result<LinkAddr, nix::errno::Errno> {
    let wanted = usize::try_from(ifindex).map_err(|_| nix::errno::Errno::ENODEV)?;
    getifaddrs()?
        .filter_map(|interface| interface.address?.as_link_addr().copied())
        .find(|address| address.ifindex() == wanted)
        .ok_or(nix::errno::Errno::ENODEV)
}

/// Asks on an interface whether another host has `address`, [`PROBES`] times within `timeout`, and
/// waits until its end for an answer: the Ethernet address of the host that says it has it.
///
/// `mac` is the interface's own address, whose claims do not count. The asking claims nothing, so
/// it disturbs no one (RFC 5227, RFC 4862).
///
/// # Errors
///
/// [`SocketError`] if the interface is down or gone, or without `CAP_NET_RAW`.
///
/// # Panics
///
/// Outside a tokio runtime with I/O and time enabled.
pub async fn duplicate_address(
    ifindex: u32,
    mac: Mac,
    address: IpAddr,
    timeout: Duration,
) -> Result<Option<Mac>, SocketError> {
    let socket = match address {
        IpAddr::V4(_) => PacketSocket::with_protocol(ifindex, ETHERTYPE_ARP)?,
        IpAddr::V6(_) => {
            let socket = PacketSocket::with_protocol(ifindex, ETHERTYPE_IPV6)?;
            let attempt = "filter neighbour advertisements";
            let filter = socket.socket.attach_filter(&only_advertisements());
            filter.map_err(|error| SocketError::new(attempt, error))?;
            socket
        }
    };
    let attempt = "wait for a packet socket";
    let socket = readable(socket).map_err(|error| SocketError::new(attempt, error))?;
    let question = probe(mac, address);
    let mut next = Instant::now();
    for _ in 0..PROBES {
        socket.get_ref().send(&question)?;
        next += timeout / PROBES;
        let answer = timeout_at(next, first(&socket, |frame| claimant(frame, address, mac))).await;
        if let Ok(answer) = answer {
            return answer.map(Some);
        }
    }
    Ok(None)
}

/// Waits on an interface for the next VRRP message from `src` (IP protocol 112, or 51 over IPv4):
/// the Ethernet address it came from, or `None` if none comes within `wait`. Meant for a report that
/// names who sends what it should not: a router on the way has its own address there.
///
/// # Errors
///
/// [`SocketError`] if the interface is down or gone, or without `CAP_NET_RAW`.
///
/// # Panics
///
/// Outside a tokio runtime with I/O and time enabled.
pub async fn sender_mac(
    ifindex: u32,
    src: IpAddr,
    wait: Duration,
) -> Result<Option<Mac>, SocketError> {
    let ethertype = match src {
        IpAddr::V4(_) => ETHERTYPE_IPV4,
        IpAddr::V6(_) => ETHERTYPE_IPV6,
    };
    let socket = PacketSocket::with_protocol(ifindex, ethertype)?;
    let attempt = "filter VRRP messages";
    let filter = socket.socket.attach_filter(&only_vrrp());
    filter.map_err(|error| SocketError::new(attempt, error))?;
    let attempt = "wait for a packet socket";
    let socket = readable(socket).map_err(|error| SocketError::new(attempt, error))?;
    let heard = first(&socket, |frame| vrrp_sender(frame, src));
    match timeout_at(Instant::now() + wait, heard).await {
        Ok(heard) => heard.map(Some),
        Err(_) => Ok(None),
    }
}

/// Where a VRRP message came from, if it came from `src`.
fn vrrp_sender(frame: &[u8], src: IpAddr) -> Option<Mac> {
    let (protocol, source) = match src {
        IpAddr::V4(src) => (frame.get(PROTOCOL_AT)?, frame.get(26..30)? == src.octets()),
        IpAddr::V6(src) => (
            frame.get(NEXT_HEADER_AT)?,
            frame.get(22..38)? == src.octets(),
        ),
    };
    let mac = frame.get(6..)?.first_chunk().copied()?;
    (source && [PROTOCOL, PROTOCOL_AH].contains(protocol)).then_some(mac)
}

/// Waits for a frame that tells what is sought.
async fn first<T>(
    socket: &AsyncFd<PacketSocket>,
    told: impl Fn(&[u8]) -> Option<T>,
) -> Result<T, SocketError> {
    let mut buffer = [0; 256];
    loop {
        let attempt = "wait for a packet socket";
        let ready = socket.readable().await;
        let mut ready = ready.map_err(|error| SocketError::new(attempt, error))?;
        while let Some(frame) = socket.get_ref().receive(&mut buffer)? {
            if let Some(found) = told(frame) {
                return Ok(found);
            }
        }
        ready.clear_ready();
    }
}

/// Where the protocol of IPv4, the next header of IPv6 and the type of ICMPv6 lie in a frame.
const PROTOCOL_AT: usize = 14 + 9;
const NEXT_HEADER_AT: usize = 14 + 6;
const TYPE_AT: usize = 14 + 40;

// BPF_LD | BPF_B | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K of linux/bpf_common.h.
const LOAD_OCTET: u16 = 0x30;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Loads the octet of a frame at `at`, which is well within one.
const fn load(at: usize) -> SockFilter {
    #[expect(clippy::cast_possible_truncation, reason = "an offset in a header")]
    SockFilter::new(LOAD_OCTET, 0, 0, at as u32)
}

/// A filter (classic BPF) that lets through the frames whose octet where IPv4 has its protocol or
/// IPv6 its next header says VRRP or an authentication header, so that the interface's other traffic
/// does not fill the socket's queue. What passes by chance is sorted out later.
fn only_vrrp() -> [SockFilter; 7] {
    [
        load(PROTOCOL_AT),
        SockFilter::new(JUMP_IF_EQUAL, 3, 0, u32::from(PROTOCOL)),
        SockFilter::new(JUMP_IF_EQUAL, 2, 0, u32::from(PROTOCOL_AH)),
        load(NEXT_HEADER_AT),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, u32::from(PROTOCOL)),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// A filter of IPv6 frames that lets through neighbour advertisements only.
fn only_advertisements() -> [SockFilter; 6] {
    [
        load(NEXT_HEADER_AT),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, u32::from(NEXT_HEADER_ICMPV6)),
        load(TYPE_AT),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, u32::from(NEIGHBOUR_ADVERTISEMENT)),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
