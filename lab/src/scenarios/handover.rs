//! A director that leaves on purpose lets no packet be lost: it serves the virtual address until
//! the other one does. At one advert a second, with a datagram through the address every 5 ms.

use std::fmt;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use super::{Need, Scenario};
use crate::failure::{Failure, Result};
use crate::net::{Host, Lab};
use crate::seat::{Product, Seated, Vrrp};
use crate::site::{Directors, INTERFACE, VIP, place};
use crate::watch::{Answers, Echo, Probe, Stalls, eventually, now};

pub(super) const SCENARIOS: &[Scenario] =
    &[
        Scenario::new("handover::loses_nothing", Need::Any, hand_over)
            .alone()
            .limit(240),
    ];

const SECOND: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(5);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 17, 1, 160);

/// What is allowed to be lost.
const MAY_LOSE: usize = 1;

/// What keepalived loses at least: the skew time of a second, less a lot.
const COMPARED_LOSES: usize = 20;

/// How a director is made to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Sigterm,
    Failover,
    Maintenance,
}

impl fmt::Display for How {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Sigterm => "SIGTERM",
            Self::Failover => "lvsd failover",
            Self::Maintenance => "lvsd maintenance on",
        })
    }
}

/// Two directors and a client on a network of their own.
struct Pair {
    how: How,
    high: Seated,
    low: Seated,
    client: Host,
    _echoes: [Echo; 2],
}

impl Pair {
    fn build(lab: &mut Lab, number: usize, how: How, products: [Product; 2]) -> Result<Self> {
        let bridge = format!("lan{number}");
        let names = [format!("h{number}d1"), format!("h{number}d2")];
        let [first, second] = &names;
        let directors = Directors::on(lab, &bridge, [first, second])?;
        lab.capture(&directors.d2.host, INTERFACE)?;
        let client = place(lab, &bridge, &format!("h{number}c"), "172.17.1.10/20")?;
        let [high, low] = products;
        let echoes = [
            Echo::start(&directors.d1.host, ADDRESS)?,
            Echo::start(&directors.d2.host, ADDRESS)?,
        ];
        Ok(Self {
            how,
            high: Seated::new(high, &directors.d1, Vrrp::v3(150, SECOND)),
            low: Seated::new(low, &directors.d2, Vrrp::v3(100, SECOND)),
            client: client.host,
            _echoes: echoes,
        })
    }

    fn start(&mut self, lab: &Lab) -> Result<()> {
        self.high.start(lab)?;
        self.low.start(lab)
    }

    fn settled(&self, high: bool, limit: Duration) -> Result<()> {
        eventually(
            limit,
            &format!("one holder of {VIP}, {}", self.name()),
            || {
                let holders = (self.high.holds()?, self.low.holds()?);
                crate::ensure!(holders == (high, !high), "held by {holders:?}");
                Ok(())
            },
        )
    }

    fn name(&self) -> String {
        let (high, low) = (self.high.product, self.low.product);
        format!("{high} to {low} by {}", self.how)
    }

    /// Asks through the address while `act` happens and the holder changes.
    fn probed(&mut self, high_after: bool, act: fn(&mut Self) -> Result<()>) -> Result<Answers> {
        let probe = Probe::start(&self.client, ADDRESS, EVERY)?;
        thread::sleep(SECOND / 4);
        act(self)?;
        self.settled(high_after, SECOND * 10)?;
        // The announcements, and what a straggler may spoil.
        thread::sleep(SECOND / 2);
        probe.stop()
    }

    fn leave(&mut self) -> Result<()> {
        if self.how == How::Sigterm {
            return self.high.stop();
        }
        let lvsd = self.high.lvsd();
        let lvsd = lvsd.ok_or_else(|| Failure::said("only lvsd can be told"))?;
        let words: &[&str] = match self.how {
            How::Failover => &["failover", "--all"],
            _ => &["maintenance", "on"],
        };
        lvsd.command(words).map(drop)
    }

    fn come_back(&mut self) -> Result<()> {
        let lvsd = self.high.lvsd();
        let lvsd = lvsd.ok_or_else(|| Failure::said("only lvsd can be told"))?;
        lvsd.command(&["maintenance", "off"]).map(drop)
    }
}

fn hand_over(lab: &mut Lab) -> Result<()> {
    use Product::{Keepalived, Lvsd};
    let mut pairs = Vec::new();
    for (how, products) in [
        (How::Sigterm, [Lvsd, Lvsd]),
        (How::Sigterm, [Lvsd, Keepalived]),
        (How::Failover, [Lvsd, Lvsd]),
        (How::Failover, [Lvsd, Keepalived]),
        (How::Maintenance, [Lvsd, Lvsd]),
        (How::Maintenance, [Lvsd, Keepalived]),
        (How::Sigterm, [Keepalived, Keepalived]),
    ] {
        pairs.push(Pair::build(lab, pairs.len(), how, products)?);
    }
    let lab = &*lab;
    for pair in &mut pairs {
        pair.start(lab)?;
    }
    for pair in &pairs {
        pair.settled(true, SECOND * 20)?;
    }
    // Announcements of the beginning are over, and every cache is filled.
    thread::sleep(SECOND);
    let mut failures = Vec::new();
    for pair in &mut pairs {
        if let Err(failure) = judge(lab, pair) {
            failures.push(failure.during(pair.name()).to_string());
        }
    }
    crate::ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// One hand-over, and the way back where there is one.
fn judge(lab: &Lab, pair: &mut Pair) -> Result<()> {
    let stalls = Stalls::watch();
    let from = now();
    let lost = pair.probed(false, Pair::leave)?;
    let stall = stalls.longest(from, now()).unwrap_or_default();
    lab.note(format!(
        "{}: {} of {} lost",
        pair.name(),
        lost.lost.len(),
        lost.asked
    ));
    if pair.high.product == Product::Keepalived {
        crate::ensure!(
            lost.lost.len() >= COMPARED_LOSES,
            "only {} lost: the probe does not see what it should",
            lost.lost.len()
        );
        return Ok(());
    }
    let times: Vec<_> = lost
        .lost
        .iter()
        .map(|at| (*at - from).as_millis())
        .collect();
    crate::ensure!(
        times.len() <= MAY_LOSE,
        "{} of {} lost, at these ms after the beginning: {times:?} \
         (the machine stood still for up to {stall:.0?})",
        times.len(),
        lost.asked
    );
    if pair.how == How::Maintenance {
        let back = pair.probed(true, Pair::come_back)?;
        lab.note(format!("and back: {} lost", back.lost.len()));
    }
    Ok(())
}
