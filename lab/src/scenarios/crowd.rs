//! Two hundred virtual routers on one link, ten adverts a second each, and a thousand checks
//! beside; keepalived does the same afterwards.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use super::{Need, Scenario};
use crate::failure::{Attempt, Failure, Result};
use crate::net::{Host, Lab};
use crate::seat::{Lvsd, Product, Vrrp, keepalived, keepalived_file};
use crate::site::{Directors, INTERFACE, place};
use crate::watch::{Advert, Capture, CpuTime, Stalls, eventually, now};

pub(super) const SCENARIOS: &[Scenario] = &[
    // Where CPU time is nobody else's, but lvsd may find no IPVS to check servers for.
    Scenario::new("crowd::two_hundred_virtual_routers", Need::Fast, |lab| {
        crowd(lab, Checks::None)
    })
    .alone()
    .limit(240),
    Scenario::new("crowd::beside_a_thousand_checks", Need::Uml, |lab| {
        crowd(lab, Checks::Thousand)
    })
    .alone()
    .limit(360),
];

const ROUTERS: u8 = 200;
const INTERVAL: Duration = Duration::from_millis(100);
const MEASURED: Duration = Duration::from_secs(8);
const HIGH: u8 = 150;
const LOW: u8 = 100;

/// How often it is measured before the machine counts as what it is.
const TRIES: usize = 3;

/// A machine that stands still for so long keeps no interval.
const STALL: Duration = Duration::from_millis(20);

/// What the 99th percentile of the interval's error may be, or else keepalived's.
const ERROR_LIMIT: Duration = Duration::from_millis(3);

/// What a takeover may take beyond the timer, or else keepalived's.
const TAKEOVER_SLACK: Duration = Duration::from_millis(40);

/// Pools, and servers in each: a thousand checks.
const POOLS: u8 = 10;
const ADDRESSES: u8 = 10;
const PORTS: u16 = 10;
const FIRST_PORT: u16 = 8_000;

/// What the directors do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checks {
    None,
    Thousand,
}

/// What is measured while the machine stands still is measured again.
fn crowd(lab: &mut Lab, checks: Checks) -> Result<()> {
    let mut number = 0;
    loop {
        let stalls = Stalls::watch();
        let from = now();
        let ours = measure(lab, Product::Lvsd, checks, number)?;
        let theirs = measure(lab, Product::Keepalived, checks, number)?;
        let stall = stalls.longest(from, now()).unwrap_or_default();
        let outcome = judge(lab, &ours, &theirs);
        number += 1;
        if outcome.is_ok() || stall < STALL || number == TRIES {
            return outcome;
        }
        lab.note(format!("void, the machine stood still for {stall:.0?}"));
    }
}

/// One product at a time, with the machine for itself; its Master dies at the end.
fn measure(lab: &mut Lab, product: Product, checks: Checks, number: usize) -> Result<Figures> {
    let letter = if product == Product::Lvsd { 'd' } else { 'k' };
    let names = [format!("{letter}{number}a"), format!("{letter}{number}b")];
    let link = Link::build(lab, &names)?;
    let [first, second] = link.directors.both();
    let high = start(lab, product, &first.host, HIGH, checks)?;
    let low = start(lab, product, &second.host, LOW, checks)?;
    match link.settled() {
        // On a busy machine keepalived never does; its figures say so.
        Err(failure) if product == Product::Keepalived => lab.note(failure.to_string()),
        outcome => outcome?,
    }
    let begin = now();
    let [cpu_high, cpu_low] = link.cpu();
    thread::sleep(MEASURED);
    let used = [cpu_high.per_second()?, cpu_low.per_second()?];
    let end = now();
    let cut = now();
    first.cable.pull()?;
    drop(high);
    first.host.kill_everything();
    let takeover = match link.takeovers(cut) {
        Err(failure) if product == Product::Keepalived => {
            lab.note(failure.to_string());
            Duration::MAX
        }
        outcome => outcome?,
    };
    let figures = Figures {
        used,
        error: link.errors(begin, end)?,
        takeover,
        false_ones: link.of_low(begin, end),
    };
    drop(low);
    second.host.kill_everything();
    link.seen.stop();
    Ok(figures)
}

