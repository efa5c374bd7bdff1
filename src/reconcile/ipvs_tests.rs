//! The properties of every level, for the IPVS table, and its own.

use std::net::SocketAddr;

use ipvs_sys::{Family, Netmask, Protocol, TunnelFlags};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn service_id() -> impl Strategy<Value = ServiceId> {
    prop_oneof![
        (0..4_u8).prop_map(|last| ServiceId::Addr {
            protocol: Protocol::Tcp,
            address: SocketAddr::from(([192, 0, 2, last], 80)),
        }),
        Just(ServiceId::Addr {
            protocol: Protocol::Udp,
            address: "[2001:db8::1]:53".parse().expect("an address"),
        }),
        Just(ServiceId::Fwmark {
            mark: 1,
            family: Family::Ipv4
        }),
    ]
}

/// A service as anybody may have made it: with properties that mean nothing
/// without persistence, too.
fn service() -> impl Strategy<Value = Service> {
    (
        service_id(),
        prop_oneof![Just("rr"), Just("wlc")],
        prop_oneof![
            Just(ServiceFlags::NONE),
            Just(ServiceFlags::PERSISTENT),
            Just(ServiceFlags::PERSISTENT | ServiceFlags::SCHED_1),
        ],
        prop_oneof![Just(0_u32), Just(300)],
        any::<bool>(),
        proptest::option::of(Just("sip".to_owned())),
    )
        .prop_map(|(id, scheduler, flags, timeout, host, pe_name)| Service {
            id,
            scheduler: scheduler.to_owned(),
            flags,
            timeout,
            netmask: match (id.family(), host) {
                (family, true) => Netmask::host(family),
                (Family::Ipv4, false) => Netmask::V4([255, 255, 255, 0].into()),
                (Family::Ipv6, false) => Netmask::V6(64),
            },
            pe_name,
        })
}

fn destination() -> impl Strategy<Value = Destination> {
    (
        (1..6_u8).prop_map(|last| SocketAddr::from(([10, 0, 0, last], 80))),
        prop_oneof![Just(Forward::DirectRoute), Just(Forward::Tunnel)],
        0..4_u32,
        prop_oneof![Just((0, 0)), Just((10, 5))],
        proptest::option::of(Just(Tunnel::Gre {
            flags: TunnelFlags::NONE,
        })),
    )
        .prop_map(
            |(address, forward, weight, (upper, lower), tunnel)| Destination {
                upper_threshold: upper,
                lower_threshold: lower,
                tunnel: tunnel.filter(|_| forward == Forward::Tunnel),
                ..Destination::new(address.into(), forward, weight)
            },
        )
}

fn a_table() -> impl Strategy<Value = Table> {
    let entry = (service(), vec(destination(), 0..6));
    vec(
        entry.prop_map(|(service, destinations)| Entry::new(service, destinations)),
        0..6,
    )
    .prop_map(table)
}

fn keys() -> impl Strategy<Value = BTreeSet<ServiceId>> {
    btree_set(service_id(), 0..4)
}

fn apply_all<'a>(
    kernel: &mut Table,
    ops: impl IntoIterator<Item = &'a Op>,
) -> Result<(), TestCaseError> {
    for op in ops {
        apply(kernel, op).map_err(|error| TestCaseError::fail(format!("{op}: {error}")))?;
    }
    Ok(())
}

/// An entry without what has no effect, so that those that work alike are equal.
fn effective(entry: &Entry) -> Entry {
    let mut entry = entry.clone();
    if !entry.service.flags.contains(ServiceFlags::PERSISTENT) {
        entry.service.timeout = 0;
        entry.service.netmask = Netmask::host(entry.service.id.family());
    }
    entry
}

/// What the kernel is to hold in the end.
fn goal(desired: &Table, observed: &Table, managed: &BTreeSet<ServiceId>) -> Table {
    let foreign = foreign(desired, observed, managed).cloned();
    table(foreign.chain(desired.values().cloned()))
}

fn arrived(kernel: &Table, goal: &Table) -> Result<(), TestCaseError> {
    prop_assert!(kernel.keys().eq(goal.keys()));
    for (present, wanted) in kernel.values().zip(goal.values()) {
        prop_assert_eq!(effective(present), effective(wanted));
    }
    Ok(())
}

/// The destinations that take new connections.
fn live(table: &Table, id: &ServiceId) -> BTreeSet<DestinationId> {
    let entry = table.get(id).into_iter();
    entry
        .flat_map(|entry| entry.destinations.values())
        .filter(|destination| destination.weight > 0)
        .map(|destination| destination.id)
        .collect()
}

