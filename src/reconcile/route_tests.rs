//! The properties of every level, for routes.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::super::owned::{self, Ownership, diff, properties, table};
use super::*;

type Table = owned::Table<Route>;
type Op = owned::Op<Route>;

fn prefix(text: &str, length: u8) -> Prefix {
    let address = text.parse().expect("a valid address");
    Prefix { address, length }
}

fn route(to: Prefix, protocol: u8) -> Route {
    Route {
        identity: Identity {
            table: MAIN,
            to,
            from: None,
            tos: 0,
            metric: 0,
            protocol,
        },
        kind: UNICAST,
        scope: 0,
        source: None,
        next_hops: vec![hop("192.0.2.1", 2)],
        metrics: BTreeMap::new(),
        congestion_control: None,
    }
}

fn hop(via: &str, interface: u32) -> NextHop {
    NextHop {
        via: Some(via.parse().expect("a valid address")),
        interface: Some(interface),
        weight: 1,
        onlink: false,
        encap: None,
    }
}

fn ours() -> Ownership<Identity> {
    Ownership {
        managed: BTreeSet::new(),
        mark: Some(PROTOCOL),
    }
}

/// What the kernel makes of one operation, errors included.
fn apply(kernel: &mut Table, op: &Op) -> Result<(), String> {
    match op {
        Op::Add(route) => match kernel.insert(route.identity(), as_reported(route)) {
            Some(_) => Err(format!("EEXIST: {route}")),
            None => Ok(()),
        },
        Op::Replace(route) => Err(format!("nothing of {route} is changed in place")),
        Op::Recreate { old, new } => {
            apply(kernel, &Op::Remove(old.clone()))?;
            apply(kernel, &Op::Add(new.clone()))
        }
        Op::Remove(route) => match kernel.remove(&route.identity()) {
            Some(_) => Ok(()),
            None => Err(format!("ESRCH: {route}")),
        },
    }
}

/// The kernel finds the interface of a gateway, and shows an IPv6 route in any
/// order and without scope.
fn as_reported(route: &Route) -> Route {
    let mut reported = route.clone();
    for hop in &mut reported.next_hops {
        hop.interface.get_or_insert(9);
    }
    if reported.identity.to.address.is_ipv6() {
        reported.scope = 0;
        reported.next_hops.reverse();
    }
    reported
}

fn routes() -> impl Strategy<Value = Table> {
    vec(any_route(), 0..8).prop_map(table)
}

fn any_route() -> impl Strategy<Value = Route> {
    let identity = (
        prop_oneof![Just(254_u32), Just(100)],
        prop_oneof![
            Just(prefix("0.0.0.0", 0)),
            Just(prefix("198.51.100.0", 24)),
            Just(prefix("2001:db8:1::", 48)),
        ],
        prop_oneof![Just(0_u32), Just(5)],
        prop_oneof![Just(PROTOCOL), Just(3)],
    );
    let hops = vec(
        (
            proptest::option::of(prop_oneof![Just("192.0.2.1"), Just("192.0.2.2")]),
            proptest::option::of(2..4_u32),
            1..3_u16,
        ),
        0..3,
    );
    let rest = (
        prop_oneof![Just(0_u8), Just(253)],
        proptest::option::of(Just(IpAddr::from([192, 0, 2, 9]))),
        proptest::collection::btree_map(2..4_u16, 1..3_u32, 0..2),
    );
    (identity, hops, rest).prop_map(
        |((table, to, metric, protocol), hops, (scope, source, metrics))| Route {
            identity: Identity {
                table,
                to,
                from: None,
                tos: 0,
                metric,
                protocol,
            },
            kind: UNICAST,
            scope,
            source,
            next_hops: hops
                .into_iter()
                .map(|(via, interface, weight)| NextHop {
                    via: via.map(|via| via.parse().expect("a valid address")),
                    interface,
                    weight,
                    onlink: false,
                    encap: None,
                })
                .collect(),
            metrics,
            congestion_control: None,
        },
    )
}

proptest! {
    #[test]
    fn every_property_of_a_level_holds(
        desired in routes(),
        observed in routes().prop_map(|all| table(all.values().map(as_reported))),
        managed in btree_set(any_route().prop_map(|route| route.identity()), 0..4),
        stop in any::<prop::sample::Index>(),
    ) {
        let ownership = Ownership { managed, mark: Some(PROTOCOL) };
        properties::check(&desired, &observed, &ownership, stop, apply)?;
    }
}

#[test]
fn a_route_of_the_administrator_to_the_same_place_is_left_alone() {
    let theirs = route(prefix("0.0.0.0", 0), 3);
    let wanted = route(prefix("0.0.0.0", 0), PROTOCOL);
    let kernel = table([theirs.clone()]);
    let ops = diff(&table([wanted.clone()]), &kernel, &ours());
    assert_eq!(ops, [Op::Add(wanted.clone())]);
    let kernel = table([theirs, wanted.clone()]);
    let ops = diff(&Table::new(), &kernel, &ours());
    assert_eq!(ops, [Op::Remove(wanted)]);
}

#[test]
fn next_hops_are_compared_as_a_set() {
    let mut wanted = route(prefix("198.51.100.0", 24), PROTOCOL);
    wanted.next_hops = vec![hop("192.0.2.1", 2), hop("192.0.2.2", 2)];
    let mut present = wanted.clone();
    present.next_hops.reverse();
    assert_eq!(
        diff(&table([wanted.clone()]), &table([present.clone()]), &ours()),
        []
    );
    present.next_hops[0].weight = 7;
    let ops = diff(&table([wanted]), &table([present]), &ours());
    assert!(matches!(ops[..], [Op::Recreate { .. }]), "{ops:?}");
}
