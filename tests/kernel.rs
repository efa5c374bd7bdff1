//! `lvsd::kernel` against the running kernel, in network namespaces.

#[path = "kernel/monitor.rs"]
mod monitor;
#[path = "kernel/namespace.rs"]
mod namespace;
#[path = "kernel/process.rs"]
mod process;
#[path = "kernel/rtnl.rs"]
mod rtnl;
