//! Announcements and the search for duplicate addresses.

use std::net::IpAddr;
use std::time::Duration;

use ipvs_sys::Family;
use lvsd::kernel::SocketError;
use lvsd::kernel::announce::{Mac, announcement};
use lvsd::kernel::packet::{PacketSocket, duplicate_address, sender_mac};
use lvsd::kernel::rtnl::{Link, Rtnl};
use lvsd::kernel::vrrp_socket::{Outbox, Outgoing, VrrpSocket};

use crate::frames::Tap;
use crate::namespace::{self, eventually, ip, veth};

fn link(name: &str) -> Link {
    let mut found = None;
    eventually("the link is usable", || {
        found = Rtnl::open().unwrap().link_by_name(name).unwrap();
        found.as_ref().is_some_and(Link::usable)
    });
    found.unwrap()
}

fn search(address: &str, timeout: Duration) -> Result<Option<Mac>, SocketError> {
    let link = link("v0");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address = address.parse().unwrap();
    runtime.block_on(duplicate_address(
        link.index,
        link.mac.unwrap(),
        address,
        timeout,
    ))
}

#[test]
fn announcements_leave_as_they_are_built() {
    namespace::run("packet::announcements_leave_as_they_are_built", || {
        veth();
        let link = link("v0");
        let tap = Tap::open();
        let socket = PacketSocket::open(link.index).unwrap();
        for address in ["172.17.1.160", "fd00::160"] {
            let frame = announcement(link.mac.unwrap(), address.parse().unwrap(), false);
            socket.send(&frame).unwrap();
            assert_eq!(tap.frame(|seen| seen == frame), frame);
        }
    });
}

#[test]
fn neighbours_learn_from_announcements() {
    namespace::run("packet::neighbours_learn_from_announcements", || {
        veth();
        let link = link("v0");
        ip("address add 172.17.1.151/24 dev v1");
        ip("address add fd00::151/64 dev v1 nodad");
        let socket = PacketSocket::open(link.index).unwrap();
        for address in ["172.17.1.160", "fd00::160"] {
            ip(&format!(
                "neighbour add {address} lladdr 02:00:00:00:00:01 nud stale dev v1"
            ));
            let frame = announcement(link.mac.unwrap(), address.parse().unwrap(), false);
            socket.send(&frame).unwrap();
            let mac: Vec<_> = frame[6..12].iter().map(|o| format!("{o:02x}")).collect();
            eventually("the neighbour table has the new owner", || {
                let shown = std::process::Command::new("ip")
                    .args(["neighbour", "show", address])
                    .output()
                    .unwrap();
                String::from_utf8_lossy(&shown.stdout).contains(&mac.join(":"))
            });
        }
    });
}

#[test]
fn another_holder_of_an_address_is_found() {
    namespace::run("packet::another_holder_of_an_address_is_found", || {
        veth();
        ip("address add 172.17.1.160/32 dev v1");
        ip("address add fd00::160/128 dev v1 nodad");
        let holder = link("v1").mac;
        for address in ["172.17.1.160", "fd00::160"] {
            assert_eq!(
                search(address, Duration::from_secs(5)),
                Ok(holder),
                "{address}"
            );
        }
        for address in ["172.17.1.161", "fd00::161"] {
            let timeout = Duration::from_millis(300);
            assert_eq!(search(address, timeout), Ok(None), "{address}");
        }
    });
}

#[test]
fn sockets_on_lost_links_say_so() {
    namespace::run("packet::sockets_on_lost_links_say_so", || {
        veth();
        let error = PacketSocket::open(4711).unwrap_err();
        assert!(error.is_gone(), "{error}");
        let socket = PacketSocket::open(link("v0").index).unwrap();
        ip("link set v0 down");
        assert!(socket.send(&[0; 60]).unwrap_err().is_down());
        ip("link delete v0");
        assert!(socket.send(&[0; 60]).unwrap_err().is_gone());
    });
}

#[test]
fn the_sender_of_a_message_is_found() {
    namespace::run("packet::the_sender_of_a_message_is_found", || {
        veth();
        for address in ["172.17.1.150/24", "fd00::150/64"] {
            ip(&format!("address add {address} dev v0 nodad"));
        }
        let (sender, listener) = (link("v0"), link("v1"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        for (source, stranger, group) in [
            ("172.17.1.150", "172.17.1.149", "224.0.0.18"),
            ("fd00::150", "fd00::149", "ff02::12"),
        ] {
            let (source, stranger): (IpAddr, IpAddr) =
                (source.parse().unwrap(), stranger.parse().unwrap());
            let socket = VrrpSocket::open(sender.index, Family::of(source)).unwrap();
            let message = [Outgoing {
                source,
                dest: group.parse().unwrap(),
                ttl: 255,
                bytes: &[0x31; 12],
            }];
            runtime.block_on(async {
                let send = || {
                    socket.send_batch(&mut Outbox::new(), &message, |_, error| panic!("{error}"));
                };
                let wait = Duration::from_millis(500);
                let (found, not_found, ()) = tokio::join!(
                    sender_mac(listener.index, source, wait),
                    sender_mac(listener.index, stranger, wait),
                    // Both listen by now: they were asked first, and wait for this.
                    async { send() },
                );
                assert_eq!(found, Ok(sender.mac));
                assert_eq!(not_found, Ok(None));
            });
        }
    });
}
