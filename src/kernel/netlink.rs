//! A strict, blocking netlink request socket, for rtnetlink and generic
//! netlink alike.
//!
//! What it promises:
//!
//! - Every request ends in the kernel's own verdict or in an error; silence
//!   is an error ([`ErrorKind::Timeout`]), and so is a full receive buffer
//!   ([`ErrorKind::Overrun`]).
//! - Answers are matched by port and sequence number; messages that do not
//!   come from the kernel are dropped.
//! - Many requests travel in one `sendmsg` ([`Batch`]), each with its own
//!   result. The kernel works through a datagram in order, before `sendmsg`
//!   returns; it always answers a request that fails, and one that succeeds
//!   only if asked to. So the last request of a datagram asks, and its answer
//!   settles all before it: those without a complaint were done. Ten thousand
//!   requests cost some dozens of system calls instead of tens of thousands.
//! - A dump that changes overtook (`NLM_F_DUMP_INTR`) is read again.
//!
//! Requests block while the kernel holds its locks (the RTNL lock can be held
//! for long): keep this socket off threads that have deadlines.

use std::fmt::{self, Display};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN,
    NetlinkDeserializable, NetlinkHeader, NetlinkSerializable,
};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SendFlags, sockopt};

pub use netlink_sys::protocols::{NETLINK_GENERIC, NETLINK_ROUTE};

mod error;
mod wire;

pub use error::{Error, ErrorKind};
pub use wire::{Batch, Malformed, Messages, Raw, Refusal, verdict};

/// How long to wait for an answer, unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of requests in one `sendmsg`. The kernel's limit is the send buffer,
/// 208 KiB where nobody changed it.
const MAX_DATAGRAM: usize = 64 * 1024;
/// The receive buffer asked for, in bytes.
const RECEIVE_BUFFER: usize = 2 * 1024 * 1024;
/// What one answer may cost of the receive buffer: a header, an error with
/// the kernel's words, and the kernel's bookkeeping around it.
const ANSWER_COST: usize = 2048;
/// The largest datagram expected: the kernel builds dumps in pieces of at
/// most 32 KiB.
const MAX_ANSWER: usize = 128 * 1024;
/// How often a dump is read before giving up on a table that never rests.
const DUMP_TRIES: u32 = 10;

/// What became of one request of a batch.
pub type Outcome = Result<(), Refusal>;

/// A netlink request socket. See the [module](self) for what it promises.
pub struct Socket {
    socket: netlink_sys::Socket,
    port: u32,
    sequence: u32,
    timeout: Duration,
    /// Requests whose answers surely fit the receive buffer.
    max_messages: usize,
    buffer: Vec<u8>,
    /// Answers of an exchange that was given up may still be queued.
    stale: bool,
}

impl Socket {
    /// Opens a socket for `protocol` ([`NETLINK_ROUTE`], [`NETLINK_GENERIC`]).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Socket`] when the kernel gives no socket.
    pub fn open(protocol: isize) -> Result<Self, Error> {
        Self::try_open(protocol).map_err(|kind| Error {
            attempt: format!("open a netlink socket (protocol {protocol})"),
            kind,
        })
    }

