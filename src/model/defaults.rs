//! Every default of the configuration, in one place. `docs/configuration.md` is
//! generated from these.
//!
//! Where they differ from keepalived's, the reason is beside them.

use std::time::Duration;

use super::{
    ChecksumV3, Forward, HmacMode, IpvlanMode, MailTls, Method, OnStop, Protocol, Start, Statuses,
    Version,
};

/// The current version of the protocol. keepalived's default is 2: in a mixed pair
/// write `version = 2`, or tell keepalived `vrrp_version 3`.
pub const VRRP_VERSION: Version = Version::V3;
/// RFC 9568 section 6.1.
pub const PRIORITY: u32 = 100;
/// RFC 9568 section 6.1.
pub const ADVERT_INTERVAL: Duration = Duration::from_secs(1);
/// RFC 9568 section 6.1.
pub const PREEMPT: bool = true;
/// Take over at once.
pub const PREEMPT_DELAY: Duration = Duration::ZERO;
/// RFC 9568 section 6.1: Active_Down_Interval is three intervals and the skew.
pub const DOWN_TIMER_ADVERTS: u32 = 3;
/// A second set, for switches that were still learning when the first one came.
pub const GARP_MASTER_DELAY: Duration = Duration::from_secs(5);
/// Announcements per address in a set.
pub const GARP_MASTER_REPEAT: u32 = 5;
/// No refresh.
pub const GARP_MASTER_REFRESH: Duration = Duration::ZERO;
/// Announcements per address in a refresh.
pub const GARP_MASTER_REFRESH_REPEAT: u32 = 1;
/// At once; the core leaves its own gap between two sets.
pub const GARP_LOWER_PRIO_DELAY: Duration = Duration::ZERO;
/// Not beyond what a Master does anyway.
pub const GARP_EXTRA_INTERFACES: Duration = Duration::ZERO;
/// A rival that hears us yields: it is told.
pub const LOWER_PRIO_NO_ADVERT: bool = false;
/// The better Master announces itself.
pub const HIGHER_PRIO_SEND_ADVERT: bool = false;
/// Two owners are a mistake that must be noticed.
pub const OWNER_IGNORE_ADVERTS: bool = false;
/// A director that was suspended does not fight for the address. keepalived leaves this
/// to a keyword.
pub const TIMER_EXPIRED_BACKUP: bool = true;
/// A difference is reported, and costs nothing else.
pub const CHECK_ADDRESSES: bool = true;
/// What is useful beyond the RFC is allowed.
pub const STRICT: bool = false;
/// A director answers on its addresses; RFC 9568's default is not to.
pub const ACCEPT: bool = true;
/// The host's own affair.
pub const PROMOTE_SECONDARIES: bool = false;
/// An instance without its link is in fault.
pub const DONT_TRACK_PRIMARY: bool = false;
/// Another address of the interface does as well.
pub const TRACK_SOURCE: bool = false;
/// The highest: peers can tell who is on the link.
pub const UNICAST_TTL: u32 = 255;
/// A peer with several addresses is better heard than fought.
pub const CHECK_UNICAST_SOURCE: bool = false;
/// A director whose peers are all gone from the configuration serves alone.
pub const UNICAST_FAULT_NO_PEER: bool = false;
/// A signature that may be missing protects nothing.
pub const HMAC_MODE: HmacMode = HmacMode::Enforce;
/// The clocks of directors are kept by NTP; the least window, and its multiple of the
/// advert interval.
pub const HMAC_TIME_WINDOW: (Duration, u32) = (Duration::from_secs(5), 3);
/// `ip link`'s.
pub const IPVLAN_MODE: IpvlanMode = IpvlanMode::Bridge;
/// A new Master uses its address at once.
pub const NODAD: bool = true;
/// Several times what a busy successor needs from its first advert to its addresses.
pub const HAND_OVER_OVERLAP: Duration = Duration::from_millis(100);
/// What RFC 9568 is commonly read to say, and keepalived's default.
pub const V3_CHECKSUM: ChecksumV3 = ChecksumV3::PseudoHeader;

/// The protocol of most services.
pub const PROTOCOL: Protocol = Protocol::Tcp;
/// The scheduler of ipvsadm and keepalived.
pub const SCHEDULER: &str = "wlc";
/// Direct routing: the fastest, and what most directors are built for. keepalived's
/// default is NAT.
pub const FORWARD: Forward = Forward::Dr;
/// One healthy server of weight 1 is enough.
pub const QUORUM: u32 = 1;
/// An equal share.
pub const WEIGHT: u32 = 1;

/// Soon enough to notice within seconds; keepalived waits 60 s.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Long enough for one lost SYN; keepalived waits 5 s.
pub const CHECK_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// One lost packet does not take a server out.
pub const CHECK_RETRIES: u32 = 2;
/// Short: a retry is meant to settle doubt.
pub const CHECK_RETRY_DELAY: Duration = Duration::from_secs(1);
/// keepalived's, too: a restarted director serves at once.
pub const CHECK_START: Start = Start::Up;
/// The root page.
pub const HTTP_PATH: &str = "/";
/// The method that exercises the server most.
pub const HTTP_METHOD: Method = Method::Get;
/// Success, and nothing else.
pub fn http_status() -> Statuses {
    Statuses::default()
}
/// More than a page made for checking needs; 1 MiB.
pub const HTTP_BODY_LIMIT: u64 = 1 << 20;
/// The whole request; `connect_timeout` if that is longer.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(5);

// [global]

/// `ipvs_on_stop`: a stopped director forwards nothing.
pub const IPVS_ON_STOP: OnStop = OnStop::Remove;
/// keepalived's: the instances take part at once.
pub const STARTUP_DELAY: Duration = Duration::ZERO;
/// keepalived's.
pub const DELAY_AFTER_BOOT: Duration = Duration::ZERO;
/// Other virtual routers on a link are nothing special.
pub const LOG_UNKNOWN_VRIDS: bool = false;
/// keepalived's.
pub const SCRIPT_SECURITY: bool = false;
/// Encrypted where the server can.
pub const MAIL_TLS: MailTls = MailTls::Opportunistic;
/// keepalived's.
pub const MAIL_TIMEOUT: Duration = Duration::from_secs(30);
/// A fault is what people want to know.
pub const MAIL_NO_FAULTS: bool = false;

// Tracking and telling

/// keepalived's.
pub const TRACK_INTERVAL: Duration = Duration::from_secs(1);
/// keepalived's: one success.
pub const SCRIPT_RISE: u32 = 1;
/// keepalived's: one failure.
pub const SCRIPT_FALL: u32 = 1;
/// keepalived's: a failure is a fault.
pub const TRACK_WEIGHT: i32 = 0;
/// The number as it is.
pub const TRACK_FILE_WEIGHT: i32 = 1;
/// One process is enough.
pub const PROCESS_QUORUM: u32 = 1;
/// At once.
pub const PROCESS_DELAY: Duration = Duration::ZERO;
/// One answer may be chance.
pub const PING_RISE: u32 = 2;
/// Lost packets are no outage.
pub const PING_FALL: u32 = 3;
/// Members of one group keep their order.
pub const TRACKING_WEIGHT: bool = false;
/// As long as the next event of the same instance waits for the program.
pub const NOTIFY_TIMEOUT: Duration = Duration::from_secs(60);
/// Priorities change often where weights are.
pub const NOTIFY_PRIORITY_CHANGES: bool = false;
/// Only what is asked for.
pub const NOTIFY_MAIL: bool = false;
