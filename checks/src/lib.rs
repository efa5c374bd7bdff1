//! Health checks: a pure state machine and scheduler, and tokio probes.
//!
//! The crate is built in layers, each usable without the ones after it:
//!
//! | module | what | I/O |
//! |---|---|---|
//! | [`spec`] | what a probe does, as plain comparable data | none |
//! | [`outcome`] | what a probe found: [`Report`] or [`Failure`] | none |
//! | [`check`] | the health of one check: counting, timing, snapshot | none |
//! | [`schedule`] | many checks: spread, bound, sharing, difference | none |
//! | [`probe`] | `tcp`, `http` and `icmp` probes | tokio |
//! | [`runner`] | drives the scheduler with the probes | tokio |
//!
//! The first four take time as a [`mono::Mono`] argument and touch neither a
//! clock nor a socket. Most users want a [`Runner`]:
//!
//! ```no_run
//! use std::collections::BTreeMap;
//! use checks::{Limits, Policy, Runner, Spec};
//! use mono::Mono;
//!
//! # async fn demo() {
//! let epoch = std::time::Instant::now();
//! let clock = move || Mono::ZERO + epoch.elapsed();
//! let mut runner: Runner<&str> = Runner::new(Limits::default(), 0, clock);
//! let web = Spec::tcp("192.0.2.1:80".parse().expect("an address"));
//! runner.set(BTreeMap::from([("web", (web, Policy::default()))]));
//! loop {
//!     let event = runner.next().await;
//!     println!("{} is {}", event.id, event.health);
//! }
//! # }
//! ```

#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod check;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod outcome;
// Reads what a server sends.
#[deny(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]
pub mod probe;
pub mod runner;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod schedule;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod spec;

pub use check::{Check, Health, Policy, Start};
pub use outcome::{Detail, Failure, Outcome, Phase, Report};
pub use runner::Runner;
pub use schedule::{Event, Limits, Saved, Scheduler, Stats};
pub use spec::{Connect, HttpSpec, IcmpSpec, Method, Spec, SpecError, StatusRange, Statuses};
