//! Replies of a real kernel (Linux 6.1, little-endian), made with
//!
//! ```text
//! ipvsadm -A -t 172.17.1.160:80 -s wrr -p 300 -M 255.255.255.0
//! ipvsadm -a -t 172.17.1.160:80 -r 10.1.1.2:80 -i --tun-type gue --tun-port 6080 --tun-csum -w 7 -x 100 -y 50
//! ipvsadm -A -f 9 -6 -s rr -p 60 -M 64
//! curl http://172.17.1.160/     # one packet of 60 bytes, three seconds before
//! ```
#![cfg(target_endian = "little")]

use ipvs_sys::{
    Destination, DestinationId, Family, Forward, Netmask, ObservedDestination, ObservedService,
    Protocol, Reply, Service, ServiceId, Stats, Tunnel, TunnelFlags,
};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

const ONE_PACKET: Stats = Stats {
    connections: 1,
    packets_in: 1,
    packets_out: 0,
    bytes_in: 60,
    bytes_out: 0,
    connections_per_second: 0,
    packets_in_per_second: 0,
    packets_out_per_second: 0,
    bytes_in_per_second: 6,
    bytes_out_per_second: 0,
};

#[test]
fn a_service() {
    let id = ServiceId::Addr {
        protocol: Protocol::Tcp,
        address: "172.17.1.160:80".parse().unwrap(),
    };
    let service = Service {
        netmask: Netmask::V4([255, 255, 255, 0].into()),
        ..Service::new(id, "wrr").persistent(300)
    };
    assert_eq!(
        Reply::decode(&bytes(include_str!("recorded/service.hex"))),
        Ok(Reply::Service(ObservedService {
            service,
            stats: ONE_PACKET,
        }))
    );
}

#[test]
fn a_service_by_mark() {
    let id = ServiceId::Fwmark {
        mark: 9,
        family: Family::Ipv6,
    };
    let service = Service {
        netmask: Netmask::V6(64),
        ..Service::new(id, "rr").persistent(60)
    };
    assert_eq!(
        Reply::decode(&bytes(include_str!("recorded/fwmark_service.hex"))),
        Ok(Reply::Service(ObservedService {
            service,
            stats: Stats::default(),
        }))
    );
}

#[test]
fn a_destination() {
    let id = DestinationId::new("10.1.1.2:80".parse().unwrap());
    let destination = Destination {
        upper_threshold: 100,
        lower_threshold: 50,
        tunnel: Some(Tunnel::Gue {
            port: 6080,
            flags: TunnelFlags::CHECKSUM,
        }),
        ..Destination::new(id, Forward::Tunnel, 7)
    };
    assert_eq!(
        Reply::decode(&bytes(include_str!("recorded/destination.hex"))),
        Ok(Reply::Destination(ObservedDestination {
            destination,
            active_connections: 1,
            inactive_connections: 0,
            persistent_connections: 1,
            stats: ONE_PACKET,
        }))
    );
}
