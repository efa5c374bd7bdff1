//! VRRP sockets at both ends of a cable. Captured frames are those of keepalived 2.4.3 and 2.2.7.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use ipvs_sys::Family;
use lvsd::kernel::SocketError;
use lvsd::kernel::packet::PacketSocket;
use lvsd::kernel::rtnl::Rtnl;
use lvsd::kernel::vrrp_socket::{Batch, Carrier, Outbox, Outgoing, Unusable, VrrpSocket};
use vrrp::wire::{
    Advert, AhKey, Auth, AuthConfig, ChecksumV3, Checksums, Expect, GROUP_V4, GROUP_V6, Guard,
    Path, TTL, Version,
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

/// The usual group of the family of an address.
fn group(text: &str) -> IpAddr {
    match address(text) {
        IpAddr::V4(_) => GROUP_V4.into(),
        IpAddr::V6(_) => GROUP_V6.into(),
    }
}

fn joined(index: u32, group: IpAddr) -> VrrpSocket {
    let socket = VrrpSocket::open(index, Family::of(group)).unwrap();
    socket.join(group).unwrap();
    socket
}

/// All that waits in a socket: source, destination, TTL, octets of the VRRP message.
type Message = (IpAddr, IpAddr, u8, Vec<u8>);

fn waiting(socket: &VrrpSocket) -> Vec<Result<Message, Unusable>> {
    let mut batch = Batch::new();
    let count = socket.recv_batch(&mut batch).unwrap();
    let messages: Vec<_> = batch
        .iter()
        .map(|heard| heard.map(|m| (m.src, m.dst, m.ttl, m.payload.message().to_vec())))
        .collect();
    assert_eq!(messages.len(), count);
    messages
}

/// The next message.
fn next(socket: &VrrpSocket) -> Message {
    let mut next = Vec::new();
    eventually("a message arrives", || {
        next = waiting(socket);
        !next.is_empty()
    });
    assert_eq!(next.len(), 1);
    next.remove(0).unwrap()
}

fn outgoing<'m>(src: &str, dest: IpAddr, bytes: &'m [u8]) -> Outgoing<'m> {
    Outgoing {
        source: address(src),
        dest,
        ttl: TTL,
        bytes,
    }
}

/// Sends what must be sent.
fn send(socket: &VrrpSocket, messages: &[Outgoing<'_>]) {
    let failed = failures(socket, messages);
    assert!(failed.is_empty(), "{failed:?}");
}

/// Sends what may not be sent: the indices of what was not.
fn failures(socket: &VrrpSocket, messages: &[Outgoing<'_>]) -> Vec<(usize, SocketError)> {
    let mut failed = Vec::new();
    socket.send_batch(&mut Outbox::new(), messages, |index, error| {
        failed.push((index, error));
    });
    failed
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
            send(&sender, &[outgoing(src, group, &encoded(&advert, &path))]);

            let (src, dst, ttl, message) = next(&listener);
            assert_eq!((src, dst), (path.src, path.dst));
            assert_eq!(ttl, TTL);
            let expect = Expect {
                version,
                ..Expect::v3(Checksums::only(ChecksumV3::PseudoHeader))
            };
            assert_eq!(Advert::decode(&message, &path, &expect), Ok(advert));

            if group.is_ipv4() {
                assert_eq!(waiting(&stranger), [], "it did not join");
            }
            assert_eq!(waiting(&sender), [], "nothing loops back");
        }
    });
}

