//! VRRP sockets at both ends of a cable. Captured frames are those of keepalived 2.4.3 and 2.2.7.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use ipvs_sys::Family;
use lvsd::kernel::packet::PacketSocket;
use lvsd::kernel::rtnl::Rtnl;
use lvsd::kernel::vrrp_socket::{BUFFER_LEN, VrrpSocket};
use vrrp::wire::{
    Advert, Auth, ChecksumV3, Checksums, Expect, GROUP_V4, GROUP_V6, Path, TTL, Version,
};

use crate::frames::{Tap, octets};
use crate::namespace::{self, eventually, ip, veth};

const V0: &str = "172.17.1.150";
const V1: &str = "172.17.1.151";

/// `v0` with the address and MAC of the captures, and `v1` at the other end. Both are in one
/// namespace, so `v1` has to be told to hear messages from a local address.
fn site() -> (u32, u32) {
    veth();
    ip("link set v0 address b2:65:af:8e:cd:0b");
    ip(&format!("address add {V0}/24 dev v0"));
    ip("address add 172.17.1.160/32 dev v0");
    ip(&format!("address add {V1}/24 dev v1"));
    std::fs::write("/proc/sys/net/ipv4/conf/v1/accept_local", "1").unwrap();
    std::fs::write("/proc/sys/net/ipv4/conf/v1/rp_filter", "0").unwrap();
    std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "0").unwrap();
    eventually("both ends are usable", || {
        let links = Rtnl::open().unwrap().links().unwrap();
        let veths = links.iter().filter(|link| link.name.starts_with('v'));
        veths.filter(|link| link.usable()).count() == 2
    });
    add_ipv6("fe80::150", "v0");
    add_ipv6("fe80::5100", "v0");
    add_ipv6("fe80::151", "v1");
    (index("v0"), index("v1"))
}

/// Adds an IPv6 address and waits until the kernel takes messages for it: it does so a little after
/// the request was answered, even without duplicate address detection.
fn add_ipv6(address: &str, interface: &str) {
    ip(&format!("address add {address}/64 dev {interface} nodad"));
    let route = format!("local {address} dev {interface} ");
    eventually("the address has its route", || {
        let routes = Command::new("ip")
            .args(["-6", "route", "show", "table", "local"])
            .output()
            .expect("`ip` of package iproute2 runs");
        String::from_utf8_lossy(&routes.stdout).contains(&route)
    });
}

