//! The pool: what checks find, and how soon the kernel's table follows.

use std::time::{Duration, Instant};

use super::pair::expect_pool;
use super::{Need, Scenario};
use crate::director::{Config, Director};
use crate::failure::{Failure, Result};
use crate::net::Lab;
use crate::serve::{Behaviour, Nginx, OddServer};
use crate::site::{INTERFACE, Site, VIP};
use crate::watch::eventually;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "pool::tcp_follows_a_server_that_stops",
        Need::Uml,
        tcp_refused,
    ),
    Scenario::new(
        "pool::tcp_follows_a_server_that_is_silent",
        Need::Uml,
        tcp_dropped,
    ),
    Scenario::new(
        "pool::http_finds_out_what_tcp_does_not",
        Need::Uml,
        http_odd,
    ),
    Scenario::new("pool::icmp_follows_a_host", Need::Uml, icmp),
    Scenario::new("pool::heals_what_others_change", Need::Uml, heals).limit(120),
];

const INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(1);
const RETRIES: u32 = 1;
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// The booted kernel has one processor, and system calls cost.
const MARGIN: Duration = Duration::from_millis(500);

fn check(kind: &str, more: &str) -> Config {
    Config {
        check: format!(
            "type = \"{kind}\"\ninterval = \"1s\"\nconnect_timeout = \"1s\"\nretries = {RETRIES}\n\
             retry_delay = \"500ms\"\n{more}"
        ),
        ..Config::default()
    }
}

/// How long after `act` the pool has so many servers.
fn after(
    director: &Director,
    servers: usize,
    act: impl FnOnce() -> Result<()>,
) -> Result<Duration> {
    let start = Instant::now();
    act()?;
    expect_pool(director, servers)?;
    Ok(start.elapsed())
}

fn within(lab: &Lab, what: &str, took: Duration, bound: Duration) -> Result<()> {
    lab.note(format!("{what} after {:.2} s", took.as_secs_f64()));
    crate::ensure!(
        took <= bound + MARGIN,
        "{what} took {took:?}, more than {bound:?}"
    );
    Ok(())
}

fn tcp_refused(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let web = site.web()?;
    let director = Director::start(lab, &site.directors.d1.host, &check("tcp", "").text())?;
    expect_pool(&director, 2)?;
    expect_checked(&director)?;
    let took = after(&director, 1, || web[0].stop())?;
    within(lab, "out", took, INTERVAL + RETRY_DELAY * RETRIES)?;
    let text = director.status_text()?;
    crate::ensure!(
        text.contains("connect: connection refused"),
        "no reason in:\n{text}"
    );
    let took = after(&director, 2, || {
        Nginx::start(&site.rs1.host, "rs1").map(drop)
    })?;
    within(lab, "back", took, INTERVAL)
}

fn tcp_dropped(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let director = Director::start(lab, &site.directors.d1.host, &check("tcp", "").text())?;
    expect_checked(&director)?;
    let rule = ["-p", "tcp", "--dport", "80"];
    let took = after(&director, 1, || site.rs1.host.drop_arriving(&rule))?;
    let bound = INTERVAL + RETRY_DELAY * RETRIES + TIMEOUT * (RETRIES + 1);
    within(lab, "out", took, bound)?;
    let took = after(&director, 2, || site.rs1.host.let_arrive(&rule))?;
    // A probe that was under way when it was silent still has to end.
    within(lab, "back", took, INTERVAL + TIMEOUT)
}

fn http_odd(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = Nginx::start(&site.rs2.host, "rs2")?;
    let odd = OddServer::start(&site.rs1.host, Behaviour::Status(200))?;
    let config = check("http", "path = \"/health\"\ntimeout = \"2s\"\n");
    let director = Director::start(lab, &site.directors.d1.host, &config.text())?;
    expect_pool(&director, 2)?;
    expect_checked(&director)?;
    let memory = peak_memory(&director)?;
    let bound = INTERVAL + RETRY_DELAY * RETRIES + Duration::from_secs(2) * (RETRIES + 1);
    let cases = [
        (Behaviour::Status(500), "status: status 500"),
        (Behaviour::HangingBody, "body: "),
        (Behaviour::Drip(Duration::from_millis(100)), "body: "),
        (Behaviour::Huge(1 << 30), "body: "),
        (Behaviour::Silent, "status: "),
        (Behaviour::Garbage, "status: "),
        (Behaviour::Close, "status: "),
    ];
    for (behaviour, words) in cases {
        let what = format!("{behaviour:?}");
        let took = after(&director, 1, || {
            odd.behave(behaviour);
            Ok(())
        })?;
        within(lab, &what, took, bound)?;
        let last = director.status_at("/pools/0/servers/0/checks/0/last")?;
        let last = last.as_str().unwrap_or_default();
        crate::ensure!(
            last.starts_with(words),
            "{what}: {last:?} does not begin with {words:?}"
        );
        let took = after(&director, 2, || {
            odd.behave(Behaviour::Status(200));
            Ok(())
        })?;
        within(lab, "back", took, INTERVAL + Duration::from_secs(2))?;
    }
    let grown = peak_memory(&director)?.saturating_sub(memory);
    lab.note(format!("the checker grew by {grown} KiB"));
    crate::ensure!(
        grown < 16 * 1024,
        "the checker's memory grew by {grown} KiB"
    );
    Ok(())
}

