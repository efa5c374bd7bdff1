//! The kernel ABI of IPVS, without sockets.
//!
//! IPVS is steered through generic netlink, family [`FAMILY`]. This crate
//! turns plain values into the attributes the kernel wants and back:
//! [`Request`] is what user space sends, [`Reply`] what the kernel answers.
//! Sending, sequence numbers and acknowledgements are the caller's.
//!
//! Both directions of both are here (a kernel's stand-in in a test encodes
//! replies), and `decode(encode(x)) == x` holds for every value the kernel can
//! hold. Decoding is total: arbitrary bytes give a value or a [`DecodeError`].
//!
//! Needs Linux 3.18 or later (destinations carry their address family);
//! 64-bit statistics (Linux 4.1) are used where the kernel has them.
//!
//! The constants in [`abi`] are generated from `<linux/ip_vs.h>` and committed:
//! `cargo run -p ipvs-sys --features regen --example regen` makes them anew
//! (needs libclang), `cargo test -p ipvs-sys --features regen` compares.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
// Reads what a peer sends.
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

#[allow(missing_docs, non_camel_case_types)]
#[rustfmt::skip]
pub mod abi;
mod attr;
mod config;
mod daemon;
mod destination;
mod error;
mod id;
#[cfg(feature = "regen")]
pub mod regen;
mod reply;
mod request;
mod service;
mod stats;

pub use config::{Info, Timeouts};
pub use daemon::{Daemon, DaemonState};
pub use destination::{Destination, Forward, ObservedDestination, Tunnel, TunnelFlags};
pub use error::DecodeError;
pub use id::{DestinationId, Family, Protocol, ServiceId};
pub use reply::Reply;
pub use request::Request;
pub use service::{Netmask, ObservedService, Service, ServiceFlags};
pub use stats::Stats;

/// Name of the generic netlink family (`IPVS_GENL_NAME`); the kernel assigns
/// its number when the module `ip_vs` is loaded, so it has to be asked for.
pub const FAMILY: &str = match abi::IPVS_GENL_NAME.to_str() {
    Ok(name) => name,
    Err(_) => panic!("the family's name is ASCII"),
};

/// Decodes `bytes` (a generic netlink header and attributes) in every way this
/// crate knows, and checks that what was understood survives a round trip.
///
/// The one entry for fuzzing; returns whether anything was understood.
///
/// # Panics
///
/// Never, but for a bug in this crate: that is what it looks for.
#[must_use]
pub fn decode_any(bytes: &[u8]) -> bool {
    let request = Request::decode(bytes).ok();
    if let Some(request) = &request {
        let mut again = Vec::new();
        request.encode(&mut again);
        assert_eq!(Request::decode(&again).as_ref(), Ok(request));
    }
    let reply = Reply::decode(bytes).ok();
    if let Some(reply) = &reply {
        let mut again = Vec::new();
        reply.encode(&mut again);
        assert_eq!(Reply::decode(&again).as_ref(), Ok(reply));
    }
    request.is_some() || reply.is_some()
}
