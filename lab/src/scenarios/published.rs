//! Pairs of directors as people publish them, in lvsd's words (`lab/published`), and what their
//! authors promise of them.

use std::net::IpAddr;
use std::time::Duration;

use super::{Need, Scenario};
use crate::failure::{Failure, Result};
use crate::net::{Host, Lab};
use crate::seat::Lvsd;
use crate::site::{INTERFACE, LAN, Place, place};
use crate::watch::{Capture, Frame, eventually, now, steadily};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("published::nopreempt", Need::Any, nopreempt),
    Scenario::new("published::havip", Need::Any, havip).limit(180),
    Scenario::new("published::nginx_together", Need::Any, nginx_together),
    Scenario::new("published::lb_weight", Need::Any, lb_weight),
];

const SECOND: Duration = Duration::from_secs(1);

/// The start of a process, an election at one advert a second, and a busy machine.
const ELECTION: Duration = Duration::from_secs(10);

/// What a measured time may exceed its timer by, with other scenarios on the same CPU.
const SLACK: Duration = Duration::from_millis(300);

/// Where the notify script of these pairs keeps its record.
const NOTIFIED: &str = "/var/log/notified.log";

/// Two directors with the configurations of their authors.
struct Pair {
    a: Place,
    b: Place,
    seen: Capture,
}

impl Pair {
    fn build(lab: &mut Lab, [a, b]: [&str; 2]) -> Result<Self> {
        lab.bridge(LAN)?;
        let a = place(lab, LAN, "a", a)?;
        let b = place(lab, LAN, "b", b)?;
        let seen = lab.capture(&b.host, INTERFACE)?;
        Ok(Self { a, b, seen })
    }

    fn scripts(&self, path: &str, text: &str) -> Result<()> {
        for host in [&self.a.host, &self.b.host] {
            host.script(path, text)?;
        }
        Ok(())
    }

    /// Waits until the address is on one of the two and not on the other, and stays so.
    fn held(&self, address: &str, by_a: bool, limit: Duration) -> Result<()> {
        let look = || {
            let found = (
                self.a.host.has_address(address)?,
                self.b.host.has_address(address)?,
            );
            crate::ensure!(found == (by_a, !by_a), "on a and on b: {found:?}");
            Ok(())
        };
        let who = if by_a { "a" } else { "b" };
        eventually(limit, &format!("{address} on {who} alone"), look)?;
        steadily(SECOND, look)
    }

    /// The power of `a` is cut; when b announced the address, after the last advert of a.
    fn cut_a(&self, a: Lvsd, address: &str) -> Result<Duration> {
        let cut = now();
        self.a.cable.pull()?;
        a.cut_power();
        let announced = self.announced(cut, address, ELECTION)?;
        let adverts = self.seen.adverts();
        let own = IpAddr::from([10, 1, 10, 117]);
        let last = adverts
            .iter()
            .rfind(|(at, advert)| *at < announced.at && advert.source == own);
        let (last, _) = last.ok_or_else(|| Failure::said("a never advertised"))?;
        Ok(announced.at - *last)
    }

    fn announced(&self, since: Duration, address: &str, limit: Duration) -> Result<Frame> {
        let what = format!("{address} announced by b");
        self.seen.wait(limit, since, &what, |frame| {
            frame.sent && frame.announced().map(|ip| ip.to_string()).as_deref() == Some(address)
        })
    }

    /// a as after a power cut: on the network again, without the address.
    fn boot_a(&self, address: &str) -> Result<()> {
        let host = &self.a.host;
        host.run(["ip", "addr", "flush", "to", address, "dev", INTERFACE])?;
        self.a.cable.mend()?;
        host.wait_for_carrier(INTERFACE)
    }
}

