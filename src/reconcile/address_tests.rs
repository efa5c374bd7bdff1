//! The properties of every level, for addresses.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::super::owned::{self, Ownership, diff, drift, properties, table};
use super::*;

type Table = owned::Table<Address>;
type Op = owned::Op<Address>;

const ETH0: u32 = 2;

fn vip(address: &str, prefix_len: u8) -> Address {
    let address = address.parse().expect("a valid address");
    Address::plain(ETH0, address, prefix_len)
}

fn with_tag() -> Ownership<Identity> {
    Ownership {
        managed: BTreeSet::new(),
        mark: Some(TAG),
    }
}

/// What the kernel makes of one operation, errors included.
fn apply(kernel: &mut Table, op: &Op) -> Result<(), String> {
    match op {
        Op::Add(address) => {
            if kernel.contains_key(&address.identity()) {
                return Err(format!("EEXIST: {address}"));
            }
            kernel.insert(address.identity(), as_reported(address));
        }
        Op::Replace(address) => {
            let Some(present) = kernel.get_mut(&address.identity()) else {
                return Err(format!("ENOENT: {address}"));
            };
            present.proto = address.proto;
            present.preferred = address.preferred;
            if address.address.is_ipv6() {
                present.home = address.home;
                present.noprefixroute = address.noprefixroute;
            }
        }
        Op::Recreate { old, new } => {
            apply(kernel, &Op::Remove(old.clone()))?;
            apply(kernel, &Op::Add(new.clone()))?;
        }
        Op::Remove(address) => {
            let present = kernel.remove(&address.identity());
            if present.is_none_or(|present| present.prefix_len != address.prefix_len) {
                return Err(format!("EADDRNOTAVAIL: {address}"));
            }
        }
    }
    Ok(())
}

/// The kernel names an IPv4 address after its interface, has no label for an
/// IPv6 one, and chooses that one's scope.
fn as_reported(address: &Address) -> Address {
    let mut reported = address.clone();
    if reported.address.is_ipv4() {
        reported.label.get_or_insert_with(|| "eth0".to_owned());
        reported.home = false;
    } else {
        reported.label = None;
        reported.broadcast = None;
        reported.scope = 0;
    }
    reported
}

fn address() -> impl Strategy<Value = Address> {
    let place = (
        1..3_u32,
        prop_oneof![
            (0..4_u8).prop_map(|last| IpAddr::from([192, 0, 2, last])),
            (0..4_u16).prop_map(|last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last])),
        ],
        prop_oneof![Just(24_u8), Just(32)],
        any::<bool>(),
    );
    let options = (
        proptest::option::of(prop_oneof![Just("eth0:1"), Just("eth0")]),
        prop_oneof![3 => Just(0_u8), 1 => Just(253)],
        proptest::option::of(Just(Ipv4Addr::new(192, 0, 2, 255))),
        prop_oneof![Just(FOREVER), Just(0), Just(60)],
        any::<[bool; 3]>(),
        prop_oneof![Just(None), Just(Some(0)), Just(Some(TAG))],
    );
    (place, options).prop_map(
        |(
            (interface, address, prefix_len, far),
            (label, scope, broadcast, preferred, [home, noprefixroute, nodad], proto),
        )| {
            let peer = if address.is_ipv4() {
                IpAddr::from([198, 51, 100, 1])
            } else {
                IpAddr::from([0x2001, 0xdb8, 1, 0, 0, 0, 0, 1])
            };
            Address {
                interface,
                address,
                prefix_len,
                label: label.map(str::to_owned),
                scope,
                broadcast,
                peer: far.then_some(peer),
                preferred,
                home: home && address.is_ipv6(),
                noprefixroute,
                nodad,
                proto,
            }
        },
    )
}

fn addresses() -> impl Strategy<Value = Table> {
    vec(address(), 0..8).prop_map(table)
}

fn kernel_addresses() -> impl Strategy<Value = Table> {
    vec(address(), 0..8).prop_map(|all| table(all.iter().map(as_reported)))
}

fn ownership() -> impl Strategy<Value = Ownership<Identity>> {
    (
        btree_set(address().prop_map(|address| address.identity()), 0..4),
        prop_oneof![Just(None), Just(Some(TAG))],
    )
        .prop_map(|(managed, mark)| Ownership { managed, mark })
}

proptest! {
    #[test]
    fn every_property_of_a_level_holds(
        desired in addresses(), observed in kernel_addresses(), ownership in ownership(),
        stop in any::<prop::sample::Index>(),
    ) {
        properties::check(&desired, &observed, &ownership, stop, apply)?;
    }
}

#[test]
fn a_vip_is_added_with_our_tag_and_removed_by_it() {
    let wanted = table([vip("172.17.1.160", 32)]);
    let added = diff(&wanted, &Table::new(), &with_tag());
    let tagged = Address {
        proto: Some(TAG),
        ..vip("172.17.1.160", 32)
    };
    assert_eq!(added, [Op::Add(tagged.clone())]);

    let kernel = table([tagged.clone(), vip("172.17.1.150", 24)]);
    let removed = diff(&Table::new(), &kernel, &with_tag());
    assert_eq!(removed, [Op::Remove(tagged)]);
}

#[test]
fn an_address_put_there_by_hand_is_adopted_in_place() {
    let wanted = table([vip("172.17.1.160", 32)]);
    let by_hand = table([as_reported(&vip("172.17.1.160", 32))]);
    let ops = diff(&wanted, &by_hand, &with_tag());
    assert!(matches!(ops.as_slice(), [Op::Replace(_)]), "{ops:?}");

    let old_kernel = Ownership {
        managed: BTreeSet::new(),
        mark: None,
    };
    assert_eq!(diff(&wanted, &by_hand, &old_kernel), []);
}

#[test]
fn another_ipv6_prefix_means_delete_and_add_but_another_ipv4_prefix_is_another_address() {
    let observed = table([vip("2001:db8::1", 64)]);
    let ops = diff(&table([vip("2001:db8::1", 128)]), &observed, &with_tag());
    assert!(matches!(ops.as_slice(), [Op::Recreate { .. }]), "{ops:?}");

    let observed = table([vip("192.0.2.1", 24)]);
    let ops = diff(&table([vip("192.0.2.1", 32)]), &observed, &with_tag());
    assert!(matches!(ops.as_slice(), [Op::Add(_)]), "{ops:?}");
}

#[test]
fn what_the_kernel_changes_in_place_is_not_taken_away() {
    let ours = Address {
        proto: Some(TAG),
        ..vip("2001:db8::1", 128)
    };
    let no_source = Address {
        preferred: 0,
        ..ours.clone()
    };
    let ops = diff(&table([no_source.clone()]), &table([ours]), &with_tag());
    assert_eq!(ops, [Op::Replace(no_source)]);
}

#[test]
fn a_lifetime_that_runs_down_is_left_to_run() {
    let minute = |preferred| Address {
        preferred,
        proto: Some(TAG),
        ..vip("2001:db8::1", 64)
    };
    for left in [60, 7, 0] {
        let ops = diff(&table([minute(60)]), &table([minute(left)]), &with_tag());
        assert_eq!(ops, []);
    }
}

#[test]
fn a_deleted_vip_is_reported() {
    let expected = table([vip("172.17.1.160", 32)]);
    let found = drift(&expected, &Table::new(), &with_tag());
    let words: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["address 172.17.1.160/32 on interface 2 is missing"]);
}
