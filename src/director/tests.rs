//! Health to table, in virtual time: real checks, scripted servers.

use std::collections::BTreeSet;
use std::time::Duration;

use checks::schedule::Launch;
use checks::{Failure, Limits, Outcome, Phase, Report, Scheduler};
use ipvs_sys::Protocol;
use mono::Mono;

use super::*;
use crate::model::{Forward, Probe};

/// The time one probe takes.
const PROBE: Duration = Duration::from_millis(10);

fn server(last: u8) -> SocketAddr {
    SocketAddr::from(([172, 17, 1, last], 80))
}

fn service(last: u8) -> ServiceId {
    ServiceId::Addr {
        protocol: Protocol::Tcp,
        address: server(last),
    }
}

/// Every 6 s; 3 retries 3 s apart.
fn tcp() -> CheckConfig {
    CheckConfig {
        probe: Probe::Tcp { connect_port: None },
        interval: Duration::from_secs(6),
        connect_timeout: Duration::from_secs(3),
        retries: 3,
        retry_delay: Duration::from_secs(3),
        start: Start::Up,
    }
}

fn icmp() -> CheckConfig {
    CheckConfig {
        probe: Probe::Icmp,
        ..tcp()
    }
}

fn real_server(last: u8, weight: u32, checks: &[CheckConfig]) -> RealServer {
    RealServer {
        name: None,
        address: server(last),
        weight,
        forward: Forward::Dr,
        upper_threshold: 0,
        lower_threshold: 0,
        checks: checks.to_vec(),
    }
}

fn pool(real_servers: Vec<RealServer>) -> VirtualServer {
    VirtualServer {
        name: "web".to_owned(),
        service: service(160),
        scheduler: "rr".to_owned(),
        persistence_timeout: None,
        quorum: 1,
        real_servers,
    }
}

/// A director, its checks, and servers that answer or refuse.
struct Site {
    now: Mono,
    scheduler: Scheduler<CheckId>,
    director: Director,
    running: Vec<(Mono, Launch)>,
    dead: BTreeSet<SocketAddr>,
    /// What changed when, in milliseconds.
    log: Vec<(u64, String)>,
}

impl Site {
    fn new(servers: Vec<VirtualServer>) -> Self {
        let mut site = Self {
            now: Mono::ZERO,
            scheduler: Scheduler::new(Limits::default(), 1),
            director: Director::new(Vec::new(), HealthMap::new()),
            running: Vec::new(),
            dead: BTreeSet::new(),
            log: Vec::new(),
        };
        site.configure(servers);
        site
    }

    fn configure(&mut self, servers: Vec<VirtualServer>) {
        let cut = self.scheduler.set(self.now, wanted_checks(&servers));
        self.running
            .retain(|(_, launch)| !cut.contains(&launch.job));
        let checks = self.scheduler.checks();
        let health = checks.map(|(id, check)| (*id, check.health())).collect();
        self.director = Director::new(servers, health);
    }

