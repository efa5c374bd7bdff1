//! Servers that fail leave the pool in time, and come back.

use std::time::{Duration, Instant};

use super::site::expect_servers;
use super::{Need, Scenario};
use crate::failure::Result;
use crate::net::Lab;
use crate::seat::{Lvsd, pool};
use crate::serve::{Behaviour, Nginx, OddServer};
use crate::site::Site;
use crate::watch::eventually;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("checks::tcp_refused_and_back", Need::Uml, tcp_refused),
    Scenario::new("checks::tcp_dropped_and_back", Need::Uml, tcp_dropped),
    Scenario::new("checks::icmp_dropped_and_back", Need::Uml, icmp_dropped),
    Scenario::new("checks::http_refused_and_back", Need::Uml, http_refused),
    Scenario::new("checks::http_odd_answers", Need::Uml, http_odd),
    Scenario::new("checks::http_huge_body_is_bounded", Need::Uml, http_huge),
];

const INTERVAL: Duration = Duration::from_millis(1_000);
const TIMEOUT: Duration = Duration::from_millis(1_000);
const RETRY_DELAY: Duration = Duration::from_millis(500);
const RETRIES: u32 = 2;

/// What the booted kernel's one CPU and our looking may add.
const SLACK: Duration = Duration::from_millis(600);

/// Within this, a server that refuses is out.
fn when_refused() -> Duration {
    INTERVAL + RETRY_DELAY * RETRIES
}

/// Within this, a server whose packets vanish is out.
fn when_dropped() -> Duration {
    when_refused() + TIMEOUT * (RETRIES + 1)
}

fn check(kind: &str) -> String {
    let deadline = match kind {
        "http" => format!("\ntimeout = \"{}ms\"", TIMEOUT.as_millis()),
        _ => String::new(),
    };
    format!(
        "type = \"{kind}\"
interval = \"{}ms\"
connect_timeout = \"{}ms\"
retries = {RETRIES}
retry_delay = \"{}ms\"{deadline}",
        INTERVAL.as_millis(),
        TIMEOUT.as_millis(),
        RETRY_DELAY.as_millis()
    )
}

/// A director whose pool, with this kind of check, has both servers.
fn director(lab: &Lab, site: &Site, kind: &str) -> Result<Lvsd> {
    let director = Lvsd::start(lab, &site.directors.d1.host, &pool(&check(kind)))?;
    eventually(Duration::from_secs(10), "both servers in the pool", || {
        expect_servers(&director.host, 2)
    })?;
    Ok(director)
}

/// Waits for so many servers and expects it to take no longer than `limit`.
fn expect_within(lab: &Lab, director: &Lvsd, count: usize, limit: Duration) -> Result<()> {
    let start = Instant::now();
    let what = format!("{count} servers in the pool");
    eventually(limit + SLACK, &what, || {
        expect_servers(&director.host, count)
    })?;
    let took = start.elapsed().as_secs_f64();
    lab.note(format!(
        "{count} left after {took:.1} s of {:.1}",
        limit.as_secs_f64()
    ));
    Ok(())
}

fn refused(lab: &mut Lab, kind: &str) -> Result<()> {
    let site = Site::build(lab)?;
    let [web, _other] = site.web()?;
    let director = director(lab, &site, kind)?;
    web.stop()?;
    expect_within(lab, &director, 1, when_refused())?;
    Nginx::start(&site.rs1.host, "rs1")?;
    expect_within(lab, &director, 2, INTERVAL)
}

fn dropped(lab: &mut Lab, kind: &str, rule: &[&str]) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let director = director(lab, &site, kind)?;
    site.rs1.host.drop_arriving(rule)?;
    expect_within(lab, &director, 1, when_dropped())?;
    site.rs1.host.let_arrive(rule)?;
    // A probe under way when the rule goes may still have to run out and be repeated.
    expect_within(lab, &director, 2, INTERVAL + TIMEOUT)
}

fn tcp_refused(lab: &mut Lab) -> Result<()> {
    refused(lab, "tcp")
}

fn tcp_dropped(lab: &mut Lab) -> Result<()> {
    dropped(lab, "tcp", &["-p", "tcp", "--dport", "80"])
}

fn icmp_dropped(lab: &mut Lab) -> Result<()> {
    dropped(lab, "icmp", &["-p", "icmp"])
}

fn http_refused(lab: &mut Lab) -> Result<()> {
    refused(lab, "http")
}

fn http_odd(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let odd = OddServer::start(&site.rs1.host, Behaviour::Status(200))?;
    Nginx::start(&site.rs2.host, "rs2")?;
    let director = director(lab, &site, "http")?;
    let behaviours = [
        Behaviour::Status(500),
        Behaviour::Silent,
        Behaviour::HangingBody,
        Behaviour::Drip(Duration::from_millis(50)),
        Behaviour::Close,
        Behaviour::Garbage,
    ];
    for behaviour in behaviours {
        lab.note(format!("{behaviour:?}"));
        odd.behave(behaviour);
        expect_within(lab, &director, 1, when_dropped())?;
        odd.behave(Behaviour::Status(200));
        expect_within(lab, &director, 2, INTERVAL + TIMEOUT)?;
    }
    Ok(())
}

fn http_huge(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let odd = OddServer::start(&site.rs1.host, Behaviour::Status(200))?;
    Nginx::start(&site.rs2.host, "rs2")?;
    let director = director(lab, &site, "http")?;
    let checker = director.worker("checker")?;
    let memory = || peak_memory(&director, checker.as_raw());
    let before = memory()?;
    odd.behave(Behaviour::Huge(1 << 30));
    expect_within(lab, &director, 1, when_dropped())?;
    let grown = memory()?.saturating_sub(before);
    lab.note(format!("{grown} KiB more at the peak"));
    crate::ensure!(grown < 8 * 1_024, "the checker grew by {grown} KiB");
    Ok(())
}

/// The most memory that the process ever had, in KiB.
fn peak_memory(director: &Lvsd, process: i32) -> Result<u64> {
    let status = director.host.read(&format!("/proc/{process}/status"))?;
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .ok_or_else(|| crate::failure::Failure::said(format!("no peak memory in {status}")))
}
