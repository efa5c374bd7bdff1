//! The properties of every level, for addresses.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

const ETH0: u32 = 2;

fn vip(address: &str, prefix_len: u8) -> Address {
    Address {
        interface: ETH0,
        address: address.parse().expect("a valid address"),
        prefix_len,
        label: None,
        scope: 0,
        proto: None,
    }
}

fn with_tag() -> Ownership {
    Ownership {
        managed: BTreeSet::new(),
        tag: Some(TAG),
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
        Op::Retag(address) => {
            let Some(present) = kernel.get_mut(&address.identity()) else {
                return Err(format!("ENOENT: {address}"));
            };
            present.proto = address.proto;
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
    } else {
        reported.label = None;
        reported.scope = 0;
    }
    reported
}

/// What remains to be true in the end: each desired address as desired.
fn satisfied(desired: &Table, kernel: &Table) -> bool {
    desired.iter().all(|(identity, wanted)| {
        kernel
            .get(identity)
            .is_some_and(|present| changes(wanted, present).is_empty())
    })
}

fn address() -> impl Strategy<Value = Address> {
    (
        1..3_u32,
        prop_oneof![
            (0..4_u8).prop_map(|last| IpAddr::from([192, 0, 2, last])),
            (0..4_u16).prop_map(|last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last])),
        ],
        prop_oneof![Just(24_u8), Just(32)],
        proptest::option::of(prop_oneof![Just("eth0:1"), Just("eth0")]),
        prop_oneof![3 => Just(0_u8), 1 => Just(253)],
        prop_oneof![Just(None), Just(Some(0)), Just(Some(TAG))],
    )
        .prop_map(
            |(interface, address, prefix_len, label, scope, proto)| Address {
                interface,
                address,
                prefix_len,
                label: label.map(str::to_owned),
                scope,
                proto,
            },
        )
}

fn addresses() -> impl Strategy<Value = Table> {
    vec(address(), 0..8).prop_map(table)
}

fn kernel_addresses() -> impl Strategy<Value = Table> {
    vec(address(), 0..8).prop_map(|all| table(all.iter().map(as_reported)))
}

fn ownership() -> impl Strategy<Value = Ownership> {
    (
        btree_set(address().prop_map(|address| address.identity()), 0..4),
        prop_oneof![Just(None), Just(Some(TAG))],
    )
        .prop_map(|(managed, tag)| Ownership { managed, tag })
}

proptest! {
    #[test]
    fn applying_gives_the_desired_and_then_nothing_is_left_to_do(
        desired in addresses(), observed in kernel_addresses(), ownership in ownership(),
    ) {
        let mut kernel = observed.clone();
        for op in diff(&desired, &observed, &ownership) {
            apply(&mut kernel, &op).map_err(TestCaseError::fail)?;
        }
        prop_assert!(satisfied(&desired, &kernel));
        for (identity, present) in &kernel {
            prop_assert!(desired.contains_key(identity) || !ownership.holds(present));
        }
        prop_assert_eq!(diff(&desired, &kernel, &ownership), []);
        prop_assert_eq!(drift(&desired, &kernel, &ownership), []);
    }

    #[test]
    fn what_is_not_ours_is_untouched(
        desired in addresses(), observed in kernel_addresses(), ownership in ownership(),
    ) {
        let mut kernel = observed.clone();
        for op in diff(&desired, &observed, &ownership) {
            apply(&mut kernel, &op).map_err(TestCaseError::fail)?;
        }
        for (identity, present) in &observed {
            if !desired.contains_key(identity) && !ownership.holds(present) {
                prop_assert_eq!(kernel.get(identity), Some(present));
            }
        }
    }

    #[test]
    fn nothing_is_removed_before_the_last_gain(
        desired in addresses(), observed in kernel_addresses(), ownership in ownership(),
    ) {
        let ops = diff(&desired, &observed, &ownership);
        let losses = ops.iter().skip_while(|op| !matches!(op, Op::Remove(_)));
        prop_assert!(losses.clone().all(|op| matches!(op, Op::Remove(_))));
    }

    #[test]
    fn stopping_anywhere_and_comparing_again_arrives(
        desired in addresses(), observed in kernel_addresses(), ownership in ownership(),
        stop in any::<prop::sample::Index>(),
    ) {
        let ops = diff(&desired, &observed, &ownership);
        let mut kernel = observed;
        for op in ops.iter().take(stop.index(ops.len() + 1)) {
            apply(&mut kernel, op).map_err(TestCaseError::fail)?;
        }
        for op in diff(&desired, &kernel, &ownership) {
            apply(&mut kernel, &op).map_err(TestCaseError::fail)?;
        }
        prop_assert!(satisfied(&desired, &kernel));
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
    assert!(matches!(ops.as_slice(), [Op::Retag(_)]), "{ops:?}");

    let old_kernel = Ownership::default();
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
fn a_deleted_vip_is_reported() {
    let expected = table([vip("172.17.1.160", 32)]);
    let found = drift(&expected, &Table::new(), &with_tag());
    let words: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["address 172.17.1.160/32 on interface 2 is missing"]);
}