fn nopreempt(lab: &mut Lab) -> Result<()> {
    let a = include_str!("../../published/nopreempt-a.toml");
    let b = include_str!("../../published/nopreempt-b.toml");
    let pair = Pair::build(lab, ["10.1.10.117/24", "10.1.10.185/24"])?;
    let vip = "10.1.10.240";
    let first = Lvsd::start(lab, &pair.a.host, a)?;
    pair.held(vip, true, ELECTION)?;
    let second = Lvsd::start(lab, &pair.b.host, b)?;
    second.wait_for("BACKUP", ELECTION)?;
    pair.held(vip, true, ELECTION)?;
    let took = pair.cut_a(first, vip)?;
    let theory = 3 * SECOND + SECOND * (256 - 99) / 256;
    lab.note(format!("taken over after {took:.2?} of {theory:.2?}"));
    crate::ensure!(
        took >= theory && took <= theory + SLACK,
        "b took over after {took:.2?}, {theory:.2?} in theory"
    );
    pair.boot_a("10.1.10.240/32")?;
    pair.held(vip, false, ELECTION)?;
    let first = Lvsd::start(lab, &pair.a.host, a)?;
    first.wait_for("BACKUP", ELECTION)?;
    steadily(6 * SECOND, || pair.held(vip, false, SECOND))
}

/// What the author's script does, in brief.
fn notify_script() -> String {
    format!("#!/bin/sh\necho \"$1\" >> {NOTIFIED}\n")
}

fn notified(host: &Host, wanted: &[&str]) -> Result<()> {
    let what = format!("{wanted:?} in {NOTIFIED} of {}", host.name());
    eventually(ELECTION, &what, || {
        let text = host.read(NOTIFIED)?;
        let lines: Vec<&str> = text.lines().collect();
        crate::ensure!(lines == wanted, "{lines:?}");
        Ok(())
    })
}

fn havip(lab: &mut Lab) -> Result<()> {
    let a = include_str!("../../published/havip-a.toml");
    let b = include_str!("../../published/havip-b.toml");
    let pair = Pair::build(lab, ["172.16.16.5/24", "172.16.16.6/24"])?;
    let (vip, advert) = ("172.16.16.12", 5 * SECOND);
    let election = advert * 4 + ELECTION;
    pair.scripts(
        "/etc/keepalived/do_sth.sh",
        "#!/bin/sh\ntest ! -e /run/broken\n",
    )?;
    pair.scripts("/etc/keepalived/notify_action.sh", &notify_script())?;
    for host in [&pair.a.host, &pair.b.host] {
        // This network carries no multicast.
        host.drop_arriving(&["-d", "224.0.0.0/4"])?;
    }
    let first = Lvsd::start(lab, &pair.a.host, a)?;
    pair.held(vip, true, election)?;
    let second = Lvsd::start(lab, &pair.b.host, b)?;
    second.wait_for("BACKUP", ELECTION)?;
    pair.held(vip, true, SECOND)?;
    let since = now();
    first.service.stop()?;
    pair.held(vip, false, election)?;
    notified(&pair.a.host, &["BACKUP", "MASTER", "STOP"])?;
    announcements(&pair, since, vip)?;
    let first = Lvsd::start(lab, &pair.a.host, a)?;
    first.wait_for("BACKUP", ELECTION)?;
    // Nobody preempts: the returned one only listens.
    steadily(advert * 2, || pair.held(vip, false, SECOND))?;
    pair.b.host.write("/run/broken", "")?;
    second.wait_for("FAULT", advert * 2 + ELECTION)?;
    pair.held(vip, true, election)?;
    notified(&pair.b.host, &["BACKUP", "MASTER", "FAULT"])?;
    let multicast = pair.seen.frames().into_iter().filter(|frame| {
        frame.advert().is_some() && frame.bytes.first().is_some_and(|first| first & 1 == 1)
    });
    let multicast = multicast.count();
    crate::ensure!(multicast == 0, "{multicast} adverts were multicast");
    Ok(())
}

/// The new master announces at once, a second later, and every five seconds.
fn announcements(pair: &Pair, since: Duration, vip: &str) -> Result<()> {
    let first = pair.announced(since, vip, 5 * SECOND)?.at;
    // Each counts from the one before, less what a burst of repetitions takes.
    let mut last = first;
    for (not_before, until) in [
        (SECOND / 2, SECOND + SLACK),
        // Counted from becoming master, which is a second before the second set.
        (3 * SECOND, 5 * SECOND + SLACK),
        (4 * SECOND, 5 * SECOND + SLACK),
    ] {
        let frame = pair.announced(last + not_before, vip, until + SECOND)?;
        crate::ensure!(
            frame.at <= last + until,
            "announced {:.1?} after the last time, expected within {until:.1?}",
            frame.at - last
        );
        last = frame.at;
    }
    Ok(())
}

