//! Giving up on request.

use super::*;
use crate::worker::protocol::Order;

fn order(bench: &mut Bench, at: u64, order: &Order) {
    bench.engine.order(ms(at), 9, order, &mut bench.log);
}

fn failover(name: Option<&str>) -> Order {
    Order::Failover(name.map(str::to_owned))
}

fn master() -> Bench {
    let mut bench = Bench::started(&of(vec![instance(51, 100)]));
    bench.run(4_000);
    bench.log.take();
    bench
}

#[test]
fn a_failover_keeps_the_addresses_until_the_successor_speaks() {
    let mut bench = master();
    order(&mut bench, 4_100, &failover(Some("v51")));
    assert_eq!(bench.log.take(), ["send 7 192.0.2.1 vrid 51 prio 0"]);
    assert!(bench.one().handing_over);
    bench.hear(4_400, &instance(51, 90), 90);
    // The successor needs a moment to put the addresses.
    bench.run(4_499);
    assert!(bench.log.take().is_empty());
    bench.run(4_500);
    assert_eq!(
        bench.log.take(),
        ["release 51", "done 9 Ok(\"v51: given up to 192.0.2.2\")"]
    );
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn what_nobody_takes_is_kept() {
    let mut bench = master();
    order(&mut bench, 4_100, &failover(None));
    bench.run(8_000);
    let log = bench.log.take();
    assert!(
        log.contains(&"done 9 Ok(\"v51: nobody took it: kept\")".into()),
        "{log:?}"
    );
    assert!(!log.contains(&"release 51".into()));
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn orders_that_make_no_sense_are_refused_in_words() {
    let mut bench = Bench::started(&of(vec![instance(51, 100)]));
    bench.log.take();
    order(&mut bench, 0, &failover(Some("v51")));
    order(&mut bench, 0, &failover(Some("w")));
    order(&mut bench, 0, &failover(None));
    assert_eq!(
        bench.log.take(),
        [
            "done 9 Err(\"v51 is not master here\")",
            "done 9 Err(\"there is no VRRP instance or group named w\")",
            "done 9 Ok(\"nothing to give up: no instance is master here\")"
        ]
    );
}

#[test]
fn a_group_is_handed_over_by_its_name_and_by_that_of_a_member() {
    for name in ["g", "v51", "v52"] {
        hand_over_group(name);
    }
}

fn hand_over_group(name: &str) {
    let two = format!("{}{}", text(51, 100, ""), text(52, 100, ""));
    let mut bench = Bench::started(&setup(&format!(
        "{two}[sync_group.g]\nmembers = [\"v51\", \"v52\"]\n"
    )));
    bench.run(5_000);
    order(&mut bench, 5_000, &failover(Some(name)));
    bench.log.take();
    bench.hear(5_400, &instance(51, 90), 90);
    bench.hear(5_450, &instance(52, 90), 90);
    bench.run(5_500);
    assert_eq!(bench.log.take(), ["release 51"]);
    bench.run(5_550);
    assert_eq!(
        bench.log.take(),
        [
            "release 52",
            "done 9 Ok(\"v51: given up to 192.0.2.2\\nv52: given up to 192.0.2.2\")"
        ]
    );
}

#[test]
fn in_maintenance_nothing_takes_part_until_it_is_over() {
    let mut bench = master();
    order(&mut bench, 4_100, &Order::Maintenance(true));
    assert_eq!(bench.log.events(), ["v51 STOP 100"]);
    bench.hear(4_400, &instance(51, 90), 90);
    // The successor needs a moment to put the addresses.
    bench.run(4_499);
    assert!(bench.log.take().is_empty());
    bench.run(4_500);
    assert_eq!(
        bench.log.take(),
        ["release 51", "done 9 Ok(\"v51: given up to 192.0.2.2\")"]
    );
    bench.interface(5_000, "eth0", usable());
    bench.configure(5_100, &of(vec![instance(51, 100), instance(52, 100)]));
    bench.run(60_000);
    assert_eq!(bench.states(), [State::Initialize; 2]);
    order(&mut bench, 60_000, &Order::Maintenance(false));
    assert_eq!(bench.states(), [State::Backup; 2]);
}

#[test]
fn maintenance_ordered_before_the_first_configuration_holds() {
    let mut bench = Bench::default();
    order(&mut bench, 0, &Order::Maintenance(true));
    bench.configure(0, &of(vec![instance(51, 255)]));
    bench.interface(0, "eth0", usable());
    assert_eq!(bench.state(), State::Initialize);
    let log = bench.log.take();
    assert!(log.contains(&"release 51".into()), "{log:?}");
}

#[test]
fn a_stop_waits_for_the_successor_and_nothing_starts_an_instance_again() {
    let mut bench = Bench::started(&of(vec![instance(51, 255), instance(52, 255)]));
    bench.log.take();
    bench.engine.stop(ms(100), &mut bench.log);
    let sent = [
        "send 7 192.0.2.1 vrid 51 prio 0",
        "send 7 192.0.2.1 vrid 52 prio 0",
    ];
    assert_eq!(bench.log.take(), sent);
    bench.hear(300, &instance(51, 90), 90);
    bench.hear(310, &instance(52, 90), 90);
    bench.run(409);
    assert_eq!(bench.log.take(), ["release 51"]);
    bench.run(410);
    assert_eq!(bench.log.take(), ["release 52", "stop"]);
    bench.interface(500, "eth0", usable());
    bench.configure(500, &of(vec![instance(53, 255)]));
    bench.run(60_000);
    assert!(bench.log.take().is_empty());
    assert_eq!(bench.engine.deadline(), None);
}

#[test]
fn a_stop_ends_without_a_successor_too_and_at_once_when_said_again() {
    let mut bench = master();
    bench.engine.stop(ms(4_100), &mut bench.log);
    bench.run(8_000);
    assert_eq!(
        bench.log.take(),
        ["send 7 192.0.2.1 vrid 51 prio 0", "release 51", "stop"]
    );
    let mut bench = master();
    bench.engine.stop(ms(4_100), &mut bench.log);
    bench.engine.stop(ms(4_110), &mut bench.log);
    let log = bench.log.take();
    assert_eq!(log.last().unwrap(), "stop", "{log:?}");
}

/// What a Master left at 4 s, in maintenance from the start.
fn left_in_maintenance(setup: &Setup) -> Bench {
    let mut before = Bench::started(setup);
    before.run(4_000);
    let left = Predecessor {
        snapshot: before.report(),
        alive_until: ms(4_000),
    };
    let mut bench = Bench::default();
    order(&mut bench, 4_100, &Order::Maintenance(true));
    bench
        .engine
        .configure(ms(4_100), setup, Some(left), &mut bench.log);
    assert!(!bench.log.take().iter().any(|line| line.contains("release")));
    bench
}

#[test]
fn what_a_predecessor_left_is_handed_over_in_maintenance() {
    let mut bench = left_in_maintenance(&of(vec![instance(51, 100)]));
    bench.interface(4_200, "eth0", usable());
    assert!(bench.one().handing_over);
    let log = bench.log.take();
    assert_eq!(log.last().unwrap(), "send 7 192.0.2.1 vrid 51 prio 0");
    // A reload meanwhile ends nothing.
    bench.configure(4_300, &of(vec![instance(51, 100), instance(52, 100)]));
    let log = bench.log.take();
    assert!(!log.contains(&"release 51".into()), "{log:?}");
    bench.hear(4_400, &instance(51, 90), 90);
    bench.run(4_500);
    assert_eq!(bench.log.take(), ["release 51"]);
    bench.run(60_000);
    assert_eq!(bench.states(), [State::Initialize; 2]);
}

#[test]
fn a_group_that_a_predecessor_left_is_handed_over_as_a_whole_in_maintenance() {
    let two = format!("{}{}", text(51, 100, ""), text(52, 100, ""));
    let group = setup(&format!(
        "{two}[sync_group.g]\nmembers = [\"v51\", \"v52\"]\n"
    ));
    let mut bench = left_in_maintenance(&group);
    bench.interface(4_200, "eth0", usable());
    let instances = bench.report().instances;
    assert!(instances.iter().all(|one| one.handing_over));
}

#[test]
fn what_a_predecessor_left_too_long_ago_is_no_master_in_maintenance() {
    let setup = of(vec![instance(51, 255)]);
    let mut bench = left_in_maintenance(&setup);
    bench.run(20_000);
    assert_eq!(bench.log.take(), ["release 51"], "without an interface");
    assert_eq!(bench.state(), State::Initialize);
    let mut bench = left_in_maintenance(&setup);
    bench.interface(9_000, "eth0", usable());
    assert_eq!(bench.log.take(), ["release 51"]);
    assert_eq!(bench.state(), State::Initialize);
}
