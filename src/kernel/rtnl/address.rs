//! Addresses of this host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{DecodeError, NlasIterator, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage, AddressProtocol, CacheInfo,
};

use super::FromPayload;

/// Our mark in `IFA_PROTO`: VRRP's protocol number.
pub const OURS: u8 = 112;
/// In [`Address::flags`], `IFA_F_SECONDARY`: goes when the first address of
/// its subnet goes.
pub const SECONDARY: u32 = AddressFlags::Secondary.bits();
/// In [`Address::flags`], `IFA_F_DADFAILED`: another host has it.
pub const DADFAILED: u32 = AddressFlags::Dadfailed.bits();
/// In [`Address::flags`], `IFA_F_DEPRECATED`: not a source of new connections.
pub const DEPRECATED: u32 = AddressFlags::Deprecated.bits();
/// In [`Address::flags`], `IFA_F_TENTATIVE`: not yet usable, duplicate
/// address detection is under way.
pub const TENTATIVE: u32 = AddressFlags::Tentative.bits();
/// In [`Address::flags`], `IFA_F_HOMEADDRESS` (RFC 6275, IPv6).
pub const HOME: u32 = AddressFlags::Homeaddress.bits();
/// In [`Address::flags`], `IFA_F_NOPREFIXROUTE`: its prefix has no route.
pub const NOPREFIXROUTE: u32 = AddressFlags::Noprefixroute.bits();
/// In [`NewAddress::flags`], `IFA_F_NODAD`: usable at once (IPv6).
pub const NODAD: u32 = AddressFlags::Nodad.bits();

/// Length of `struct ifaddrmsg`, in bytes.
const HEADER: usize = 8;
/// A lifetime without end (`INFINITY_LIFE_TIME`).
pub const FOREVER: u32 = u32::MAX;

/// What tells one address of a host from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressKey {
    /// The number of its interface.
    pub index: u32,
    /// The address.
    pub ip: IpAddr,
    /// The length of its prefix, `0..=32` or `0..=128`; of the peer's, if it
    /// has one.
    pub prefix: u8,
    /// The other end of a point-to-point address.
    pub peer: Option<IpAddr>,
}

impl AddressKey {
    /// An address that is not a point-to-point one.
    #[must_use]
    pub const fn new(index: u32, ip: IpAddr, prefix: u8) -> Self {
        Self {
            index,
            ip,
            prefix,
            peer: None,
        }
    }

    pub(super) fn message(&self) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header = AddressHeader {
            family: match self.ip {
                IpAddr::V4(_) => AddressFamily::Inet,
                IpAddr::V6(_) => AddressFamily::Inet6,
            },
            prefix_len: self.prefix,
            index: self.index,
            ..AddressHeader::default()
        };
        message.attributes = vec![
            AddressAttribute::Local(self.ip),
            AddressAttribute::Address(self.peer.unwrap_or(self.ip)),
        ];
        message
    }
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "{} peer {peer}/{}", self.ip, self.prefix),
            None => write!(f, "{}/{}", self.ip, self.prefix),
        }
    }
}

/// An address to add.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewAddress {
    /// Where and what.
    pub key: AddressKey,
    /// Where it is valid, `RT_SCOPE_*`: 0 global, 253 link, 254 host. IPv6
    /// scope follows from the address, and the kernel ignores this.
    pub scope: u8,
    /// Its label, IPv4 only, up to 15 bytes; the kernel's default is the
    /// interface's name.
    pub label: Option<String>,
    /// Its broadcast address, IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// The mark to put on it, `None` for none.
    pub proto: Option<u8>,
    /// For how many seconds it may be the source of a connection; zero: never,
    /// [`FOREVER`]: always.
    pub preferred: u32,
    /// [`NODAD`], [`HOME`], [`NOPREFIXROUTE`].
    pub flags: u32,
}

impl NewAddress {
    /// A virtual address with our mark and global scope. It is usable at once:
    /// duplicate address detection is off, because VRRP has decided who holds
    /// it.
    #[must_use]
    pub fn virtual_address(key: AddressKey) -> Self {
        Self {
            key,
            scope: 0,
            label: None,
            broadcast: None,
            proto: Some(OURS),
            preferred: FOREVER,
            flags: if key.ip.is_ipv6() { NODAD } else { 0 },
        }
    }

