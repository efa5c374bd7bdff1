//! The fence: takes our addresses off the interfaces when no vrrp worker can
//! be brought back to care for them, so that a dead director does not answer
//! ARP for addresses that its peer now holds.

use crate::kernel::rtnl::{AddressKey, AddressOp, Rtnl};
use crate::worker::protocol::Snapshot;

/// Removes every address that bears our mark, and those that the last snapshot
/// says we put there (for kernels that keep no marks).
pub fn addresses(last: Option<&Snapshot>) {
    match remove(last) {
        Ok(removed) => tracing::warn!(event = "fenced", addresses = removed),
        Err(error) => tracing::error!(event = "fence_failed", %error),
    }
}

fn remove(last: Option<&Snapshot>) -> Result<usize, crate::kernel::netlink::Error> {
    let mut rtnl = Rtnl::open()?;
    let links = rtnl.links()?;
    let held: Vec<AddressKey> = last
        .and_then(Snapshot::vrrp)
        .into_iter()
        .flat_map(|snapshot| &snapshot.held)
        .filter_map(|address| {
            let link = links.iter().find(|link| link.name == address.interface)?;
            Some(AddressKey {
                index: link.index,
                ip: address.address,
                prefix: address.prefix,
            })
        })
        .collect();
    let ops: Vec<AddressOp> = rtnl
        .addresses()?
        .into_iter()
        .filter(|address| address.is_ours() || held.contains(&address.key))
        .map(|address| AddressOp::Delete(address.key))
        .collect();
    for outcome in rtnl.apply(&ops)? {
        outcome?;
    }
    Ok(ops.len())
}
