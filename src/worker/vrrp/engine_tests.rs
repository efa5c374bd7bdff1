//! The engine in virtual time, without sockets.

use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;
use vrrp::State;
use vrrp::wire::{Advert, Path};

use super::engine::{Engine, Outside, group};
use super::messages::{Interface, Key, Resume, Usable};
use crate::config::parse_toml;
use crate::kernel::vrrp_socket::Received;
use crate::model::{Family, VrrpInstance};

/// What the engine did, in order, as text.
#[derive(Default)]
struct Log(Vec<String>, /* No socket can be opened */ bool);

impl Outside for Log {
    fn open(&mut self, interface: &str, index: u32, family: Family) -> Result<(), String> {
        assert_eq!((interface, index, family), ("eth0", 7, Family::Ipv4));
        if self.1 {
            Err("too many open files".into())
        } else {
            Ok(())
        }
    }
    fn send(&mut self, index: u32, source: IpAddr, message: &[u8]) {
        self.0.push(format!(
            "send {index} {source} vrid {} prio {}",
            message[1], message[2]
        ));
    }
    fn role(&mut self, key: &Key, holds: bool) {
        self.0.push(format!(
            "{} {}",
            if holds { "hold" } else { "release" },
            key.vrid
        ));
    }
    fn announce(&mut self, key: &Key) {
        self.0.push(format!("announce {}", key.vrid));
    }
    fn changed(&mut self) {}
}

impl Log {
    /// A role is a level, so being told it again means nothing.
    fn take(&mut self) -> Vec<String> {
        let mut log = std::mem::take(&mut self.0);
        log.dedup();
        log
    }
}

const PEER: &str = "192.0.2.2";

fn instance(vrid: u8, priority: u8) -> VrrpInstance {
    let text = format!(
        "[vrrp_instance.v{vrid}]\ninterface = \"eth0\"\nvirtual_router_id = {vrid}\n\
         priority = {priority}\nvirtual_addresses = [\"192.0.2.{vrid}/32\"]\n"
    );
    parse_toml("test.toml", &text)
        .unwrap()
        .config
        .vrrp_instances
        .remove(0)
}

fn usable() -> Interface {
    Interface::Usable(Usable {
        index: 7,
        v4: Some("192.0.2.1".parse().unwrap()),
        ..Usable::default()
    })
}

fn ms(millis: u64) -> Mono {
    Mono::from_millis(1_000_000 + millis)
}

/// The peer's advert for an instance.
fn hear(engine: &mut Engine, now: Mono, model: &VrrpInstance, priority: u8, log: &mut Log) {
    let path = Path {
        src: PEER.parse().unwrap(),
        dst: group(Family::Ipv4),
    };
    let advert = Advert {
        priority,
        ..model.advert()
    };
    let mut message = Vec::new();
    advert
        .encode(&path, model.checksum(), &mut message)
        .unwrap();
    let received = Received {
        src: path.src,
        dst: path.dst,
        ttl: 255,
        message: &message,
    };
    engine.packet(now, 7, &received, log);
}

fn started(instances: Vec<VrrpInstance>) -> (Engine, Log) {
    let (mut engine, mut log) = (Engine::default(), Log::default());
    engine.configure(ms(0), instances, Vec::new(), &mut log);
    engine.interface(ms(0), "eth0".into(), usable(), &mut log);
    (engine, log)
}

#[test]
fn a_lonely_backup_becomes_master_after_the_master_down_time_and_acts_in_order() {
    let (mut engine, mut log) = started(vec![instance(51, 100)]);
    assert_eq!(log.take(), ["release 51"]);
    // 3 x 1 s + (256 - 100) / 256 s
    let deadline = ms(0) + Duration::from_nanos(3_609_375_000);
    assert_eq!(engine.deadline(), Some(deadline));
    engine.fire(deadline - Duration::from_nanos(1), &mut log);
    assert!(log.take().is_empty());
    engine.fire(deadline, &mut log);
    assert_eq!(
        log.take(),
        [
            "send 7 192.0.2.1 vrid 51 prio 100",
            "hold 51",
            "announce 51"
        ]
    );
}