fn icmp(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let director = Director::start(lab, &site.directors.d1.host, &check("icmp", "").text())?;
    expect_pool(&director, 2)?;
    expect_checked(&director)?;
    let echo = ["-p", "icmp", "--icmp-type", "echo-request"];
    let bound = INTERVAL + RETRY_DELAY * RETRIES + TIMEOUT * (RETRIES + 1);
    let took = after(&director, 1, || site.rs2.host.drop_arriving(&echo))?;
    within(lab, "out", took, bound)?;
    let took = after(&director, 2, || site.rs2.host.let_arrive(&echo))?;
    within(lab, "back", took, INTERVAL + TIMEOUT)
}

fn heals(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let host = &site.directors.d1.host;
    let config = check("tcp", "");
    let director = Director::start(lab, host, &config.text())?;
    expect_pool(&director, 2)?;
    director.wait_for("MASTER")?;

    // By hand, everything at once; it heals by itself.
    let service = "172.17.1.160:80";
    host.run(["ipvsadm", "-A", "-t", "10.9.9.9:99", "-s", "wlc"])?;
    host.run(["ipvsadm", "-d", "-t", service, "-r", "172.17.1.152:80"])?;
    host.run([
        "ipvsadm",
        "-e",
        "-t",
        service,
        "-r",
        "172.17.1.153:80",
        "-g",
        "-w",
        "7",
    ])?;
    host.run(["ipvsadm", "-E", "-t", service, "-s", "lc"])?;
    let start = Instant::now();
    eventually(Duration::from_secs(40), "the table to heal", || {
        let table = director.table()?;
        let whole = table.contains("TCP  172.17.1.160:80 rr\n")
            && table.matches(" Route   1 ").count() == 2;
        crate::ensure!(whole, "{table}");
        Ok(())
    })?;
    let took = start.elapsed();
    within(lab, "healed by itself", took, Duration::from_secs(30))?;
    crate::ensure!(
        director.table()?.contains("10.9.9.9:99"),
        "the foreign service is gone"
    );
    let drift = director.status_at("/ipvs/drift")?;
    crate::ensure!(drift.as_u64() >= Some(3), "drift is {drift}");
    let foreign = director.status_at("/ipvs/foreign/0")?;
    crate::ensure!(foreign == "TCP 10.9.9.9:99", "foreign is {foreign}");

    // Flushed; a reload of the same file heals at once.
    host.run(["ipvsadm", "-C"])?;
    let reload = director.reload(&config.text())?;
    crate::ensure!(reload.code == Some(0), "reload: {reload:?}");
    let table = director.table()?;
    crate::ensure!(
        table.matches(" Route   1 ").count() == 2,
        "after the reload: {table}"
    );

    // The address, in the same second.
    host.run(["ip", "addr", "del", "172.17.1.160/32", "dev", INTERFACE])?;
    let start = Instant::now();
    eventually(Duration::from_secs(5), "the address to be back", || {
        crate::ensure!(host.holds(INTERFACE, VIP)?, "it is not");
        Ok(())
    })?;
    let took = start.elapsed();
    within(lab, "address repaired", took, Duration::from_millis(500))
}

/// Waits until every check has succeeded once, so that failures have to be confirmed.
fn expect_checked(director: &Director) -> Result<()> {
    eventually(Duration::from_secs(5), "the first results", || {
        for server in 0..2 {
            let ok = director.status_at(&format!("/pools/0/servers/{server}/checks/0/last_ok"))?;
            crate::ensure!(ok == true, "server {server}: {ok}");
        }
        Ok(())
    })
}

/// The most memory that the checker has had, in KiB.
fn peak_memory(director: &Director) -> Result<u64> {
    let pid = director.worker("checker")?;
    let status = director.host().read(&format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Failure::said(format!("no VmHWM in {status}")))
}
