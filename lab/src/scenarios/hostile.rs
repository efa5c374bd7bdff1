//! A third host sends what no director would. lvsd and keepalived, a pair of each, live on the
//! same network and get the same packets: what one bears, the other must, too.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;

use super::{Need, Scenario};
use crate::attack::{Attacker, Forged, Sent};
use crate::failure::{Failure, Result};
use crate::net::Lab;
use crate::random::Random;
use crate::seat::{Product, Seated, Vrrp};
use crate::site::{INTERFACE, LAN, place};
use crate::watch::{Capture, Stalls, eventually, now};

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::new("hostile::a_third_host", Need::Fast, third_host).alone()];

const INTERVAL: Duration = Duration::from_millis(100);
/// Tries of an attack before the machine counts as too busy.
const TRIES: usize = 4;
const SPAN: Duration = Duration::from_secs(2);
const MALLORY: Ipv4Addr = Ipv4Addr::new(172, 17, 1, 66);
const RANDOM_RATE: usize = 10_000;
const HIGH: u8 = 150;
const LOW: u8 = 100;

/// A pair of directors of one product.
struct Pair {
    vrid: u8,
    address: Ipv4Addr,
    high: Seated,
    low: Seated,
}

impl Pair {
    fn seat(
        lab: &mut Lab,
        product: Product,
        [high, low]: [(&str, &str); 2],
        vrid: u8,
        address: Ipv4Addr,
    ) -> Result<Self> {
        let mut seat = |(name, own): (&str, &str), priority| {
            let place = place(lab, LAN, name, own)?;
            let settings = Vrrp {
                vrid,
                addresses: vec![format!("{address}/32")],
                ..Vrrp::v3(priority, INTERVAL)
            };
            Ok::<_, Failure>(Seated::new(product, &place, settings))
        };
        Ok(Self {
            vrid,
            address,
            high: seat(high, HIGH)?,
            low: seat(low, LOW)?,
        })
    }

    fn holders(&self) -> Result<(bool, bool)> {
        Ok((self.high.holds()?, self.low.holds()?))
    }

    fn expect(&self, wanted: (bool, bool)) -> Result<()> {
        let found = self.holders()?;
        crate::ensure!(
            found == wanted,
            "held by {}: {}, by {}: {}",
            self.high.name(),
            found.0,
            self.low.name(),
            found.1
        );
        Ok(())
    }

    fn settled(&self, limit: Duration) -> Result<()> {
        let what = format!("{} to be Master", self.high.name());
        eventually(limit, &what, || self.expect((true, false)))
    }

    /// The longest time without an advert of the high one, seen by the witness.
    fn longest_gap(&self, seen: &Capture, from: Duration, to: Duration) -> Duration {
        let mut times: Vec<Duration> = seen
            .adverts()
            .into_iter()
            .filter(|(at, advert)| {
                *at >= from
                    && *at <= to
                    && advert.vrid == self.vrid
                    && advert.priority == HIGH
                    && advert.source != MALLORY
            })
            .map(|(at, _)| at)
            .collect();
        times.insert(0, from);
        times.push(to);
        let gaps = times.windows(2).filter_map(|pair| match pair {
            [earlier, later] => Some(later.saturating_sub(*earlier)),
            _ => None,
        });
        gaps.max().unwrap_or_default()
    }

    /// How often the low one advertised.
    fn adverts_of_low(&self, seen: &Capture, from: Duration, to: Duration) -> usize {
        let adverts = seen.adverts();
        let low = adverts.iter().filter(|(at, advert)| {
            *at >= from
                && *at <= to
                && advert.vrid == self.vrid
                && advert.priority == LOW
                && advert.source != MALLORY
        });
        low.count()
    }

    fn processes(&self) -> Vec<Pid> {
        let mut all = self.high.host().processes();
        all.extend(self.low.host().processes());
        all.sort();
        all
    }

    /// An advert as the third host sends it to this pair.
    fn forged(&self, priority: u8) -> Forged {
        Forged::advert(MALLORY, self.vrid, priority, self.address)
    }
}

/// The two pairs, the third host and a witness.
struct Stage {
    own: Pair,
    peer: Pair,
    attacker: Attacker,
    seen: Capture,
}

