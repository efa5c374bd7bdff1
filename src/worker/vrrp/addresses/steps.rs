//! Between the reconciler's operations and rtnetlink's requests.

use crate::kernel::rtnl::{self, AddressKey, AddressOp, NewAddress, RouteOp, RuleOp};
use crate::reconcile::address::Address;
use crate::reconcile::owned::Op;
use crate::reconcile::route::Route;
use crate::reconcile::rule::Rule;

/// An operation on one of the levels.
#[derive(Clone, Debug)]
pub enum Step {
    /// On an address.
    Address(Op<Address>),
    /// On a route.
    Route(Op<Route>),
    /// On a rule.
    Rule(Op<Rule>),
}

impl Step {
    /// The kernel requests it takes, in order.
    pub fn requests(&self) -> Vec<rtnl::Op> {
        match self {
            Self::Address(op) => address_requests(op)
                .into_iter()
                .map(rtnl::Op::Address)
                .collect(),
            Self::Route(op) => {
                let delete = |route: &Route| RouteOp::Delete(route.identity.clone());
                let requests = match op {
                    Op::Add(new) => vec![RouteOp::Add(new.clone())],
                    Op::Replace(new) => vec![delete(new), RouteOp::Add(new.clone())],
                    Op::Recreate { old, new } => vec![delete(old), RouteOp::Add(new.clone())],
                    Op::Remove(old) => vec![delete(old)],
                };
                requests.into_iter().map(rtnl::Op::Route).collect()
            }
            Self::Rule(op) => {
                let requests = match op {
                    Op::Add(new) | Op::Replace(new) => vec![RuleOp::Add(new.clone())],
                    Op::Recreate { old, new } => {
                        vec![RuleOp::Add(new.clone()), RuleOp::Delete(old.clone())]
                    }
                    Op::Remove(old) => vec![RuleOp::Delete(old.clone())],
                };
                requests.into_iter().map(rtnl::Op::Rule).collect()
            }
        }
    }
}

/// In the order in which to apply them: addresses, routes that may need them,
/// rules that may need those; then, of what goes, the reverse.
pub fn in_order(
    addresses: Vec<Op<Address>>,
    routes: Vec<Op<Route>>,
    rules: Vec<Op<Rule>>,
) -> Vec<Step> {
    let addresses = addresses.into_iter().map(Step::Address);
    let routes = routes.into_iter().map(Step::Route);
    let rules = rules.into_iter().map(Step::Rule);
    let mut steps: Vec<Step> = addresses.chain(routes).chain(rules).collect();
    steps.sort_by_key(|step| match step {
        Step::Address(op) => (op.is_loss(), if op.is_loss() { 2 } else { 0 }),
        Step::Route(op) => (op.is_loss(), 1),
        Step::Rule(op) => (op.is_loss(), if op.is_loss() { 0 } else { 2 }),
    });
    steps
}

/// An observed address as the reconciler compares it.
pub fn plain(address: rtnl::Address) -> Address {
    Address {
        interface: address.key.index,
        address: address.key.ip,
        prefix_len: address.key.prefix,
        scope: address.scope,
        broadcast: address.broadcast,
        peer: address.key.peer,
        preferred: address.preferred,
        home: address.has(rtnl::HOME),
        noprefixroute: address.has(rtnl::NOPREFIXROUTE),
        nodad: false,
        proto: address.proto,
        label: address.label,
    }
}

fn key(address: &Address) -> AddressKey {
    AddressKey {
        index: address.interface,
        ip: address.address,
        prefix: address.prefix_len,
        peer: address.peer,
    }
}

fn new(address: &Address) -> NewAddress {
    let flags = [
        (address.nodad && address.address.is_ipv6(), rtnl::NODAD),
        (address.home, rtnl::HOME),
        (address.noprefixroute, rtnl::NOPREFIXROUTE),
    ];
    let set = flags.into_iter().filter(|(set, _)| *set);
    NewAddress {
        scope: address.scope,
        label: address.label.clone(),
        broadcast: address.broadcast,
        preferred: address.preferred,
        flags: set.fold(0, |all, (_, flag)| all | flag),
        ..NewAddress::virtual_address(key(address))
    }
}

fn address_requests(op: &Op<Address>) -> Vec<AddressOp> {
    match op {
        Op::Add(address) => vec![AddressOp::Add(new(address))],
        Op::Replace(address) => vec![AddressOp::Replace(new(address))],
        Op::Recreate { old, new: address } => {
            vec![AddressOp::Delete(key(old)), AddressOp::Add(new(address))]
        }
        Op::Remove(address) => vec![AddressOp::Delete(key(address))],
    }
}
