//! Where the adverts of an instance leave and where they are heard. Pure.
//!
//! A virtual router with a device of its own (macvlan or ipvlan) sends by that device, or
//! by the interface below where the configuration says so, and listens on both: a frame
//! whose source is the virtual MAC address reaches only the macvlan device of the same
//! address in private mode, and only the interface below in bridge mode.

use std::collections::BTreeMap;
use std::net::IpAddr;

use vrrp::wire::{TTL, TtlRange};

use crate::kernel::vrrp_socket::Carrier;
use crate::model::{Attachment, Delivery, Family, Heartbeat, Transport, UnicastPeer, VrrpInstance};
use crate::worker::vrrp::messages::{Interface, Usable};

/// One socket's worth of ways: all instances that share it share the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// Interface index.
    pub index: u32,
    /// Address family.
    pub family: Family,
    /// Protocol.
    pub carrier: Carrier,
}

/// One way that adverts leave and come by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Where they leave.
    pub mouth: Port,
    /// From which address.
    pub source: IpAddr,
    /// TTL or hop limit of what is sent.
    pub ttl: u8,
    /// Where they come in; the first is where the mouth is.
    pub ears: Vec<Port>,
    /// To whom.
    pub to: Vec<IpAddr>,
    /// From whom.
    pub accept: Accept,
}

/// Whose adverts are heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Those of everybody on the link that come to this group.
    Group(IpAddr),
    /// Those sent to us alone, by these if they are checked.
    Peers {
        /// The others.
        peers: Vec<UnicastPeer>,
        /// Whether nobody else is heard.
        only: bool,
    },
}

impl Accept {
    /// The group to join.
    pub const fn group(&self) -> Option<IpAddr> {
        match self {
            Self::Group(group) => Some(*group),
            Self::Peers { .. } => None,
        }
    }

    /// Whether what came from `src` to `dst` is to be heard, and with which TTL.
    ///
    /// # Errors
    ///
    /// A stable name and the reason in words.
    pub fn check(&self, src: IpAddr, dst: IpAddr) -> Result<TtlRange, (&'static str, String)> {
        match self {
            Self::Group(group) if *group == dst => Ok(TtlRange::LINK),
            Self::Group(group) => Err((
                "delivery",
                format!("it was sent to {dst}, and we listen to {group}"),
            )),
            Self::Peers { .. } if dst.is_multicast() => Err((
                "delivery",
                format!("it was sent to the group {dst}, and we use unicast"),
            )),
            Self::Peers { peers, only } => match peers.iter().find(|peer| peer.address == src) {
                Some(peer) => Ok(TtlRange {
                    min: peer.min_ttl,
                    max: peer.max_ttl,
                }),
                None if *only => Err(("unknown_peer", "it is not one of the peers".into())),
                None => Ok(TtlRange::ANY),
            },
        }
    }
}

/// All ways of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ways {
    /// The interface of the virtual router.
    pub primary: Way,
    /// The second interface, or why it does not work.
    pub heartbeat: Option<Result<Way, Hindrance>>,
}

/// The interfaces as far as they are known.
pub type Interfaces = BTreeMap<String, Interface>;

/// Why there is no way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// It is not known yet whether there is one.
    Unknown(String),
    /// There is none.
    Fault(String),
}

impl From<String> for Hindrance {
    fn from(fault: String) -> Self {
        Self::Fault(fault)
    }
}

impl Hindrance {
    /// The reason in words.
    pub fn words(&self) -> &str {
        match self {
            Self::Unknown(words) | Self::Fault(words) => words,
        }
    }

    /// Says which interface it is about.
    fn on(self, name: &str) -> Self {
        match self {
            Self::Unknown(words) => Self::Unknown(format!("{name}: {words}")),
            Self::Fault(words) => Self::Fault(format!("{name}: {words}")),
        }
    }
}