#[test]
fn messages_have_the_ttl_asked_for() {
    namespace::run("vrrp_socket::messages_have_the_ttl_asked_for", || {
        let (v0, _) = site();
        // The kernel would send to an address of `v1` by the loopback interface, so it goes to
        // another host that only the neighbour table knows.
        for (src, dst, ttl_at) in [(V0, "172.17.1.152", 22), ("fe80::150", "fe80::152", 21)] {
            ip(&format!(
                "neighbour add {dst} lladdr 02:00:00:00:00:01 dev v0"
            ));
            let tap = Tap::open();
            let sender = VrrpSocket::open(v0, Family::of(address(src))).unwrap();
            for (nth, dest) in [(1, address(dst)), (2, group(src))] {
                for ttl in [255, 64, 1] {
                    let octets = [nth, ttl, 0, 0, 0, 0, 0, 0];
                    let message = Outgoing {
                        ttl,
                        ..outgoing(src, dest, &octets)
                    };
                    send(&sender, &[message]);
                    let frame = tap.frame(|frame| frame.ends_with(message.bytes));
                    assert_eq!(frame[ttl_at], ttl);
                }
            }
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
        send(&sender, &[outgoing(V0, path.dst, &message)]);
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
        send(
            &sender,
            &[outgoing("fe80::b065:afff:fe8e:cd0b", path.dst, &message)],
        );
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
            send(&sender, &[outgoing(src, group, &message)]);
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

        let error = socket.leave(address("224.0.0.99")).unwrap_err();
        assert!(error.to_string().contains("leave 224.0.0.99"), "{error}");
        let error = VrrpSocket::open_for(v0, Family::Ipv6, Carrier::Ah).unwrap_err();
        assert!(error.to_string().contains("interface"), "{error}");

        ip("link set v0 down");
        let failed = failures(&socket, &[outgoing(V0, GROUP_V4.into(), &[0; 12])]);
        assert!(failed[0].1.is_down(), "{failed:?}");
    });
}

#[test]
fn what_cannot_be_sent_does_not_keep_the_rest() {
    namespace::run(
        "vrrp_socket::what_cannot_be_sent_does_not_keep_the_rest",
        || {
            let (v0, v1) = site();
            for (src, lost, other) in [
                (V0, "172.17.1.99", "fe80::151"),
                // Over IPv6 an address of another interface may be the source.
                ("fe80::150", V0, V1),
            ] {
                let sender = VrrpSocket::open(v0, Family::of(address(src))).unwrap();
                let listener = joined(v1, group(src));
                let sent: Vec<_> = (0..5_u8).map(|n| [0x31, n, 0, 0, 0, 0, 0, 0]).collect();
                let messages = [
                    outgoing(lost, group(src), &sent[0]),
                    outgoing(src, group(src), &sent[1]),
                    outgoing(src, address(other), &sent[2]),
                    outgoing(other, group(src), &sent[3]),
                    outgoing(src, group(src), &sent[4]),
                ];
                let failed = failures(&sender, &messages);
                let indices: Vec<_> = failed.iter().map(|(index, _)| *index).collect();
                assert_eq!(indices, [0, 2, 3], "{failed:?}");
                let error = failed[0].1.to_string();
                assert!(error.contains(&format!("from {lost}")), "{error}");
                assert_eq!(next_octets(&listener, 2), [sent[1], sent[4]]);
            }
        },
    );
}

/// The octets of the next messages, `count` of them.
fn next_octets(socket: &VrrpSocket, count: usize) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    eventually("the messages arrive", || {
        messages.extend(
            waiting(socket)
                .into_iter()
                .map(|message| message.unwrap().3),
        );
        messages.len() >= count
    });
    messages
}

#[test]
fn many_messages_keep_their_order() {
    namespace::run("vrrp_socket::many_messages_keep_their_order", || {
        let (v0, v1) = site();
        for src in [V0, "fe80::150"] {
            let sender = VrrpSocket::open(v0, Family::of(address(src))).unwrap();
            let listener = joined(v1, group(src));
            let sent: Vec<_> = (0..200_u8).map(|n| vec![n; 8 + usize::from(n)]).collect();
            let messages: Vec<_> = sent
                .iter()
                .map(|octets| outgoing(src, group(src), octets))
                .collect();
            send(&sender, &messages);
            assert_eq!(next_octets(&listener, 200), sent);
            let calls = (waiting(&listener).len(), listener.dropped());
            assert_eq!(calls, (0, Some(0)));
        }
    });
}

