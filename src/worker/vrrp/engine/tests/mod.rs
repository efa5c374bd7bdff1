//! The engine in virtual time, without sockets.

mod faults;
mod handover;
mod reload;
mod start;
mod strangers;
mod track;
mod transport;

use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;
use vrrp::wire::{Advert, Path, Payload};
use vrrp::{Cause, State};

use super::{Engine, Letter, Outside, Port, group};
use crate::config::parse_toml;
use crate::kernel::vrrp_socket::{Carrier, Heard};
use crate::model::{Config, Family, Global, Measure, Measured, Subject, VrrpInstance};
use crate::status::{InstanceReport, VrrpSnapshot};
use crate::worker::vrrp::messages::{Interface, Key, Predecessor, Setup, ToMain, Usable};

/// What the engine did, in order, as text.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    /// No socket can be opened.
    closed: bool,
    uptime: Duration,
    changes: u32,
    rewired: u32,
}

impl Outside for Log {
    fn open(&mut self, _: Port, _: &str, _: Option<IpAddr>, _: Option<u32>) -> Result<(), String> {
        if self.closed {
            Err("too many open files".into())
        } else {
            Ok(())
        }
    }
    fn rewired(&mut self) {
        self.rewired += 1;
    }
    fn send(&mut self, letter: &Letter<'_>) {
        let Letter {
            port, src, octets, ..
        } = letter;
        let index = port.index;
        let (vrid, priority) = (octets[1], octets[2]);
        let to = match letter.dst.is_multicast() {
            true => String::new(),
            false => format!(" to {}", letter.dst),
        };
        self.lines.push(format!(
            "send {index} {src}{to} vrid {vrid} prio {priority}"
        ));
    }
    fn role(&mut self, key: &Key, holds: bool) {
        let word = if holds { "hold" } else { "release" };
        self.lines.push(format!("{word} {}", key.vrid));
    }
    fn announce(&mut self, key: &Key, _: Cause) {
        self.lines.push(format!("announce {}", key.vrid));
    }
    fn pass(&mut self, message: ToMain) {
        self.lines.push(match message {
            ToMain::Event(event) => {
                let (kind, name) = match event.subject {
                    Subject::Instance(name) => ("", name),
                    Subject::Group(name) => ("group ", name),
                };
                format!(
                    "event {kind}{name} {} {}",
                    event.what.word(),
                    event.priority
                )
            }
            ToMain::Done(id, outcome) => format!("done {id} {outcome:?}"),
            other => format!("{other:?}"),
        });
    }
    fn stop(&mut self) {
        self.lines.push("stop".into());
    }
    fn identify(&mut self, index: u32, from: IpAddr) {
        self.lines.push(format!("identify {index} {from}"));
    }
    fn changed(&mut self) {
        self.changes += 1;
    }
    fn wall(&self) -> Duration {
        Duration::from_secs(1_700_000_000)
    }
    fn uptime(&self) -> Duration {
        self.uptime
    }
}

impl Log {
    /// What was done, without events. A role is a level, so being told it again means
    /// nothing.
    fn take(&mut self) -> Vec<String> {
        let mut log = std::mem::take(&mut self.lines);
        log.retain(|line| !line.starts_with("event "));
        log.dedup();
        log
    }

    /// The events, and nothing else.
    fn events(&mut self) -> Vec<String> {
        let log = std::mem::take(&mut self.lines);
        let events = log.into_iter();
        events
            .filter_map(|line| Some(line.strip_prefix("event ")?.to_owned()))
            .collect()
    }
}

const PEER: &str = "192.0.2.2";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ms(millis: u64) -> Mono {
    Mono::from_millis(1_000_000 + millis)
}

fn config(text: &str) -> Config {
    parse_toml("test.toml", text).unwrap().config
}

fn setup(text: &str) -> Setup {
    let config = config(text);
    Setup {
        instances: config.vrrp_instances,
        common: config.vrrp,
        global: config.global,
    }
}

fn of(instances: Vec<VrrpInstance>) -> Setup {
    Setup {
        instances,
        ..Setup::default()
    }
}

fn instance(vrid: u8, priority: u8) -> VrrpInstance {
    setup(&text(vrid, priority, "")).instances.remove(0)
}

/// An instance as text, with more lines.
fn text(vrid: u8, priority: u8, more: &str) -> String {
    format!(
        "[vrrp_instance.v{vrid}]\ninterface = \"eth0\"\nvirtual_router_id = {vrid}\n\
         priority = {priority}\nvirtual_addresses = [\"192.0.2.{vrid}/32\"]\n{more}\n"
    )
}

fn usable() -> Interface {
    on(7, &["192.0.2.1"])
}

fn down() -> Interface {
    let Interface::Usable(there) = usable() else {
        unreachable!()
    };
    Interface::Down("the link is down (no carrier)".into(), there)
}

fn on(index: u32, addresses: &[&str]) -> Interface {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| ip(text)).collect();
    Interface::Usable(Usable {
        index,
        v4: addresses.iter().copied().find(IpAddr::is_ipv4),
        v6: addresses.iter().copied().find(IpAddr::is_ipv6),
        addresses,
    })
}

const fn port(index: u32) -> Port {
    Port {
        index,
        family: Family::Ipv4,
        carrier: Carrier::Vrrp,
    }
}