/// Finds the ways of an instance.
///
/// # Errors
///
/// Why it cannot run.
pub fn find(model: &VrrpInstance, interfaces: &Interfaces, ah: bool) -> Result<Ways, Hindrance> {
    let even_down = model.dont_track_primary;
    let usable = |name: &str| usable(interfaces, name, even_down).map_err(|h| h.on(name));
    let base = usable(&model.interface)?;
    let device = match model.attachment.device() {
        Some(name) => Some(usable(name)?),
        None => None,
    };
    let port = |index| Port {
        index,
        family: model.family,
        carrier: if ah { Carrier::Ah } else { Carrier::Vrrp },
    };
    let source =
        source(model, base, device).map_err(|why| format!("{}: {why}", model.interface))?;
    let sends_below = matches!(
        model.attachment,
        Attachment::Vmac {
            transmit_base: true,
            ..
        }
    );
    let mouth = device.filter(|_| !sends_below).unwrap_or(base);
    let mut ears = vec![port(mouth.index)];
    let others = [Some(base), device].into_iter().flatten();
    ears.extend(
        others
            .filter(|one| one.index != mouth.index)
            .map(|one| port(one.index)),
    );
    let (to, ttl, accept) = delivery(&model.transport)?;
    let primary = Way {
        mouth: port(mouth.index),
        source,
        ttl,
        ears,
        to,
        accept,
    };
    let heartbeat = model
        .heartbeat
        .as_ref()
        .map(|heartbeat| second(model, heartbeat, interfaces, &port));
    Ok(Ways { primary, heartbeat })
}

/// An interface that works or, with `even_down`, one that is there.
fn usable<'a>(
    interfaces: &'a Interfaces,
    name: &str,
    even_down: bool,
) -> Result<&'a Usable, Hindrance> {
    match interfaces.get(name) {
        Some(Interface::Usable(usable)) => Ok(usable),
        Some(Interface::Down(_, usable)) if even_down => Ok(usable),
        Some(Interface::Down(reason, _) | Interface::Unusable(reason)) => {
            Err(Hindrance::Fault(reason.clone()))
        }
        None => Err(Hindrance::Unknown("its state is not known yet".into())),
    }
}

fn delivery(transport: &Transport) -> Result<(Vec<IpAddr>, u8, Accept), String> {
    match &transport.mode {
        Delivery::Multicast { group } => Ok((vec![*group], TTL, Accept::Group(*group))),
        Delivery::Unicast {
            peers,
            fault_no_peer: true,
            ..
        } if peers.is_empty() => Err("there are no unicast peers".into()),
        Delivery::Unicast {
            peers,
            ttl,
            check_source,
            ..
        } => {
            let accept = Accept::Peers {
                peers: peers.clone(),
                only: *check_source,
            };
            let to = peers.iter().map(|peer| peer.address).collect();
            Ok((to, *ttl, accept))
        }
    }
}

/// The address adverts are sent from: the configured one while it is there; the
/// device's own, if it has one; the interface's.
fn source(model: &VrrpInstance, base: &Usable, device: Option<&Usable>) -> Result<IpAddr, String> {
    let has = |address: &IpAddr| {
        let mut all = base
            .addresses
            .iter()
            .chain(device.iter().flat_map(|device| &device.addresses));
        all.any(|one| one == address)
    };
    match model.transport.source {
        Some(source) if has(&source) => return Ok(source),
        Some(source) if model.transport.track_source => {
            return Err(format!("it does not have the source address {source}"));
        }
        _ => {}
    }
    let of_device = device.and_then(|device| match &model.attachment {
        Attachment::Ipvlan {
            address: Some((address, _)),
            ..
        } => Some(*address).filter(|address| device.addresses.contains(address)),
        // A link-local address can be the source only on the interface it is on.
        _ => device.v6.filter(|_| model.family == Family::Ipv6),
    });
    let found = of_device.or_else(|| automatic(base, model.family, first_peer(&model.transport)));
    found.ok_or_else(|| missing(model.family).to_owned())
}

