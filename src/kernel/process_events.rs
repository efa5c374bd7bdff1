//! Processes that begin, run another program and end, as the kernel's proc connector tells
//! (linux/cn_proc.h), and what runs now (proc(5)).
//!
//! The connector needs `CAP_NET_ADMIN` and the first network, user and process namespaces
//! of the host; not every kernel has it.

use std::fs;
use std::io::{self, Read};

use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::{RecvFlags, sockopt};
use tokio::io::unix::AsyncFd;

use super::ready;
use crate::tracking::Names;

const NETLINK_CONNECTOR: isize = 11;
/// `CN_IDX_PROC`: the multicast group, and the connector's first id.
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
const NLMSG_DONE: u16 = 3;
/// `struct nlmsghdr` and `struct cn_msg`, in bytes.
const HEADERS: usize = 16 + 20;
/// Of `struct proc_event`, what comes before the union.
const EVENT_HEADER: usize = 16;
// `what` of `struct proc_event`.
const PROC_EVENT_FORK: u32 = 0x1;
const PROC_EVENT_EXEC: u32 = 0x2;
const PROC_EVENT_COMM: u32 = 0x200;
const PROC_EVENT_EXIT: u32 = 0x8000_0000;
/// 1,400 processes that end at once need 500,000 bytes.
const RECEIVE_BUFFER: usize = 2 * 1024 * 1024;
/// The longest command line that is looked at, in bytes.
const LONGEST_COMMAND: u64 = 64 * 1024;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A process has a child.
    Forked {
        /// The process.
        parent: u32,
        /// The child.
        child: u32,
    },
    /// A process runs another program, or calls itself otherwise.
    Renamed(u32),
    /// A process has ended.
    Gone(u32),
    /// Events were lost: look at what runs.
    Overrun,
}

/// A subscription to the events of all processes.
#[derive(Debug)]
pub struct Connector {
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
}

impl Connector {
    /// Subscribes.
    ///
    /// # Errors
    ///
    /// When this kernel, or this namespace of it, has no connector.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_CONNECTOR)?;
        socket.bind(&SocketAddr::new(0, CN_IDX_PROC))?;
        socket.set_non_blocking(true)?;
        if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
        }
        let sent = socket.send_to(&listen(), &SocketAddr::new(0, 0), 0)?;
        debug_assert_eq!(sent, HEADERS + 4);
        Ok(Self {
            socket: ready::readable(socket)?,
            buffer: vec![0; 4_096],
        })
    }

    /// The next event. Cancel safe.
    ///
    /// # Errors
    ///
    /// When the socket fails; it is of no use afterwards.
    pub async fn next(&mut self) -> io::Result<Event> {
        loop {
            let mut ready = self.socket.readable().await?;
            let buffer = &mut self.buffer;
            let received = ready.try_io(|socket| {
                rustix::net::recv(socket.get_ref(), buffer.as_mut_slice(), RecvFlags::empty())
                    .map(|(length, _)| length)
                    .map_err(io::Error::from)
            });
            match received {
                Err(_not_ready) => {}
                Ok(Ok(length)) => {
                    if let Some(event) = self.buffer.get(..length).and_then(decode) {
                        return Ok(event);
                    }
                }
                Ok(Err(error)) => match Errno::from_io_error(&error) {
                    Some(Errno::NOBUFS) => return Ok(Event::Overrun),
                    Some(Errno::INTR) => {}
                    _ => return Err(error),
                },
            }
        }
    }
}

/// The message that asks for events.
fn listen() -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADERS + 4);
    let mut word = |value: u32| message.extend(value.to_ne_bytes());
    word(40); // nlmsg_len
    let [a, b] = NLMSG_DONE.to_ne_bytes();
    word(u32::from_ne_bytes([a, b, 0, 0])); // nlmsg_type, nlmsg_flags
    word(0); // nlmsg_seq
    word(0); // nlmsg_pid
    word(CN_IDX_PROC);
    word(CN_VAL_PROC);
    word(0); // seq
    word(0); // ack
    let [a, b] = 4_u16.to_ne_bytes();
    word(u32::from_ne_bytes([a, b, 0, 0])); // len, flags
    word(PROC_CN_MCAST_LISTEN);
    message
}