    fn try_open(protocol: isize) -> Result<Self, ErrorKind> {
        let mut socket =
            netlink_sys::Socket::new(protocol).map_err(|error| io_error("socket", &error))?;
        let address = socket
            .bind_auto()
            .map_err(|error| io_error("bind", &error))?;
        // An older kernel without these options says less or sends more; both
        // are understood.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        if protocol == NETLINK_ROUTE {
            let _ = socket.set_netlink_get_strict_chk(true);
        }
        if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
            // Not privileged: up to net.core.rmem_max, whatever that is.
            let _ = sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER);
        }
        let room = sockopt::socket_recv_buffer_size(&socket).map_err(failed("getsockopt"))?;
        let mut opened = Self {
            socket,
            port: address.port_number(),
            sequence: 0,
            timeout: Duration::ZERO,
            max_messages: (room / ANSWER_COST).max(1),
            buffer: vec![0; MAX_ANSWER],
            stale: false,
        };
        opened.try_set_timeout(DEFAULT_TIMEOUT)?;
        Ok(opened)
    }

    /// Changes how long to wait for the next answer (5 s at first).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Socket`] when the kernel refuses the value.
    pub fn set_timeout(&mut self, timeout: Duration) -> Result<(), Error> {
        self.try_set_timeout(timeout).map_err(|kind| Error {
            attempt: "set a netlink socket's timeout".to_owned(),
            kind,
        })
    }

    fn try_set_timeout(&mut self, timeout: Duration) -> Result<(), ErrorKind> {
        sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Recv, Some(timeout))
            .map_err(failed("setsockopt"))?;
        self.timeout = timeout;
        Ok(())
    }

    /// Sends one request and waits for its acknowledgement. `attempt` follows
    /// "cannot" in an error; `flags` go beside `NLM_F_REQUEST | NLM_F_ACK`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] with the kernel's verdict, or any other kind
    /// when there is none.
    pub fn request<T: NetlinkSerializable>(
        &mut self,
        attempt: &dyn Display,
        flags: u16,
        message: &T,
    ) -> Result<(), Error> {
        self.get::<T, Raw>(attempt, flags, message).map(drop)
    }

    /// Sends one request and returns what the kernel answers before its
    /// acknowledgement.
    ///
    /// # Errors
    ///
    /// As [`Socket::request`], and [`ErrorKind::Malformed`] for an answer
    /// that `R` does not understand.
    pub fn get<T: NetlinkSerializable, R: NetlinkDeserializable>(
        &mut self,
        attempt: &dyn Display,
        flags: u16,
        message: &T,
    ) -> Result<Vec<R>, Error> {
        let mut batch = Batch::new();
        batch.push(flags, message);
        let mut answers = Vec::new();
        self.exchange(&mut batch, &mut |header, payload| {
            answers.push(decode(header, payload)?);
            Ok(())
        })
        .and_then(|outcomes| match outcomes.into_iter().next() {
            Some(Err(refusal)) => Err(refusal.into()),
            _ => Ok(answers),
        })
        .map_err(|kind| described(attempt, kind))
    }

    /// Sends all requests of `batch` and returns what became of each, in the
    /// order they were pushed.
    ///
    /// # Errors
    ///
    /// An error means that nothing certain is known about the requests: some
    /// may have been done. A request the kernel refuses is no error here but
    /// its own [`Outcome`], and does not keep later ones from being done.
    pub fn run(&mut self, attempt: &dyn Display, mut batch: Batch) -> Result<Vec<Outcome>, Error> {
        self.exchange(&mut batch, &mut |_, _| Ok(()))
            .map_err(|kind| described(attempt, kind))
    }

    /// Reads a table: sends `message` with `NLM_F_DUMP` and returns every
    /// entry of a dump that no change overtook.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Interrupted`] when every try was overtaken; else as
    /// [`Socket::get`].
    pub fn dump<T: NetlinkSerializable, R: NetlinkDeserializable>(
        &mut self,
        attempt: &dyn Display,
        message: &T,
    ) -> Result<Vec<R>, Error> {
        for _ in 0..DUMP_TRIES {
            let entries = self.dump_once(message);
            self.stale |= entries.is_err();
            match entries.map_err(|kind| described(attempt, kind))? {
                Some(entries) => return Ok(entries),
                None => self.stale = true,
            }
        }
        Err(described(attempt, ErrorKind::Interrupted(DUMP_TRIES)))
    }

    /// One dump; `None` if it was interrupted.
    fn dump_once<T: NetlinkSerializable, R: NetlinkDeserializable>(
        &mut self,
        message: &T,
    ) -> Result<Option<Vec<R>>, ErrorKind> {
        self.forget_stale()?;
        let mut batch = Batch::new();
        batch.push(NLM_F_DUMP, message);
        let sequence = self.reserve(1);
        send(&self.socket, batch.chunk(0, 1, sequence))?;
        let mut entries = Vec::new();
        let mut interrupted = false;
        loop {
            let length = receive(&self.socket, &mut self.buffer, self.timeout)?;
            for message in Messages::new(self.buffer.get(..length).unwrap_or_default()) {
                let (header, payload) = message?;
                if header.port_number != self.port || header.sequence_number != sequence {
                    continue;
                }
                interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
                match header.message_type {
                    NLMSG_NOOP => {}
                    NLMSG_OVERRUN => return Err(ErrorKind::Overrun),
                    NLMSG_DONE | NLMSG_ERROR => {
                        verdict(&header, payload)??;
                        return Ok((!interrupted).then_some(entries));
                    }
                    _ => entries.push(decode(&header, payload)?),
                }
            }
        }
    }

    /// Sends a batch, in as many datagrams as it takes, and collects the
    /// outcomes. What the kernel says beside them goes to `answer`.
    fn exchange(
        &mut self,
        batch: &mut Batch,
        answer: &mut Answers<'_>,
    ) -> Result<Vec<Outcome>, ErrorKind> {
        self.forget_stale()?;
        let mut outcomes = vec![Ok(()); batch.len()];
        let mut rest = outcomes.as_mut_slice();
        let mut first = 0;
        while !rest.is_empty() {
            let end = batch.chunk_end(first, MAX_DATAGRAM, self.max_messages);
            let count = end - first;
            let sequence = self.reserve(count);
            // From here to the last answer, an early return leaves answers
            // behind.
            self.stale = true;
            send(&self.socket, batch.chunk(first, end, sequence))?;
            let Some((chunk, later)) = rest.split_at_mut_checked(count) else {
                break;
            };
            self.settle(sequence, chunk, answer)?;
            self.stale = false;
            rest = later;
            first = end;
        }
        Ok(outcomes)
    }

    /// Receives until the last request of a datagram is answered.
    fn settle(
        &mut self,
        sequence: u32,
        outcomes: &mut [Outcome],
        answer: &mut Answers<'_>,
    ) -> Result<(), ErrorKind> {
        loop {
            let length = receive(&self.socket, &mut self.buffer, self.timeout)?;
            for message in Messages::new(self.buffer.get(..length).unwrap_or_default()) {
                let (header, payload) = message?;
                let place = usize::try_from(header.sequence_number.wrapping_sub(sequence))
                    .unwrap_or(usize::MAX);
                let last = place.saturating_add(1) == outcomes.len();
                let Some(outcome) = outcomes
                    .get_mut(place)
                    .filter(|_| header.port_number == self.port)
                else {
                    continue;
                };
                match header.message_type {
                    NLMSG_NOOP | NLMSG_DONE => {}
                    NLMSG_OVERRUN => return Err(ErrorKind::Overrun),
                    NLMSG_ERROR => {
                        *outcome = verdict(&header, payload)?;
                        if last {
                            return Ok(());
                        }
                    }
                    _ => answer(&header, payload)?,
                }
            }
        }
    }

    /// Takes `count` sequence numbers and returns the first.
    fn reserve(&mut self, count: usize) -> u32 {
        let first = self.sequence.wrapping_add(1);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.sequence = self.sequence.wrapping_add(count);
        first
    }

    /// Empties the queue after an exchange that was given up, so that what
    /// is left of it takes no room and no notice.
    fn forget_stale(&mut self) -> Result<(), ErrorKind> {
        while self.stale {
            match rustix::net::recvfrom(
                &self.socket,
                self.buffer.as_mut_slice(),
                RecvFlags::DONTWAIT,
            ) {
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(Errno::AGAIN) => self.stale = false,
                Err(errno) => return Err(failed("recvfrom")(errno)),
            }
        }
        Ok(())
    }
}