impl Stage {
    fn build(lab: &mut Lab) -> Result<Self> {
        lab.bridge(LAN)?;
        let own = [("d1", "172.17.1.150/20"), ("d2", "172.17.1.151/20")];
        let peer = [("k1", "172.17.1.154/20"), ("k2", "172.17.1.155/20")];
        let mut own = Pair::seat(lab, Product::Lvsd, own, 51, [172, 17, 1, 160].into())?;
        let mut peer = Pair::seat(lab, Product::Keepalived, peer, 52, [172, 17, 1, 161].into())?;
        let mallory = place(lab, LAN, "mallory", &format!("{MALLORY}/20"))?;
        let witness = place(lab, LAN, "witness", "172.17.1.67/20")?;
        let seen = lab.capture(&witness.host, INTERFACE)?;
        for pair in [&mut own, &mut peer] {
            pair.high.start(lab)?;
            pair.low.start(lab)?;
        }
        for pair in [&own, &peer] {
            pair.settled(Duration::from_secs(10))?;
        }
        Ok(Self {
            own,
            peer,
            attacker: Attacker::new(&mallory.host, INTERFACE)?,
            seen,
        })
    }

    /// The forged packets for both pairs, in turn.
    fn both(&self, forge: impl Fn(&Pair) -> Vec<Forged>) -> Vec<Forged> {
        let (own, peer) = (forge(&self.own), forge(&self.peer));
        let pairs = own.into_iter().zip(peer);
        pairs.flat_map(|(own, peer)| [own, peer]).collect()
    }

    /// An attack that must change nothing: the VIP stays, adverts keep their interval. A try that
    /// fails while the machine itself stood still says nothing, and is made again.
    fn bear(
        &self,
        lab: &Lab,
        name: &str,
        mut attack: impl FnMut(&Attacker) -> Result<Sent> + Send,
    ) -> Result<()> {
        for _ in 0..TRIES {
            let stalls = Stalls::watch();
            let from = now();
            let outcome = self.try_to_bear(lab, name, &mut attack);
            let stall = stalls.longest(from, now()).unwrap_or_default();
            // keepalived may be in disorder; the next attack begins in peace.
            self.peer.settled(Duration::from_secs(10))?;
            self.own.settled(Duration::from_secs(10))?;
            if outcome.is_ok() || stall < INTERVAL / 2 {
                return outcome;
            }
            lab.note(format!("void, the machine stood still for {stall:.0?}"));
        }
        Err(Failure::said(format!(
            "under {name} the machine stands still too often to judge"
        )))
    }

    fn try_to_bear(
        &self,
        lab: &Lab,
        name: &str,
        attack: &mut (impl FnMut(&Attacker) -> Result<Sent> + Send),
    ) -> Result<()> {
        let from = now();
        let sent = thread::scope(|scope| {
            let attack = scope.spawn(|| attack(&self.attacker));
            thread::sleep(SPAN);
            attack
                .join()
                .map_err(|_| Failure::said("the attacker panicked"))?
        })?;
        let to = now();
        let ours = self.own.longest_gap(&self.seen, from, to);
        let theirs = self.peer.longest_gap(&self.seen, from, to);
        let moved = self.own.adverts_of_low(&self.seen, from, to);
        lab.note(format!(
            "{name} ({}/s): longest gap {ours:.0?}, keepalived's {theirs:.0?}; \
             adverts of the backup {moved}, keepalived's {}",
            sent.rate(),
            self.peer.adverts_of_low(&self.seen, from, to)
        ));
        crate::ensure!(
            ours <= theirs.max(INTERVAL * 2),
            "under {name} no advert was sent for {ours:.1?}, by keepalived for {theirs:.1?}"
        );
        crate::ensure!(
            moved == 0,
            "under {name} the backup advertised {moved} times"
        );
        Ok(())
    }
}

