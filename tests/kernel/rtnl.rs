//! Links and addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use lvsd::kernel::rtnl::{
    AddressKey, AddressOp, Change, LinkOp, NOPREFIXROUTE, NewAddress, OURS, Op, RouteOp, Rtnl,
    RuleOp, TENTATIVE,
};
use lvsd::reconcile::link::{Device, Kind};
use lvsd::reconcile::owned::{self, Ownership, table};
use lvsd::reconcile::route::{Identity, METRIC_V6, NextHop, PROTOCOL, Prefix, Route};
use lvsd::reconcile::rule::{Action, Rule};

use crate::namespace::{self, ip, veth};

fn key(index: u32, ip: &str, prefix: u8) -> AddressKey {
    AddressKey::new(index, ip.parse().unwrap(), prefix)
}

fn add(new: &NewAddress) -> Op {
    Op::Address(AddressOp::Add(new.clone()))
}

fn delete(key: AddressKey) -> Op {
    Op::Address(AddressOp::Delete(key))
}

#[test]
fn links_are_listed_and_found() {
    namespace::run("rtnl::links_are_listed_and_found", || {
        veth();
        ip("link set v1 mtu 1400 address 02:00:00:00:00:07");
        let mut rtnl = Rtnl::open().unwrap();
        namespace::eventually("v1 is usable", || {
            rtnl.link_by_name("v1").unwrap().unwrap().usable()
        });
        let links = rtnl.links().unwrap();
        let names: Vec<_> = links.iter().map(|link| link.name.as_str()).collect();
        assert!(
            ["lo", "v0", "v1"].iter().all(|name| names.contains(name)),
            "{names:?}"
        );
        let link = rtnl.link_by_name("v1").unwrap().unwrap();
        assert!(links.contains(&link));
        assert_eq!((link.mtu, link.mac), (1400, Some([2, 0, 0, 0, 0, 7])));
        assert!(link.carrier && link.arp && !link.loopback);
        assert_eq!(rtnl.link_by_name("v2").unwrap(), None);
        assert_eq!(
            rtnl.link_by_name("a-name-longer-than-fifteen").unwrap(),
            None
        );
        ip("link set v0 down");
        namespace::eventually("v1 is up, and not usable", || {
            let link = rtnl.link_by_name("v1").unwrap().unwrap();
            link.up && !link.usable()
        });
    });
}

#[test]
fn addresses_are_added_marked_and_deleted() {
    namespace::run("rtnl::addresses_are_added_marked_and_deleted", || {
        veth();
        ip("address add 192.0.2.1/24 dev v0");
        let mut rtnl = Rtnl::open().unwrap();
        let index = rtnl.link_by_name("v0").unwrap().unwrap().index;
        let mut vip = NewAddress::virtual_address(key(index, "192.0.2.160", 32));
        vip.label = Some("v0:web".to_owned());
        let vip6 = NewAddress::virtual_address(key(index, "2001:db8::160", 128));
        for new in [&vip, &vip6] {
            assert_eq!(rtnl.change(&add(new)).unwrap(), Change::Done);
            assert_eq!(rtnl.change(&add(new)).unwrap(), Change::AlreadySo);
        }
        let seen = rtnl.addresses().unwrap();
        let find = |key| seen.iter().find(|address| address.key == key).unwrap();
        assert_eq!(find(vip.key).label.as_deref(), Some("v0:web"));
        assert_eq!(find(vip.key).proto, Some(OURS));
        assert!(!find(vip6.key).has(TENTATIVE) && find(vip6.key).is_ours());
        assert!(!find(key(index, "192.0.2.1", 24)).is_ours());
        let found = seen.iter().find(|address| address.key == vip.key);
        assert!(found.is_some_and(lvsd::kernel::rtnl::Address::is_ours));
        for key in [vip.key, vip6.key] {
            assert_eq!(rtnl.change(&delete(key)).unwrap(), Change::Done);
            assert_eq!(rtnl.change(&delete(key)).unwrap(), Change::AlreadySo);
        }
        let gone = key(4_000_000, "192.0.2.160", 32);
        assert_eq!(rtnl.change(&delete(gone)).unwrap(), Change::AlreadySo);
        let left = rtnl.addresses().unwrap();
        assert_eq!(left.iter().filter(|address| address.is_ours()).count(), 0);
        assert!(
            left.iter()
                .any(|address| address.key == key(index, "192.0.2.1", 24))
        );
    });
}

