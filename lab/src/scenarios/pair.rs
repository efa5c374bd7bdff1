//! The site of two lvsd directors: what an operator sees on the first evening.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Need, Scenario};
use crate::director::{Config, Director};
use crate::failure::Result;
use crate::net::Lab;
use crate::site::{self, INTERFACE, Site, VIP};
use crate::watch::{Load, eventually, steadily};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "pair::balances_and_only_the_master_holds_the_vip",
        Need::Uml,
        balances,
    ),
    Scenario::new(
        "pair::survives_the_master_and_gives_back",
        Need::Uml,
        fails_over,
    ),
    Scenario::new("pair::stops_in_order", Need::Uml, stops_in_order),
    Scenario::new(
        "pair::a_killed_process_moves_nothing",
        Need::Uml,
        killed_processes,
    ),
    Scenario::new("pair::an_abandoned_director_lets_go", Need::Uml, abandoned).limit(90),
];

const SOON: Duration = Duration::from_secs(10);
/// Between two requests of a load, and the time each may take.
const EVERY: Duration = Duration::from_millis(20);
const GIVEN_UP: Duration = Duration::from_secs(2);

/// The site with both directors and both web servers, d1 being master.
pub(super) struct Pair {
    pub site: Site,
    pub d1: Director,
    pub d2: Director,
}

impl Pair {
    /// Starts it; the configurations differ in priority only.
    pub fn start(lab: &mut Lab, config: &Config) -> Result<Self> {
        let site = Site::build(lab)?;
        site.web()?;
        let director = |place: &site::Place, priority| {
            Director::start(
                lab,
                &place.host,
                &Config {
                    priority,
                    ..config.clone()
                }
                .text(),
            )
        };
        let d1 = director(&site.directors.d1, 100)?;
        let d2 = director(&site.directors.d2, 90)?;
        d1.wait_for("MASTER")?;
        d2.wait_for("BACKUP")?;
        for director in [&d1, &d2] {
            expect_pool(director, 2)?;
        }
        eventually(SOON, "the first answer", || site.curl().map(drop))?;
        Ok(Self { site, d1, d2 })
    }
}

/// Waits until the service is in the kernel with so many servers.
pub(super) fn expect_pool(director: &Director, servers: usize) -> Result<()> {
    eventually(SOON, &format!("{servers} servers in the pool"), || {
        let table = director.table()?;
        crate::ensure!(
            table.contains("TCP  172.17.1.160:80 rr\n")
                && table.matches(" Route   1 ").count() == servers,
            "{table}"
        );
        Ok(())
    })
}

/// So many requests by curl, which must be answered by the two servers in turn.
pub(super) fn alternate(site: &Site, requests: usize) -> Result<()> {
    let answers: Vec<String> = (0..requests).map(|_| site.curl()).collect::<Result<_>>()?;
    crate::ensure!(
        answers.windows(2).all(|pair| pair[0] != pair[1]),
        "answers do not alternate: {answers:?}"
    );
    Ok(())
}

/// Whether d1 or d2 hold the address.
pub(super) fn holders(site: &Site) -> Result<[bool; 2]> {
    let [d1, d2] = site.directors.both();
    Ok([
        d1.host.holds(INTERFACE, VIP)?,
        d2.host.holds(INTERFACE, VIP)?,
    ])
}

pub(super) fn expect_holders(site: &Site, expected: [bool; 2]) -> Result<()> {
    eventually(SOON, &format!("the VIP on {expected:?}"), || {
        let found = holders(site)?;
        crate::ensure!(found == expected, "it is on {found:?}");
        Ok(())
    })
}

fn balances(lab: &mut Lab) -> Result<()> {
    let pair = Pair::start(lab, &Config::default())?;
    alternate(&pair.site, 20)?;
    expect_holders(&pair.site, [true, false])?;
    let text = pair.d1.status_text()?;
    for words in [
        "VRRP web  MASTER",
        "172.17.1.160/32 dev eth0  held here",
        "2 of 2 up",
        "Route",
    ] {
        crate::ensure!(text.contains(words), "no {words:?} in:\n{text}");
    }
    let master = pair.d2.status_at("/vrrp/0/master/address")?;
    crate::ensure!(
        master == "172.17.1.150",
        "d2 says that the master is {master}"
    );
    Ok(())
}