#[test]
fn a_message_that_is_too_long_is_told_from_others() {
    namespace::run(
        "vrrp_socket::a_message_that_is_too_long_is_told_from_others",
        || {
            let (v0, v1) = site();
            for link in ["v0", "v1"] {
                ip(&format!("link set {link} mtu 9000"));
            }
            for src in [V0, "fe80::150"] {
                let sender = VrrpSocket::open(v0, Family::of(address(src))).unwrap();
                let listener = joined(v1, group(src));
                let long = [0x31; 6000];
                send(
                    &sender,
                    &[
                        outgoing(src, group(src), &long),
                        outgoing(src, group(src), &long[..100]),
                    ],
                );
                let mut heard = Vec::new();
                eventually("both arrive", || {
                    heard.extend(waiting(&listener));
                    heard.len() == 2
                });
                assert_eq!(heard[0], Err(Unusable::Long));
                assert_eq!(heard[1].as_ref().unwrap().3, long[..100]);
            }
        },
    );
}

#[test]
fn groups_are_joined_and_left() {
    namespace::run("vrrp_socket::groups_are_joined_and_left", || {
        let (v0, v1) = site();
        let sender = VrrpSocket::open(v0, Family::Ipv4).unwrap();
        let listener = joined(v1, GROUP_V4.into());
        let other = address("224.0.0.99");
        let both = [
            outgoing(V0, GROUP_V4.into(), &[1; 8]),
            outgoing(V0, other, &[2; 8]),
        ];
        send(&sender, &both);
        assert_eq!(next_octets(&listener, 1), [[1; 8]]);
        listener.join(other).unwrap();
        send(&sender, &both);
        assert_eq!(next_octets(&listener, 2), [[1; 8], [2; 8]]);
        listener.leave(GROUP_V4.into()).unwrap();
        send(&sender, &both);
        assert_eq!(next_octets(&listener, 1), [[2; 8]]);
    });
}

#[test]
fn what_a_full_queue_drops_is_counted() {
    namespace::run("vrrp_socket::what_a_full_queue_drops_is_counted", || {
        let (v0, v1) = site();
        for src in [V0, "fe80::150"] {
            let sender = VrrpSocket::open(v0, Family::of(address(src))).unwrap();
            let listener = joined(v1, group(src));
            listener.set_receive_queue(4096).unwrap();
            let messages = vec![outgoing(src, group(src), &[0x31; 12]); 500];
            send(&sender, &messages);
            let mut heard = 0;
            eventually("all are heard or dropped", || {
                heard += waiting(&listener).len() as u64;
                let dropped = listener.dropped().unwrap();
                dropped > 0 && heard + dropped == 500
            });
        }
    });
}

#[test]
fn authentication_headers_travel_whole() {
    namespace::run("vrrp_socket::authentication_headers_travel_whole", || {
        let (v0, v1) = site();
        let captured = octets(
            "0100 5e00 0012 b265 af8e cd0b 0800 45c0 0040 0001 0000 ff33 2d10 ac11 0196 e000
             0012 7004 0000 ac11 0196 0000 0001 917e ced0 8862 80d6 38c2 3467 2133 9601 0201
             9918 ac11 01a0 0000 0000 0000 0000",
        );
        let config = AuthConfig::Ah {
            key: AhKey(b"s3cret".to_vec()),
        };
        let path = Path {
            src: address(V0),
            dst: GROUP_V4.into(),
        };
        let advert = Advert {
            auth: config.message_auth(),
            ..advert(Version::V2, &["172.17.1.160"])
        };
        let message = encoded(&advert, &path);
        let mut packet = Vec::new();
        let start = Duration::from_secs(1);
        assert!(Guard::new(&config).seal_ah(start, &path, TTL, &message, &mut packet));

        let tap = Tap::open();
        let sender = VrrpSocket::open_for(v0, Family::Ipv4, Carrier::Ah).unwrap();
        let listener = VrrpSocket::open_for(v1, Family::Ipv4, Carrier::Ah).unwrap();
        listener.join(path.dst).unwrap();
        send(&sender, &[outgoing(V0, path.dst, &packet)]);
        let frame = tap.frame(|frame| frame.ends_with(&message));
        assert_eq!(frame, captured);

        let mut batch = Batch::new();
        eventually("it arrives", || {
            listener.recv_batch(&mut batch).unwrap() == 1
        });
        let heard = batch.iter().next().unwrap().unwrap();
        assert_eq!((heard.src, heard.dst, heard.ttl), (path.src, path.dst, 255));
        let opened = Guard::new(&config).open(start, Version::V2, 51, &path, heard.payload);
        assert_eq!(opened, Ok(&message[..]));
    });
}
