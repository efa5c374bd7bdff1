//! Links and addresses.

use std::net::{IpAddr, Ipv4Addr};

use lvsd::kernel::rtnl::{AddressKey, AddressOp, Change, NewAddress, OURS, Rtnl, TENTATIVE};

use crate::namespace::{self, ip, veth};

fn key(index: u32, ip: &str, prefix: u8) -> AddressKey {
    AddressKey {
        index,
        ip: ip.parse().unwrap(),
        prefix,
    }
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
            assert_eq!(rtnl.add_address(new).unwrap(), Change::Done);
            assert_eq!(rtnl.add_address(new).unwrap(), Change::AlreadySo);
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
            assert_eq!(rtnl.delete_address(&key).unwrap(), Change::Done);
            assert_eq!(rtnl.delete_address(&key).unwrap(), Change::AlreadySo);
        }
        let gone = key(4_000_000, "192.0.2.160", 32);
        assert_eq!(rtnl.delete_address(&gone).unwrap(), Change::AlreadySo);
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
                .add_address(&NewAddress::virtual_address(key(99, "192.0.2.160", 32)))
                .unwrap_err();
            let told = error.to_string();
            assert!(
                told.starts_with("cannot add 192.0.2.160/32 to interface 99: No such device"),
                "{told}"
            );
            let error = rtnl
                .add_address(&NewAddress::virtual_address(key(index, "192.0.2.160", 33)))
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
        let key = |n: u32| AddressKey {
            index: if n % 100 == 50 { 99 } else { index },
            ip: IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n)),
            prefix: 32,
        };
        let add: Vec<_> = (1..=1000)
            .map(|n| AddressOp::Add(NewAddress::virtual_address(key(n))))
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
        let delete: Vec<_> = add.iter().map(|op| AddressOp::Delete(op.key())).collect();
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
