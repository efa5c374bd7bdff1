//! Changes, and what the kernel's verdict on each means.

use std::fmt;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use rustix::io::Errno;

use super::address::{AddressKey, NewAddress};
use super::{link, route, rule};
use crate::kernel::netlink::Refusal;
use crate::reconcile::link::Device;
use crate::reconcile::route::{Identity, Route};
use crate::reconcile::rule::Rule;

/// A change of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Of an address.
    Address(AddressOp),
    /// Of a route.
    Route(RouteOp),
    /// Of a rule.
    Rule(RuleOp),
    /// Of an interface.
    Link(LinkOp),
}

/// A change of one address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AddressOp {
    /// Add it.
    Add(NewAddress),
    /// Add it, or give the one that is there this mark, these lifetimes and, for
    /// IPv6, these flags (label, scope and prefix cannot be changed in place).
    Replace(NewAddress),
    /// Take it away.
    Delete(AddressKey),
}

impl AddressOp {
    /// Which address it changes.
    #[must_use]
    pub const fn key(&self) -> AddressKey {
        match self {
            Self::Add(new) | Self::Replace(new) => new.key,
            Self::Delete(key) => *key,
        }
    }
}

/// A change of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteOp {
    /// Add it. An IPv4 route goes before others to the same place; an IPv6 route
    /// must be the only one of its metric there, for the kernel would share the
    /// load between both.
    Add(Route),
    /// Take it away, whatever its values.
    Delete(Identity),
}

/// A change of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOp {
    /// Add it.
    Add(Rule),
    /// Take it away.
    Delete(Rule),
}

/// A change of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkOp {
    /// Make it. It is down, and bears our mark only after [`LinkOp::Adopt`].
    Create(Device),
    /// Give the interface of this name our mark and this master (0: none).
    Adopt {
        /// Its name.
        name: String,
        /// Index of the interface it belongs to, such as a VRF's.
        master: u32,
    },
    /// Set it up.
    Up(String),
    /// Take it away.
    Delete(String),
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

impl Op {
    pub(super) fn message(&self) -> (u16, RouteNetlinkMessage) {
        use RouteNetlinkMessage as Message;
        match self {
            Self::Address(AddressOp::Add(new)) => (
                NLM_F_CREATE | NLM_F_EXCL,
                Message::NewAddress(new.message()),
            ),
            Self::Address(AddressOp::Replace(new)) => (
                NLM_F_CREATE | NLM_F_REPLACE,
                Message::NewAddress(new.message()),
            ),
            Self::Address(AddressOp::Delete(key)) => (0, Message::DelAddress(key.message())),
            Self::Route(RouteOp::Add(new)) => {
                let only = if new.identity.to.address.is_ipv6() {
                    NLM_F_EXCL
                } else {
                    0
                };
                let message = Message::NewRoute(route::new_message(new));
                (NLM_F_CREATE | only, message)
            }
            Self::Route(RouteOp::Delete(identity)) => {
                (0, Message::DelRoute(route::delete_message(identity)))
            }
            Self::Rule(RuleOp::Add(new)) => (
                NLM_F_CREATE | NLM_F_EXCL,
                Message::NewRule(rule::message(new)),
            ),
            Self::Rule(RuleOp::Delete(old)) => (0, Message::DelRule(rule::message(old))),
            Self::Link(LinkOp::Create(device)) => (
                NLM_F_CREATE | NLM_F_EXCL,
                Message::NewLink(link::new_message(device)),
            ),
            Self::Link(LinkOp::Adopt { name, master }) => {
                (0, Message::SetLink(link::adopt_message(name, *master)))
            }
            Self::Link(LinkOp::Up(name)) => (0, Message::SetLink(link::up_message(name))),
            Self::Link(LinkOp::Delete(name)) => (0, Message::DelLink(link::name_message(name))),
        }
    }

    /// What a verdict of the kernel's means: some refusals say that the thing
    /// already is as it should be.
    pub(super) fn judge(&self, outcome: Result<(), Refusal>) -> Result<Change, Refusal> {
        let Err(refusal) = outcome else {
            return Ok(Change::Done);
        };
        let already = match self {
            Self::Address(AddressOp::Add(_)) | Self::Rule(RuleOp::Add(_)) => {
                refusal.errno == Errno::EXIST
            }
            // For IPv6 it is another route that is there.
            Self::Route(RouteOp::Add(new)) => {
                refusal.errno == Errno::EXIST && new.identity.to.address.is_ipv4()
            }
            // ENODEV: the address went with its interface.
            Self::Address(AddressOp::Delete(_)) => {
                matches!(refusal.errno, Errno::ADDRNOTAVAIL | Errno::NODEV)
            }
            Self::Route(RouteOp::Delete(_)) => refusal.errno == Errno::SRCH,
            Self::Rule(RuleOp::Delete(_)) => refusal.errno == Errno::NOENT,
            Self::Link(LinkOp::Delete(_)) => refusal.errno == Errno::NODEV,
            Self::Address(AddressOp::Replace(_)) | Self::Link(_) => false,
        };
        already.then_some(Change::AlreadySo).ok_or(refusal)
    }

    /// What it attempts, with `name_of` for the names of interfaces.
    pub(super) fn describe(&self, name_of: impl Fn(u32) -> String) -> String {
        match self {
            Self::Address(op) => {
                let key = op.key();
                let interface = name_of(key.index);
                match op {
                    AddressOp::Add(_) => format!("add {key} to {interface}"),
                    AddressOp::Replace(_) => format!("replace {key} on {interface}"),
                    AddressOp::Delete(_) => format!("delete {key} from {interface}"),
                }
            }
            op => op.to_string(),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(AddressOp::Add(new)) => write!(f, "add {}", new.key),
            Self::Address(AddressOp::Replace(new)) => write!(f, "replace {}", new.key),
            Self::Address(AddressOp::Delete(key)) => write!(f, "delete {key}"),
            Self::Route(RouteOp::Add(route)) => write!(f, "add {route}"),
            Self::Route(RouteOp::Delete(route)) => write!(f, "delete {route}"),
            Self::Rule(RuleOp::Add(rule)) => write!(f, "add {rule}"),
            Self::Rule(RuleOp::Delete(rule)) => write!(f, "delete {rule}"),
            Self::Link(LinkOp::Create(device)) => write!(f, "make interface {device}"),
            Self::Link(LinkOp::Adopt { name, .. }) => write!(f, "adopt interface {name}"),
            Self::Link(LinkOp::Up(name)) => write!(f, "set interface {name} up"),
            Self::Link(LinkOp::Delete(name)) => write!(f, "delete interface {name}"),
        }
    }
}
