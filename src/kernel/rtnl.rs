//! Links, addresses, routes and rules, read and changed through rtnetlink.
//!
//! Addresses we add carry our mark ([`OURS`] in `IFA_PROTO`, Linux 5.18), so
//! that a later generation of the daemon, and the fence, know them from the
//! administrator's. An older kernel drops the mark in silence:
//! what is read back tells.

use std::collections::BTreeSet;
use std::fmt;
use std::os::fd::AsFd;

use netlink_packet_core::{DecodeError, NetlinkDeserializable, NetlinkHeader};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;

use super::netlink::{Batch, Error, ErrorKind, NETLINK_ROUTE, Socket};
use crate::reconcile::route::Route;
use crate::reconcile::rule::Rule;

mod address;
mod link;
mod op;
mod route;
mod rule;

pub use address::{
    Address, AddressKey, DADFAILED, DEPRECATED, FOREVER, HOME, NODAD, NOPREFIXROUTE, NewAddress,
    OURS, SECONDARY, TENTATIVE, source_address, usable_addresses,
};
pub use link::Link;
pub use op::{AddressOp, Change, LinkOp, Op, RouteOp, RuleOp};

/// The longest interface name, in bytes (`IFNAMSIZ` less the final zero).
pub const MAX_INTERFACE_NAME: usize = 15;

/// A connection to rtnetlink, for requests. Events: [`super::monitor`].
#[derive(Debug)]
pub struct Rtnl {
    socket: Socket,
}

impl Rtnl {
    /// Connects to rtnetlink of the network namespace the thread is in.
    ///
    /// # Errors
    ///
    /// When the kernel gives no socket.
    pub fn open() -> Result<Self, Error> {
        Ok(Self {
            socket: Socket::open(NETLINK_ROUTE)?,
        })
    }