fn is_loss(op: &Op, before: &Table) -> bool {
    match op {
        Op::DeleteService(_) | Op::DeleteDestination(..) => true,
        Op::EditDestination(service, wanted) => before
            .get(service)
            .and_then(|entry| entry.destinations.get(&wanted.id))
            .is_some_and(|present| wanted.weight < present.weight),
        Op::AddService(_) | Op::EditService(_) | Op::AddDestination(..) => false,
    }
}

proptest! {
    #[test]
    fn applying_gives_the_desired_and_then_nothing_is_left_to_do(
        desired in a_table(), observed in a_table(), managed in keys(),
    ) {
        let mut kernel = observed.clone();
        apply_all(&mut kernel, &diff(&desired, &observed, &managed))?;
        arrived(&kernel, &goal(&desired, &observed, &managed))?;
        prop_assert_eq!(diff(&desired, &kernel, &managed), []);
        prop_assert_eq!(drift(&desired, &kernel, &managed), []);
    }

    #[test]
    fn what_is_not_ours_is_untouched(
        desired in a_table(), observed in a_table(), managed in keys(),
    ) {
        for op in diff(&desired, &observed, &managed) {
            let id = op.service();
            prop_assert!(desired.contains_key(&id) || managed.contains(&id), "{}", op);
        }
    }

    #[test]
    fn gains_come_before_losses(
        desired in a_table(), observed in a_table(), managed in keys(),
    ) {
        let ops = diff(&desired, &observed, &managed);
        let kinds: Vec<_> = ops.iter().map(|op| is_loss(op, &observed)).collect();
        prop_assert!(kinds.is_sorted(), "{:?}", ops);
    }

    /// At every step a service of both states has at least the live
    /// destinations that it has in one of them; so never fewer than the
    /// poorer state, and those of both states all the time.
    #[test]
    fn no_step_leaves_a_service_poorer_than_both_ends(
        desired in a_table(), observed in a_table(), managed in keys(),
    ) {
        let mut kernel = observed.clone();
        for op in diff(&desired, &observed, &managed) {
            apply_all(&mut kernel, [&op])?;
            for id in desired.keys().filter(|id| observed.contains_key(id)) {
                let (start, end) = (live(&observed, id), live(&desired, id));
                let now = live(&kernel, id);
                prop_assert!(now.is_superset(&start) || now.is_superset(&end), "{}: {}", op, id);
            }
        }
    }

    #[test]
    fn stopping_anywhere_and_comparing_again_arrives(
        desired in a_table(), observed in a_table(), managed in keys(), stop in any::<Index>(),
    ) {
        let goal = goal(&desired, &observed, &managed);
        let ops = diff(&desired, &observed, &managed);
        let mut kernel = observed;
        apply_all(&mut kernel, ops.iter().take(stop.index(ops.len() + 1)))?;
        let rest = diff(&desired, &kernel, &managed);
        apply_all(&mut kernel, &rest)?;
        arrived(&kernel, &goal)?;
    }

    #[test]
    fn touched_keys_get_the_operations_that_the_whole_table_gives_them(
        desired in a_table(), observed in a_table(), managed in keys(), touched in keys(),
    ) {
        let mut whole = diff(&desired, &observed, &managed);
        whole.retain(|op| touched.contains(&op.service()));
        prop_assert_eq!(diff_keys(&touched, &desired, &observed, &managed), whole);
    }

    /// Each operation is needed: no entry gets two, and none that is equal gets one.
    #[test]
    fn there_are_as_many_operations_as_differences(
        desired in a_table(), observed in a_table(), managed in keys(),
    ) {
        let ops = diff(&desired, &observed, &managed);
        let adds_below_new_services: usize = desired
            .iter()
            .filter(|(id, _)| !observed.contains_key(id))
            .map(|(_, entry)| entry.destinations.len())
            .sum();
        let differences = drift(&desired, &observed, &managed).len();
        prop_assert_eq!(ops.len(), differences + adds_below_new_services);
    }
}

fn web() -> Entry {
    let id = ServiceId::Addr {
        protocol: Protocol::Tcp,
        address: SocketAddr::from(([172, 17, 1, 160], 80)),
    };
    let server = |last| {
        let address = SocketAddr::from(([172, 17, 1, last], 80));
        Destination::new(address.into(), Forward::DirectRoute, 1)
    };
    Entry::new(Service::new(id, "rr"), [server(152), server(153)])
}