/// All virtual routers and all checks, until it is dropped and killed.
fn start(
    lab: &Lab,
    product: Product,
    host: &Host,
    priority: u8,
    checks: Checks,
) -> Result<Option<Lvsd>> {
    let (toml, conf) = match checks {
        Checks::None => Default::default(),
        Checks::Thousand => pools(),
    };
    if product == Product::Lvsd {
        return Lvsd::start(lab, host, &(own_routers(priority) + &toml)).map(Some);
    }
    keepalived(host, &(keepalived_file(&routers(priority)) + &conf))?;
    Ok(None)
}

fn judge(lab: &Lab, ours: &Figures, theirs: &Figures) -> Result<()> {
    lab.note(format!("{ours}; keepalived's: {theirs}"));
    for (place, name) in ["Master", "Backup"].into_iter().enumerate() {
        crate::ensure!(
            ours.used[place] * 2 <= theirs.used[place],
            "as {name}, more than half of keepalived's CPU time"
        );
    }
    crate::ensure!(
        ours.error <= ERROR_LIMIT.max(theirs.error),
        "the interval is kept worse than it must be, and than keepalived keeps it"
    );
    let timer = Vrrp::v3(LOW, INTERVAL).master_down_time();
    crate::ensure!(
        ours.takeover <= (timer + TAKEOVER_SLACK).max(theirs.takeover),
        "the last takeover is later than {TAKEOVER_SLACK:?} after the timer of {timer:?}, \
         and than keepalived's"
    );
    crate::ensure!(
        ours.false_ones <= theirs.false_ones,
        "{} adverts of the backup while the master was well",
        ours.false_ones
    );
    Ok(())
}

/// What was measured of a product.
struct Figures {
    /// CPU time per second, as Master and as Backup.
    used: [Duration; 2],
    /// 99th percentile of how far an interval was off.
    error: Duration,
    /// From the Master's last advert to the Backup's first, the longest.
    takeover: Duration,
    /// Adverts of the Backup while the Master was well.
    false_ones: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [master, backup] = self.used;
        write!(
            out,
            "CPU {:.1} ms/s as Master and {:.1} as Backup, interval error p99 {:.2?}, \
             last takeover after {:.1?}, false ones {}",
            master.as_secs_f64() * 1e3,
            backup.as_secs_f64() * 1e3,
            self.error,
            self.takeover,
            self.false_ones
        )
    }
}

/// A network with a pair of directors and the servers that they check.
struct Link {
    directors: Directors,
    seen: Capture,
}

impl Link {
    fn build(lab: &mut Lab, [first, second]: &[String; 2]) -> Result<Self> {
        let bridge = format!("lan-{first}");
        let directors = Directors::on(lab, &bridge, [first, second])?;
        for (place, own) in directors.both().into_iter().zip(["1", "2"]) {
            let address = format!("10.2.255.{own}/16");
            place
                .host
                .run(["ip", "addr", "add", &address, "dev", INTERFACE])?;
        }
        let servers = place(lab, &bridge, &format!("{first}rs"), "10.2.254.1/16")?;
        serve(&servers.host)?;
        let seen = lab.capture(&directors.d2.host, INTERFACE)?;
        Ok(Self { directors, seen })
    }

    fn settled(&self) -> Result<()> {
        let [first, second] = self.directors.both();
        let held = |host: &Host| {
            let all = host.addresses()?;
            let virtual_ones = all
                .iter()
                .filter(|(_, ip)| ip.to_string().starts_with("10.51."));
            Ok::<_, Failure>(virtual_ones.count())
        };
        eventually(
            Duration::from_secs(40),
            "all addresses on the Master",
            || {
                let found = (held(&first.host)?, held(&second.host)?);
                crate::ensure!(found == (usize::from(ROUTERS), 0), "{found:?}");
                Ok(())
            },
        )?;
        // Announcements and first checks are over.
        thread::sleep(Duration::from_secs(6));
        Ok(())
    }

    fn cpu(&self) -> [CpuTime; 2] {
        self.directors
            .both()
            .map(|place| CpuTime::begin(&place.host))
    }

