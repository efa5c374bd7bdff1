//! `lvsd::kernel` against the running kernel, in network namespaces.

#[path = "kernel/frames.rs"]
mod frames;
#[path = "kernel/monitor.rs"]
mod monitor;
#[path = "kernel/namespace.rs"]
mod namespace;
#[path = "kernel/nft.rs"]
mod nft;
#[path = "kernel/packet.rs"]
mod packet;
#[path = "kernel/process.rs"]
mod process;
#[path = "kernel/rtnl.rs"]
mod rtnl;
#[path = "kernel/vrrp_socket.rs"]
mod vrrp_socket;
