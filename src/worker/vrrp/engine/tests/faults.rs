//! What keeps an instance from running.

use super::*;

#[test]
fn a_lost_interface_is_a_fault_that_says_why_and_ends_when_it_returns() {
    let mut bench = Bench::started(&of(vec![instance(51, 100)]));
    bench.fire(4_000);
    bench.log.events();
    bench.interface(5_000, "eth0", down());
    assert!(bench.log.lines.contains(&"release 51".to_owned()));
    assert_eq!(bench.log.events(), ["v51 FAULT 100"]);
    let report = bench.one();
    assert_eq!(report.core.state, State::Initialize);
    assert_eq!(
        report.fault.as_deref(),
        Some("eth0: the link is down (no carrier)")
    );
    assert_eq!(bench.engine.deadline(), None);

    bench.interface(6_000, "eth0", usable());
    let report = bench.one();
    assert_eq!((report.core.state, report.fault), (State::Backup, None));
    assert_eq!(bench.log.events(), ["v51 BACKUP 100"]);
}

#[test]
fn a_fault_from_the_start_is_told_once() {
    let mut bench = Bench::default();
    bench.configure(0, &of(vec![instance(51, 100)]));
    assert!(bench.log.events().is_empty(), "not known is no fault");
    bench.interface(0, "eth0", down());
    bench.interface(10, "eth0", Interface::Unusable("no such interface".into()));
    assert_eq!(bench.log.events(), ["v51 FAULT 100"]);
}

#[test]
fn an_interface_that_is_made_anew_is_taken_with_its_new_index() {
    let mut bench = Bench::started(&of(vec![instance(51, 100)]));
    bench.interface(100, "eth0", Interface::Unusable("no such interface".into()));
    assert!(bench.engine.ports().is_empty());
    bench.interface(200, "eth0", on(9, &["192.0.2.1"]));
    assert_eq!(
        bench.engine.ports().into_iter().collect::<Vec<_>>(),
        [port(9)]
    );
    bench.run(4_000);
    assert!(
        bench
            .log
            .take()
            .contains(&"send 9 192.0.2.1 vrid 51 prio 100".into())
    );
}

#[test]
fn without_a_socket_an_instance_is_at_fault_and_is_tried_again_each_second() {
    let mut bench = Bench::default();
    bench.log.closed = true;
    bench.configure(0, &of(vec![instance(51, 255)]));
    bench.interface(0, "eth0", usable());
    let fault = Some("eth0: too many open files".to_owned());
    assert_eq!(
        (bench.state(), bench.one().fault),
        (State::Initialize, fault.clone())
    );
    assert!(bench.engine.ports().is_empty());
    for second in [1, 2] {
        assert_eq!(bench.engine.deadline(), Some(ms(second * 1_000)));
        bench.fire(second * 1_000);
        assert_eq!(
            (bench.state(), bench.one().fault),
            (State::Initialize, fault.clone())
        );
    }
    assert_eq!(bench.log.take(), ["release 51"], "nothing was sent");
    bench.log.closed = false;
    bench.fire(3_000);
    assert_eq!((bench.state(), bench.one().fault), (State::Master, None));
    assert_eq!(bench.engine.deadline(), Some(ms(4_000)), "the next advert");
}

#[test]
fn a_flap_is_damped_but_never_so_long_that_a_backup_takes_over_on_a_dead_link() {
    let setup = setup(&format!(
        "[interface.eth0]\ndown_delay = \"900ms\"\n{}",
        text(51, 100, "advert_interval = \"100ms\"")
    ));
    let mut bench = Bench::started(&setup);
    bench.hear(0, &setup.instances[0], 200);
    bench.interface(100, "eth0", down());
    assert_eq!(bench.state(), State::Backup, "not told yet");
    bench.run(290);
    assert_eq!(bench.state(), State::Backup);
    bench.run(1_000);
    assert_eq!(bench.state(), State::Initialize);
    assert!(!bench.log.take().iter().any(|line| line.starts_with("send")));
}

#[test]
fn an_instance_that_does_not_mind_its_interface_goes_on_without_it() {
    let setup = setup(&text(51, 100, "dont_track_primary = true"));
    let mut bench = Bench::started(&setup);
    bench.run(4_000);
    bench.interface(5_000, "eth0", down());
    assert_eq!((bench.state(), bench.one().fault), (State::Master, None));
    bench.interface(
        5_100,
        "eth0",
        Interface::Unusable("no such interface".into()),
    );
    assert_eq!(bench.state(), State::Master, "nor if it is gone");
    let mut cold = Bench::default();
    cold.configure(0, &setup);
    cold.interface(0, "eth0", down());
    assert_eq!(cold.state(), State::Backup, "also from the start");
}

#[test]
fn a_cut_cable_is_said_by_the_second_interface_and_the_sockets_are_made_anew() {
    let setup = setup(&text(51, 100, "heartbeat = { interface = \"eth1\" }"));
    let mut bench = Bench::started(&setup);
    bench.interface(0, "eth1", on(8, &["198.51.100.1"]));
    bench.run(4_000);
    bench.log.take();
    let rewired = bench.log.rewired;
    bench.interface(
        4_100,
        "eth0",
        Interface::Unusable("no such interface".into()),
    );
    let log = bench.log.take();
    let goodbye = "send 8 198.51.100.1 vrid 51 prio 0".to_owned();
    assert!(log.contains(&goodbye), "{log:?}");
    assert_eq!(bench.one().counters["priority_zero_sent"], 1);
    assert!(bench.engine.ports().is_empty());
    assert_eq!(bench.log.rewired, rewired + 1);
    bench.interface(
        4_200,
        "eth0",
        Interface::Unusable("no such interface".into()),
    );
    assert_eq!(bench.log.rewired, rewired + 1, "once");
}