    fn adverts(&self, from: Duration, to: Duration) -> Vec<(Duration, Advert)> {
        let mut all = self.seen.adverts();
        all.retain(|(at, _)| *at >= from && *at <= to);
        all
    }

    /// How far the Master's intervals were off, at the 99th percentile.
    fn errors(&self, from: Duration, to: Duration) -> Result<Duration> {
        let mut last: BTreeMap<u8, Duration> = BTreeMap::new();
        let mut errors = Vec::new();
        for (at, advert) in self.adverts(from, to) {
            if advert.priority != HIGH {
                continue;
            }
            if let Some(before) = last.insert(advert.vrid, at) {
                errors.push((at - before).abs_diff(INTERVAL));
            }
        }
        errors.sort_unstable();
        let at = errors.len() * 99 / 100;
        errors
            .get(at)
            .copied()
            .ok_or_else(|| Failure::said("the Master sent no adverts"))
    }

    fn of_low(&self, from: Duration, to: Duration) -> usize {
        let adverts = self.adverts(from, to);
        let low = adverts.iter().filter(|(_, advert)| advert.priority == LOW);
        low.count()
    }

    /// From the last advert of the Master to the first of the Backup: the longest of all.
    fn takeovers(&self, cut: Duration) -> Result<Duration> {
        eventually(
            Duration::from_secs(5),
            "all virtual routers to move",
            || {
                let (mut last, mut taken) = (BTreeMap::new(), BTreeMap::new());
                for (at, advert) in self.adverts(cut - INTERVAL * 5, now()) {
                    if advert.priority == HIGH {
                        last.insert(advert.vrid, at);
                    } else {
                        taken.entry(advert.vrid).or_insert(at);
                    }
                }
                crate::ensure!(
                    taken.len() == usize::from(ROUTERS),
                    "{} have moved",
                    taken.len()
                );
                let times = taken
                    .iter()
                    .filter_map(|(vrid, at)| Some(at.saturating_sub(*last.get(vrid)?)));
                times.max().ok_or_else(|| Failure::said("no takeover"))
            },
        )
    }
}

fn routers(priority: u8) -> Vec<Vrrp> {
    (1..=ROUTERS)
        .map(|vrid| Vrrp {
            name: format!("vr{vrid}"),
            vrid,
            addresses: vec![format!("10.51.0.{vrid}/32")],
            ..Vrrp::v3(priority, INTERVAL)
        })
        .collect()
}

fn own_routers(priority: u8) -> String {
    routers(priority).iter().map(Vrrp::toml).collect()
}

/// Pools of servers that are checked every five seconds, for lvsd and for keepalived.
fn pools() -> (String, String) {
    let (mut toml, mut conf) = (String::new(), String::new());
    // Writing to a string cannot fail.
    for pool in 1..=POOLS {
        let _ = write!(
            toml,
            "[virtual_server.pool{pool}]\naddress = \"10.51.1.{pool}:80\"\nscheduler = \"rr\"\n\
             forward = \"nat\"\ncheck = [{{ type = \"tcp\", interval = \"5s\" }}]\nreal_server = [\n"
        );
        let _ = write!(
            conf,
            "virtual_server 10.51.1.{pool} 80 {{\ndelay_loop 5\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n"
        );
        for address in 1..=ADDRESSES {
            for port in FIRST_PORT..FIRST_PORT + PORTS {
                let _ = writeln!(toml, "    {{ address = \"10.2.0.{address}:{port}\" }},");
                let _ = write!(
                    conf,
                    "real_server 10.2.0.{address} {port} {{\nTCP_CHECK {{\nconnect_timeout 3\n}}\n}}\n"
                );
            }
        }
        toml.push_str("]\n");
        conf.push_str("}\n");
    }
    (toml, conf)
}

/// One host is all servers: it accepts connections at every address of 10.2.0.0/24.
fn serve(host: &Host) -> Result<()> {
    host.run(["ip", "route", "add", "local", "10.2.0.0/24", "dev", "lo"])?;
    for port in FIRST_PORT..FIRST_PORT + PORTS {
        let listener = host
            .inside(move || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))?
            .attempt(|| format!("listen on port {port} of {}", host.name()))?;
        thread::spawn(move || listener.incoming().for_each(drop));
    }
    Ok(())
}