#[test]
fn a_refusal_names_the_address_and_the_interface() {
    namespace::run(
        "rtnl::a_refusal_names_the_address_and_the_interface",
        || {
            veth();
            let mut rtnl = Rtnl::open().unwrap();
            let index = rtnl.link_by_name("v0").unwrap().unwrap().index;
            let error = rtnl
                .change(&add(&NewAddress::virtual_address(key(
                    99,
                    "192.0.2.160",
                    32,
                ))))
                .unwrap_err();
            let told = error.to_string();
            assert!(
                told.starts_with("cannot add 192.0.2.160/32 to interface 99: No such device"),
                "{told}"
            );
            let error = rtnl
                .change(&add(&NewAddress::virtual_address(key(
                    index,
                    "192.0.2.160",
                    33,
                ))))
                .unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("cannot add 192.0.2.160/33 to v0: "),
                "{error}"
            );
        },
    );
}

#[test]
fn a_thousand_addresses_change_in_one_go() {
    namespace::run("rtnl::a_thousand_addresses_change_in_one_go", || {
        veth();
        let mut rtnl = Rtnl::open().unwrap();
        let index = rtnl.link_by_name("v0").unwrap().unwrap().index;
        let key = |n: u32| {
            let index = if n % 100 == 50 { 99 } else { index };
            AddressKey::new(index, IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n)), 32)
        };
        let add: Vec<_> = (1..=1000)
            .map(|n| add(&NewAddress::virtual_address(key(n))))
            .collect();
        let outcomes = rtnl.apply(&add).unwrap();
        assert_eq!(outcomes.len(), 1000);
        for (n, outcome) in (1..=1000).zip(&outcomes) {
            match outcome {
                Ok(change) => assert!(*change == Change::Done && n % 100 != 50, "{n}"),
                Err(error) => assert!(error.to_string().contains("interface 99") && n % 100 == 50),
            }
        }
        assert_eq!(
            rtnl.addresses()
                .unwrap()
                .iter()
                .filter(|a| a.is_ours())
                .count(),
            990
        );
        let delete: Vec<_> = (1..=1000).map(|n| delete(key(n))).collect();
        let outcomes = rtnl.apply(&delete).unwrap();
        let done = outcomes
            .iter()
            .filter(|o| matches!(o, Ok(Change::Done)))
            .count();
        let already = outcomes
            .iter()
            .filter(|o| matches!(o, Ok(Change::AlreadySo)))
            .count();
        assert_eq!((done, already), (990, 10));
        assert!(rtnl.addresses().unwrap().iter().all(|a| !a.is_ours()));
    });
}

#[test]
fn every_option_of_an_address_is_read_back() {
    namespace::run("rtnl::every_option_of_an_address_is_read_back", || {
        veth();
        let mut rtnl = Rtnl::open().unwrap();
        let index = rtnl.link_by_name("v0").unwrap().unwrap().index;
        let mut vip = NewAddress::virtual_address(key(index, "192.0.2.160", 24));
        vip.key.peer = Some("198.51.100.1".parse().unwrap());
        vip.broadcast = Some(Ipv4Addr::new(192, 0, 2, 255));
        vip.scope = 253;
        vip.flags = NOPREFIXROUTE;
        let mut vip6 = NewAddress::virtual_address(key(index, "2001:db8::160", 64));
        vip6.preferred = 0;
        vip6.flags |= NOPREFIXROUTE;
        for new in [&vip, &vip6] {
            rtnl.change(&add(new)).unwrap();
        }
        let seen = rtnl.addresses().unwrap();
        for new in [&vip, &vip6] {
            let there = seen.iter().find(|address| address.key == new.key);
            let there = there.unwrap_or_else(|| panic!("{} in {seen:?}", new.key));
            assert_eq!(
                (there.broadcast, there.preferred, there.scope),
                (new.broadcast, new.preferred, new.scope)
            );
            assert!(there.has(NOPREFIXROUTE));
            assert_eq!(rtnl.change(&delete(new.key)).unwrap(), Change::Done);
        }
    });
}

fn prefix(ip: &str, length: u8) -> Prefix {
    let address = ip.parse().unwrap();
    Prefix { address, length }
}

