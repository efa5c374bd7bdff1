//! The VIP moves when it must, as fast as it may, and loses nothing on the way back.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::site::start;
use super::{Need, Scenario};
use crate::failure::{Failure, Result};
use crate::net::{Host, Lab};
use crate::seat::{Lvsd, QUICK_TCP, Vrrp};
use crate::site::{Directors, INTERFACE, Site, VIP};
use crate::watch::{Capture, Stalls, eventually, now, steadily};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("failover::cable_pulled_1s", Need::Any, |lab| {
        pulled(lab, 1_000, 2)
    })
    .alone(),
    Scenario::new("failover::cable_pulled_100ms", Need::Any, |lab| {
        pulled(lab, 100, 5)
    })
    .alone(),
    Scenario::new("failover::cable_pulled_10ms", Need::Any, |lab| {
        pulled(lab, 10, 5)
    })
    .alone(),
    Scenario::new("failover::sigterm_hands_over", Need::Any, handed_over).alone(),
    Scenario::new(
        "failover::no_false_takeover_at_10ms",
        Need::Any,
        no_false_takeover,
    )
    .alone(),
    Scenario::new(
        "failover::preempting_back_loses_no_packet",
        Need::Any,
        preempted,
    )
    .alone(),
    Scenario::new("failover::pool_stays_with_the_vip", Need::Uml, pool_stays),
];

/// What may be added to the theory.
const SLACK: Duration = Duration::from_millis(5);

const MASTER: u8 = 150;
const BACKUP: u8 = 100;

/// Starts lvsd on both directors and waits until d1 is master and d2 is its backup.
fn pair(lab: &Lab, directors: &Directors, interval: Duration) -> Result<[Lvsd; 2]> {
    let d1 = Lvsd::start(lab, &directors.d1.host, &Vrrp::v3(MASTER, interval).toml())?;
    let d2 = Lvsd::start(lab, &directors.d2.host, &Vrrp::v3(BACKUP, interval).toml())?;
    settled(&d1, &d2, interval)?;
    Ok([d1, d2])
}

fn settled(d1: &Lvsd, d2: &Lvsd, interval: Duration) -> Result<()> {
    let limit = Duration::from_secs(10) + interval * 4;
    d1.wait_for("MASTER", limit)?;
    d2.wait_for("BACKUP", limit)?;
    eventually(limit, "the VIP on d1", || {
        crate::ensure!(d1.host.holds(INTERFACE, VIP)?, "it is not there");
        Ok(())
    })
}

/// A takeover: the last advertisement heard before it, and the VIP being announced.
struct Takeover {
    heard: Duration,
    announced: Duration,
}

impl Takeover {
    /// Waits for it at d2; `priority` is that of the advertisement that matters.
    fn seen(seen: &Capture, since: Duration, limit: Duration, priority: u8) -> Result<Self> {
        let announced = seen.wait(limit, since, "the VIP announced by d2", |frame| {
            frame.sent && frame.announced().is_some()
        })?;
        seen.adverts()
            .into_iter()
            .filter(|(at, advert)| *at < announced.at && advert.priority == priority)
            .map(|(at, _)| Self {
                heard: at,
                announced: announced.at,
            })
            .next_back()
            .ok_or_else(|| Failure::said("no advertisement before the takeover"))
    }

    fn took(&self) -> Duration {
        self.announced - self.heard
    }
}

fn in_ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn expect_near(time: Duration, theory: Duration, what: &str) -> Result<()> {
    crate::ensure!(
        time >= theory && time <= theory + SLACK,
        "{what} took {}, and {} in theory",
        in_ms(time),
        in_ms(theory)
    );
    Ok(())
}