    pub(super) fn message(&self) -> AddressMessage {
        let mut message = self.key.message();
        message.header.scope = self.scope.into();
        let attributes = &mut message.attributes;
        if self.flags != 0 {
            attributes.push(AddressAttribute::Flags(AddressFlags::from_bits_retain(
                self.flags,
            )));
        }
        let mut lifetime = CacheInfo::default();
        lifetime.ifa_valid = FOREVER;
        lifetime.ifa_preferred = self.preferred;
        attributes.push(AddressAttribute::CacheInfo(lifetime));
        if self.key.ip.is_ipv4() {
            let label = self.label.clone().map(AddressAttribute::Label);
            let broadcast = self.broadcast.map(AddressAttribute::Broadcast);
            attributes.extend([label, broadcast].into_iter().flatten());
        }
        if let Some(proto) = self.proto {
            attributes.push(AddressAttribute::Protocol(AddressProtocol::from(proto)));
        }
        message
    }
}

/// An address of this host, as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where and what.
    pub key: AddressKey,
    /// Where it is valid, `RT_SCOPE_*`.
    pub scope: u8,
    /// Its label (IPv4 only).
    pub label: Option<String>,
    /// Its broadcast address (IPv4 only).
    pub broadcast: Option<Ipv4Addr>,
    /// For how many more seconds it may be the source of a connection;
    /// [`FOREVER`]: always.
    pub preferred: u32,
    /// Who added it (`IFA_PROTO`); `None` where nobody left a mark, or the
    /// kernel knows none.
    pub proto: Option<u8>,
    /// `IFA_F_*`.
    pub flags: u32,
}

impl Address {
    /// Whether it carries our mark.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.proto == Some(OURS)
    }

    /// Whether any of `flags` is set on it.
    #[must_use]
    pub fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// Whether it can be sent from now: neither tentative nor found on
    /// another host.
    #[must_use]
    pub fn usable(&self) -> bool {
        !self.has(TENTATIVE | DADFAILED)
    }

    /// Reads the payload of an `RTM_NEWADDR` or `RTM_DELADDR`; `None` for an
    /// address of another family, or without an address.
    ///
    /// # Errors
    ///
    /// When the payload is shorter than its header, or an attribute lies.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let header = AddressHeader::parse(payload)?;
        if !matches!(header.family, AddressFamily::Inet | AddressFamily::Inet6) {
            return Ok(None);
        }
        let (mut address, mut local, mut label, mut proto) = (None, None, None, None);
        let (mut broadcast, mut preferred) = (None, FOREVER);
        let mut flags = u32::from(header.flags.bits());
        for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
            match AddressAttribute::parse(&attribute?)? {
                AddressAttribute::Address(ip) => address = Some(ip),
                AddressAttribute::Local(ip) => local = Some(ip),
                AddressAttribute::Label(text) => label = Some(text),
                AddressAttribute::Protocol(number) => proto = Some(number.into()),
                AddressAttribute::Broadcast(ip) => broadcast = Some(ip),
                AddressAttribute::CacheInfo(life) => preferred = life.ifa_preferred,
                // All 32 bits, of which the header has eight.
                AddressAttribute::Flags(all) => flags = all.bits(),
                _ => {}
            }
        }
        // IFA_ADDRESS is the far end of a point-to-point link where there is
        // an IFA_LOCAL, our own address otherwise.
        Ok(local.or(address).map(|ip| Self {
            key: AddressKey {
                index: header.index,
                ip,
                prefix: header.prefix_len,
                peer: address.filter(|far| local.is_some_and(|near| near != *far)),
            },
            scope: header.scope.into(),
            label,
            broadcast,
            preferred,
            proto: proto.filter(|proto| *proto != 0),
            flags,
        }))
    }
}

impl FromPayload for Address {
    fn from_payload(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        Self::parse(payload)
    }
}

/// The addresses of interface `index` that are this host's own, in the kernel's
/// order. Unusable and `excluded` ones are passed over: an address that moves to
/// another host is no name for this one.
pub fn usable_addresses(
    addresses: &[Address],
    index: u32,
    excluded: impl Fn(&Address) -> bool,
) -> impl Iterator<Item = IpAddr> {
    addresses
        .iter()
        .filter(move |address| address.key.index == index && address.usable())
        .filter(move |address| !excluded(address))
        .map(|address| address.key.ip)
}

