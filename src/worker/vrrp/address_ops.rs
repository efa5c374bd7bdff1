//! Between the reconciler's words for addresses and rtnetlink's.

use crate::kernel::rtnl::{self, AddressKey, AddressOp, NewAddress};
use crate::reconcile::address::{Address, Identity, Op, Table};

/// An observed address as the reconciler compares it.
pub fn plain(address: rtnl::Address) -> Address {
    Address {
        interface: address.key.index,
        address: address.key.ip,
        prefix_len: address.key.prefix,
        label: address.label,
        scope: address.scope,
        proto: address.proto,
    }
}

fn key(address: &Address) -> AddressKey {
    AddressKey {
        index: address.interface,
        ip: address.address,
        prefix: address.prefix_len,
    }
}

fn new(address: &Address) -> NewAddress {
    NewAddress {
        scope: address.scope,
        label: address.label.clone(),
        ..NewAddress::virtual_address(key(address))
    }
}

/// The kernel requests of one operation.
pub fn requests(op: &Op) -> Vec<AddressOp> {
    match op {
        Op::Add(address) => vec![AddressOp::Add(new(address))],
        Op::Retag(address) => vec![AddressOp::Replace(new(address))],
        Op::Recreate { old, new: address } => {
            vec![AddressOp::Delete(key(old)), AddressOp::Add(new(address))]
        }
        Op::Remove(address) => vec![AddressOp::Delete(key(address))],
    }
}

/// The address that was not there, or not as it is now, if `op` puts one.
pub fn added(op: &Op) -> Option<Identity> {
    match op {
        Op::Add(address) | Op::Recreate { new: address, .. } => Some(address.identity()),
        Op::Retag(_) | Op::Remove(_) => None,
    }
}

/// What is there after all of `ops` succeeded.
pub fn applied(observed: &Table, ops: &[Op]) -> Table {
    let mut table = observed.clone();
    for op in ops {
        match op {
            Op::Add(address) | Op::Retag(address) | Op::Recreate { new: address, .. } => {
                table.insert(address.identity(), address.clone());
            }
            Op::Remove(address) => {
                table.remove(&address.identity());
            }
        }
    }
    table
}
