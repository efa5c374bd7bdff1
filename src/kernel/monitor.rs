//! What happens to links, addresses, routes and rules, as it happens.
//!
//! Open the monitor first, read the tables ([`super::rtnl`]) second, then
//! follow the events: that way nothing falls in between. An event may repeat
//! what the tables said already.

use std::collections::VecDeque;
use std::io;

use netlink_packet_core::{DecodeError, NetlinkHeader};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, sockopt};
use tokio::io::unix::AsyncFd;

use super::netlink::{Messages, NETLINK_ROUTE};
use super::ready;
use super::rtnl::{Address, Link, parse_route, parse_rule};
use crate::reconcile::route::Route;
use crate::reconcile::rule::Rule;

// Message types and groups, from linux/rtnetlink.h.
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV4_RULE: u32 = 8;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
const RTNLGRP_IPV6_ROUTE: u32 = 11;
const RTNLGRP_IPV6_RULE: u32 = 19;

/// The receive buffer asked for, in bytes: a host may take hundreds of
/// interfaces down at once.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// The largest notification expected, in bytes.
const MAX_DATAGRAM: usize = 64 * 1024;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link is new or has changed.
    Link(Link),
    /// A link is no more; this is how it was last.
    LinkGone(Link),
    /// An address is new or has changed (a tentative one became usable).
    AddressAdded(Address),
    /// An address is no more. The kernel tells of one that goes with its link.
    AddressRemoved(Address),
    /// A route is new, has changed, or is no more.
    Route(Box<Route>),
    /// A rule is new or is no more.
    Rule(Box<Rule>),
    /// Events were lost, or one could not be understood: read the tables
    /// again.
    Overrun,
}

/// A subscription to the events of the network namespace it was opened in.
#[derive(Debug)]
pub struct Monitor {
    socket: AsyncFd<netlink_sys::Socket>,
    buffer: Vec<u8>,
    waiting: VecDeque<Event>,
}

impl Monitor {
    /// Subscribes.
    ///
    /// # Errors
    ///
    /// When the kernel gives no socket.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O.
    pub fn open() -> io::Result<Self> {
        let mut socket = netlink_sys::Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
            // Not privileged: up to net.core.rmem_max, whatever that is.
            sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
        }
        for group in [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR] {
            socket.add_membership(group)?;
        }
        Ok(Self {
            socket: ready::readable(socket)?,
            buffer: vec![0; MAX_DATAGRAM],
            waiting: VecDeque::new(),
        })
    }

    /// Subscribes to the events of routes and rules too, or no longer. A host
    /// that speaks BGP has many.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn follow(&mut self, routes: bool, rules: bool) -> io::Result<()> {
        let socket = self.socket.get_mut();
        for (wanted, groups) in [
            (routes, [RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE]),
            (rules, [RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE]),
        ] {
            for group in groups {
                if wanted {
                    socket.add_membership(group)?;
                } else {
                    socket.drop_membership(group)?;
                }
            }
        }
        Ok(())
    }

    /// The next event. May be dropped while it waits without losing one.
    ///
    /// # Errors
    ///
    /// When the socket fails; it is of no use afterwards.
    pub async fn next(&mut self) -> io::Result<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            let mut ready = self.socket.readable().await?;
            let buffer = &mut self.buffer;
            let received = ready.try_io(|socket| {
                rustix::net::recvfrom(socket, buffer.as_mut_slice(), RecvFlags::TRUNC)
                    .map_err(io::Error::from)
            });
            match received {
                // It was not readable after all.
                Err(_) => {}
                Ok(Ok((_, length, from))) => {
                    let sender = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
                    // Any local process may send to us; only the kernel has port 0.
                    if sender.is_some_and(|sender| sender.pid() == 0) {
                        match self.buffer.get(..length) {
                            Some(datagram) => self.waiting.extend(events(datagram)),
                            None => return Ok(Event::Overrun),
                        }
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

/// The events in a datagram.
fn events(datagram: &[u8]) -> impl Iterator<Item = Event> {
    Messages::new(datagram).filter_map(|message| {
        let event = match message {
            Ok((header, payload)) => event(&header, payload),
            Err(_) => Ok(Some(Event::Overrun)),
        };
        event.unwrap_or(Some(Event::Overrun))
    })
}

/// `None` for a message about something else.
fn event(header: &NetlinkHeader, payload: &[u8]) -> Result<Option<Event>, DecodeError> {
    Ok(match header.message_type {
        RTM_NEWLINK => Link::parse(payload)?.map(Event::Link),
        RTM_DELLINK => Link::parse(payload)?.map(Event::LinkGone),
        RTM_NEWADDR => Address::parse(payload)?.map(Event::AddressAdded),
        RTM_DELADDR => Address::parse(payload)?.map(Event::AddressRemoved),
        RTM_NEWROUTE | RTM_DELROUTE => parse_route(payload)?.map(Box::new).map(Event::Route),
        RTM_NEWRULE | RTM_DELRULE => parse_rule(payload)?.map(Box::new).map(Event::Rule),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::netlink::Batch;
    use super::*;

    #[test]
    fn what_cannot_be_understood_means_reading_the_tables_again() {
        let message = |message_type, payload: &[u8]| {
            let mut batch = Batch::new();
            batch.push_raw(message_type, 0, payload);
            batch
        };
        let seen = |batch: Batch| events(batch.as_bytes()).collect::<Vec<_>>();
        assert_eq!(seen(message(RTM_NEWLINK, &[0; 3])), [Event::Overrun]);
        assert_eq!(seen(message(RTM_DELADDR, &[0; 3])), [Event::Overrun]);
        // A multicast route, and a link message without a name.
        assert_eq!(seen(message(24, &[0; 12])), []);
        assert_eq!(seen(message(RTM_NEWLINK, &[0; 16])), []);
        // A port that left its bridge (AF_BRIDGE): the link is still there.
        let mut port = [0; 24];
        port[0] = 7;
        port[16..].copy_from_slice(&[8, 0, 3, 0, b'v', b'0', 0, 0]);
        assert_eq!(seen(message(RTM_DELLINK, &port)), []);
        port[0] = 0;
        assert!(matches!(
            seen(message(RTM_DELLINK, &port))[..],
            [Event::LinkGone(_)]
        ));
        let cut: Vec<_> = events(&[16, 0, 0]).collect();
        assert_eq!(cut, [Event::Overrun]);
    }
}
