//! Every rule of the state machine, in virtual time, exact to the nanosecond.
//!
//! A test reads as a protocol: at which time, what is heard, what is done.
//! `dsl` has the words.

mod backup;
mod dsl;
mod hand_over;
mod heartbeat;
mod master;
mod owners;
mod preempt;
mod reconfigure;
mod reports;
mod resume;
mod startup;
mod tracking;
