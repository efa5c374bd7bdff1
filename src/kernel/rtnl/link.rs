//! Network interfaces.

use netlink_packet_core::{DecodeError, NlasIterator, parse_string, parse_u32};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{LinkFlags, LinkHeader};

use super::FromPayload;

/// Length of `struct ifinfomsg`, in bytes.
const HEADER: usize = 16;
// Attributes, from linux/if_link.h.
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;

/// A network interface, as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number; never reused as long as the host is up.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Set up by the administrator (`IFF_UP`).
    pub up: bool,
    /// There is a signal on the line (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// It carries traffic (`IFF_RUNNING`, RFC 2863 operational state).
    pub running: bool,
    /// A loopback interface.
    pub loopback: bool,
    /// It uses ARP and neighbour discovery (not `IFF_NOARP`).
    pub arp: bool,
    /// It can multicast.
    pub multicast: bool,
    /// Its Ethernet address; `None` where it has none or another kind.
    pub mac: Option<[u8; 6]>,
    /// The largest packet, in bytes.
    pub mtu: u32,
}

impl Link {
    /// Whether packets can be sent and received: up and running.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.up && self.running
    }

    /// Reads the payload of an `RTM_NEWLINK` or `RTM_DELLINK`; `None` for a
    /// message that tells of something else: of a bridge's port, or of a
    /// wireless event.
    ///
    /// Only what is needed is decoded: an attribute of a newer kernel, in a
    /// shape that nobody has seen, must not hide an interface.
    ///
    /// # Errors
    ///
    /// When the payload is shorter than its header, or an attribute lies.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let header = LinkHeader::parse(payload)?;
        if header.interface_family != AddressFamily::Unspec {
            return Ok(None);
        }
        let (mut name, mut mac, mut mtu) = (None, None, 0);
        for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
            let attribute = attribute?;
            match attribute.kind() {
                IFLA_IFNAME => name = Some(parse_string(attribute.value())?),
                IFLA_MTU => mtu = parse_u32(attribute.value())?,
                IFLA_ADDRESS => mac = attribute.value().try_into().ok(),
                _ => {}
            }
        }
        let has = |flag| header.flags.contains(flag);
        let link = |name| Self {
            index: header.index,
            name,
            up: has(LinkFlags::Up),
            carrier: has(LinkFlags::LowerUp),
            running: has(LinkFlags::Running),
            loopback: has(LinkFlags::Loopback),
            arp: !has(LinkFlags::Noarp),
            multicast: has(LinkFlags::Multicast),
            mac,
            mtu,
        };
        Ok(name.map(link))
    }
}

impl FromPayload for Link {
    fn from_payload(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        Self::parse(payload)
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;
    use netlink_packet_route::link::{LinkAttribute, LinkMessage};
    use proptest::prelude::*;

    use super::*;

    fn message(attributes: Vec<LinkAttribute>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.header.flags = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Multicast;
        message.attributes = attributes;
        message
    }

    fn encoded(message: &LinkMessage) -> Vec<u8> {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    #[test]
    fn a_link_is_read() {
        let bytes = encoded(&message(vec![
            LinkAttribute::IfName("eth0".to_owned()),
            LinkAttribute::Mtu(1500),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 9]),
        ]));
        let link = Link::parse(&bytes).unwrap().unwrap();
        assert_eq!(
            link,
            Link {
                index: 7,
                name: "eth0".to_owned(),
                up: true,
                carrier: true,
                running: false,
                loopback: false,
                arp: true,
                multicast: true,
                mac: Some([2, 0, 0, 0, 0, 9]),
                mtu: 1500,
            }
        );
        assert!(!link.usable());
    }

    #[test]
    fn messages_about_something_else_are_no_link() {
        let mut port = message(vec![LinkAttribute::IfName("eth0".to_owned())]);
        port.header.interface_family = AddressFamily::Bridge;
        assert_eq!(Link::parse(&encoded(&port)).unwrap(), None);
        assert_eq!(Link::parse(&encoded(&message(vec![]))).unwrap(), None);
        assert!(Link::parse(&[0; 15]).is_err());
    }

    #[test]
    fn an_infiniband_address_is_no_mac() {
        let bytes = encoded(&message(vec![
            LinkAttribute::IfName("ib0".to_owned()),
            LinkAttribute::Address(vec![1; 20]),
        ]));
        assert_eq!(Link::parse(&bytes).unwrap().unwrap().mac, None);
    }

    proptest! {
        #[test]
        fn any_attributes_are_read_without_panic(
            kind in 0u16..70,
            claimed in 0u16..40,
            rest in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = vec![0; HEADER];
            bytes[0] = 0;
            bytes.extend(claimed.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(rest);
            let _ = Link::parse(&bytes);
        }
    }
}
