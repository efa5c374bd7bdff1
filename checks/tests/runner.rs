//! The runner with real probes on the loopback interface.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use checks::{Event, Health, HttpSpec, IcmpSpec, Limits, Phase, Policy, Runner, Spec, Start};
use mono::Mono;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Far longer than anything here takes.
const MARGIN: Duration = Duration::from_secs(20);

fn policy() -> Policy {
    Policy {
        interval: Duration::from_millis(20),
        connect_timeout: Duration::from_secs(10),
        retries: 2,
        retry_delay: Duration::from_millis(5),
        start: Start::Down,
    }
}

fn runner() -> Runner<u32> {
    let epoch = Instant::now();
    Runner::new(Limits::default(), 0, move || Mono::ZERO + epoch.elapsed())
}

async fn next(runner: &mut Runner<u32>) -> Event<u32> {
    timeout(MARGIN, runner.next()).await.expect("an event")
}

async fn next_change(runner: &mut Runner<u32>) -> Event<u32> {
    let change = async {
        loop {
            let event = runner.next().await;
            if event.changed {
                return event;
            }
        }
    };
    timeout(MARGIN, change).await.expect("a change of health")
}

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// An address that no other process uses, so that a server there can go and
/// come back.
fn own_address() -> SocketAddr {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, b | 0x80, c, d], 8_080))
}

fn listen(address: SocketAddr) -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    socket.set_reuse_address(true).expect("set");
    socket.bind(&address.into()).expect("binds");
    socket.listen(4_096).expect("listens");
    socket
}

/// A server that accepts connections, by its kernel, and is silent.
fn silent() -> (socket2::Socket, SocketAddr) {
    let socket = listen(([127, 0, 0, 1], 0).into());
    let address = socket.local_addr().expect("an address").as_socket();
    (socket, address.expect("an IP address"))
}

#[tokio::test]
async fn health_follows_the_server() {
    let target = own_address();
    let mut runner = runner();
    runner.set(BTreeMap::from([(1, (Spec::tcp(target), policy()))]));
    assert_eq!(runner.check(&1).map(|c| c.health()), Some(Health::Down));

    let server = listen(target);
    let up = next_change(&mut runner).await;
    assert_eq!((up.id, up.health), (1, Health::Up));

    drop(server);
    let down = next_change(&mut runner).await;
    assert_eq!(down.health, Health::Down);
    assert_eq!(runner.check(&1).map(|c| c.failures()), Some(3));
    let failure = down.outcome.expect_err("a failure");
    assert_eq!(failure.phase, Phase::Connect);
    assert_eq!(failure.error, "connection refused");

    let _server = listen(target);
    assert_eq!(next_change(&mut runner).await.health, Health::Up);
    let check = runner.check(&1).expect("a check");
    assert_eq!(check.failures(), 0);
}

#[tokio::test]
async fn every_kind_of_probe_runs() {
    let (_server, target) = silent();
    let mut http = HttpSpec::get(target, "/");
    http.timeout = Some(Duration::from_millis(50));
    let ping = IcmpSpec::ping(target.ip());
    let mut runner = runner();
    runner.set(BTreeMap::from([
        (1, (Spec::tcp(target), policy())),
        (2, (Spec::Http(http), policy())),
        (3, (Spec::Icmp(ping), policy())),
    ]));
    let mut seen = BTreeMap::new();
    while seen.len() < 3 {
        let event = next(&mut runner).await;
        seen.insert(event.id, event.outcome);
    }
    assert!(seen[&1].is_ok() && seen[&3].is_ok(), "{seen:?}");
    let failure = seen[&2].clone().expect_err("silence");
    assert_eq!(failure.phase, Phase::Status);
}

#[tokio::test]
async fn idle_checks_are_no_tasks() {
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("binds");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let before = tasks();
    let rare = Policy {
        interval: Duration::from_secs(3_600),
        ..policy()
    };
    let check = |n: u8| {
        (
            u32::from(n),
            (Spec::tcp(([127, 0, 0, n], port).into()), rare),
        )
    };
    let mut runner = runner();
    runner.set((1..=200).map(check).collect());
    for _ in 1..=200 {
        next(&mut runner).await.outcome.expect("connects");
    }
    assert!(runner.checks().all(|(_, c)| c.health() == Health::Up));
    assert_eq!(tasks(), before);
}

#[tokio::test]
async fn probes_no_longer_wanted_are_cut() {
    let (_server, target) = silent();
    // Nobody answers, and the timeout is far away.
    let mut hanging = HttpSpec::get(target, "/");
    hanging.timeout = Some(MARGIN * 10);
    let mut runner = runner();
    runner.set(BTreeMap::from([(1, (Spec::Http(hanging), policy()))]));
    let wait = Duration::from_millis(50);
    assert!(timeout(wait, runner.next()).await.is_err());
    assert_eq!((runner.stats().in_flight, tasks()), (1, 1));
    runner.set(BTreeMap::new());
    assert_eq!(runner.stats().in_flight, 0);
    assert!(timeout(wait, runner.next()).await.is_err());
    assert_eq!(tasks(), 0);
    assert_eq!(runner.check(&1), None);
}

#[tokio::test]
async fn giving_up_on_next_loses_no_event() {
    let (_server, target) = silent();
    let mut runner = runner();
    let mut fast = policy();
    fast.interval = Duration::from_millis(2);
    runner.set((0..8).map(|id| (id, (Spec::tcp(target), fast))).collect());
    let mut events = 0_u64;
    let begun = Instant::now();
    while events < 400 {
        assert!(begun.elapsed() < MARGIN, "{events} events");
        let impatient = timeout(Duration::from_millis(1), runner.next()).await;
        events += u64::from(impatient.is_ok());
    }
    let seen = runner.check(&0).expect("a check").totals();
    // One job with eight ids: at most the events of its latest probe are
    // still to come.
    let made = (seen.successes + seen.failures + seen.local) * 8;
    assert!(made >= events && made < events + 8, "{made} of {events}");
}
