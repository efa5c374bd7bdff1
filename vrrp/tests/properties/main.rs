//! Whatever comes in, in whatever order.

mod given;
mod groups;
mod instance;
mod master;
mod two_ways;