fn nginx_together(lab: &mut Lab) -> Result<()> {
    let a = include_str!("../../published/nginx-together-a.toml");
    let b = include_str!("../../published/nginx-together-b.toml");
    let pair = Pair::build(lab, ["172.20.0.2/24", "172.20.0.3/24"])?;
    let script = "#!/bin/sh\n# Stands for a look at nginx, which cannot be restarted.\ntest ! -e /run/broken\n";
    pair.scripts("/etc/keepalived/nginx_check.sh", script)?;
    let (of_a, of_b) = ("172.20.0.110", "172.20.0.111");
    let first = Lvsd::start(lab, &pair.a.host, a)?;
    let _second = Lvsd::start(lab, &pair.b.host, b)?;
    let each_its_own = || {
        pair.held(of_a, true, ELECTION)?;
        pair.held(of_b, false, ELECTION)
    };
    let b_has_both = || {
        pair.held(of_a, false, ELECTION)?;
        pair.held(of_b, false, ELECTION)
    };
    each_its_own()?;
    pair.a.host.write("/run/broken", "")?;
    b_has_both()?;
    pair.a.host.run(["rm", "/run/broken"])?;
    each_its_own()?;
    pair.a.cable.pull()?;
    first.cut_power();
    b_has_both_after_power_cut(&pair, [of_a, of_b])?;
    pair.boot_a("172.20.0.110/32")?;
    let _first = Lvsd::start(lab, &pair.a.host, a)?;
    each_its_own()
}

/// The dead director still has its address, but nobody can ask it.
fn b_has_both_after_power_cut(pair: &Pair, addresses: [&str; 2]) -> Result<()> {
    eventually(ELECTION, "both addresses on b", || {
        for address in addresses {
            crate::ensure!(pair.b.host.has_address(address)?, "not {address}");
        }
        Ok(())
    })
}

fn lb_weight(lab: &mut Lab) -> Result<()> {
    let a = include_str!("../../published/lb-weight-a.toml");
    let b = include_str!("../../published/lb-weight-b.toml");
    let pair = Pair::build(lab, ["10.0.0.51/24", "10.0.0.52/24"])?;
    let vip = "10.0.0.50";
    let script = "#!/bin/sh\ntest ! -e /run/broken\n";
    pair.scripts("/etc/keepalived/check_nginx.sh", script)?;
    let first = Lvsd::start(lab, &pair.a.host, a)?;
    let _second = Lvsd::start(lab, &pair.b.host, b)?;
    pair.held(vip, true, ELECTION)?;
    let shown = pair
        .a
        .host
        .run(["ip", "-o", "addr", "show", "label", "eth0:0"])?;
    crate::ensure!(
        shown.stdout.contains("10.0.0.50/24"),
        "no such address under the label eth0:0: {}",
        shown.stdout
    );
    pair.a.host.write("/run/broken", "")?;
    let lowered = lowered(&pair, 70)?;
    let explained = first.command(&["status"])?.stdout;
    crate::ensure!(
        explained.contains("chk_nginx") && explained.contains("70"),
        "the status does not explain the priority:\n{explained}"
    );
    let announced = pair.announced(lowered, vip, 20 * SECOND)?;
    let took = announced.at - lowered;
    lab.note(format!(
        "b took over {took:.1?} after a's priority fell to 70"
    ));
    // b's preempt_delay, and no more than an interval and the down timer behind it.
    crate::ensure!(
        took >= 10 * SECOND - SLACK && took <= 15 * SECOND,
        "b took over {took:.1?} after a's priority fell; its preempt_delay is 10 s"
    );
    pair.held(vip, false, ELECTION)?;
    pair.a.host.run(["rm", "/run/broken"])?;
    pair.held(vip, true, ELECTION)
}

/// When an advert of a with this priority was first seen.
fn lowered(pair: &Pair, priority: u8) -> Result<Duration> {
    let what = format!("an advert of priority {priority}");
    let frame = pair.seen.wait(ELECTION, Duration::ZERO, &what, |frame| {
        frame
            .advert()
            .is_some_and(|advert| advert.priority == priority)
    })?;
    Ok(frame.at)
}