/// An event about a process; none for what is about threads, or nothing we know.
fn decode(datagram: &[u8]) -> Option<Event> {
    let event = datagram.get(HEADERS..)?;
    let word = |at: usize| {
        let bytes = event.get(at..at + 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    };
    let field = |number: usize| word(EVENT_HEADER + 4 * number);
    match word(0)? {
        PROC_EVENT_FORK => {
            let (child, group) = (field(2)?, field(3)?);
            (child == group).then_some(Event::Forked {
                parent: field(1)?,
                child,
            })
        }
        PROC_EVENT_EXEC => Some(Event::Renamed(field(1)?)),
        PROC_EVENT_COMM => (field(0)? == field(1)?).then_some(Event::Renamed(field(1)?)),
        PROC_EVENT_EXIT => (field(0)? == field(1)?).then_some(Event::Gone(field(1)?)),
        _ => None,
    }
}

/// What a process is called; none when it has gone. The command line only when it is
/// wanted: reading it may have to wait for the process's memory.
#[must_use]
pub fn names(pid: u32, with_words: bool) -> Option<Names> {
    let comm = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let comm = String::from_utf8_lossy(&comm)
        .trim_end_matches('\n')
        .to_owned();
    let words = if with_words { words(pid)? } else { Vec::new() };
    Some(Names { comm, words })
}

fn words(pid: u32) -> Option<Vec<String>> {
    let file = fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
    let mut line = Vec::new();
    file.take(LONGEST_COMMAND).read_to_end(&mut line).ok()?;
    let line = line.strip_suffix(&[0]).unwrap_or(&line);
    if line.is_empty() {
        return Some(Vec::new());
    }
    let words = line.split(|octet| *octet == 0);
    Some(
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect(),
    )
}

/// All processes that run now.
#[must_use]
pub fn scan(with_words: bool) -> Vec<(u32, Names)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, names(pid, with_words)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(what: u32, fields: &[u32]) -> Vec<u8> {
        let mut datagram = vec![0; HEADERS];
        datagram.extend(what.to_ne_bytes());
        datagram.extend([0; 12]);
        fields
            .iter()
            .for_each(|field| datagram.extend(field.to_ne_bytes()));
        datagram
    }

    #[test]
    fn events_about_processes_are_understood_and_those_about_threads_left_out() {
        let decoded = |what, fields: &[u32]| decode(&event(what, fields));
        let forked = Event::Forked {
            parent: 1,
            child: 3,
        };
        assert_eq!(decoded(PROC_EVENT_FORK, &[9, 1, 3, 3]), Some(forked));
        assert_eq!(decoded(PROC_EVENT_FORK, &[9, 1, 4, 3]), None);
        assert_eq!(decoded(PROC_EVENT_EXEC, &[5, 5]), Some(Event::Renamed(5)));
        assert_eq!(
            decoded(PROC_EVENT_COMM, &[5, 5, 0, 0]),
            Some(Event::Renamed(5))
        );
        assert_eq!(decoded(PROC_EVENT_COMM, &[6, 5, 0, 0]), None);
        assert_eq!(
            decoded(PROC_EVENT_EXIT, &[5, 5, 0, 17]),
            Some(Event::Gone(5))
        );
        assert_eq!(decoded(PROC_EVENT_EXIT, &[6, 5, 0, 17]), None);
        assert_eq!(decoded(0, &[0]), None);
    }

    #[test]
    fn a_message_cut_short_is_none() {
        let whole = event(PROC_EVENT_EXIT, &[5, 5]);
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn this_process_is_found_by_its_names() {
        let pid = std::process::id();
        let names = names(pid, true).unwrap();
        assert_eq!(names.words, std::env::args().collect::<Vec<_>>());
        assert!(
            scan(false)
                .iter()
                .any(|(found, one)| *found == pid && one.comm == names.comm)
        );
    }
}
