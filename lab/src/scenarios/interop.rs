//! lvsd beside keepalived and FRR, in either seat: election, preemption, clean stop, power cut.
//! What was on the wire is read again by tshark, which shares no code with any of them.

use std::thread;
use std::time::Duration;

use super::{Need, Scenario};
use crate::failure::{Failure, Result};
use crate::net::{Host, Lab};
use crate::seat::{Auth, Product, Seated, Unicast, Vrrp};
use crate::site::{Directors, INTERFACE};
use crate::watch::{Advert, Capture, Stalls, dissect, eventually, now, steadily};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("interop::v2_keepalived", Need::Any, |lab| {
        meet(lab, Product::Keepalived, v2)
    }),
    Scenario::new("interop::v2_frr", Need::Uml, |lab| {
        meet(lab, Product::Frr, v2)
    }),
    Scenario::new("interop::v2_pass_keepalived", Need::Any, |lab| {
        meet(lab, Product::Keepalived, v2_pass)
    }),
    Scenario::new("interop::v3_keepalived", Need::Any, |lab| {
        meet(lab, Product::Keepalived, v3)
    }),
    Scenario::new("interop::v3_frr", Need::Uml, |lab| {
        meet(lab, Product::Frr, v3)
    }),
    Scenario::new("interop::v3_ipv6_keepalived", Need::Any, |lab| {
        meet(lab, Product::Keepalived, v3_ipv6)
    }),
    Scenario::new("interop::v3_ipv6_frr", Need::Uml, |lab| {
        meet(lab, Product::Frr, v3_ipv6)
    }),
    Scenario::new("interop::v2_ah_keepalived", Need::Any, |lab| {
        meet(lab, Product::Keepalived, v2_ah)
    }),
    Scenario::new("interop::unicast_keepalived", Need::Any, |lab| {
        meet(lab, Product::Keepalived, unicast)
    }),
    Scenario::new("interop::vmac_keepalived", Need::Uml, |lab| {
        meet(lab, Product::Keepalived, vmac)
    }),
    Scenario::new("interop::vmac_frr", Need::Uml, |lab| {
        meet(lab, Product::Frr, vmac)
    }),
    Scenario::new("interop::v3_10ms_keepalived", Need::Fast, |lab| {
        meet_quickly(lab, Product::Keepalived)
    })
    .alone(),
    Scenario::new("interop::v3_10ms_frr", Need::Uml, |lab| {
        meet_quickly(lab, Product::Frr)
    })
    .alone(),
];

const HIGH: u8 = 150;
const LOW: u8 = 100;

/// Which of the two directors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    High,
    Low,
}

impl Rank {
    fn priority(self) -> u8 {
        match self {
            Self::High => HIGH,
            Self::Low => LOW,
        }
    }
}

fn v2(rank: Rank) -> Vrrp {
    Vrrp::v2(rank.priority(), Auth::None)
}

fn v2_pass(rank: Rank) -> Vrrp {
    Vrrp::v2(rank.priority(), Auth::Pass("s3cret"))
}

fn v3(rank: Rank) -> Vrrp {
    Vrrp::v3(rank.priority(), Duration::from_millis(200))
}

fn v3_10ms(rank: Rank) -> Vrrp {
    Vrrp::v3(rank.priority(), Duration::from_millis(10))
}

fn v2_ah(rank: Rank) -> Vrrp {
    Vrrp::v2(rank.priority(), Auth::Ah("s3cret"))
}

fn unicast(rank: Rank) -> Vrrp {
    let (source, peer) = match rank {
        Rank::High => (150, 151),
        Rank::Low => (151, 150),
    };
    Vrrp {
        unicast: Some(Unicast {
            source: [172, 17, 1, source].into(),
            peer: [172, 17, 1, peer].into(),
        }),
        ..v3(rank)
    }
}

fn vmac(rank: Rank) -> Vrrp {
    Vrrp {
        vmac: true,
        ..v3(rank)
    }
}

fn v3_ipv6(rank: Rank) -> Vrrp {
    Vrrp {
        addresses: vec!["fe80::51:160/64".into(), "fd00:17::160/128".into()],
        ..v3(rank)
    }
}

/// At 10 ms: while the machine stands still for longer than a Backup waits, nobody can keep to any
/// rule, so a meeting that fails then is held again.
fn meet_quickly(lab: &mut Lab, peer: Product) -> Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        let stalls = Stalls::watch();
        let from = now();
        let outcome = meet_as(lab, peer, v3_10ms, &tries.to_string());
        let stall = stalls.longest(from, now()).unwrap_or_default();
        if outcome.is_ok() || stall < STALL || tries == TRIES {
            return outcome;
        }
        lab.note(format!("void, the machine stood still for {stall:.0?}"));
        lab.hosts().for_each(Host::kill_everything);
    }
}