fn pulled(lab: &mut Lab, interval_ms: u64, times: usize) -> Result<()> {
    let interval = Duration::from_millis(interval_ms);
    let directors = Directors::build(lab)?;
    let seen = lab.capture(&directors.d2.host, INTERFACE)?;
    let backup = Vrrp::v3(BACKUP, interval);
    let theory = backup.master_down_time();
    lab.note(format!("theory {}", in_ms(theory)));
    let [mut d1, d2] = pair(lab, &directors, interval)?;
    let (mut taken, mut void) = (Vec::new(), 0);
    while taken.len() < times {
        let stalls = Stalls::watch();
        let cut = now();
        directors.d1.cable.pull()?;
        d1.cut_power();
        let takeover = Takeover::seen(&seen, cut, theory + Duration::from_secs(3), MASTER)?;
        let stall = stalls.longest(takeover.heard, takeover.announced);
        drop(stalls);
        crate::ensure!(
            d2.host.holds(INTERFACE, VIP)?,
            "announced, but not on the interface"
        );
        match stall {
            Some(stall) if takeover.took() > theory + SLACK => {
                lab.note(format!(
                    "void, the machine stood still for {}",
                    in_ms(stall)
                ));
                void += 1;
                crate::ensure!(
                    void <= times,
                    "the machine stands still too often to measure"
                );
            }
            _ => {
                lab.note(in_ms(takeover.took()));
                taken.push(takeover.took());
            }
        }
        restore(&directors)?;
        d1 = Lvsd::start(lab, &directors.d1.host, &Vrrp::v3(MASTER, interval).toml())?;
        settled(&d1, &d2, interval)?;
    }
    for time in taken {
        expect_near(time, theory, "the takeover")?;
    }
    Ok(())
}

/// d1 as after a power cut: on the network again, and without the VIP.
fn restore(directors: &Directors) -> Result<()> {
    let d1 = &directors.d1;
    d1.host.run([
        "ip",
        "addr",
        "flush",
        "to",
        "172.17.1.160/32",
        "dev",
        INTERFACE,
    ])?;
    d1.cable.mend()?;
    d1.host.wait_for_carrier(INTERFACE)
}

fn handed_over(lab: &mut Lab) -> Result<()> {
    let interval = Duration::from_secs(1);
    let directors = Directors::build(lab)?;
    let seen = lab.capture(&directors.d2.host, INTERFACE)?;
    let theory = Vrrp::v3(BACKUP, interval).skew_time();
    lab.note(format!("theory {}", in_ms(theory)));
    let [mut d1, d2] = pair(lab, &directors, interval)?;
    for _ in 0..3 {
        let stalls = Stalls::watch();
        let stop = now();
        d1.service.stop()?;
        let takeover = Takeover::seen(&seen, stop, Duration::from_secs(3), 0)?;
        let stall = stalls.longest(takeover.heard, takeover.announced);
        drop(stalls);
        // It serves beside its successor for a moment.
        eventually(Duration::from_secs(2), "the VIP gone from d1", || {
            crate::ensure!(!d1.host.holds(INTERFACE, VIP)?, "it is there");
            Ok(())
        })?;
        d2.wait_for("MASTER", Duration::from_secs(2))?;
        let Some(stall) = stall.filter(|_| takeover.took() > theory + SLACK) else {
            lab.note(in_ms(takeover.took()));
            return expect_near(takeover.took(), theory, "the handover");
        };
        lab.note(format!(
            "void, the machine stood still for {}",
            in_ms(stall)
        ));
        wait_until_gone(&d1)?;
        d1 = Lvsd::start(lab, &directors.d1.host, &Vrrp::v3(MASTER, interval).toml())?;
        settled(&d1, &d2, interval)?;
    }
    Err(Failure::said(
        "the machine stands still too often to measure",
    ))
}

