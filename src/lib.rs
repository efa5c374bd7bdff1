//! `lvsd`, an LVS director in one binary.
//!
//! The rooms, and which way imports may point, are described in
//! `docs/architecture.md`. The rooms marked below are pure: clippy denies them
//! clocks, files, sockets and threads.

// The rustdoc of the daemon is for its maintainers, who read private rooms too.
#![allow(rustdoc::private_intra_doc_links)]

pub mod cli;
pub mod config;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod director;
pub mod kernel;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod model;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod reconcile;
pub mod status;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod telling;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod tracking;
pub mod worker;