fn third_host(lab: &mut Lab) -> Result<()> {
    let stage = Stage::build(lab)?;
    let lab = &*lab;
    let before = stage.own.processes();
    let mut random = Random::new(lab.seed());
    let mut outcomes = vec![stage.bear(lab, "silence", |_| Ok(Sent::NOTHING))];
    let quick = Duration::from_millis(1);
    for (name, packets) in [
        ("cut adverts", stage.both(cut)),
        ("oversize adverts", stage.both(oversize)),
        ("forged adverts", stage.both(wrong)),
        ("intervals of 0", stage.both(interval_0)),
        ("intervals of 40 s", stage.both(interval_40)),
    ] {
        outcomes.push(stage.bear(lab, name, |attacker| attacker.repeat(&packets, quick, SPAN)));
    }
    outcomes.push(stage.bear(lab, "random octets", |attacker| {
        attacker.flood(&mut random, MALLORY, RANDOM_RATE, SPAN)
    }));
    let resigned = stage.both(|pair| vec![pair.forged(0)]);
    outcomes.push(stage.bear(lab, "a storm of priority 0", |attacker| {
        attacker.repeat(&resigned, quick, SPAN)
    }));
    outcomes.push(obey(lab, &stage));
    all_of(outcomes)?;
    let after = stage.own.processes();
    crate::ensure!(
        before == after,
        "the processes were {before:?} and are {after:?}"
    );
    Ok(())
}

/// Every failure, not only the first.
fn all_of(outcomes: Vec<Result<()>>) -> Result<()> {
    let failures: Vec<String> = outcomes
        .into_iter()
        .filter_map(|outcome| Some(outcome.err()?.to_string()))
        .collect();
    crate::ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// Right adverts of a higher priority: both directors yield, as the RFC says, and the VIP is back
/// when the adverts end.
fn obey(lab: &Lab, stage: &Stage) -> Result<()> {
    let higher = [stage.own.forged(200)];
    thread::scope(|scope| {
        let attack = scope.spawn(|| stage.attacker.repeat(&higher, INTERVAL / 2, SPAN));
        let yielded = eventually(INTERVAL * 5, "both to yield to priority 200", || {
            stage.own.expect((false, false))
        });
        let sent = attack
            .join()
            .map_err(|_| Failure::said("the attacker panicked"))?;
        yielded.and(sent)
    })?;
    let end = now();
    // Which of the two wakes first is decided by the priority.
    stage.own.settled(INTERVAL * 10)?;
    lab.note(format!(
        "yielded to priority 200, back after {:.0?}",
        now() - end
    ));
    Ok(())
}

fn cut(pair: &Pair) -> Vec<Forged> {
    let lengths = 0..12;
    lengths
        .map(|length| Forged {
            cut: Some(length),
            ..pair.forged(200)
        })
        .collect()
}

fn oversize(pair: &Pair) -> Vec<Forged> {
    let many = Forged {
        addresses: vec![pair.address; 255],
        ..pair.forged(200)
    };
    let claims = |count| Forged {
        count: Some(count),
        ..pair.forged(200)
    };
    let tail = Forged {
        tail: 1_400,
        ..pair.forged(LOW - 1)
    };
    vec![
        // It is right as far as it goes, but not of our addresses.
        Forged {
            priority: LOW - 1,
            ..many
        },
        claims(0),
        claims(2),
        claims(255),
        tail,
    ]
}

fn wrong(pair: &Pair) -> Vec<Forged> {
    let mut all = vec![
        Forged {
            bad_checksum: true,
            ..pair.forged(200)
        },
        Forged {
            vrid: 99,
            ..pair.forged(200)
        },
    ];
    for ttl in [0, 1, 64, 254] {
        // The kernel does not send a TTL of 0 any further than this host.
        all.push(Forged {
            ttl,
            ..pair.forged(255)
        });
    }
    for kind in [0x01, 0x11, 0x21, 0x30, 0x32, 0x3f, 0x41, 0xf1] {
        all.push(Forged {
            kind,
            ..pair.forged(200)
        });
    }
    all
}

fn interval_0(pair: &Pair) -> Vec<Forged> {
    [1, LOW, 200]
        .into_iter()
        .map(|priority| Forged {
            interval: 0,
            ..pair.forged(priority)
        })
        .collect()
}

fn interval_40(pair: &Pair) -> Vec<Forged> {
    [1, LOW - 1]
        .into_iter()
        .map(|priority| Forged {
            interval: 4_000,
            ..pair.forged(priority)
        })
        .collect()
}
