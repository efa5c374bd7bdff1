//! What is told to operators and machines: the snapshots that workers send,
//! the status document made of them, and its rendering for people.
//!
//! Snapshots are plain data with monotonic times; the document
//! ([`document`]) turns these into wall-clock times and ages at the moment of
//! asking, so that an old snapshot can never look fresh.

pub mod document;
#[cfg(test)]
mod document_tests;
mod render;
mod scripts;
mod snapshot;
pub mod telling;

pub use render::render;
pub use scripts::{
    FifoReport, MailReport, NotifyReport, RunningJob, ScriptsSnapshot, Told, TrackerReport,
};
pub use snapshot::{
    AddressReport, CheckerSnapshot, ComplaintReport, FixedReport, GroupReport, HeartbeatReport,
    InstalledReport, InstanceReport, KernelServer, PoolReport, PriorityTerm, StrangerReport,
    TableReport, VrrpSnapshot,
};
