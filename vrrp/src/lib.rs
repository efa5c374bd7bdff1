//! VRRP v2 (RFC 3768) and v3 (RFC 9568): wire format and state machine, without clock,
//! socket or randomness.
//!
//! [`Instance`] is one virtual router, [`Host`] all those of a director with their sync
//! groups. Both are driven like this:
//!
//! 1. [`Instance::new`], or [`Instance::resume`] with the snapshot of the process
//!    before. New instances do nothing until [`Input::Startup`] says that the interface
//!    is usable. Link down or address lost is [`Input::Fault`], link up is `Startup`
//!    again.
//! 2. Sleep until a packet comes or [`Instance::deadline`] is due. On waking, *first*
//!    give every advert that waits in the socket ([`Input::Advert`], after
//!    [`Advert::decode`], for this vrid and address family only), *then*
//!    [`Input::Timer`]: a process that slept too long thus finds the adverts that came
//!    meanwhile, and does not mistake its own sleep for a dead Master.
//! 3. After every call of [`Instance::step`] carry out the effects in their order, and
//!    ask for the deadline again, for it may have moved.
//! 4. [`Input::Shutdown`] before the end, and on with 2 and 3 while
//!    [`Instance::handing_over`].
//!
//! All times are [`mono::Mono`] of one clock. Inputs in an odd order do no harm.
//!
//! The order of effects is part of the contract:
//!
//! | to | effects |
//! |---|---|
//! | Master | `Send`, `AddAddresses`, `Announce`, `Transition`; `Announce` again after `announce_delay` |
//! | Initialize from Master (fault) | `Send { priority: 0 }`, `RemoveAddresses`, `Transition` |
//! | Initialize from Master (shutdown), Backup from Master (released) | `Send { priority: 0 }`, `Transition`; `RemoveAddresses` when a successor is heard or the time is over |
//! | Backup from Master (someone ranks above us) | `Send` if [`Config::higher_prio_send_advert`], `RemoveAddresses`, `Transition` |
//! | Backup from Master (the group moved) | `Send { priority: 0 }`, `RemoveAddresses`, `Transition` |
//! | Backup from Master (our timer was late), Backup, resuming too late as Master | `RemoveAddresses`, `Transition` |
//! | any other | `Transition` |
//!
//! A Master whose timer was late may first become Backup and then do what the input
//! asks for, all in one step. [`Effect::Send`] and [`Effect::Announce`] are events: lost
//! is lost. The addresses are a level: `AddAddresses` and `RemoveAddresses` say when to
//! look, and a driver may restore them whenever it finds the host at odds with
//! [`Instance::state`] and [`Instance::handing_over`].

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

mod config;
mod event;
mod host;
mod instance;
pub mod timers;
pub mod wire;

pub use config::{Config, OWNER_PRIORITY};
pub use event::{Cause, Effect, Input, Peer, Reason, Rejection, State, Surprise, Via};
pub use host::{GroupConfig, Host, Output};
pub use instance::{Instance, RIVAL_ANNOUNCE_GAP, Snapshot};
pub use wire::{Advert, Auth, Version};
