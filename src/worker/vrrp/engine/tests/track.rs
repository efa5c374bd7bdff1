//! Tracking, from the result to the priority.

use super::*;

fn tracked(weight: &str) -> Setup {
    setup(&format!(
        "[track_script.chk_nginx]\ncommand = \"/bin/true\"\nweight = {weight}\n{}",
        text(51, 100, "track = [\"chk_nginx\"]")
    ))
}

#[test]
fn a_weight_moves_the_priority_and_is_explained() {
    let mut bench = Bench::started(&tracked("-30"));
    bench.run(4_000);
    bench.log.events();
    bench.measured(4_100, "chk_nginx", Measure::Down, "exit status 1");
    let told_at_once = "send 7 192.0.2.1 vrid 51 prio 70".to_owned();
    assert!(bench.log.lines.contains(&told_at_once));
    assert_eq!(bench.log.events(), ["v51 MASTER_PRIORITY 70"]);
    let report = bench.one();
    assert_eq!((report.core.priority, report.core.base_priority), (70, 100));
    assert_eq!(report.terms[0].detail, "exit status 1");
    bench.measured(5_100, "chk_nginx", Measure::Up, "exit status 0");
    assert_eq!(bench.one().core.priority, 100);
    let changes = bench.log.changes;
    bench.measured(5_200, "chk_nginx", Measure::Up, "exit status 0");
    assert_eq!(bench.log.changes, changes, "nothing new");
}

#[test]
fn without_a_weight_an_instance_waits_for_the_first_result_and_a_failure_is_a_fault() {
    let mut bench = Bench::started(&tracked("0"));
    assert_eq!(bench.state(), State::Initialize);
    assert_eq!(bench.one().waiting, ["chk_nginx"]);
    bench.measured(100, "chk_nginx", Measure::Up, "exit status 0");
    assert_eq!(bench.state(), State::Backup);
    bench.measured(200, "chk_nginx", Measure::Down, "exit status 1");
    assert_eq!(bench.state(), State::Initialize);
    assert_eq!(
        bench.one().fault.as_deref(),
        Some("chk_nginx: exit status 1")
    );
    bench.configure(300, &of(vec![instance(51, 100)]));
    assert_eq!(bench.state(), State::Backup, "no longer tracked");
}

#[test]
fn a_tracker_that_a_reload_adds_stops_nobody_who_runs() {
    let mut bench = Bench::started(&of(vec![instance(51, 100)]));
    bench.run(4_000);
    bench.configure(4_100, &tracked("0"));
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn a_tracked_interface_that_fails_takes_the_instance_with_it() {
    let setup = setup(&text(51, 100, "track_interfaces = [\"eth1\"]"));
    let mut bench = Bench::started(&setup);
    assert_eq!(bench.one().waiting, ["eth1"]);
    bench.interface(0, "eth1", on(8, &[]));
    assert_eq!(bench.state(), State::Backup, "it needs no address");
    bench.interface(100, "eth1", down());
    assert_eq!(
        bench.one().fault.as_deref(),
        Some("eth1: the link is down (no carrier)")
    );
}
