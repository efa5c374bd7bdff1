//! Everything that crosses into the kernel: netlink, raw sockets, clocks,
//! sysctls, privileges, locks.
//!
//! What belongs here: a thin and strict door per kernel facility, which
//! turns bytes and error numbers into types and says what was attempted.
//! What does not: decisions. What to do about a link that went down, an
//! address that is missing or a request that was refused is for the pure
//! parts (`vrrp`, `director`, `reconcile`) and the workers.
//!
//! Nothing here is `unsafe`: system calls go through `rustix`, `socket2`,
//! `nix` and `netlink-sys`.

// Reads what the network and the kernel send.
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

pub mod announce;
pub mod clock;
pub mod descriptors;
pub mod identity;
pub mod inotify;
pub mod ipvs;
pub mod lock;
pub mod monitor;
pub mod netlink;
pub mod nft;
pub mod packet;
pub mod preflight;
pub mod privilege;
pub mod process;
pub mod process_events;
pub mod ready;
pub mod rtnl;
pub mod service_manager;
mod socket_error;
pub mod sysctl;
pub mod vrrp_socket;

pub use socket_error::SocketError;