fn hop(via: &str, interface: u32) -> NextHop {
    NextHop {
        via: (!via.is_empty()).then(|| via.parse().unwrap()),
        interface: Some(interface),
        weight: 1,
        onlink: false,
        encap: None,
    }
}

fn route(to: Prefix, table: u32, next_hops: Vec<NextHop>) -> Route {
    let ipv6 = to.address.is_ipv6();
    Route {
        identity: Identity {
            table,
            to,
            from: None,
            tos: 0,
            metric: if ipv6 { METRIC_V6 } else { 0 },
            protocol: PROTOCOL,
        },
        kind: 1,
        scope: 0,
        source: None,
        next_hops,
        metrics: BTreeMap::new(),
        congestion_control: None,
    }
}

/// Every form of route, on interface `index` with 192.0.2.1/24 and
/// 2001:db8::1/64.
fn routes(index: u32) -> Vec<Route> {
    let mut plain = route(
        prefix("198.51.100.0", 24),
        254,
        vec![hop("192.0.2.9", index)],
    );
    plain.identity.metric = 7;
    plain.identity.tos = 8;
    plain.source = Some("192.0.2.1".parse().unwrap());
    // mtu (locked), rtt, advmss, hoplimit, rto_min.
    plain.metrics = BTreeMap::from([(1, 4), (2, 1400), (4, 80), (8, 1300), (10, 9), (13, 5)]);
    plain.congestion_control = Some("reno".to_owned());
    let mut weights = vec![hop("192.0.2.9", index), hop("192.0.2.10", index)];
    weights[1].weight = 7;
    let mut onlink = hop("203.0.113.1", index);
    onlink.onlink = true;
    let mut drop = route(prefix("203.0.113.0", 24), 254, Vec::new());
    drop.kind = 6;
    let mut direct = route(prefix("203.0.114.0", 24), 254, vec![hop("", index)]);
    direct.scope = 253;
    let mut drop6 = route(prefix("2001:db8:2::", 48), 254, Vec::new());
    drop6.kind = 7;
    let mut from = route(
        prefix("2001:db8:4::", 48),
        254,
        vec![hop("2001:db8::9", index)],
    );
    from.identity.from = Some(prefix("2001:db8:5::", 48));
    vec![
        plain,
        route(prefix("0.0.0.0", 0), 1000, weights),
        route(prefix("198.51.101.0", 24), 254, vec![onlink]),
        route(
            prefix("198.51.102.0", 24),
            254,
            vec![hop("2001:db8::9", index)],
        ),
        drop,
        direct,
        route(
            prefix("::", 0),
            1000,
            vec![hop("2001:db8::9", index), hop("2001:db8::a", index)],
        ),
        drop6,
        from,
    ]
}

fn ours<I>() -> Ownership<I> {
    Ownership {
        managed: BTreeSet::new(),
        mark: Some(PROTOCOL),
    }
}

#[test]
fn every_form_of_route_is_read_as_it_was_added() {
    namespace::run("rtnl::every_form_of_route_is_read_as_it_was_added", || {
        veth();
        ip("address add 192.0.2.1/24 dev v0");
        ip("address add 2001:db8::1/64 dev v0 nodad");
        let mut rtnl = Rtnl::open().unwrap();
        let index = rtnl.link_by_name("v0").unwrap().unwrap().index;
        ip("route add 198.51.100.0/24 tos 8 metric 7 via 192.0.2.99");
        let ours = || ours::<Identity>();
        let desired = table(routes(index));
        let protocols = BTreeSet::from([PROTOCOL]);
        for op in owned::diff(&desired, &BTreeMap::new(), &ours()) {
            let owned::Op::Add(route) = op else {
                panic!("{op:?}");
            };
            rtnl.change(&Op::Route(RouteOp::Add(route))).unwrap();
        }
        let observed = table(rtnl.routes_of(&protocols).unwrap());
        assert_eq!(owned::diff(&desired, &observed, &ours()), []);
        assert_eq!(observed.len(), desired.len());
        let main = rtnl.routes_in(false, 1000).unwrap();
        assert!(matches!(main.as_slice(), [only] if only.next_hops.len() == 2));
        assert_eq!(rtnl.routes_in(true, 77).unwrap(), []);
        for route in observed.into_values() {
            let delete = Op::Route(RouteOp::Delete(route.identity));
            assert_eq!(rtnl.change(&delete).unwrap(), Change::Done);
            assert_eq!(rtnl.change(&delete).unwrap(), Change::AlreadySo);
        }
        assert_eq!(rtnl.routes_of(&protocols).unwrap(), []);
        // The one of the administrator, in the same place as ours was.
        let main = rtnl.routes_in(false, 254).unwrap();
        assert!(main.iter().any(|route| route.identity.tos == 8));
    });
}

