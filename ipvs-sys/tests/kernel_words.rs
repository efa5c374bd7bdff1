//! Bytes as the kernel wants and writes them, spelt out by hand.

use ipvs_sys::{
    DecodeError, Destination, DestinationId, Forward, Protocol, Reply, Request, Service,
    ServiceFlags, ServiceId, Tunnel, TunnelFlags,
};

fn web() -> ServiceId {
    ServiceId::Addr {
        protocol: Protocol::Tcp,
        address: "172.17.1.160:80".parse().unwrap(),
    }
}

/// An attribute, padded.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len() + 4).unwrap();
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | 0x8000, &parts.concat())
}

fn address(head: &[u8]) -> Vec<u8> {
    let mut address = head.to_vec();
    address.resize(16, 0);
    address
}

fn web_id() -> Vec<Vec<u8>> {
    vec![
        attribute(1, &2u16.to_ne_bytes()),
        attribute(2, &6u16.to_ne_bytes()),
        attribute(3, &address(&[172, 17, 1, 160])),
        attribute(4, &[0, 80]),
    ]
}

fn web_service(flags: u32) -> Vec<Vec<u8>> {
    let mut parts = web_id();
    parts.push(attribute(6, b"rr\0"));
    parts.push(attribute(
        7,
        &[flags.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat(),
    ));
    parts.push(attribute(8, &300u32.to_ne_bytes()));
    parts.push(attribute(9, &[255, 255, 255, 0]));
    parts
}

#[test]
fn a_new_service_is_fully_spelt_out() {
    let service = Service {
        netmask: ipvs_sys::Netmask::V4([255, 255, 255, 0].into()),
        ..Service::new(web(), "rr").persistent(300)
    };
    let mut parts = web_service(1);
    // All flags shall take our value, but the kernel's own.
    let mask = (!2u32).to_ne_bytes();
    parts[5] = attribute(7, &[1u32.to_ne_bytes(), mask].concat());
    let expected = [vec![1, 1, 0, 0], nested(1, &parts)].concat();
    let mut bytes = Vec::new();
    Request::AddService(service).encode(&mut bytes);
    assert_eq!(bytes, expected);
}

#[test]
fn a_new_destination_names_its_service_and_family() {
    let id = DestinationId::new("[2001:db8::7]:8080".parse().unwrap());
    let destination = Destination {
        tunnel: Some(Tunnel::Gue {
            port: 6080,
            flags: TunnelFlags::CHECKSUM,
        }),
        ..Destination::new(id, Forward::Tunnel, 5)
    };
    let mut v6 = address(&[0x20, 0x01, 0x0d, 0xb8]);
    v6[15] = 7;
    let parts = [
        attribute(1, &v6),
        attribute(2, &[0x1f, 0x90]),
        attribute(11, &10u16.to_ne_bytes()),
        attribute(3, &2u32.to_ne_bytes()),
        attribute(4, &5u32.to_ne_bytes()),
        attribute(5, &0u32.to_ne_bytes()),
        attribute(6, &0u32.to_ne_bytes()),
        attribute(13, &[1]),
        attribute(14, &[0x17, 0xc0]),
        attribute(15, &1u16.to_ne_bytes()),
    ];
    let expected = [vec![5, 1, 0, 0], nested(1, &web_id()), nested(2, &parts)].concat();
    let mut bytes = Vec::new();
    Request::AddDestination(web(), destination).encode(&mut bytes);
    assert_eq!(bytes, expected);
}

#[test]
fn an_old_kernels_32_bit_statistics_are_read() {
    let stats = [
        attribute(1, &7u32.to_ne_bytes()),
        attribute(4, &(1u64 << 40).to_ne_bytes()),
        attribute(9, &9u32.to_ne_bytes()),
    ];
    let mut parts = web_service(1);
    parts.push(nested(10, &stats));
    let bytes = [vec![1, 1, 0, 0], nested(1, &parts)].concat();
    let Ok(Reply::Service(observed)) = Reply::decode(&bytes) else {
        panic!("a service");
    };
    assert_eq!(observed.stats.connections, 7);
    assert_eq!(observed.stats.bytes_in, 1 << 40);
    assert_eq!(observed.stats.bytes_in_per_second, 9);
}

#[test]
fn of_two_statistics_the_64_bit_ones_count() {
    let old = [attribute(1, &1u32.to_ne_bytes())];
    let new = [attribute(1, &(1u64 << 33).to_ne_bytes())];
    for order in [[10, 12], [12, 10]] {
        let mut parts = web_service(0);
        for kind in order {
            parts.push(nested(kind, if kind == 10 { &old } else { &new }));
        }
        let bytes = [vec![1, 1, 0, 0], nested(1, &parts)].concat();
        let Ok(Reply::Service(observed)) = Reply::decode(&bytes) else {
            panic!("a service");
        };
        assert_eq!(observed.stats.connections, 1 << 33);
    }
}

#[test]
fn the_kernels_own_flag_is_not_ours() {
    let mut parts = web_service(3);
    parts.push(nested(12, &[]));
    let bytes = [vec![1, 1, 0, 0], nested(1, &parts)].concat();
    let Ok(Reply::Service(observed)) = Reply::decode(&bytes) else {
        panic!("a service");
    };
    assert_eq!(observed.service.flags, ServiceFlags::PERSISTENT);
}

#[test]
fn errors_name_what_is_wrong() {
    let partial = [vec![1, 1, 0, 0], nested(1, &web_id())].concat();
    assert_eq!(
        Request::decode(&partial),
        Err(DecodeError::Missing {
            field: "service netmask"
        })
    );
    assert_eq!(Reply::decode(&[1]), Err(DecodeError::Header { len: 1 }));
    assert_eq!(Reply::decode(&[99, 1, 0, 0]), Err(DecodeError::Command(99)));
    let mut family = web_service(0);
    family[0] = attribute(1, &7u16.to_ne_bytes());
    let bytes = [vec![1, 1, 0, 0], nested(1, &family)].concat();
    assert_eq!(
        Request::decode(&bytes).unwrap_err().to_string(),
        "service family cannot be 7"
    );
}

#[test]
fn requests_say_what_they_attempt() {
    let id = DestinationId::new("10.0.0.2:80".parse().unwrap());
    let add = Request::AddService(Service::new(web(), "rr"));
    assert_eq!(add.to_string(), "add service TCP 172.17.1.160:80 rr");
    assert_eq!(
        Request::DeleteDestination(web(), id).to_string(),
        "delete destination 10.0.0.2:80 of TCP 172.17.1.160:80"
    );
}
