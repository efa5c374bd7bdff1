//! Every message survives a round trip, and no bytes make the decoder panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipvs_sys::{
    Daemon, DaemonState, Destination, DestinationId, Family, Forward, Info, Netmask,
    ObservedDestination, ObservedService, Protocol, Reply, Request, Service, ServiceFlags,
    ServiceId, Stats, Timeouts, Tunnel, TunnelFlags, decode_any,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|v4| IpAddr::V4(Ipv4Addr::from(v4))),
        any::<u128>().prop_map(|v6| IpAddr::V6(Ipv6Addr::from(v6))),
    ]
}

fn socket() -> impl Strategy<Value = SocketAddr> {
    (ip(), any::<u16>()).prop_map(SocketAddr::from)
}

fn service_id() -> impl Strategy<Value = ServiceId> {
    let protocol = prop_oneof![
        Just(Protocol::Tcp),
        Just(Protocol::Udp),
        Just(Protocol::Sctp)
    ];
    let family = prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)];
    prop_oneof![
        (protocol, socket()).prop_map(|(protocol, address)| ServiceId::Addr { protocol, address }),
        (any::<u32>(), family).prop_map(|(mark, family)| ServiceId::Fwmark { mark, family }),
    ]
}

fn netmask(family: Family) -> BoxedStrategy<Netmask> {
    match family {
        Family::Ipv4 => any::<u32>().prop_map(|m| Netmask::V4(m.into())).boxed(),
        Family::Ipv6 => (0u8..=128).prop_map(Netmask::V6).boxed(),
    }
}

fn service() -> impl Strategy<Value = Service> {
    service_id().prop_flat_map(|id| {
        let (name, pe) = ("[a-z]{0,15}", option::of("[a-z]{1,15}"));
        (name, any::<u32>(), any::<u32>(), netmask(id.family()), pe).prop_map(
            move |(scheduler, flags, timeout, netmask, pe_name)| Service {
                id,
                scheduler,
                flags: ServiceFlags::from_bits(flags),
                timeout,
                netmask,
                pe_name,
            },
        )
    })
}

fn tunnel() -> impl Strategy<Value = Tunnel> {
    let flags = || any::<u16>().prop_map(TunnelFlags::from_bits);
    prop_oneof![
        (any::<u16>(), flags()).prop_map(|(port, flags)| Tunnel::Gue { port, flags }),
        flags().prop_map(|flags| Tunnel::Gre { flags }),
    ]
}

fn forward() -> impl Strategy<Value = (Forward, Option<Tunnel>)> {
    prop_oneof![
        Just((Forward::Masquerade, None)),
        Just((Forward::Local, None)),
        Just((Forward::DirectRoute, None)),
        Just((Forward::Bypass, None)),
        option::of(tunnel()).prop_map(|tunnel| (Forward::Tunnel, tunnel)),
    ]
}

fn destination() -> impl Strategy<Value = Destination> {
    (socket(), forward(), any::<[u32; 3]>()).prop_map(
        |(address, (forward, tunnel), [weight, upper_threshold, lower_threshold])| Destination {
            id: DestinationId { address },
            forward,
            weight,
            upper_threshold,
            lower_threshold,
            tunnel,
        },
    )
}

fn stats() -> impl Strategy<Value = Stats> {
    any::<[u64; 10]>().prop_map(|[a, b, c, d, e, f, g, h, i, j]| Stats {
        connections: a,
        packets_in: b,
        packets_out: c,
        bytes_in: d,
        bytes_out: e,
        connections_per_second: f,
        packets_in_per_second: g,
        packets_out_per_second: h,
        bytes_in_per_second: i,
        bytes_out_per_second: j,
    })
}

fn daemon_state() -> impl Strategy<Value = DaemonState> {
    prop_oneof![Just(DaemonState::Master), Just(DaemonState::Backup)]
}

fn daemon() -> impl Strategy<Value = Daemon> {
    let options = (option::of(any::<u16>()), option::of(ip()));
    let more = (option::of(any::<u16>()), option::of(any::<u8>()));
    (
        daemon_state(),
        "[a-z0-9]{1,15}",
        any::<u32>(),
        options,
        more,
    )
        .prop_map(
            |(state, interface, sync_id, (max_len, group), (port, ttl))| Daemon {
                state,
                interface,
                sync_id,
                max_len,
                group,
                port,
                ttl,
            },
        )
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    any::<[u32; 3]>().prop_map(|[tcp, tcp_fin, udp]| Timeouts { tcp, tcp_fin, udp })
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        service().prop_map(Request::AddService),
        service().prop_map(Request::EditService),
        service_id().prop_map(Request::DeleteService),
        service_id().prop_map(Request::GetService),
        (service_id(), destination()).prop_map(|(s, d)| Request::AddDestination(s, d)),
        (service_id(), destination()).prop_map(|(s, d)| Request::EditDestination(s, d)),
        (service_id(), socket()).prop_map(|(s, d)| Request::DeleteDestination(s, d.into())),
        service_id().prop_map(Request::DumpDestinations),
        daemon().prop_map(Request::StartDaemon),
        daemon_state().prop_map(Request::StopDaemon),
        timeouts().prop_map(Request::SetTimeouts),
        option::of(service_id()).prop_map(Request::Zero),
        Just(Request::DumpServices),
        Just(Request::DumpDaemons),
        Just(Request::GetTimeouts),
        Just(Request::GetInfo),
        Just(Request::Flush),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        (service(), stats())
            .prop_map(|(service, stats)| Reply::Service(ObservedService { service, stats })),
        (destination(), any::<[u32; 3]>(), stats()).prop_map(
            |(destination, [active, inactive, persistent], stats)| {
                Reply::Destination(ObservedDestination {
                    destination,
                    active_connections: active,
                    inactive_connections: inactive,
                    persistent_connections: persistent,
                    stats,
                })
            }
        ),
        daemon().prop_map(Reply::Daemon),
        timeouts().prop_map(Reply::Timeouts),
        any::<[u32; 2]>().prop_map(|[version, connection_table_size]| {
            Reply::Info(Info {
                version,
                connection_table_size,
            })
        }),
    ]
}

fn request_bytes(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(&mut bytes);
    bytes
}

fn reply_bytes(reply: &Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    reply.encode(&mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn requests_survive(request in request()) {
        let bytes = request_bytes(&request);
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(Request::decode(&bytes), Ok(request));
    }

    #[test]
    fn replies_survive(reply in reply()) {
        prop_assert_eq!(Reply::decode(&reply_bytes(&reply)), Ok(reply));
    }

    #[test]
    fn json_survives(request in request()) {
        let text = serde_json::to_string(&request).unwrap();
        prop_assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(command in 0u8..20, rest in vec(any::<u8>(), 0..200)) {
        let mut bytes = vec![command, 1, 0, 0];
        bytes.extend(&rest);
        let _ = decode_any(&rest);
        let _ = decode_any(&bytes);
    }

    #[test]
    fn damaged_messages_do_not_panic(
        message in prop_oneof![
            request().prop_map(|r| request_bytes(&r)),
            reply().prop_map(|r| reply_bytes(&r)),
        ],
        damage in vec((any::<Index>(), any::<u8>()), 0..4),
        cut in any::<Index>(),
    ) {
        let mut bytes = message;
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = decode_any(&bytes);
        let _ = decode_any(&bytes[..cut.index(bytes.len())]);
    }
}
