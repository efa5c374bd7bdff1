//! What it costs to send and to receive the adverts of 200 instances, together and one by one.
//!
//! `cargo bench --bench adverts` prints processor time per advert. It makes a pair of interfaces in
//! a network namespace of its own, so it has to run as root.

use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use ipvs_sys::Family;
use lvsd::kernel::rtnl::{Link, Rtnl};
use lvsd::kernel::vrrp_socket::{Batch, Outbox, Outgoing, VrrpSocket};
use rustix::time::{ClockId, clock_gettime};

const INSTANCES: usize = 200;
const ROUNDS: usize = 500;
/// Set in the namespace.
const INSIDE: &str = "LVSD_BENCH_NAMESPACE";

fn main() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let own = std::env::current_exe().expect("the path of this program");
    let status = Command::new("unshare")
        .arg("-n")
        .arg(own)
        .env(INSIDE, "1")
        .status()
        .expect("`unshare` of package util-linux runs");
    assert!(status.success(), "run it as root");
}

fn ip(arguments: &str) {
    let words = arguments.split_whitespace();
    let status = Command::new("ip").args(words).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "ip {arguments}"
    );
}

/// The index of an interface, once it can be used.
fn usable(name: &str) -> u32 {
    let start = Instant::now();
    loop {
        let found = Rtnl::open()
            .and_then(|mut netlink| netlink.link_by_name(name))
            .expect("links can be listed");
        if let Some(link) = found.filter(Link::usable) {
            return link.index;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{name} is down");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn inside() {
    ip("link add v0 type veth peer name v1");
    ip("link set v0 up");
    ip("link set v1 up");
    ip("address add 172.17.1.150/24 dev v0");
    for setting in ["v1/accept_local", "v1/rp_filter", "all/rp_filter"] {
        let value = if setting.ends_with("local") { "1" } else { "0" };
        let path = format!("/proc/sys/net/ipv4/conf/{setting}");
        std::fs::write(path, value).expect("parameters can be set");
    }
    let (near, far) = (usable("v0"), usable("v1"));
    let group: IpAddr = "224.0.0.18".parse().expect("an address");
    let sender = VrrpSocket::open(near, Family::Ipv4).expect("CAP_NET_RAW");
    let listener = VrrpSocket::open(far, Family::Ipv4).expect("CAP_NET_RAW");
    listener.join(group).expect("it can be joined");
    let advert = Outgoing {
        source: "172.17.1.150".parse().expect("an address"),
        dest: group,
        ttl: 255,
        bytes: &[0x31; 40],
    };
    for (name, together) in [("one by one", 1), ("together", INSTANCES)] {
        measure(name, &sender, &listener, &vec![advert; INSTANCES], together);
    }
}

fn measure(
    name: &str,
    sender: &VrrpSocket,
    listener: &VrrpSocket,
    adverts: &[Outgoing<'_>],
    together: usize,
) {
    let (mut outbox, mut batch) = (Outbox::new(), Batch::new());
    let (mut sending, mut receiving) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        for some in adverts.chunks(together) {
            let start = busy();
            sender.send_batch(&mut outbox, some, |_, error| panic!("{error}"));
            let sent = busy();
            let mut heard = 0;
            while heard < some.len() {
                heard += listener.recv_batch(&mut batch).expect("it is up");
            }
            sending += sent - start;
            receiving += busy() - sent;
        }
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / (ROUNDS * adverts.len()) as f64;
    println!(
        "{name:<12} {:6.2} us to send, {:6.2} us to receive",
        each(sending),
        each(receiving)
    );
}

/// Processor time of this thread so far.
fn busy() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("not negative")
}