/// The one of [`usable_addresses`] that VRRP packets are sent from: for IPv4
/// the first, for IPv6 the first that is link-local (RFC 9568 sections 5.1.1.1
/// and 5.1.2.1).
#[must_use]
pub fn source_address(mut addresses: impl Iterator<Item = IpAddr>, ipv6: bool) -> Option<IpAddr> {
    addresses.find(|ip| match ip {
        IpAddr::V4(_) => !ipv6,
        IpAddr::V6(ip) => ipv6 && ip.is_unicast_link_local(),
    })
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;
    use proptest::prelude::*;

    use super::*;

    fn key(ip: &str, prefix: u8) -> AddressKey {
        AddressKey::new(3, ip.parse().unwrap(), prefix)
    }

    fn observed(key: AddressKey, proto: Option<u8>, flags: u32) -> Address {
        Address {
            key,
            scope: 0,
            label: None,
            broadcast: None,
            preferred: FOREVER,
            proto,
            flags,
        }
    }

    fn encoded(message: &AddressMessage) -> Vec<u8> {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    #[test]
    fn what_is_added_is_what_is_read() {
        let mut new = NewAddress::virtual_address(key("192.0.2.1", 32));
        new.label = Some("eth0:vip".to_owned());
        new.scope = 253;
        new.broadcast = Some(Ipv4Addr::new(192, 0, 2, 255));
        new.key.peer = Some("198.51.100.1".parse().unwrap());
        new.preferred = 0;
        new.flags = NOPREFIXROUTE;
        let read = Address::parse(&encoded(&new.message())).unwrap().unwrap();
        let expected = Address {
            key: new.key,
            scope: new.scope,
            label: new.label,
            broadcast: new.broadcast,
            preferred: 0,
            proto: Some(OURS),
            flags: NOPREFIXROUTE,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_virtual_ipv6_address_skips_detection() {
        let message = NewAddress::virtual_address(key("2001:db8::1", 128)).message();
        let read = Address::parse(&encoded(&message)).unwrap().unwrap();
        assert_eq!((read.flags, read.preferred), (NODAD, FOREVER));
    }

    #[test]
    fn the_far_end_of_a_point_to_point_link_is_not_ours() {
        let mut message = key("192.0.2.1", 32).message();
        message.attributes = vec![
            AddressAttribute::Address("192.0.2.99".parse().unwrap()),
            AddressAttribute::Local("192.0.2.1".parse().unwrap()),
        ];
        let read = Address::parse(&encoded(&message)).unwrap().unwrap();
        assert_eq!(read.key.to_string(), "192.0.2.1 peer 192.0.2.99/32");
    }

    #[test]
    fn addresses_of_other_families_are_passed_over() {
        let mut message = key("192.0.2.1", 32).message();
        message.header.family = AddressFamily::Mctp;
        assert_eq!(Address::parse(&encoded(&message)).unwrap(), None);
        assert!(Address::parse(&[2; 7]).is_err());
    }

    #[test]
    fn the_source_is_an_address_that_stays() {
        let addresses = [
            observed(key("192.0.2.160", 32), Some(OURS), 0),
            observed(key("192.0.2.161", 32), None, 0),
            observed(key("192.0.2.1", 24), None, 0),
            observed(key("192.0.2.2", 24), None, SECONDARY),
            observed(key("2001:db8::1", 64), None, 0),
            observed(key("fe80::1", 64), None, TENTATIVE),
            observed(key("fe80::2", 64), None, 0),
        ];
        let vip =
            |address: &Address| address.is_ours() || address.key.ip.to_string() == "192.0.2.161";
        let source = |index, ipv6| {
            let usable = usable_addresses(&addresses, index, vip);
            source_address(usable, ipv6).map(|ip| ip.to_string())
        };
        assert_eq!(source(3, false).as_deref(), Some("192.0.2.1"));
        assert_eq!(source(3, true).as_deref(), Some("fe80::2"));
        assert_eq!(source(4, false), None);
    }

    proptest! {
        #[test]
        fn any_attributes_are_read_without_panic(
            kind in 0u16..70,
            claimed in 0u16..40,
            rest in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = vec![0; HEADER];
            bytes[0] = 2;
            bytes.extend(claimed.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(rest);
            let _ = Address::parse(&bytes);
        }
    }
}