#[test]
fn every_form_of_rule_is_read_as_it_was_added() {
    namespace::run("rtnl::every_form_of_rule_is_read_as_it_was_added", || {
        ip("rule add priority 50 table 9");
        let plain = Rule {
            ipv6: false,
            priority: 50,
            not: false,
            from: None,
            to: None,
            fwmark: None,
            iif: None,
            oif: None,
            tos: 0,
            ipproto: None,
            sport: None,
            dport: None,
            uidrange: None,
            action: Action::Table(9),
            suppress_prefixlength: None,
            protocol: PROTOCOL,
        };
        let everything = Rule {
            priority: 100,
            not: true,
            from: Some(prefix("192.0.2.0", 24)),
            to: Some(prefix("198.51.100.0", 24)),
            fwmark: Some((1, 0xff)),
            iif: Some("v0".to_owned()),
            oif: Some("v1".to_owned()),
            tos: 8,
            ipproto: Some(6),
            sport: Some((1000, 2000)),
            dport: Some((80, 80)),
            uidrange: Some((5, 9)),
            action: Action::Table(1000),
            suppress_prefixlength: Some(8),
            ..plain
        };
        let mut six = plain.clone();
        six.ipv6 = true;
        six.from = Some(prefix("2001:db8::", 48));
        six.action = Action::Goto(200);
        let mut rtnl = Rtnl::open().unwrap();
        let before = rtnl.rules().unwrap();
        let mut rules = vec![plain.clone(), everything, six, plain];
        rules[3].priority = 200;
        rules[3].action = Action::Blackhole;
        for rule in &rules {
            let add = Op::Rule(RuleOp::Add(rule.clone()));
            assert_eq!(rtnl.change(&add).unwrap(), Change::Done, "{rule}");
            assert_eq!(rtnl.change(&add).unwrap(), Change::AlreadySo, "{rule}");
        }
        let observed = rtnl.rules().unwrap();
        for rule in &rules {
            assert!(observed.contains(rule), "{rule:?} in {observed:?}");
        }
        for rule in &rules {
            let delete = Op::Rule(RuleOp::Delete(rule.clone()));
            assert_eq!(rtnl.change(&delete).unwrap(), Change::Done, "{rule}");
        }
        // The administrator's, which has the words of one of ours, is still there.
        assert_eq!(rtnl.rules().unwrap(), before);
    });
}

#[test]
fn a_macvlan_is_made_adopted_and_deleted() {
    namespace::run("rtnl::a_macvlan_is_made_adopted_and_deleted", || {
        veth();
        let mut rtnl = Rtnl::open().unwrap();
        let device = Device {
            name: "vrrp.51".to_owned(),
            parent: rtnl.link_by_name("v0").unwrap().unwrap().index,
            kind: Kind::Macvlan([0, 0, 0x5e, 0, 1, 51]),
            master: 0,
        };
        rtnl.change(&Op::Link(LinkOp::Create(device.clone())))
            .unwrap();
        let there = |rtnl: &mut Rtnl| rtnl.link_by_name("vrrp.51").unwrap();
        let made = there(&mut rtnl).unwrap();
        assert_eq!(
            (made.kind, made.parent),
            (Some(device.kind), Some(device.parent))
        );
        assert!(!made.ours && !made.up);
        let adopt = LinkOp::Adopt {
            name: device.name.clone(),
            master: 0,
        };
        for op in [adopt, LinkOp::Up(device.name.clone())] {
            rtnl.change(&Op::Link(op)).unwrap();
        }
        let adopted = there(&mut rtnl).unwrap();
        assert!(adopted.ours && adopted.up);
        let delete = Op::Link(LinkOp::Delete(device.name));
        assert_eq!(rtnl.change(&delete).unwrap(), Change::Done);
        assert_eq!(rtnl.change(&delete).unwrap(), Change::AlreadySo);
        assert_eq!(there(&mut rtnl), None);
    });
}