    /// Lives until `millis`, one event after the other.
    fn run_until(&mut self, millis: u64) {
        let end = Mono::from_millis(millis);
        loop {
            let done = self.running.iter().map(|(done, _)| *done).min();
            let Some(next) = done.into_iter().chain(self.scheduler.deadline()).min() else {
                break;
            };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    fn step(&mut self) {
        let now = self.now;
        let (ended, running) = self.running.drain(..).partition(|(done, _)| *done <= now);
        self.running = running;
        let ended: Vec<(Mono, Launch)> = ended;
        let mut events = Vec::new();
        for (_, launch) in ended {
            let outcome = self.answer(&launch.spec);
            self.scheduler
                .finish(now, launch.job, &outcome, &mut events);
        }
        let mut notices = Vec::new();
        for event in events {
            self.director
                .set_health(&event.id, event.health, &mut notices);
        }
        let millis = now.as_nanos() / 1_000_000;
        self.log
            .extend(notices.iter().map(|notice| (millis, notice.to_string())));
        let mut launches = Vec::new();
        self.scheduler.turn(now, &mut launches);
        self.running
            .extend(launches.into_iter().map(|launch| (now + PROBE, launch)));
    }

    fn answer(&self, spec: &Spec) -> Outcome {
        let dead = match spec {
            Spec::Tcp { connect } => self.dead.contains(&connect.target),
            Spec::Http(_) | Spec::Icmp(_) => false,
        };
        if dead {
            Err(Failure {
                phase: Phase::Connect,
                error: "connection refused".to_owned(),
                elapsed: PROBE,
                local: false,
            })
        } else {
            Ok(Report {
                elapsed: PROBE,
                detail: checks::Detail::Connected,
            })
        }
    }

    /// The real servers in the table, as `ADDRESS:PORT WEIGHT`.
    fn table(&self, service: ServiceId) -> Vec<String> {
        let entry = self
            .director
            .desired()
            .get(&service)
            .expect("the service is wanted");
        let destinations = entry.destinations.values();
        destinations
            .map(|one| format!("{} {}", one.id, one.weight))
            .collect()
    }
}

#[test]
fn a_dead_server_leaves_after_the_retries_and_returns_with_the_next_probe() {
    let both = vec![real_server(152, 1, &[tcp()]), real_server(153, 1, &[tcp()])];
    let mut site = Site::new(vec![pool(both)]);
    site.run_until(20_000);
    assert_eq!(site.log, []);
    assert_eq!(
        site.table(service(160)),
        ["172.17.1.152:80 1", "172.17.1.153:80 1"]
    );

    site.dead.insert(server(153));
    site.run_until(60_000);
    let [(left, words)] = site.log.as_slice() else {
        panic!("one change expected: {:?}", site.log);
    };
    assert_eq!(
        words,
        "pool web: real server 172.17.1.153:80 is down and leaves"
    );
    // At once or after an interval, then three retries 3 s apart.
    assert!((29_000..=35_100).contains(left), "left at {left} ms");
    assert_eq!(site.table(service(160)), ["172.17.1.152:80 1"]);

    site.log.clear();
    site.dead.clear();
    site.run_until(67_000);
    let words: Vec<_> = site.log.iter().map(|(_, words)| words.as_str()).collect();
    assert_eq!(
        words,
        ["pool web: real server 172.17.1.153:80 is up and enters"]
    );
    assert_eq!(
        site.table(service(160)),
        ["172.17.1.152:80 1", "172.17.1.153:80 1"]
    );
}

#[test]
fn an_empty_pool_keeps_its_service_and_has_no_quorum() {
    let mut site = Site::new(vec![pool(vec![real_server(152, 3, &[tcp()])])]);
    site.dead.insert(server(152));
    site.run_until(1_100);
    let words: Vec<_> = site.log.iter().map(|(_, words)| words.as_str()).collect();
    // Never seen alive, so the first failure is enough.
    assert_eq!(
        words,
        [
            "pool web: real server 172.17.1.152:80 is down and leaves",
            "pool web lost its quorum: weight 0 of 1",
        ]
    );
    assert_eq!(site.table(service(160)), Vec::<String>::new());
}

#[test]
fn quorum_counts_the_weights_of_the_living() {
    let three = [(152, 2), (153, 2), (154, 1)];
    let mut web = pool(
        three
            .iter()
            .map(|(last, weight)| real_server(*last, *weight, &[tcp()]))
            .collect(),
    );
    web.quorum = 3;
    let mut director = Director::new(vec![web], HealthMap::new());
    let mut set = |last, health| {
        let id = CheckId {
            service: service(160),
            server: server(last),
            index: 0,
        };
        let mut notices = Vec::new();
        director.set_health(&id, health, &mut notices);
        notices.into_iter().find_map(|notice| match notice {
            Notice::Quorum { up, weight, .. } => Some((up, weight)),
            Notice::Server { .. } => None,
        })
    };
    assert_eq!(set(152, Health::Down), None);
    assert_eq!(set(154, Health::Down), Some((false, 2)));
    assert_eq!(set(153, Health::Down), None);
    assert_eq!(set(152, Health::Up), None);
    assert_eq!(set(153, Health::Up), Some((true, 4)));
}

#[test]
fn a_server_needs_all_its_checks_and_one_without_any_is_always_up() {
    let servers = vec![
        real_server(152, 1, &[tcp(), icmp()]),
        real_server(153, 1, &[]),
    ];
    let mut director = Director::new(vec![pool(servers)], HealthMap::new());
    let id = |index| CheckId {
        service: service(160),
        server: server(152),
        index,
    };
    let mut set = |index, health| {
        let touched = director.set_health(&id(index), health, &mut Vec::new());
        let entry = &director.desired()[&service(160)];
        (touched.is_some(), entry.destinations.len())
    };
    assert_eq!(set(0, Health::Down), (true, 1));
    assert_eq!(set(1, Health::Down), (false, 1));
    assert_eq!(set(0, Health::Up), (false, 1));
    assert_eq!(set(1, Health::Up), (true, 2));
    assert_eq!(set(1, Health::Up), (false, 2));
}

#[test]
fn a_check_that_starts_down_keeps_its_server_out_until_it_succeeds() {
    let careful = CheckConfig {
        start: Start::Down,
        ..tcp()
    };
    let mut site = Site::new(vec![pool(vec![real_server(152, 1, &[careful])])]);
    assert_eq!(site.table(service(160)), Vec::<String>::new());
    site.run_until(1_100);
    assert_eq!(site.table(service(160)), ["172.17.1.152:80 1"]);
}

#[test]
fn a_reload_keeps_the_health_of_servers_that_stay_wherever_they_stand() {
    let old = vec![real_server(152, 1, &[tcp()]), real_server(153, 1, &[tcp()])];
    let mut site = Site::new(vec![pool(old)]);
    site.dead.insert(server(153));
    site.run_until(20_000);
    assert_eq!(site.table(service(160)), ["172.17.1.152:80 1"]);

    let reordered = vec![
        real_server(154, 1, &[tcp()]),
        real_server(153, 1, &[tcp()]),
        real_server(152, 7, &[tcp()]),
    ];
    site.configure(vec![pool(reordered)]);
    assert_eq!(
        site.table(service(160)),
        ["172.17.1.152:80 7", "172.17.1.154:80 1"]
    );
}

#[test]
fn health_of_what_is_not_wanted_changes_nothing() {
    let servers = vec![real_server(152, 1, &[tcp()])];
    let mut director = Director::new(vec![pool(servers)], HealthMap::new());
    let before = director.clone();
    for (on, last, index) in [(160, 99, 0), (161, 152, 0), (160, 152, 1)] {
        let id = CheckId {
            service: service(on),
            server: server(last),
            index,
        };
        let mut notices = Vec::new();
        assert_eq!(director.set_health(&id, Health::Down, &mut notices), None);
        assert_eq!(notices, []);
    }
    assert_eq!(director, before);
}

#[test]
fn identical_servers_of_two_pools_have_a_check_each() {
    let one = pool(vec![real_server(152, 1, &[tcp()])]);
    let other = VirtualServer {
        name: "other".to_owned(),
        service: service(161),
        ..one.clone()
    };
    let wanted = wanted_checks(&[one, other]);
    let specs: BTreeSet<_> = wanted.values().collect();
    assert_eq!((wanted.len(), specs.len()), (2, 1));
}

#[test]
fn the_tree_says_why_a_server_is_down() {
    let servers = vec![
        real_server(152, 1, &[tcp(), icmp()]),
        real_server(153, 2, &[]),
    ];
    let mut site = Site::new(vec![pool(servers)]);
    let before = site.director.status(|id| site.scheduler.check(id));
    assert_eq!(before[0].servers[0].why(), None);
    assert_eq!(before[0].servers[0].checks[0].last, None);

    site.dead.insert(server(152));
    site.run_until(5_000);
    let pools = site.director.status(|id| site.scheduler.check(id));
    let [web] = pools.as_slice() else {
        panic!("one pool expected: {pools:?}");
    };
    assert_eq!((web.up, web.weight, web.quorum), (true, 2, 1));
    let states: Vec<_> = web
        .servers
        .iter()
        .map(|server| (server.health, server.weight, server.why()))
        .collect();
    let why = "tcp: connect: connection refused (10.0 ms)".to_owned();
    assert_eq!(
        states,
        [(Health::Down, 1, Some(why)), (Health::Up, 2, None)]
    );
    let json = serde_json::to_string(&pools).expect("a tree is JSON");
    let again: Vec<PoolStatus> = serde_json::from_str(&json).expect("the tree reads back");
    assert_eq!(again, pools);
}
