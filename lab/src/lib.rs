//! A network of directors, real servers and clients on a real kernel, to try and to test lvsd.
//!
//! `cargo lab setup|test|demo|shell`. The same binary plays every part: on the machine it
//! installs, builds, boots and reports ([`machine`]); inside the booted kernel, or inside
//! namespaces of the running one, it is process 1 and runs the scenarios ([`guest`]).
//!
//! - [`net`]: hosts, cables, bridges, processes, faults; what a scenario builds with
//! - [`attack`]: a host that means harm
//! - [`random`]: chance that a seed repeats
//! - [`serve`]: the web servers of the site, well behaved and odd
//! - [`watch`]: captures, request loads, netlink counts, waiting; what a scenario sees with
//! - [`seat`]: lvsd or keepalived in a director's seat
//! - [`site`]: the standard site of two directors, two real servers and a client
//! - [`scenarios`]: what must hold, each a function on a fresh [`net::Lab`]

pub mod attack;
pub mod cli;
pub mod failure;
pub mod guest;
pub mod job;
pub mod machine;
pub mod net;
pub mod random;
pub mod scenarios;
pub mod seat;
pub mod serve;
pub mod site;
pub mod watch;
