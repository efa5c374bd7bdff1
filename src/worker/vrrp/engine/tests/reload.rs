//! Reloads, and going on where a predecessor stopped.

use super::*;

#[test]
fn a_reload_keeps_the_master_and_gives_up_what_is_gone() {
    let mut bench = Bench::started(&of(vec![instance(51, 100), instance(52, 100)]));
    bench.fire(4_000);
    bench.log.take();
    let renamed = VrrpInstance {
        name: "other".into(),
        ..instance(51, 100)
    };
    bench.configure(4_100, &of(vec![renamed]));
    let lines = std::mem::take(&mut bench.log.lines);
    assert_eq!(
        lines[..3],
        [
            "send 7 192.0.2.1 vrid 52 prio 0",
            "release 52",
            "release 52"
        ]
    );
    assert!(
        lines.contains(&"event v52 DELETED 100".into())
            || lines.contains(&"event v52 FAULT 100".into())
    );
    let report = bench.one();
    assert_eq!(
        (report.name.as_str(), report.core.state),
        ("other", State::Master)
    );
    assert_eq!(bench.report().instances.len(), 1);
}

#[test]
fn an_instance_added_to_a_running_group_takes_nothing_down() {
    let group = |members: &str, instances: &str| {
        setup(&format!(
            "{instances}[sync_group.g]\nmembers = [{members}]\n"
        ))
    };
    let (a, b, c) = (
        text(51, 100, ""),
        text(52, 100, ""),
        text(53, 100, "").replace("eth0", "eth1"),
    );
    let mut bench = Bench::started(&group("\"v51\", \"v52\"", &format!("{a}{b}")));
    bench.run(5_000);
    assert_eq!(bench.states(), [State::Master, State::Master]);
    bench.log.take();
    bench.configure(
        5_100,
        &group("\"v51\", \"v52\", \"v53\"", &format!("{a}{b}{c}")),
    );
    assert_eq!(bench.states()[..2], [State::Master, State::Master]);
    assert!(
        !bench.log.take().iter().any(|line| line.contains("prio 0")),
        "nobody said good-bye"
    );
    bench.interface(5_200, "eth1", on(8, &["198.51.100.1"]));
    assert_eq!(bench.states(), [State::Master; 3]);
    bench.configure(5_300, &group("\"v51\", \"v53\"", &format!("{a}{b}{c}")));
    assert_eq!(bench.states(), [State::Master; 3], "nor does a removal");
}

#[test]
fn an_owner_that_waited_for_its_group_is_removed_without_a_word() {
    let group = |members: &str, instances: &str| {
        setup(&format!(
            "{instances}[sync_group.g]\nmembers = [{members}]\n"
        ))
    };
    let (a, b) = (text(51, 255, ""), text(52, 255, "").replace("eth0", "eth1"));
    let mut bench = Bench::started(&group("\"v51\", \"v52\"", &format!("{a}{b}")));
    bench.interface(0, "eth1", down());
    assert_eq!(bench.states(), [State::Initialize; 2]);
    bench.log.take();
    bench.configure(100, &group("\"v52\"", &b));
    let log = std::mem::take(&mut bench.log.lines);
    assert!(
        !log.iter()
            .any(|line| line.contains("send") || line.contains("hold"))
    );
    assert_eq!(
        log.iter().filter(|line| line.contains("v51")).count(),
        1,
        "{log:?}"
    );
}

#[test]
fn a_group_is_told_of_once_for_all_its_members() {
    let two = format!("{}{}", text(51, 100, ""), text(52, 100, ""));
    let mut bench = Bench::started(&setup(&format!(
        "{two}[sync_group.g]\nmembers = [\"v51\", \"v52\"]\n"
    )));
    bench.log.events();
    bench.run(5_000);
    assert_eq!(
        bench.log.events(),
        ["v51 MASTER 100", "v52 MASTER 100", "group g MASTER 0"]
    );
    let group = bench.report().groups.remove(0);
    assert_eq!((group.name.as_str(), group.state), ("g", State::Master));
    bench.interface(5_000, "eth0", down());
    let events = bench.log.events();
    assert_eq!(events.last().unwrap(), "group g FAULT 0", "{events:?}");
}

fn left(bench: &Bench, alive_until: u64) -> Predecessor {
    Predecessor {
        snapshot: bench.report(),
        alive_until: ms(alive_until),
    }
}