const fn missing(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "it has no IPv4 address to send from",
        Family::Ipv6 => "it has no usable link-local address",
    }
}

fn first_peer(transport: &Transport) -> Option<IpAddr> {
    match &transport.mode {
        Delivery::Unicast { peers, .. } => peers.first().map(|peer| peer.address),
        Delivery::Multicast { .. } => None,
    }
}

/// The interface's address for a family; to a peer beyond the link one that reaches it.
fn automatic(usable: &Usable, family: Family, peer: Option<IpAddr>) -> Option<IpAddr> {
    match family {
        Family::Ipv4 => usable.v4,
        Family::Ipv6 => {
            let beyond = peer.is_some_and(|peer| !is_link_local(peer));
            let mut global = usable
                .addresses
                .iter()
                .filter(|one| one.is_ipv6() && !is_link_local(**one));
            global.next().copied().filter(|_| beyond).or(usable.v6)
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// The way by the second interface.
fn second(
    model: &VrrpInstance,
    heartbeat: &Heartbeat,
    interfaces: &Interfaces,
    port: &impl Fn(u32) -> Port,
) -> Result<Way, Hindrance> {
    let usable = usable(interfaces, &heartbeat.interface, false)?;
    let configured = heartbeat.source;
    let source = configured
        .filter(|source| usable.addresses.contains(source))
        .or_else(|| automatic(usable, model.family, heartbeat.peers.first().copied()))
        .ok_or_else(|| missing(model.family).to_owned())?;
    let group = match &model.transport.mode {
        Delivery::Multicast { group } => *group,
        Delivery::Unicast { .. } => super::group(model.family),
    };
    let (to, accept) = if heartbeat.peers.is_empty() {
        (vec![group], Accept::Group(group))
    } else {
        let peer = |address: &IpAddr| UnicastPeer {
            address: *address,
            min_ttl: TtlRange::ANY.min,
            max_ttl: TtlRange::ANY.max,
        };
        let peers = heartbeat.peers.iter().map(peer).collect();
        (heartbeat.peers.clone(), Accept::Peers { peers, only: true })
    };
    Ok(Way {
        mouth: port(usable.index),
        source,
        ttl: TTL,
        ears: vec![port(usable.index)],
        to,
        accept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn on(index: u32, addresses: &[&str]) -> Interface {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| ip(text)).collect();
        Interface::Usable(Usable {
            index,
            v4: addresses.iter().copied().find(IpAddr::is_ipv4),
            v6: addresses.iter().copied().find(|one| is_link_local(*one)),
            addresses,
        })
    }

    fn model(family: Family) -> VrrpInstance {
        VrrpInstance::new("web".into(), "eth0".into(), 51, family)
    }

    fn interfaces() -> Interfaces {
        [
            (
                "eth0",
                on(2, &["192.0.2.1", "192.0.2.7", "2001:db8::1", "fe80::1"]),
            ),
            ("eth1", on(3, &["198.51.100.1", "fe80::2"])),
            ("vrrp.51", on(9, &["fe80::9"])),
        ]
        .map(|(name, state)| (name.to_owned(), state))
        .into()
    }

    fn peers(addresses: &[&str]) -> Delivery {
        let peer = |text: &&str| UnicastPeer {
            address: ip(text),
            min_ttl: 250,
            max_ttl: 254,
        };
        Delivery::Unicast {
            peers: addresses.iter().map(peer).collect(),
            ttl: 64,
            check_source: true,
            fault_no_peer: true,
        }
    }

    #[test]
    fn a_configured_source_is_used_while_it_is_there() {
        let mut model = model(Family::Ipv4);
        let source = |model: &VrrpInstance| {
            let found = find(model, &interfaces(), false);
            found
                .map(|ways| ways.primary.source)
                .map_err(|hindrance| hindrance.words().to_owned())
        };
        assert_eq!(source(&model), Ok(ip("192.0.2.1")));
        model.transport.source = Some(ip("192.0.2.7"));
        assert_eq!(source(&model), Ok(ip("192.0.2.7")));
        model.transport.source = Some(ip("192.0.2.99"));
        assert_eq!(source(&model), Ok(ip("192.0.2.1")), "another one instead");
        model.transport.track_source = true;
        let fault = "eth0: it does not have the source address 192.0.2.99";
        assert_eq!(source(&model), Err(fault.into()));
    }

    #[test]
    fn unicast_reaches_its_peers_and_hears_nobody_else() {
        let mut model = model(Family::Ipv6);
        model.transport.mode = peers(&["2001:db8::2", "2001:db8::3"]);
        let way = find(&model, &interfaces(), false).unwrap().primary;
        assert_eq!(
            way.source,
            ip("2001:db8::1"),
            "a link-local one goes nowhere"
        );
        assert_eq!((way.to.len(), way.ttl, way.accept.group()), (2, 64, None));
        let check = |src, dst| way.accept.check(ip(src), ip(dst)).map_err(|(name, _)| name);
        let range = TtlRange { min: 250, max: 254 };
        assert_eq!(check("2001:db8::3", "2001:db8::1"), Ok(range));
        assert_eq!(check("2001:db8::4", "2001:db8::1"), Err("unknown_peer"));
        assert_eq!(check("2001:db8::3", "ff02::12"), Err("delivery"));
        model.transport.mode = peers(&[]);
        let fault = "there are no unicast peers";
        assert_eq!(
            find(&model, &interfaces(), false),
            Err(Hindrance::Fault(fault.into()))
        );
    }

    #[test]
    fn a_device_of_its_own_sends_and_both_listen() {
        let mut model = model(Family::Ipv4);
        let vmac = |transmit_base| Attachment::Vmac {
            name: "vrrp.51".into(),
            mac: None,
            transmit_base,
            addresses_too: false,
        };
        let ears = |way: &Way| way.ears.iter().map(|port| port.index).collect::<Vec<_>>();
        model.attachment = vmac(false);
        let way = find(&model, &interfaces(), false).unwrap().primary;
        assert_eq!((way.mouth.index, way.source), (9, ip("192.0.2.1")));
        assert_eq!(ears(&way), [9, 2]);
        model.attachment = vmac(true);
        let way = find(&model, &interfaces(), false).unwrap().primary;
        assert_eq!((way.mouth.index, ears(&way)), (2, vec![2, 9]));
        model.family = Family::Ipv6;
        model.attachment = vmac(false);
        let way = find(&model, &interfaces(), true).unwrap().primary;
        assert_eq!(way.source, ip("fe80::9"), "its own");
        let mut without = interfaces();
        without.remove("vrrp.51");
        assert_eq!(
            find(&model, &without, false),
            Err(Hindrance::Unknown(
                "vrrp.51: its state is not known yet".into()
            ))
        );
    }

    #[test]
    fn a_heartbeat_that_does_not_work_is_no_fault() {
        let mut model = model(Family::Ipv4);
        model.heartbeat = Some(Heartbeat {
            interface: "eth1".into(),
            source: None,
            peers: Vec::new(),
        });
        let heartbeat = |interfaces: &Interfaces| {
            let ways = find(&model, interfaces, false).unwrap();
            ways.heartbeat
                .unwrap()
                .map(|way| (way.mouth.index, way.source))
        };
        assert_eq!(heartbeat(&interfaces()), Ok((3, ip("198.51.100.1"))));
        let mut down = interfaces();
        down.insert(
            "eth1".into(),
            Interface::Unusable("the link is down".into()),
        );
        assert_eq!(
            heartbeat(&down),
            Err(Hindrance::Fault("the link is down".into()))
        );
    }
}
