//! What a scenario sees with: captures with the kernel's time stamps, decoded by a reader that
//! shares no code with the daemon; loads of requests; counts of netlink messages; waiting.

mod capture;
mod cpu;
mod dissect;
mod frame;
mod load;
mod netlink;
mod pcap;
mod probe;
mod stalls;
mod wait;

pub use capture::Capture;
pub use cpu::CpuTime;
pub use dissect::{Packet, dissect};
pub use frame::{Advert, Frame, Seen};
pub use load::{Load, LoadReport};
pub use netlink::{NetlinkMessage, NetlinkTap};
pub use probe::{Answers, Echo, Probe};
pub use stalls::Stalls;
pub use wait::{eventually, now, steadily};