#[test]
fn a_successor_resumes_as_master_in_time_and_starts_afresh_when_late() {
    let setup = of(vec![instance(51, 100)]);
    let mut bench = Bench::started(&setup);
    bench.fire(4_000);
    for (after, state) in [(200, State::Master), (9_000, State::Backup)] {
        let mut successor = Bench::default();
        assert!(!successor.engine.configured(), "nothing to report");
        let died = 4_500;
        successor.engine.configure(
            ms(died),
            &setup,
            Some(left(&bench, died)),
            &mut successor.log,
        );
        assert!(successor.engine.configured());
        assert!(
            successor.log.take().is_empty(),
            "nothing is touched before the interface is known"
        );
        assert_eq!(
            successor.one().core,
            bench.one().core,
            "and reported as it was left"
        );
        successor.interface(died + after, "eth0", usable());
        assert_eq!(successor.state(), state, "{after} ms after its death");
        let first = successor.log.take().remove(0);
        let expected = if state == State::Master {
            "send 7 192.0.2.1 vrid 51 prio 100"
        } else {
            "release 51"
        };
        assert_eq!(first, expected);
        let report = successor.one();
        let is_master = state == State::Master;
        assert_eq!(report.counters["became_master"], 1);
        assert_eq!(report.counters.contains_key("released_master"), !is_master);
        assert_eq!(report.since == bench.one().since, is_master);
    }
}

#[test]
fn a_fault_ends_what_was_to_be_resumed() {
    let setup = of(vec![instance(51, 255)]);
    let bench = Bench::started(&setup);
    let mut successor = Bench::default();
    let left = Some(left(&bench, 100));
    successor
        .engine
        .configure(ms(200), &setup, left, &mut successor.log);
    successor.interface(300, "eth0", down());
    assert_eq!(successor.state(), State::Initialize);
}

#[test]
fn a_master_resumes_though_its_trackers_have_no_result_yet() {
    let script = "[track_script.chk]\ncommand = \"/bin/true\"\n";
    let setup = setup(&format!("{script}{}", text(51, 100, "track = [\"chk\"]")));
    let mut bench = Bench::started(&setup);
    bench.measured(0, "chk", Measure::Up, "exit status 0");
    bench.run(4_000);
    assert_eq!(bench.state(), State::Master);
    for forgets in [false, true] {
        let mut left = left(&bench, 4_100);
        if forgets {
            left.snapshot.measured.clear();
        }
        let mut successor = Bench::default();
        successor
            .engine
            .configure(ms(4_100), &setup, Some(left), &mut successor.log);
        successor.interface(4_100, "eth0", usable());
        assert_eq!(successor.state(), State::Master, "forgets: {forgets}");
    }
}

#[test]
fn a_group_that_is_resumed_has_been_what_it_is_since_before() {
    let two = format!("{}{}", text(51, 100, ""), text(52, 100, ""));
    let setup = setup(&format!(
        "{two}[sync_group.g]\nmembers = [\"v51\", \"v52\"]\n"
    ));
    let mut bench = Bench::started(&setup);
    bench.run(5_000);
    let before = bench.report().groups.remove(0);
    let mut successor = Bench::default();
    let left = Some(left(&bench, 5_000));
    successor
        .engine
        .configure(ms(5_100), &setup, left, &mut successor.log);
    assert_eq!(successor.report().groups.first(), Some(&before));
    successor.interface(5_100, "eth0", usable());
    let after = successor.report().groups.remove(0);
    assert_eq!((after.state, after.since), (State::Master, before.since));
    successor.interface(5_200, "eth0", down());
    let fault = successor.report().groups.remove(0);
    assert_eq!((fault.state, fault.since), (State::Initialize, ms(5_200)));
}

#[test]
fn a_member_that_gets_another_version_does_not_stop_its_group() {
    let group = |version: &str| {
        let (a, b) = (text(51, 100, ""), text(52, 100, version));
        setup(&format!(
            "{a}{b}[sync_group.g]\nmembers = [\"v51\", \"v52\"]\n"
        ))
    };
    let mut bench = Bench::started(&group(""));
    bench.run(5_000);
    bench.log.take();
    bench.configure(5_100, &group("version = 2"));
    let log = bench.log.take();
    let goodbye = "send 7 192.0.2.1 vrid 51 prio 0".to_owned();
    assert!(!log.contains(&goodbye), "{log:?}");
    assert_eq!(bench.states(), [State::Master; 2], "{log:?}");
}

#[test]
fn another_interval_is_told_although_the_password_changes_with_it() {
    let auth = |lines: &str| setup(&text(51, 100, &format!("version = 2\n{lines}")));
    let mut bench = Bench::started(&auth("auth_pass = \"one\""));
    bench.run(5_000);
    bench.log.take();
    bench.configure(
        5_100,
        &auth("auth_pass = \"two\"\nadvert_interval = \"5s\""),
    );
    let said = "send 7 192.0.2.1 vrid 51 prio 100".to_owned();
    assert!(bench.log.take().contains(&said));
}
