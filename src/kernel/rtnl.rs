//! Links and addresses, read and changed through rtnetlink.
//!
//! Addresses we add carry our mark ([`OURS`] in `IFA_PROTO`, Linux 5.18), so
//! that a later generation of the daemon, and the fence, know them from the
//! administrator's. An older kernel drops the mark in silence:
//! what is read back tells.

use std::fmt;
use std::os::fd::AsFd;

use netlink_packet_core::NetlinkHeader;
use netlink_packet_core::{
    DecodeError, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NetlinkDeserializable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use rustix::io::Errno;

use super::netlink::{Batch, Error, ErrorKind, NETLINK_ROUTE, Refusal, Socket};

mod address;
mod link;

pub use address::{
    Address, AddressKey, DADFAILED, DEPRECATED, NewAddress, OURS, SECONDARY, TENTATIVE,
    source_address, usable_addresses,
};
pub use link::Link;

/// The longest interface name, in bytes (`IFNAMSIZ` less the final zero).
pub const MAX_INTERFACE_NAME: usize = 15;

/// A change of one address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AddressOp {
    /// Add it.
    Add(NewAddress),
    /// Add it, or give the one that is there this mark and these lifetimes
    /// (label, scope and prefix cannot be changed in place).
    Replace(NewAddress),
    /// Take it away.
    Delete(AddressKey),
}

impl AddressOp {
    /// Which address it changes.
    #[must_use]
    pub fn key(&self) -> AddressKey {
        match self {
            Self::Add(new) | Self::Replace(new) => new.key,
            Self::Delete(key) => *key,
        }
    }

    fn message(&self) -> (u16, RouteNetlinkMessage) {
        match self {
            Self::Add(new) => (
                NLM_F_CREATE | NLM_F_EXCL,
                RouteNetlinkMessage::NewAddress(new.message()),
            ),
            Self::Replace(new) => (
                NLM_F_CREATE | NLM_F_REPLACE,
                RouteNetlinkMessage::NewAddress(new.message()),
            ),
            Self::Delete(key) => (0, RouteNetlinkMessage::DelAddress(key.message())),
        }
    }

    /// What a verdict of the kernel's means: some refusals say that the
    /// address already is as it should be.
    fn judge(&self, outcome: Result<(), Refusal>) -> Result<Change, Refusal> {
        match (self, outcome) {
            (_, Ok(())) => Ok(Change::Done),
            (Self::Add(_), Err(refusal)) if refusal.errno == Errno::EXIST => Ok(Change::AlreadySo),
            // ENODEV: the address went with its interface.
            (Self::Delete(_), Err(refusal))
                if matches!(refusal.errno, Errno::ADDRNOTAVAIL | Errno::NODEV) =>
            {
                Ok(Change::AlreadySo)
            }
            (_, Err(refusal)) => Err(refusal),
        }
    }
}

/// What came of a change the kernel did not refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The kernel did it.
    Done,
    /// Nothing was to be done. An address that was there already need not
    /// carry our mark, label or scope.
    AlreadySo,
}

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

    /// Adds an address.
    ///
    /// # Errors
    ///
    /// When the kernel refuses for another reason than that it is there
    /// already.
    pub fn add_address(&mut self, new: &NewAddress) -> Result<Change, Error> {
        self.change(&AddressOp::Add(new.clone()))
    }

    /// Takes an address away.
    ///
    /// # Errors
    ///
    /// When the kernel refuses for another reason than that it is not there.
    pub fn delete_address(&mut self, key: &AddressKey) -> Result<Change, Error> {
        self.change(&AddressOp::Delete(*key))
    }

    fn change(&mut self, op: &AddressOp) -> Result<Change, Error> {
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
    pub fn apply(&mut self, ops: &[AddressOp]) -> Result<Vec<Result<Change, Error>>, Error> {
        let mut batch = Batch::new();
        for op in ops {
            let (flags, message) = op.message();
            batch.push(flags, &message);
        }
        let outcomes = self
            .socket
            .run(&format_args!("change {} addresses", ops.len()), batch)?;
        Ok(ops
            .iter()
            .zip(outcomes)
            .map(|(op, outcome)| {
                op.judge(outcome).map_err(|refusal| Error {
                    attempt: self.describe(op),
                    kind: ErrorKind::Refused(refusal),
                })
            })
            .collect())
    }

    fn describe(&self, op: &AddressOp) -> String {
        let key = op.key();
        let interface = rustix::net::netdevice::index_to_name(self.socket.as_fd(), key.index)
            .unwrap_or_else(|_| format!("interface {}", key.index));
        match op {
            AddressOp::Add(_) => format!("add {key} to {interface}"),
            AddressOp::Replace(_) => format!("replace {key} on {interface}"),
            AddressOp::Delete(_) => format!("delete {key} from {interface}"),
        }
    }
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