fn wait_until_gone(lvsd: &Lvsd) -> Result<()> {
    eventually(Duration::from_secs(5), "lvsd to be gone", || {
        let left = lvsd.host.processes();
        crate::ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
}

/// When the one CPU of both directors stands still for longer than a backup waits, nobody can
/// tell whose timer is looked at first: what follows such a stall does not count.
fn no_false_takeover(lab: &mut Lab) -> Result<()> {
    let interval = Duration::from_millis(10);
    let directors = Directors::build(lab)?;
    let seen = lab.capture(&directors.d2.host, INTERFACE)?;
    let [_d1, d2] = pair(lab, &directors, interval)?;
    let stalls = Stalls::watch();
    let since = now();
    std::thread::sleep(Duration::from_secs(15));
    let heard = seen.adverts().into_iter().filter(|(at, _)| *at >= since);
    let (own, masters): (Vec<_>, Vec<_>) = heard.partition(|(_, advert)| advert.priority == BACKUP);
    let long = Vrrp::v3(BACKUP, interval).master_down_time() - interval * 2;
    let stalled = |at: Duration| {
        stalls
            .longest(at.saturating_sub(interval * 10), at)
            .is_some_and(|stall| stall > long)
    };
    let (excused, counted): (Vec<_>, Vec<_>) = own.into_iter().partition(|(at, _)| stalled(*at));
    let gap = masters
        .windows(2)
        .filter_map(|pair| Some(pair.last()?.0 - pair.first()?.0))
        .max()
        .unwrap_or_default();
    lab.note(format!(
        "{} adverts in 15 s, longest gap {}",
        masters.len(),
        in_ms(gap)
    ));
    if !excused.is_empty() {
        lab.note(format!(
            "{} adverts of d2 after stalls of the machine",
            excused.len()
        ));
    }
    crate::ensure!(counted.is_empty(), "d2 advertised {} times", counted.len());
    crate::ensure!(
        excused.len() < 20,
        "the machine stands still too often to measure"
    );
    crate::ensure!(
        masters.len() > 1_000,
        "d1 advertised only {} times",
        masters.len()
    );
    d2.wait_for("BACKUP", Duration::from_secs(1))
}

/// Pings the VIP every 10 ms while `act` happens and for a second more; how many were lost.
fn lost_during(client: &Host, act: impl FnOnce() -> Result<()>) -> Result<u64> {
    let ping = client.spawn("ping", &["ping", "-n", "-q", "-i", "0.01", VIP])?;
    act()?;
    steadily(Duration::from_secs(1), || Ok(()))?;
    ping.kill(Signal::SIGINT)?;
    ping.wait(Duration::from_secs(2))?;
    let log = ping.log();
    let numbers = log
        .lines()
        .filter(|line| line.contains("packets transmitted"))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let sent: u64 = words.next()?.parse().ok()?;
            let received: u64 = words.nth(2)?.parse().ok()?;
            Some(sent.saturating_sub(received))
        })
        .next_back();
    // The last one may be under way when ping is told to stop.
    numbers
        .map(|lost| lost.saturating_sub(1))
        .ok_or_else(|| Failure::said(format!("ping said {log}")))
}

fn preempted(lab: &mut Lab) -> Result<()> {
    let interval = Duration::from_millis(100);
    let directors = Directors::build(lab)?;
    let client = lab.host("client")?;
    lab.link(&client, INTERFACE, "lan", &["172.17.1.10/20"])?;
    let [mut d1, d2] = pair(lab, &directors, interval)?;
    let mut losses = Vec::new();
    for _ in 0..5 {
        d1.service.stop()?;
        d2.wait_for("MASTER", Duration::from_secs(3))?;
        wait_until_gone(&d1)?;
        let lost = lost_during(&client, || {
            d1 = Lvsd::start(lab, &directors.d1.host, &Vrrp::v3(MASTER, interval).toml())?;
            settled(&d1, &d2, interval)
        })?;
        losses.push(lost);
    }
    lab.note(format!("lost {losses:?}"));
    losses.sort_unstable();
    crate::ensure!(
        losses.get(2) == Some(&0),
        "the median of {losses:?} is not 0"
    );
    Ok(())
}

fn pool_stays(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let interval = Duration::from_millis(100);
    let [d1, d2] = start(lab, &site, QUICK_TCP, interval)?;
    site.directors.d1.cable.pull()?;
    d1.cut_power();
    d2.wait_for("MASTER", Duration::from_secs(3))?;
    let answers: Vec<String> = (0..4).map(|_| site.curl()).collect::<Result<_>>()?;
    crate::ensure!(
        answers.windows(2).all(|pair| pair.first() != pair.last()),
        "answers of the new master do not alternate: {answers:?}"
    );
    Ok(())
}
