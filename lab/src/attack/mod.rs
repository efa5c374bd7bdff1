//! A host that means harm: VRRP packets of every wrong kind, as many as are wanted.

mod packet;
mod sender;

pub use packet::Forged;
pub use sender::{Attacker, Sent};
