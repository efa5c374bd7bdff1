//! Network interfaces.

use netlink_packet_core::{DecodeError, NlasIterator, parse_string, parse_u16, parse_u32};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, IpVlanFlags, IpVlanMode, LinkAttribute, LinkFlags,
    LinkHeader, LinkInfo, LinkMessage, MacVlanMode,
};

use super::FromPayload;
use crate::reconcile::link::{ALIAS, Device, Kind, Present};

/// Length of `struct ifinfomsg`, in bytes.
const HEADER: usize = 16;
// Attributes, from linux/if_link.h.
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
/// `MACVLAN_MODE_BRIDGE`.
const MACVLAN_BRIDGE: u32 = 4;
/// `IPVLAN_MODE_L2`.
const IPVLAN_L2: u16 = 0;

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
    /// The interface it lies on, by its number.
    pub parent: Option<u32>,
    /// The interface it belongs to (a bridge, a bond, a VRF), by its number.
    pub master: Option<u32>,
    /// What it is, if it is of a kind that we make.
    pub kind: Option<Kind>,
    /// Whether it bears our mark.
    pub ours: bool,
}

impl Link {
    /// The interface as the reconciler compares it.
    #[must_use]
    pub fn present(&self) -> Present {
        Present {
            parent: self.parent,
            kind: self.kind,
            master: self.master.unwrap_or_default(),
            ours: self.ours,
        }
    }

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
        let (mut parent, mut master, mut info, mut ours) = (None, None, None, false);
        for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
            let attribute = attribute?;
            match attribute.kind() {
                IFLA_IFNAME => name = Some(parse_string(attribute.value())?),
                IFLA_MTU => mtu = parse_u32(attribute.value())?,
                IFLA_ADDRESS => mac = attribute.value().try_into().ok(),
                IFLA_LINK => parent = Some(parse_u32(attribute.value())?),
                IFLA_MASTER => master = Some(parse_u32(attribute.value())?),
                IFLA_LINKINFO => info = Info::read(attribute.value())?,
                IFLA_IFALIAS => ours = parse_string(attribute.value())? == ALIAS,
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
            parent,
            master,
            kind: info.and_then(|info| info.kind(mac)),
            ours,
        };
        Ok(name.map(link))
    }
}

/// What `IFLA_LINKINFO` says of the kinds that we make.
enum Info {
    /// A macvlan in bridge mode.
    Macvlan,
    /// An ipvlan in L2 mode, with its flags.
    Ipvlan(u16),
}

impl Info {
    fn read(value: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut kind, mut data) = (String::new(), Vec::new());
        for attribute in NlasIterator::new(value) {
            let attribute = attribute?;
            match attribute.kind() {
                IFLA_INFO_KIND => kind = parse_string(attribute.value())?,
                IFLA_INFO_DATA => data = attribute.value().to_vec(),
                _ => {}
            }
        }
        let (mut mode, mut flags) = (None, 0);
        for attribute in NlasIterator::new(data.as_slice()) {
            let attribute = attribute?;
            match (kind.as_str(), attribute.kind()) {
                ("macvlan", IFLA_MACVLAN_MODE) => mode = Some(parse_u32(attribute.value())?),
                ("ipvlan", IFLA_IPVLAN_MODE) => {
                    mode = Some(parse_u16(attribute.value())?.into());
                }
                ("ipvlan", IFLA_IPVLAN_FLAGS) => flags = parse_u16(attribute.value())?,
                _ => {}
            }
        }
        Ok(match (kind.as_str(), mode) {
            ("macvlan", Some(MACVLAN_BRIDGE)) => Some(Self::Macvlan),
            ("ipvlan", Some(mode)) if mode == u32::from(IPVLAN_L2) => Some(Self::Ipvlan(flags)),
            _ => None,
        })
    }

    fn kind(&self, mac: Option<[u8; 6]>) -> Option<Kind> {
        match self {
            Self::Macvlan => mac.map(Kind::Macvlan),
            Self::Ipvlan(flags) => Some(Kind::Ipvlan(*flags)),
        }
    }
}

/// The message that makes an interface. It does not bear our mark yet: the
/// kernel takes an alias only for an interface that is there.
pub(super) fn new_message(device: &Device) -> LinkMessage {
    let mut message = name_message(&device.name);
    let (kind, data) = match device.kind {
        Kind::Macvlan(mac) => {
            message
                .attributes
                .push(LinkAttribute::Address(mac.to_vec()));
            let mode = InfoMacVlan::Mode(MacVlanMode::Bridge);
            (InfoKind::MacVlan, InfoData::MacVlan(vec![mode]))
        }
        Kind::Ipvlan(flags) => {
            let values = vec![
                InfoIpVlan::Mode(IpVlanMode::L2),
                InfoIpVlan::Flags(IpVlanFlags::from_bits_retain(flags)),
            ];
            (InfoKind::IpVlan, InfoData::IpVlan(values))
        }
    };
    message.attributes.extend([
        LinkAttribute::Link(device.parent),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]),
    ]);
    message
}

/// The message that marks an interface and gives it a master (0: none).
pub(super) fn adopt_message(name: &str, master: u32) -> LinkMessage {
    let mut message = name_message(name);
    message.attributes.extend([
        LinkAttribute::IfAlias(ALIAS.to_owned()),
        LinkAttribute::Controller(master),
    ]);
    message
}

/// The message that sets an interface up.
pub(super) fn up_message(name: &str) -> LinkMessage {
    let mut message = name_message(name);
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
}

/// A message about the interface of this name.
pub(super) fn name_message(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    message
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
                parent: None,
                master: None,
                kind: None,
                ours: false,
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