fn index(name: &str) -> u32 {
    let link = Rtnl::open().unwrap().link_by_name(name).unwrap();
    link.expect("an interface").index
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn joined(index: u32, group: IpAddr) -> VrrpSocket {
    let socket = VrrpSocket::open(index, Family::of(group)).unwrap();
    socket.join(group).unwrap();
    socket
}

/// The next message: source, destination, TTL, octets.
fn next(socket: &VrrpSocket) -> (IpAddr, IpAddr, u8, Vec<u8>) {
    let mut next = None;
    eventually("a message arrives", || {
        let mut buffer = [0; BUFFER_LEN];
        let received = socket.recv(&mut buffer).unwrap();
        next = received.map(|got| (got.src, got.dst, got.ttl, got.message.to_vec()));
        next.is_some()
    });
    next.unwrap()
}

fn advert(version: Version, addresses: &[&str]) -> Advert {
    Advert {
        version,
        vrid: 51,
        priority: 150,
        interval: Duration::from_secs(1),
        auth: Auth::None,
        addresses: addresses.iter().map(|text| address(text)).collect(),
    }
}

fn encoded(advert: &Advert, path: &Path) -> Vec<u8> {
    let mut message = Vec::new();
    let sum = ChecksumV3::PseudoHeader;
    advert.encode(path, sum, &mut message).unwrap();
    message
}

#[test]
fn adverts_reach_those_who_joined() {
    namespace::run("vrrp_socket::adverts_reach_those_who_joined", || {
        let (v0, v1) = site();
        for (src, group, version, vip) in [
            (V0, IpAddr::V4(GROUP_V4), Version::V2, "172.17.1.160"),
            (V0, IpAddr::V4(GROUP_V4), Version::V3, "172.17.1.160"),
            ("fe80::150", IpAddr::V6(GROUP_V6), Version::V3, "fe80::5100"),
        ] {
            let path = Path {
                src: address(src),
                dst: group,
            };
            let sender = joined(v0, group);
            let listener = joined(v1, group);
            let stranger = VrrpSocket::open(v1, Family::of(group)).unwrap();
            let advert = advert(version, &[vip]);
            sender
                .send(path.src, group, &encoded(&advert, &path))
                .unwrap();

            let (src, dst, ttl, message) = next(&listener);
            assert_eq!((src, dst), (path.src, path.dst));
            assert_eq!(ttl, TTL);
            let expect = Expect {
                version,
                ..Expect::v3(Checksums::only(ChecksumV3::PseudoHeader))
            };
            assert_eq!(Advert::decode(&message, &path, &expect), Ok(advert));

            let mut buffer = [0; BUFFER_LEN];
            if group.is_ipv4() {
                assert_eq!(stranger.recv(&mut buffer), Ok(None), "it did not join");
            }
            assert_eq!(sender.recv(&mut buffer), Ok(None), "nothing loops back");
        }
    });
}

#[test]
fn messages_to_a_peer_have_the_full_ttl() {
    namespace::run("vrrp_socket::messages_to_a_peer_have_the_full_ttl", || {
        let (v0, _) = site();
        // The kernel would send to an address of `v1` by the loopback interface, so it goes to
        // another host that only the neighbour table knows.
        for (src, dst, ttl_at) in [(V0, "172.17.1.152", 22), ("fe80::150", "fe80::152", 21)] {
            ip(&format!(
                "neighbour add {dst} lladdr 02:00:00:00:00:01 dev v0"
            ));
            let tap = Tap::open();
            let sender = VrrpSocket::open(v0, Family::of(address(src))).unwrap();
            let message = [0x31; 12];
            sender.send(address(src), address(dst), &message).unwrap();
            let frame = tap.frame(|frame| frame.ends_with(&message));
            assert_eq!(frame[ttl_at], 255);
        }
    });
}

#[test]
fn captured_messages_to_a_peer_arrive() {
    namespace::run("vrrp_socket::captured_messages_to_a_peer_arrive", || {
        let (v0, v1) = site();
        ip("link set v1 address d2:71:19:e8:f8:e9");
        add_ipv6("fd00::151", "v1");
        let wire = PacketSocket::open(v0).unwrap();
        for (frame, src, dst, ttl) in [
            (
                "d271 19e8 f8e9 b265 af8e cd0b 0800 45c0 0028 0001 0000 ff70 5f55 ac11 0196 ac11
                 0197 2133 9601 0001 9b18 ac11 01a0 0000 0000 0000 0000",
                V0,
                V1,
                255,
            ),
            (
                "d271 19e8 f8e9 b265 af8e cd0b 86dd 6c05 8453 0018 7040 fd00 0000 0000 0000 0000
                 0000 0000 0150 fd00 0000 0000 0000 0000 0000 0000 0151 3133 0001 0064 d2db fd00
                 0000 0000 0000 0000 0000 0000 0160",
                "fd00::150",
                "fd00::151",
                64,
            ),
        ] {
            let frame = octets(frame);
            let (src, dst) = (address(src), address(dst));
            let listener = VrrpSocket::open(v1, Family::of(src)).unwrap();
            wire.send(&frame).unwrap();
            let received = next(&listener);
            let header = if src.is_ipv4() { 34 } else { 54 };
            assert_eq!(received, (src, dst, ttl, frame[header..].to_vec()));
        }
    });
}

#[test]
fn ipv4_frames_have_the_captured_octets() {
    namespace::run("vrrp_socket::ipv4_frames_have_the_captured_octets", || {
        let (v0, _) = site();
        let captured = octets(
            "0100 5e00 0012 b265 af8e cd0b 0800 45c0 0020 0001 0000 ff70 2cf3 ac11 0196 e000
             0012 3133 9601 0064 fc7e ac11 01a0",
        );
        let tap = Tap::open();
        let sender = joined(v0, GROUP_V4.into());
        let path = Path {
            src: address(V0),
            dst: GROUP_V4.into(),
        };
        let message = encoded(&advert(Version::V3, &["172.17.1.160"]), &path);
        sender.send(path.src, path.dst, &message).unwrap();
        let mut frame = tap.frame(|frame| frame.ends_with(&message));
        // Identification and header checksum are the kernel's.
        frame[18..20].copy_from_slice(&captured[18..20]);
        frame[24..26].copy_from_slice(&captured[24..26]);
        assert_eq!(frame, captured);
    });
}

#[test]
fn ipv6_frames_have_the_captured_octets() {
    namespace::run("vrrp_socket::ipv6_frames_have_the_captured_octets", || {
        let (v0, _) = site();
        add_ipv6("fe80::b065:afff:fe8e:cd0b", "v0");
        let captured = octets(
            "3333 0000 0012 b265 af8e cd0b 86dd 6c08 a1a9 0028 70ff fe80 0000 0000 0000 b065
             afff fe8e cd0b ff02 0000 0000 0000 0000 0000 0000 0012 3133 9602 0064 c055 fe80
             0000 0000 0000 0000 0000 0000 5100 fd00 0000 0000 0000 0000 0000 0000 0160",
        );
        let tap = Tap::open();
        let sender = joined(v0, GROUP_V6.into());
        let path = Path {
            src: address("fe80::b065:afff:fe8e:cd0b"),
            dst: GROUP_V6.into(),
        };
        let message = encoded(&advert(Version::V3, &["fe80::5100", "fd00::160"]), &path);
        sender.send(path.src, path.dst, &message).unwrap();
        let mut frame = tap.frame(|frame| frame.ends_with(&message));
        // The flow label is the kernel's.
        frame[15] = frame[15] & 0xf0 | captured[15] & 0x0f;
        frame[16..18].copy_from_slice(&captured[16..18]);
        assert_eq!(frame, captured);
    });
}

#[test]
fn the_longest_advert_arrives_whole() {
    namespace::run("vrrp_socket::the_longest_advert_arrives_whole", || {
        let (v0, v1) = site();
        for (src, group, vip) in [
            (V0, IpAddr::V4(GROUP_V4), "172.17.1.160"),
            ("fe80::150", IpAddr::V6(GROUP_V6), "fe80::5100"),
        ] {
            let path = Path {
                src: address(src),
                dst: group,
            };
            let message = encoded(&advert(Version::V3, &[vip; 255]), &path);
            let listener = joined(v1, group);
            let sender = VrrpSocket::open(v0, Family::of(group)).unwrap();
            sender.send(path.src, group, &message).unwrap();
            assert_eq!(next(&listener).3, message);
        }
    });
}

#[test]
fn what_fails_says_what_was_attempted() {
    namespace::run("vrrp_socket::what_fails_says_what_was_attempted", || {
        let (v0, _) = site();
        for family in [Family::Ipv4, Family::Ipv6] {
            let error = VrrpSocket::open(4711, family).unwrap_err();
            assert!(error.is_gone(), "{error}");
            assert!(error.to_string().contains("interface 4711"), "{error}");
        }
        let socket = joined(v0, GROUP_V4.into());
        let error = socket.join(GROUP_V6.into()).unwrap_err();
        assert!(error.to_string().contains("join ff02::12"), "{error}");

        let lost = address("172.17.1.99");
        let error = socket.send(lost, GROUP_V4.into(), &[0; 12]).unwrap_err();
        assert!(error.to_string().contains("from 172.17.1.99"), "{error}");

        ip("link set v0 down");
        let error = socket
            .send(address(V0), GROUP_V4.into(), &[0; 12])
            .unwrap_err();
        assert!(error.is_down(), "{error}");
    });
}
