//! `lvsd`, an LVS director in one binary.
//!
//! The rooms, and which way imports may point, are described in
//! `docs/architecture.md`.

pub mod cli;
pub mod config;
pub mod director;
pub mod kernel;
pub mod model;
pub mod reconcile;
pub mod status;
pub mod worker;
