//! The packet filter of `accept = false`.

use std::process::{Child, Command, Stdio};

use lvsd::kernel::nft::{self, Refused};

use crate::namespace::{self, ip, veth};

/// Another host: a process in a network namespace of its own.
struct Peer(Child);

impl Peer {
    fn start() -> Self {
        let mut command = Command::new("unshare");
        command.args(["-n", "sleep", "60"]).stdout(Stdio::null());
        Self(
            command
                .spawn()
                .expect("`unshare` of package util-linux runs"),
        )
    }

    /// Runs a program there; whether it succeeded, and what it said.
    fn run(&self, command: &str) -> (bool, String) {
        let pid = self.0.id().to_string();
        let output = Command::new("nsenter")
            .args(["-n", "-t", &pid])
            .args(command.split_whitespace())
            .output()
            .expect("`nsenter` of package util-linux runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), said)
    }

    /// Whether one ICMP echo request to `address` is answered.
    fn reaches(&self, address: &str) -> bool {
        self.run(&format!("ping -c1 -W1 {address}")).0
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_refused_is_dropped_and_neighbour_discovery_is_not() {
    namespace::run(
        "nft::what_is_refused_is_dropped_and_neighbour_discovery_is_not",
        || {
            let peer = Peer::start();
            veth();
            let pid = peer.0.id();
            namespace::eventually("the peer has a namespace of its own", || {
                !peer.run("ip link").1.contains("v0")
            });
            ip(&format!("link set v1 netns {pid}"));
            ip("address add 192.0.2.1/24 dev v0");
            ip("address add 192.0.2.2/24 dev v0");
            ip("address add 2001:db8::1/64 dev v0 nodad");
            for command in [
                "ip link set v1 up",
                "ip address add 192.0.2.9/24 dev v1",
                "ip address add 2001:db8::9/64 dev v1 nodad",
            ] {
                assert!(peer.run(command).0, "{command}");
            }
            namespace::eventually("the peer reaches us", || peer.reaches("192.0.2.1"));

            let mut refused = Refused::default();
            for address in ["192.0.2.1", "2001:db8::1", "fe80::1"] {
                refused.insert(address.parse().unwrap(), "v0");
            }
            nft::replace(&refused).unwrap();
            let shown = nft::shown().unwrap();
            assert!(!peer.reaches("192.0.2.1") && peer.reaches("192.0.2.2"));
            assert!(!peer.reaches("2001:db8::1"));
            let (_, neighbours) = peer.run("ip -6 neigh");
            let found = neighbours.contains("2001:db8::1 dev v1 lladdr");
            assert!(found, "{neighbours}");
            // The same again is the same.
            nft::replace(&refused).unwrap();
            assert!(shown.is_some() && nft::shown().unwrap() == shown);
            for _ in 0..2 {
                nft::remove().unwrap();
            }
            assert_eq!(nft::shown().unwrap(), None);
            assert!(peer.reaches("192.0.2.1"));
        },
    );
}