    /// Every network interface, in the order of their numbers as a rule.
    ///
    /// # Errors
    ///
    /// When the kernel's table cannot be read.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        let mut request = LinkMessage::default();
        request.attributes = vec![skip_stats()];
        let entries: Vec<Entry<Link>> = self.socket.dump(
            &"list network interfaces",
            &RouteNetlinkMessage::GetLink(request),
        )?;
        Ok(entries.into_iter().filter_map(|entry| entry.0).collect())
    }

    /// The interface called `name`, `None` if there is none.
    ///
    /// # Errors
    ///
    /// When the kernel cannot be asked.
    pub fn link_by_name(&mut self, name: &str) -> Result<Option<Link>, Error> {
        if name.is_empty() || name.len() > MAX_INTERFACE_NAME {
            return Ok(None);
        }
        let mut request = LinkMessage::default();
        request.attributes = vec![LinkAttribute::IfName(name.to_owned()), skip_stats()];
        let answers = self.socket.get::<_, Entry<Link>>(
            &format_args!("look up network interface {name:?}"),
            0,
            &RouteNetlinkMessage::GetLink(request),
        );
        match answers {
            Ok(entries) => Ok(entries.into_iter().find_map(|entry| entry.0)),
            Err(error) if error.refused() == Some(Errno::NODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every IPv4 and IPv6 address of this host.
    ///
    /// # Errors
    ///
    /// When the kernel's table cannot be read.
    pub fn addresses(&mut self) -> Result<Vec<Address>, Error> {
        let entries: Vec<Entry<Address>> = self.socket.dump(
            &"list addresses",
            &RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        )?;
        Ok(entries.into_iter().filter_map(|entry| entry.0).collect())
    }

    /// The routes that one of `protocols` installed (`rtm_protocol`), in every
    /// table. The kernel picks them, where it can: a full table stays there.
    ///
    /// # Errors
    ///
    /// When the kernel's table cannot be read.
    pub fn routes_of(&mut self, protocols: &BTreeSet<u8>) -> Result<Vec<Route>, Error> {
        let mut routes = Vec::new();
        for protocol in protocols {
            for ipv6 in [false, true] {
                routes.extend(self.dump_routes(route::dump_message(ipv6, Some(*protocol)))?);
            }
        }
        // A kernel that does not pick lists all of them, each time.
        routes.retain(|route| protocols.contains(&route.identity.protocol));
        routes.dedup();
        Ok(routes)
    }

    /// The routes of one family in one table.
    ///
    /// # Errors
    ///
    /// When the kernel's table cannot be read.
    pub fn routes_in(&mut self, ipv6: bool, table: u32) -> Result<Vec<Route>, Error> {
        let mut request = route::dump_message(ipv6, None);
        request.attributes = vec![RouteAttribute::Table(table)];
        match self.dump_routes(request) {
            // There is no such table.
            Err(error) if error.refused() == Some(Errno::NOENT) => Ok(Vec::new()),
            routes => {
                let mut routes = routes?;
                routes.retain(|route| route.identity.table == table);
                Ok(routes)
            }
        }
    }

    fn dump_routes(&mut self, request: RouteMessage) -> Result<Vec<Route>, Error> {
        let request = RouteNetlinkMessage::GetRoute(request);
        let entries: Vec<Entry<Route>> = self.socket.dump(&"list routes", &request)?;
        Ok(entries.into_iter().filter_map(|entry| entry.0).collect())
    }

    /// Every IPv4 and IPv6 rule, less those that ours cannot be like.
    ///
    /// # Errors
    ///
    /// When the kernel's table cannot be read.
    pub fn rules(&mut self) -> Result<Vec<Rule>, Error> {
        let mut rules = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut request = RuleMessage::default();
            request.header.family = family;
            let request = RouteNetlinkMessage::GetRule(request);
            let entries: Vec<Entry<Rule>> = self.socket.dump(&"list rules", &request)?;
            rules.extend(entries.into_iter().filter_map(|entry| entry.0));
        }
        Ok(rules)
    }

    /// Makes one change.
    ///
    /// # Errors
    ///
    /// When the kernel refuses for another reason than that nothing is to be
    /// done.
    pub fn change(&mut self, op: &Op) -> Result<Change, Error> {
        self.apply(std::slice::from_ref(op))?
            .pop()
            .unwrap_or(Ok(Change::AlreadySo))
    }

    /// Makes all changes, in order, in one system call, and returns what
    /// became of each. One that is refused does not keep later ones from
    /// being made.
    ///
    /// # Errors
    ///
    /// An error of the whole means that it is unknown which changes were
    /// made: read the addresses again.
    pub fn apply(&mut self, ops: &[Op]) -> Result<Vec<Result<Change, Error>>, Error> {
        let mut batch = Batch::new();
        for op in ops {
            let (flags, message) = op.message();
            batch.push(flags, &message);
        }
        let outcomes = self
            .socket
            .run(&format_args!("make {} changes", ops.len()), batch)?;
        Ok(ops
            .iter()
            .zip(outcomes)
            .map(|(op, outcome)| {
                op.judge(outcome).map_err(|refusal| Error {
                    attempt: op.describe(|index| self.name_of(index)),
                    kind: ErrorKind::Refused(refusal),
                })
            })
            .collect())
    }

    fn name_of(&self, index: u32) -> String {
        rustix::net::netdevice::index_to_name(self.socket.as_fd(), index)
            .unwrap_or_else(|_| format!("interface {index}"))
    }
}

/// Reads the payload of an `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` for one that
/// ours cannot be like.
///
/// # Errors
///
/// When the payload is shorter than its header.
pub fn parse_route(payload: &[u8]) -> Result<Option<Route>, DecodeError> {
    Route::from_payload(payload)
}

/// Reads the payload of an `RTM_NEWRULE` or `RTM_DELRULE`; `None` for one that
/// ours cannot be like.
///
/// # Errors
///
/// When the payload is shorter than its header.
pub fn parse_rule(payload: &[u8]) -> Result<Option<Rule>, DecodeError> {
    Rule::from_payload(payload)
}

/// Interface statistics are most of an answer, and nobody reads them here.
fn skip_stats() -> LinkAttribute {
    LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])
}

/// A type that is read from the payload of an rtnetlink message.
trait FromPayload: Sized + fmt::Debug {
    /// `None` for a message that is about something else.
    fn from_payload(payload: &[u8]) -> Result<Option<Self>, DecodeError>;
}

/// An entry of a dump, `None` for one that is about something else.
#[derive(Debug)]
struct Entry<T>(Option<T>);

impl<T: FromPayload> NetlinkDeserializable for Entry<T> {
    type Error = DecodeError;

    fn deserialize(_: &NetlinkHeader, payload: &[u8]) -> Result<Self, Self::Error> {
        T::from_payload(payload).map(Self)
    }
}