#[test]
fn instances_on_one_interface_share_it_and_hear_only_their_own() {
    let (a, b) = (instance(51, 100), instance(52, 100));
    let (mut engine, mut log) = started(vec![a.clone(), b]);
    hear(&mut engine, ms(3_000), &a, 200, &mut log);
    engine.fire(ms(4_000), &mut log);
    let states: Vec<State> = engine
        .report()
        .iter()
        .map(|report| report.core.state)
        .collect();
    assert_eq!(states, [State::Backup, State::Master]);
}

#[test]
fn a_reload_keeps_the_master_and_gives_up_what_is_gone() {
    let (mut engine, mut log) = started(vec![instance(51, 100), instance(52, 100)]);
    engine.fire(ms(4_000), &mut log);
    log.take();
    let renamed = VrrpInstance {
        name: "other".into(),
        ..instance(51, 100)
    };
    engine.configure(ms(4_100), vec![renamed], Vec::new(), &mut log);
    assert_eq!(
        log.take(),
        ["send 7 192.0.2.1 vrid 52 prio 0", "release 52"]
    );
    let report = engine.report();
    assert_eq!(report.len(), 1);
    assert_eq!(
        (report[0].name.as_str(), report[0].core.state),
        ("other", State::Master)
    );
}

#[test]
fn a_lost_interface_is_a_fault_that_says_why_and_ends_when_it_returns() {
    let (mut engine, mut log) = started(vec![instance(51, 100)]);
    engine.fire(ms(4_000), &mut log);
    log.take();
    let down = Interface::Unusable("the link is down (no carrier)".into());
    engine.interface(ms(5_000), "eth0".into(), down, &mut log);
    assert!(log.take().contains(&"release 51".to_owned()));
    let report = engine.report().remove(0);
    assert_eq!(report.core.state, State::Initialize);
    assert_eq!(
        report.fault.as_deref(),
        Some("eth0: the link is down (no carrier)")
    );
    assert_eq!(engine.deadline(), None);

    engine.interface(ms(6_000), "eth0".into(), usable(), &mut log);
    let report = engine.report().remove(0);
    assert_eq!((report.core.state, report.fault), (State::Backup, None));
}

#[test]
fn a_successor_resumes_as_master_in_time_and_starts_afresh_when_late() {
    let (mut engine, mut log) = started(vec![instance(51, 100)]);
    engine.fire(ms(4_000), &mut log);
    let core = engine.report().remove(0).core;
    let left = |alive_until| {
        let key = Key {
            interface: "eth0".into(),
            family: Family::Ipv4,
            vrid: 51,
        };
        vec![Resume {
            key,
            core: core.clone(),
            alive_until,
        }]
    };
    for (after, state) in [(200, State::Master), (9_000, State::Backup)] {
        let mut successor = Engine::default();
        log.take();
        let died = ms(4_500);
        successor.configure(died, vec![instance(51, 100)], left(died), &mut log);
        assert!(
            log.take().is_empty(),
            "nothing is touched before the interface is known"
        );
        let now = died + Duration::from_millis(after);
        successor.interface(now, "eth0".into(), usable(), &mut log);
        assert_eq!(
            successor.report()[0].core.state,
            state,
            "{after} ms after its death"
        );
        let first = log.take().remove(0);
        let expected = if state == State::Master {
            "send 7 192.0.2.1 vrid 51 prio 100"
        } else {
            "release 51"
        };
        assert_eq!(first, expected);
    }
}

