//! Events of links and addresses.

use std::time::Duration;

use lvsd::kernel::monitor::{Event, Monitor};
use lvsd::kernel::rtnl::{AddressKey, AddressOp, NewAddress, Op, Rtnl};

use crate::namespace::{self, ip, veth};

/// Runs `test` on a runtime like the workers'.
fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// The first event that `wanted` accepts; others are passed over.
async fn until(monitor: &mut Monitor, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
    let find = async {
        loop {
            let event = monitor.next().await.unwrap();
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), find)
        .await
        .unwrap_or_else(|_| panic!("no event: {what}"))
}

#[test]
fn links_and_addresses_are_followed() {
    namespace::run("monitor::links_and_addresses_are_followed", || {
        block_on(async {
            let mut monitor = Monitor::open().unwrap();
            veth();
            let v0 = |event: &Event, usable| matches!(event, Event::Link(link) if link.name == "v0" && link.usable() == usable);
            until(&mut monitor, "v0 carries traffic", |e| v0(e, true)).await;
            ip("link set v1 down");
            until(&mut monitor, "v0 lost its carrier", |e| v0(e, false)).await;

            let mut rtnl = Rtnl::open().unwrap();
            let index = rtnl.link_by_name("v0").unwrap().unwrap().index;
            let key = AddressKey::new(index, "192.0.2.160".parse().unwrap(), 32);
            let add = AddressOp::Add(NewAddress::virtual_address(key));
            rtnl.change(&Op::Address(add)).unwrap();
            let added = until(
                &mut monitor,
                "the address is there",
                |event| matches!(event, Event::AddressAdded(address) if address.key == key),
            )
            .await;
            assert!(matches!(added, Event::AddressAdded(address) if address.is_ours()));
            ip("address del 192.0.2.160/32 dev v0");
            until(
                &mut monitor,
                "the address is gone",
                |event| matches!(event, Event::AddressRemoved(address) if address.key == key),
            )
            .await;
            ip("link del v0");
            until(
                &mut monitor,
                "v0 is gone",
                |event| matches!(event, Event::LinkGone(link) if link.index == index),
            )
            .await;
        });
    });
}

#[test]
fn a_link_that_leaves_a_bridge_is_not_gone() {
    namespace::run("monitor::a_link_that_leaves_a_bridge_is_not_gone", || {
        veth();
        ip("link add br0 type bridge");
        ip("link set v0 master br0");
        block_on(async {
            let mut monitor = Monitor::open().unwrap();
            ip("link set v0 nomaster");
            // The end of what is to be looked through.
            ip("link del v1");
            let first = until(&mut monitor, "a link is gone", |event| {
                matches!(event, Event::LinkGone(_))
            })
            .await;
            assert!(matches!(first, Event::LinkGone(link) if link.name == "v1"));
        });
    });
}

#[test]
fn lost_events_are_an_overrun() {
    namespace::run("monitor::lost_events_are_an_overrun", || {
        veth();
        block_on(async {
            let mut rtnl = Rtnl::open().unwrap();
            let index = rtnl.link_by_name("v0").unwrap().unwrap().index;
            let ops: Vec<_> = (1..=20_000u32)
                .map(|n| {
                    AddressKey::new(
                        index,
                        std::net::Ipv4Addr::from_bits(0x0a00_0000 + n % 200).into(),
                        32,
                    )
                })
                .flat_map(|key| {
                    let add = AddressOp::Add(NewAddress::virtual_address(key));
                    [Op::Address(add), Op::Address(AddressOp::Delete(key))]
                })
                .collect();
            let mut monitor = Monitor::open().unwrap();
            for outcome in rtnl.apply(&ops).unwrap() {
                outcome.unwrap();
            }
            until(&mut monitor, "events were lost", |event| {
                *event == Event::Overrun
            })
            .await;
        });
    });
}