fn fails_over(lab: &mut Lab) -> Result<()> {
    let pair = Pair::start(lab, &Config::default())?;
    let d1 = &pair.site.directors.d1;
    d1.cable.cut_silently()?;
    pair.d1.service().forsake()?;
    d1.host.kill_everything();
    pair.d2.wait_for("MASTER")?;
    eventually(SOON, "an answer by d2", || pair.site.curl().map(drop))?;
    alternate(&pair.site, 4)?;

    // What a reboot of d1 takes away; then it preempts, and nobody notices.
    d1.host
        .run(["ip", "addr", "del", "172.17.1.160/32", "dev", INTERFACE])?;
    d1.host.run(["ipvsadm", "-C"])?;
    d1.cable.mend()?;
    d1.host.wait_for_carrier(INTERFACE)?;
    let load = Load::start(&pair.site.client.host, site::service(), EVERY, GIVEN_UP)?;
    let d1 = Director::start(lab, &d1.host, &Config::default().text())?;
    d1.wait_for("MASTER")?;
    pair.d2.wait_for("BACKUP")?;
    expect_holders(&pair.site, [true, false])?;
    load.stop()?.expect_no_failure()?;
    alternate(&pair.site, 4)
}

fn stops_in_order(lab: &mut Lab) -> Result<()> {
    let pair = Pair::start(lab, &Config::default())?;
    pair.d1
        .host()
        .run(["ipvsadm", "-A", "-t", "10.9.9.9:99", "-s", "rr"])?;
    pair.d1.service().stop()?;
    pair.d2.wait_for("MASTER")?;
    expect_holders(&pair.site, [false, true])?;
    eventually(SOON, "our entries gone and the foreign one left", || {
        let table = pair.d1.table()?;
        crate::ensure!(
            !table.contains(VIP) && table.contains("10.9.9.9:99"),
            "{table}"
        );
        Ok(())
    })?;
    eventually(SOON, "no process of lvsd", || {
        let left = pair.d1.service().children();
        crate::ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })?;
    alternate(&pair.site, 4)
}

fn killed_processes(lab: &mut Lab) -> Result<()> {
    let pair = Pair::start(lab, &Config::default())?;
    let before = pair.d2.status_at("/vrrp/0/counters/became_master").ok();
    let load = Load::start(&pair.site.client.host, site::service(), EVERY, GIVEN_UP)?;
    for victim in ["vrrp", "checker", "supervisor"] {
        let old = match victim {
            "supervisor" => pair.d1.service().pid(),
            worker => pair.d1.worker(worker)?,
        };
        pair.d1.kill(victim)?;
        eventually(SOON, &format!("{victim} to be back"), || {
            let new = match victim {
                "supervisor" => pair.d1.service().pid(),
                worker => pair.d1.worker(worker)?,
            };
            crate::ensure!(new != old, "it is still {old}");
            Ok(())
        })?;
        pair.d1.wait_for("MASTER")?;
        // Longer than the peer needs to notice a dead master.
        steadily(Duration::from_secs(5), || {
            let held = holders(&pair.site)?;
            crate::ensure!(
                held == [true, false],
                "{victim} killed: the VIP is on {held:?}"
            );
            expect_pool(&pair.d1, 2)
        })?;
    }
    let after = pair.d2.status_at("/vrrp/0/counters/became_master").ok();
    crate::ensure!(
        before == after,
        "d2 became master: {before:?}, then {after:?}"
    );
    let report = load.stop()?;
    lab.note(format!(
        "{} requests, slowest {:?}",
        report.answered(),
        report.slowest
    ));
    report.expect_no_failure()
}

fn abandoned(lab: &mut Lab) -> Result<()> {
    let pair = Pair::start(lab, &Config::default())?;
    // No service manager brings this one back.
    let workers = [pair.d1.worker("vrrp")?, pair.d1.worker("checker")?];
    pair.d1.service().forsake()?;
    steadily(Duration::from_secs(5), || {
        let held = holders(&pair.site)?;
        crate::ensure!(held == [true, false], "the VIP is on {held:?}");
        Ok(())
    })?;
    // After the grace of 30 s the workers give up in good order.
    eventually(Duration::from_secs(40), "d2 to be master", || {
        crate::ensure!(pair.d2.status_at("/vrrp/0/state")? == "MASTER", "it is not");
        Ok(())
    })?;
    expect_holders(&pair.site, [false, true])?;
    eventually(SOON, "the workers to end", || {
        let left: Vec<_> = workers
            .iter()
            .filter(|pid| nix::sys::signal::kill(**pid, None::<Signal>).is_ok())
            .collect();
        crate::ensure!(left.is_empty(), "{left:?} live");
        Ok(())
    })
}