#[test]
fn bad_adverts_are_counted_by_kind_and_touch_nothing() {
    let model = instance(51, 100);
    let (mut engine, mut log) = started(vec![model.clone()]);
    let before = engine.deadline();
    let path = Path {
        src: PEER.parse().unwrap(),
        dst: group(Family::Ipv4),
    };
    let mut message = Vec::new();
    Advert {
        priority: 200,
        ..model.advert()
    }
    .encode(&path, model.checksum(), &mut message)
    .unwrap();
    let near = Received {
        src: path.src,
        dst: path.dst,
        ttl: 254,
        message: &message,
    };
    engine.packet(ms(100), 7, &near, &mut log);
    let mut damaged = message.clone();
    damaged[2] ^= 1;
    let damaged = Received {
        ttl: 255,
        message: &damaged,
        ..near
    };
    engine.packet(ms(100), 7, &damaged, &mut log);
    engine.packet(
        ms(100),
        7,
        &Received {
            ttl: 255,
            message: &[],
            ..near
        },
        &mut log,
    );
    assert_eq!(engine.deadline(), before);
    let counters = engine.report().remove(0).counters;
    assert_eq!(
        (counters.get("ttl"), counters.get("checksum")),
        (Some(&1), Some(&1))
    );
    assert_eq!(counters.get("advert_received"), None);
}

#[test]
fn a_late_timer_is_measured() {
    let (mut engine, mut log) = started(vec![instance(51, 100)]);
    let deadline = engine.deadline().unwrap();
    engine.fire(deadline + Duration::from_millis(5), &mut log);
    assert_eq!(engine.worst_lateness(), Duration::from_millis(5));
}

#[test]
fn without_a_socket_an_instance_is_at_fault_and_is_tried_again_each_second() {
    let (mut engine, mut log) = (Engine::default(), Log(Vec::new(), true));
    engine.configure(ms(0), vec![instance(51, 255)], Vec::new(), &mut log);
    engine.interface(ms(0), "eth0".into(), usable(), &mut log);
    let state = |engine: &Engine| {
        let report = engine.report().remove(0);
        (report.core.state, report.fault)
    };
    let fault = Some("eth0: too many open files".to_owned());
    assert_eq!(state(&engine), (State::Initialize, fault.clone()));
    assert!(engine.places().is_empty());
    for second in [1, 2] {
        assert_eq!(engine.deadline(), Some(ms(second * 1_000)));
        engine.fire(ms(second * 1_000), &mut log);
        assert_eq!(state(&engine), (State::Initialize, fault.clone()));
    }
    assert_eq!(log.take(), ["release 51"], "nothing was sent");
    log.1 = false;
    engine.fire(ms(3_000), &mut log);
    assert_eq!(state(&engine), (State::Master, None));
    assert_eq!(engine.deadline(), Some(ms(4_000)), "the next advert");
}

#[test]
fn after_a_stop_nothing_starts_an_instance_again() {
    let (mut engine, mut log) = started(vec![instance(51, 255)]);
    log.take();
    engine.stop(ms(100), &mut log);
    assert_eq!(
        log.take(),
        ["send 7 192.0.2.1 vrid 51 prio 0", "release 51"]
    );
    engine.interface(ms(200), "eth0".into(), usable(), &mut log);
    engine.configure(ms(300), vec![instance(52, 255)], Vec::new(), &mut log);
    engine.fire(ms(60_000), &mut log);
    assert!(log.take().is_empty());
    assert_eq!(engine.deadline(), None);
}

#[test]
fn what_is_not_resumed_yet_is_reported_as_it_was_left_and_a_fault_ends_it() {
    let (mut engine, mut log) = started(vec![instance(51, 255)]);
    let core = engine.report().remove(0).core;
    engine.stop(ms(100), &mut log);
    let left = Resume {
        key: Key::of(&instance(51, 255)),
        core: core.clone(),
        alive_until: ms(100),
    };
    let mut successor = Engine::default();
    assert!(!successor.configured(), "nothing to report");
    successor.configure(ms(200), vec![instance(51, 255)], vec![left], &mut log);
    assert!(successor.configured());
    assert_eq!(successor.report().remove(0).core, core);
    let down = Interface::Unusable("the interface is down".into());
    successor.interface(ms(300), "eth0".into(), down, &mut log);
    assert_eq!(successor.report().remove(0).core.state, State::Initialize);
}