fn message(model: &VrrpInstance, path: &Path, priority: u8) -> Vec<u8> {
    let advert = Advert {
        priority,
        ..model.advert()
    };
    let mut message = Vec::new();
    advert.encode(path, model.checksum(), &mut message).unwrap();
    message
}

fn to_group(src: &str) -> Path {
    Path {
        src: ip(src),
        dst: group(Family::Ipv4),
    }
}

fn heard<'a>(path: &Path, message: &'a [u8]) -> Heard<'a> {
    Heard {
        src: path.src,
        dst: path.dst,
        ttl: 255,
        payload: Payload::Vrrp(message),
    }
}

/// An engine with what it did.
#[derive(Default)]
struct Bench {
    engine: Engine,
    log: Log,
}

impl Bench {
    /// Configured at 0, with the interface.
    fn started(setup: &Setup) -> Self {
        let mut bench = Self::default();
        bench.configure(0, setup);
        bench.interface(0, "eth0", usable());
        bench
    }

    fn configure(&mut self, at: u64, setup: &Setup) {
        self.engine.configure(ms(at), setup, None, &mut self.log);
    }

    fn interface(&mut self, at: u64, name: &str, state: Interface) {
        self.engine.interface(ms(at), name, state, &mut self.log);
    }

    fn fire(&mut self, at: u64) {
        self.engine.fire(ms(at), true, &mut self.log);
    }

    /// Lets time pass, each timer at its moment.
    fn run(&mut self, until: u64) {
        while let Some(at) = self.engine.deadline().filter(|at| *at <= ms(until)) {
            self.engine.fire(at, true, &mut self.log);
        }
    }

    /// The peer's advert for an instance, by the group of interface 7.
    fn hear(&mut self, at: u64, model: &VrrpInstance, priority: u8) {
        self.hear_from(at, PEER, model, priority);
    }

    fn hear_from(&mut self, at: u64, src: &str, model: &VrrpInstance, priority: u8) {
        let path = to_group(src);
        let message = message(model, &path, priority);
        self.packet(at, port(7), &heard(&path, &message));
    }

    fn packet(&mut self, at: u64, port: Port, heard: &Heard<'_>) {
        self.engine.packet(ms(at), port, heard, &mut self.log);
    }

    fn measured(&mut self, at: u64, tracker: &str, value: Measure, detail: &str) {
        let result = Measured {
            tracker: tracker.into(),
            value,
            detail: detail.into(),
        };
        self.engine.measured(ms(at), result, &mut self.log);
    }

    fn report(&self) -> VrrpSnapshot {
        self.engine.report(ms(0))
    }

    fn one(&self) -> InstanceReport {
        self.report().instances.remove(0)
    }

    fn state(&self) -> State {
        self.one().core.state
    }

    fn states(&self) -> Vec<State> {
        let instances = self.report().instances;
        instances.iter().map(|report| report.core.state).collect()
    }
}

#[test]
fn a_lonely_backup_becomes_master_after_the_master_down_time_and_acts_in_order() {
    let mut bench = Bench::started(&of(vec![instance(51, 100)]));
    assert_eq!(bench.log.take(), ["release 51"]);
    // 3 x 1 s + (256 - 100) / 256 s
    let deadline = ms(0) + Duration::from_nanos(3_609_375_000);
    assert_eq!(bench.engine.deadline(), Some(deadline));
    let just_before = deadline - Duration::from_nanos(1);
    bench.engine.fire(just_before, true, &mut bench.log);
    assert!(bench.log.take().is_empty());
    bench.engine.fire(deadline, true, &mut bench.log);
    assert_eq!(
        bench.log.take(),
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
    let mut bench = Bench::started(&of(vec![a.clone(), b]));
    bench.hear(3_000, &a, 200);
    bench.fire(4_000);
    assert_eq!(bench.states(), [State::Backup, State::Master]);
}

#[test]
fn a_late_timer_is_measured() {
    let mut bench = Bench::started(&of(vec![instance(51, 100)]));
    let late = bench.engine.deadline().unwrap() + Duration::from_millis(5);
    bench.engine.fire(late, true, &mut bench.log);
    assert_eq!(bench.report().worst_lateness, Duration::from_millis(5));
}

#[test]
fn what_waits_in_a_socket_is_heard_before_a_takeover_and_before_a_late_masters_advert() {
    let mut bench = Bench::started(&of(vec![instance(51, 100)]));
    let fire = |bench: &mut Bench, at| bench.engine.fire(ms(at), false, &mut bench.log);
    assert!(!fire(&mut bench, 3_000), "nothing is due");
    assert!(fire(&mut bench, 3_700), "a takeover");
    assert_eq!(bench.state(), State::Backup);
    bench.run(3_700);
    assert_eq!(bench.state(), State::Master);
    assert!(!fire(&mut bench, 4_700), "an advert in time");
    assert!(fire(&mut bench, 6_500), "a late one");
}

#[test]
fn events_are_numbered_upwards_also_from_one_process_to_the_next() {
    let mut numbers = Vec::new();
    for at in [0, 60_000] {
        let mut bench = Bench::default();
        bench.configure(at, &of(vec![instance(51, 255), instance(52, 255)]));
        bench.interface(at, "eth0", usable());
        numbers.push(bench.engine.sequence);
        bench.interface(at, "eth0", down());
        numbers.push(bench.engine.sequence);
    }
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert!(numbers[0] < numbers[1] && numbers[1] < numbers[2]);
}
