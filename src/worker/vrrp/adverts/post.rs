//! What is to be sent: collected while the engine works, then sent socket by socket.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use crate::kernel::SocketError;
use crate::kernel::vrrp_socket::{Outbox, Outgoing, VrrpSocket};
use crate::worker::vrrp::engine::{Letter, Port};

/// One letter; its octets lie in [`Post::octets`].
#[derive(Debug)]
struct Item {
    port: Port,
    source: IpAddr,
    dest: IpAddr,
    ttl: u8,
    octets: Range<usize>,
}

/// The letters of one turn.
#[derive(Default)]
pub struct Post {
    items: Vec<Item>,
    octets: Vec<u8>,
    outbox: Outbox,
    /// The failure of each socket that was logged last.
    failing: BTreeMap<Port, SocketError>,
}

impl Post {
    /// Takes a letter.
    pub fn put(&mut self, letter: &Letter<'_>) {
        let start = self.octets.len();
        self.octets.extend_from_slice(letter.octets);
        self.items.push(Item {
            port: letter.port,
            source: letter.src,
            dest: letter.dst,
            ttl: letter.ttl,
            octets: start..self.octets.len(),
        });
    }

    /// Sends all letters, those of one socket in their order and as few system calls as
    /// can be.
    pub fn deliver<'s>(&mut self, socket: impl Fn(Port) -> Option<&'s VrrpSocket>) {
        if self.items.is_empty() {
            return;
        }
        // Stable: letters of one socket keep their order.
        self.items.sort_by_key(|item| item.port);
        for items in self.items.chunk_by(|a, b| a.port == b.port) {
            let Some(port) = items.first().map(|item| item.port) else {
                continue;
            };
            // Opened before the instance was started.
            let Some(socket) = socket(port) else {
                continue;
            };
            let letter = |item: &Item| Outgoing {
                source: item.source,
                dest: item.dest,
                ttl: item.ttl,
                bytes: self.octets.get(item.octets.clone()).unwrap_or_default(),
            };
            let letters: Vec<Outgoing<'_>> = items.iter().map(letter).collect();
            let mut failure = None;
            socket.send_batch(&mut self.outbox, &letters, |_, error| {
                failure = Some(error);
            });
            match failure {
                None => {
                    self.failing.remove(&port);
                }
                Some(error) if self.failing.get(&port) != Some(&error) => {
                    tracing::warn!(event = "advert_not_sent", interface = port.index, %error);
                    self.failing.insert(port, error);
                }
                Some(_) => {}
            }
        }
        self.items.clear();
        self.octets.clear();
    }
}
