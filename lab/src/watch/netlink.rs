//! What a host's processes and its kernel say to each other by generic netlink.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::capture::{LARGEST_FRAME, open, receive};
use crate::failure::{Failure, Result};
use crate::net::Host;

/// `NLM_F_REQUEST` of linux/netlink.h.
const FLAG_REQUEST: u16 = 1;
const HEADER: usize = 16;

/// A netlink message seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetlinkMessage {
    /// When, since the Unix epoch.
    pub at: Duration,
    /// The type of the message: the family, in generic netlink.
    pub kind: u16,
    /// The flags.
    pub flags: u16,
    /// The command, in generic netlink.
    pub command: u8,
}

/// A tap on the netlink requests of a host to its kernel, by an nlmon device.
pub struct NetlinkTap {
    host: Host,
    family: u16,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<NetlinkMessage>>>,
    thread: Option<JoinHandle<()>>,
}

impl NetlinkTap {
    /// Starts to listen for messages of a generic netlink family, such as `IPVS`.
    ///
    /// # Errors
    /// When the kernel has no nlmon or does not know the family.
    pub fn start(host: &Host, family: &str) -> Result<Self> {
        let family = family_id(host, family)?;
        host.run(["ip", "link", "add", "nlmon0", "type", "nlmon"])?;
        host.run(["ip", "link", "set", "nlmon0", "up"])?;
        let (socket, index) = open(host, "nlmon0")?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (stopped, store) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = thread::spawn(move || {
            let mut buffer = vec![0; LARGEST_FRAME];
            while !stopped.load(Ordering::SeqCst) {
                if let Some(frame) = receive(&socket, index, &mut buffer) {
                    let mut messages = split(frame.at, &frame.bytes);
                    messages.retain(|message| {
                        message.kind == family && message.flags & FLAG_REQUEST != 0
                    });
                    store
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .append(&mut messages);
                }
            }
        });
        Ok(Self {
            host: host.clone(),
            family,
            stop,
            seen,
            thread: Some(thread),
        })
    }

    /// The number of the family.
    #[must_use]
    pub fn family(&self) -> u16 {
        self.family
    }

    /// The requests to the kernel since `since` that `wanted` accepts.
    #[must_use]
    pub fn requests(
        &self,
        since: Duration,
        wanted: impl Fn(&NetlinkMessage) -> bool,
    ) -> Vec<NetlinkMessage> {
        self.with(since, |requests| {
            requests
                .filter(|request| wanted(request))
                .cloned()
                .collect()
        })
    }

    /// How many of them there are, and the time of the last. Much cheaper than the list: whoever
    /// asks again and again takes the CPU from those who are watched.
    #[must_use]
    pub fn count(
        &self,
        since: Duration,
        wanted: impl Fn(&NetlinkMessage) -> bool,
    ) -> (usize, Option<Duration>) {
        self.with(since, |requests| {
            requests
                .filter(|request| wanted(request))
                .fold((0, None), |(count, _), request| {
                    (count + 1, Some(request.at))
                })
        })
    }

    fn with<T>(
        &self,
        since: Duration,
        look: impl FnOnce(&mut dyn Iterator<Item = &NetlinkMessage>) -> T,
    ) -> T {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.partition_point(|request| request.at < since);
        look(&mut seen.iter().skip(first))
    }
}

impl Drop for NetlinkTap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of the tap has nothing more to say here.
            let _ = thread.join();
        }
        let _ = self.host.run(["ip", "link", "del", "nlmon0"]);
    }
}

fn family_id(host: &Host, family: &str) -> Result<u16> {
    let output = host.run(["genl", "ctrl", "get", "name", family])?.stdout;
    output
        .split_whitespace()
        .find_map(|word| u16::from_str_radix(word.strip_prefix("0x")?, 16).ok())
        .ok_or_else(|| Failure::said(format!("no family id of {family} in {output:?}")))
}

/// The messages of one datagram.
fn split(at: Duration, mut bytes: &[u8]) -> Vec<NetlinkMessage> {
    let mut messages = Vec::new();
    while let Some(header) = bytes.get(..HEADER) {
        let length = header
            .first_chunk::<4>()
            .map_or(0, |length| u32::from_ne_bytes(*length));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < HEADER {
            break;
        }
        let half = |at: usize| {
            let pair = header.get(at..at + 2).and_then(|pair| pair.try_into().ok());
            pair.map_or(0, u16::from_ne_bytes)
        };
        messages.push(NetlinkMessage {
            at,
            kind: half(4),
            flags: half(6),
            command: bytes.get(HEADER).copied().unwrap_or(0),
        });
        // Messages begin at multiples of four octets.
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_datagram_are_told_apart() {
        let mut datagram = Vec::new();
        for (kind, command) in [(0x1fu16, 2u8), (0x1f, 6)] {
            datagram.extend(20u32.to_ne_bytes());
            datagram.extend(kind.to_ne_bytes());
            datagram.extend(5u16.to_ne_bytes());
            datagram.extend([0; 8]);
            datagram.extend([command, 1, 0, 0]);
        }
        let seen = split(Duration::ZERO, &datagram);
        let commands: Vec<u8> = seen.iter().map(|message| message.command).collect();
        assert_eq!(commands, [2, 6]);
    }

    #[test]
    fn a_broken_length_ends_the_datagram() {
        assert!(split(Duration::ZERO, &[0; 40]).is_empty());
    }
}