fn words(drifts: &[Drift<Subject>]) -> Vec<String> {
    drifts.iter().map(ToString::to_string).collect()
}

#[test]
fn one_changed_weight_is_one_operation() {
    let mut wanted = web();
    wanted.destinations.values_mut().for_each(|one| {
        if one.id.address.ip().to_string().ends_with("152") {
            one.weight = 5;
        }
    });
    let ops = diff(&table([wanted]), &table([web()]), &BTreeSet::new());
    assert!(
        matches!(ops.as_slice(), [Op::EditDestination(_, one)] if one.weight == 5),
        "{ops:?}"
    );
}

#[test]
fn another_scheduler_timeout_or_flag_is_an_edit() {
    for wanted in [
        Service {
            scheduler: "wlc".to_owned(),
            ..web().service
        },
        web().service.persistent(300),
        Service {
            flags: ServiceFlags::ONE_PACKET,
            ..web().service
        },
    ] {
        let desired = table([Entry {
            service: wanted.clone(),
            ..web()
        }]);
        let ops = diff(&desired, &table([web()]), &BTreeSet::new());
        assert_eq!(ops, [Op::EditService(wanted)]);
    }
}

#[test]
fn what_the_kernel_does_not_use_is_no_difference() {
    let mut reported = web();
    reported.service.timeout = 360;
    reported.service.netmask = Netmask::V4([255, 255, 0, 0].into());
    let ops = diff(&table([web()]), &table([reported]), &BTreeSet::new());
    assert_eq!(ops, []);
}

#[test]
fn a_service_is_deleted_in_one_message_and_only_if_it_is_ours() {
    let observed = table([web()]);
    let id = web().service.id;
    assert_eq!(diff(&Table::new(), &observed, &BTreeSet::new()), []);
    assert_eq!(
        diff(&Table::new(), &observed, &BTreeSet::from([id])),
        [Op::DeleteService(id)]
    );
}

#[test]
fn a_flushed_table_is_rebuilt_service_first() {
    let entry = web();
    let id = entry.service.id;
    let adds = entry.destinations.values();
    let ops: Vec<_> = [Op::AddService(entry.service.clone())]
        .into_iter()
        .chain(adds.map(|server| Op::AddDestination(id, *server)))
        .collect();
    let expected = table([entry]);
    assert_eq!(diff(&expected, &Table::new(), &BTreeSet::new()), ops);
    assert_eq!(
        words(&drift(&expected, &Table::new(), &BTreeSet::new())),
        ["service TCP 172.17.1.160:80 is missing"]
    );
}

#[test]
fn drift_says_what_somebody_did() {
    let expected = table([web()]);
    let mut tampered = web();
    tampered.service.scheduler = "wlc".to_owned();
    let mut servers = tampered.destinations.into_values();
    let mut first = servers.next().expect("two servers");
    first.weight = 7;
    let added = Destination::new(
        SocketAddr::from(([172, 17, 1, 200], 80)).into(),
        Forward::DirectRoute,
        1,
    );
    let observed = table([Entry::new(tampered.service, [first, added])]);
    assert_eq!(
        words(&drift(&expected, &observed, &BTreeSet::new())),
        [
            "service TCP 172.17.1.160:80 was altered: scheduler is wlc, should be rr",
            "destination 172.17.1.152:80 of TCP 172.17.1.160:80 was altered: \
             weight is 7, should be 1",
            "destination 172.17.1.153:80 of TCP 172.17.1.160:80 is missing",
            "destination 172.17.1.200:80 of TCP 172.17.1.160:80 is there, but should not be",
        ]
    );
}

#[test]
fn a_refused_operation_changes_nothing() {
    let before = table([web()]);
    let entry = web();
    let id = entry.service.id;
    let absent = DestinationId::new(SocketAddr::from(([10, 9, 9, 9], 80)));
    for (op, refused) in [
        (Op::AddService(entry.service.clone()), Refused::Exists),
        (Op::DeleteDestination(id, absent), Refused::NoDestination),
        (
            Op::EditDestination(id, Destination::new(absent, Forward::DirectRoute, 1)),
            Refused::NoDestination,
        ),
    ] {
        let mut table = before.clone();
        assert_eq!(apply(&mut table, &op), Err(refused), "{op}");
        assert_eq!(table, before);
    }
    let mut empty = Table::new();
    for op in [
        Op::EditService(entry.service),
        Op::DeleteService(id),
        Op::DeleteDestination(id, absent),
    ] {
        assert_eq!(apply(&mut empty, &op), Err(Refused::NoService), "{op}");
    }
}