fn meet(lab: &mut Lab, peer: Product, settings: fn(Rank) -> Vrrp) -> Result<()> {
    meet_as(lab, peer, settings, "")
}

/// lvsd above the peer, and the peer above lvsd, side by side on two networks. The names of
/// hosts and bridges begin with `prefix`.
fn meet_as(lab: &mut Lab, peer: Product, settings: fn(Rank) -> Vrrp, prefix: &str) -> Result<()> {
    let seats = [(Product::Lvsd, peer), (peer, Product::Lvsd)];
    let names = [["lan", "d1", "d2"], ["other", "d3", "d4"]];
    let mut pairs = Vec::new();
    for ((high, low), names) in seats.into_iter().zip(names) {
        let [bridge, first, second] = names.map(|name| format!("{prefix}{name}"));
        let directors = Directors::on(lab, &bridge, [&first, &second])?;
        pairs.push(Pair {
            high: Seated::new(high, &directors.d1, settings(Rank::High)),
            low: Seated::new(low, &directors.d2, settings(Rank::Low)),
            seen: lab.capture(&directors.d2.host, INTERFACE)?,
        });
    }
    let lab = &*lab;
    let outcomes: Vec<Result<()>> = thread::scope(|scope| {
        let threads: Vec<_> = pairs
            .iter_mut()
            .map(|pair| {
                scope.spawn(|| {
                    pair.story(lab)
                        .map_err(|failure| failure.during(pair.name()))
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                let panicked = |_| Err(Failure::said("a pair panicked"));
                thread.join().unwrap_or_else(panicked)
            })
            .collect()
    });
    outcomes.into_iter().collect::<Result<()>>()?;
    for pair in &mut pairs {
        pair.judge(lab)
            .map_err(|failure| failure.during(pair.name()))?;
    }
    Ok(())
}

/// Two products on a network of their own.
struct Pair {
    high: Seated,
    low: Seated,
    seen: Capture,
}

impl Pair {
    fn name(&self) -> String {
        format!("{} above {}", self.high.name(), self.low.name())
    }

    fn story(&mut self, lab: &Lab) -> Result<()> {
        self.low.start(lab)?;
        self.expect(Rank::Low, "the first one up")?;
        self.high.start(lab)?;
        self.expect(Rank::High, "preemption")?;
        let since = now();
        self.high.stop()?;
        let stopped = self.takeover(since, 0)?;
        self.expect(Rank::Low, "a clean stop")?;
        self.high.start(lab)?;
        self.expect(Rank::High, "the return")?;
        let since = now();
        self.high.cut_power()?;
        let died = self.takeover(since, HIGH)?;
        lab.note(format!(
            "{}: stop {stopped:.1?} of {:.1?}, power cut {died:.1?} of {:.1?}",
            self.name(),
            self.low.settings.skew_time(),
            self.low.settings.master_down_time()
        ));
        self.high.boot()?;
        self.high.start(lab)?;
        self.expect(Rank::High, "the return after a power cut")?;
        self.high.stop()?;
        self.low.stop()
    }

    /// One holds all virtual addresses and the other none, and only that one advertises.
    fn expect(&self, master: Rank, after: &str) -> Result<()> {
        let interval = self.low.settings.interval;
        let held = || {
            let holders = (self.high.holds()?, self.low.holds()?);
            crate::ensure!(
                holders == (master == Rank::High, master == Rank::Low),
                "held by {}: {}, by {}: {}",
                self.high.name(),
                holders.0,
                self.low.name(),
                holders.1
            );
            Ok(())
        };
        // Three intervals, and the start of a process on a busy machine.
        let limit = interval * 4 + Duration::from_secs(15);
        let what = format!("{master:?} to be the one Master after {after}");
        eventually(limit, &what, held)?;
        // Again, because at 10 ms the machine need not stand still for long to be heard.
        eventually(limit, &what, || {
            let since = now() + interval;
            steadily(interval * 3, held)?;
            let adverts = self.seen.adverts();
            let (right, wrong): (Vec<_>, Vec<_>) = adverts
                .iter()
                .filter(|(at, _)| *at > since)
                .partition(|(_, advert)| advert.priority == master.priority());
            crate::ensure!(
                wrong.is_empty() && !right.is_empty(),
                "{} adverts of the Master, and others: {wrong:?}",
                right.len()
            );
            Ok(())
        })
    }

    /// From the last advert of the high one, of that priority, to the first of the low one.
    fn takeover(&self, since: Duration, priority: u8) -> Result<Duration> {
        let settings = &self.low.settings;
        let theory = match priority {
            0 => settings.skew_time(),
            _ => settings.master_down_time(),
        };
        let limit = theory + Duration::from_secs(3);
        // Before its last word, a Master of 10 ms may have been late once.
        let since = match priority {
            0 => {
                let what = "an advert of priority 0";
                let resigned = |advert: Advert| advert.priority == 0;
                self.seen
                    .wait(limit, since, what, |frame| {
                        frame.advert().is_some_and(resigned)
                    })?
                    .at
            }
            _ => since,
        };
        let first = self.seen.wait(
            limit,
            since,
            "an advert of the one that takes over",
            |frame| frame.advert().is_some_and(|advert| advert.priority == LOW),
        )?;
        let adverts = self.seen.adverts();
        let last = adverts
            .iter()
            .rfind(|(at, advert)| *at < first.at && advert.priority == priority);
        let last = last.map(|(at, _)| *at).ok_or_else(|| {
            let shown: Vec<_> = adverts.iter().rev().take(5).collect();
            Failure::said(format!(
                "no advert of priority {priority} before the takeover; the last ones: {shown:?}"
            ))
        })?;
        let took = first.at - last;
        // FRR's first advert over IPv6 is lost while its device comes up.
        let slack = match self.low.product {
            Product::Frr => SLACK + settings.interval,
            _ => SLACK,
        };
        crate::ensure!(
            took <= theory + slack,
            "the takeover after priority {priority} took {took:.1?}, {theory:.1?} in theory"
        );
        crate::ensure!(
            took + EARLY >= theory || self.low.product != Product::Lvsd,
            "lvsd took over {took:.1?} after priority {priority}, {theory:.1?} in theory"
        );
        Ok(took)
    }

    fn judge(&mut self, lab: &Lab) -> Result<()> {
        let own = [self.high.settings.priority, self.low.settings.priority, 0];
        let packets = dissect(self.low.host(), &self.seen)?;
        let strange = packets.iter().filter(|packet| !packet.is_good());
        let strange: Vec<String> = strange.map(ToString::to_string).collect();
        crate::ensure!(
            strange.is_empty(),
            "tshark objects to {} of {} packets:\n{}",
            strange.len(),
            packets.len(),
            strange
                .iter()
                .take(10)
                .cloned()
                .collect::<Vec<_>>()
                .join("\n")
        );
        for priority in own {
            let found = packets.iter().any(|packet| packet.priority == priority);
            crate::ensure!(found, "tshark saw no advert of priority {priority}");
        }
        lab.note(format!("tshark: {} packets good", packets.len()));
        self.expect_virtual_mac()?;
        self.expect_no_complaint()
    }

    /// Where the settings ask for it, frames carry the virtual router's MAC address.
    fn expect_virtual_mac(&self) -> Result<()> {
        let family = if self.low.settings.is_ipv6() { 2 } else { 1 };
        let mac = [0, 0, 0x5e, 0, family, self.low.settings.vrid];
        let frames = self.seen.frames();
        let other = frames
            .iter()
            .find(|frame| frame.advert().is_some() && frame.bytes.get(6..12) != Some(&mac));
        match other {
            Some(frame) if self.low.settings.vmac => Err(Failure::said(format!(
                "an advert from another MAC address than the virtual one: {frame}"
            ))),
            _ => Ok(()),
        }
    }

    /// Neither side may complain about the other.
    fn expect_no_complaint(&mut self) -> Result<()> {
        let logs = self.high.log() + &self.low.log();
        let complaints: Vec<&str> = logs.lines().filter(complaint).collect();
        crate::ensure!(complaints.is_empty(), "logged:\n{}", complaints.join("\n"));
        Ok(())
    }
}

/// How often a meeting at 10 ms is held before the machine counts as what it is.
const TRIES: usize = 5;

/// Two thirds of what a Backup waits at 10 ms.
const STALL: Duration = Duration::from_millis(20);

/// Several pairs share the one CPU of the booted kernel.
const SLACK: Duration = Duration::from_millis(150);

/// What the time stamps of a capture may be off.
const EARLY: Duration = Duration::from_millis(2);

fn complaint(line: &&str) -> bool {
    let line = line.to_lowercase();
    // Either side's way to say that it preempts the other; what a power cut looks like to the
    // process that is killed last; and a probe for the address that the one who preempts answers.
    let expected = [
        "event=\"address_in_use\"",
        // keepalived asks for something that the booted kernel has not.
        "mnl_socket_recvfrom",
        "received lower priority",
        "kind=\"lower_master\"",
        "the link is down",
        "supervisor_lost",
    ];
    if expected.iter().any(|words| line.contains(words)) {
        return false;
    }
    [
        "error",
        "warn",
        "invalid",
        "mismatch",
        "discard",
        "incorrect",
        "bad ",
    ]
    .iter()
    .any(|word| line.contains(word))
}