/// Without the receive buffer's 128 KiB.
impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("port", &self.port)
            .field("sequence", &self.sequence)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Takes what the kernel answers beside acknowledgements.
type Answers<'a> = dyn FnMut(&NetlinkHeader, &[u8]) -> Result<(), ErrorKind> + 'a;

fn send(socket: &netlink_sys::Socket, datagram: &[u8]) -> Result<(), ErrorKind> {
    let kernel = SocketAddrNetlink::new(0, 0);
    loop {
        match rustix::net::sendto(socket, datagram, SendFlags::empty(), &kernel) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::MSGSIZE) => return Err(ErrorKind::TooLong(datagram.len())),
            Err(errno) => return Err(failed("sendto")(errno)),
        }
    }
}

/// Receives one datagram of the kernel's and returns its length.
fn receive(
    socket: &netlink_sys::Socket,
    buffer: &mut [u8],
    timeout: Duration,
) -> Result<usize, ErrorKind> {
    loop {
        let (_, length, from) = match rustix::net::recvfrom(socket, &mut *buffer, RecvFlags::TRUNC)
        {
            Ok(received) => received,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => return Err(ErrorKind::Timeout(timeout)),
            Err(Errno::NOBUFS) => return Err(ErrorKind::Overrun),
            Err(errno) => return Err(failed("recvfrom")(errno)),
        };
        if length > buffer.len() {
            return Err(Malformed(format!("{length} bytes in one datagram")).into());
        }
        // Any local process may send to our port; only the kernel has port 0.
        let sender = from.and_then(|address| SocketAddrNetlink::try_from(address).ok());
        if sender.is_some_and(|address| address.pid() == 0) {
            return Ok(length);
        }
    }
}

fn decode<R: NetlinkDeserializable>(
    header: &NetlinkHeader,
    payload: &[u8],
) -> Result<R, Malformed> {
    R::deserialize(header, payload).map_err(|error| Malformed(error.to_string()))
}

fn described(attempt: &dyn Display, kind: ErrorKind) -> Error {
    Error {
        attempt: attempt.to_string(),
        kind,
    }
}

fn failed(call: &'static str) -> impl Fn(Errno) -> ErrorKind {
    move |errno| ErrorKind::Socket { call, errno }
}

fn io_error(call: &'static str, error: &std::io::Error) -> ErrorKind {
    failed(call)(Errno::from_io_error(error).unwrap_or(Errno::IO))
}

#[cfg(test)]
mod tests;
