//! Whatever process of lvsd is killed: the VIP stays, the table stays, no request fails.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::site::{expect_servers, start};
use super::{Need, Scenario};
use crate::failure::{Attempt, Result};
use crate::net::Lab;
use crate::seat::{Lvsd, QUICK_TCP};
use crate::site::{self, INTERFACE, Site, VIP};
use crate::watch::{Load, eventually, now, steadily};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("crash::vrrp_worker", Need::Uml, |lab| {
        survives(lab, |d1| kill_worker(d1, "vrrp"))
    })
    .alone(),
    Scenario::new("crash::checker_worker", Need::Uml, |lab| {
        survives(lab, |d1| kill_worker(d1, "checker"))
    })
    .alone(),
    Scenario::new("crash::supervisor", Need::Uml, |lab| {
        survives(lab, kill_supervisor)
    })
    .alone(),
];

/// Twice as long as the peer needs to notice that its master is silent.
const WATCHED: Duration = Duration::from_secs(8);

fn survives(lab: &mut Lab, crash: fn(&Lvsd) -> Result<()>) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let [d1, _d2] = start(lab, &site, QUICK_TCP, Duration::from_secs(1))?;
    let seen = lab.capture(&site.directors.d2.host, INTERFACE)?;
    let (every, limit) = (Duration::from_millis(20), Duration::from_millis(800));
    let load = Load::start(&site.client.host, site::service(), every, limit)?;
    let since = now();
    for _ in 0..2 {
        crash(&d1)?;
        steadily(WATCHED / 2, || {
            crate::ensure!(d1.host.holds(INTERFACE, VIP)?, "the master lost the VIP");
            expect_servers(&d1.host, 2)
        })?;
    }
    d1.wait_for("MASTER", Duration::from_secs(5))?;
    let report = load.stop()?;
    lab.note(format!("{} requests", report.answered()));
    report.expect_no_failure()?;
    let false_masters: Vec<_> = seen
        .adverts()
        .into_iter()
        .filter(|(at, advert)| *at >= since && advert.priority != 150)
        .collect();
    crate::ensure!(
        false_masters.is_empty(),
        "other adverts were seen: {false_masters:?}"
    );
    Ok(())
}

fn kill_worker(d1: &Lvsd, name: &str) -> Result<()> {
    let old = d1.worker(name)?;
    kill(old, Signal::SIGKILL).attempt(|| format!("kill the {name} worker"))?;
    eventually(
        Duration::from_secs(5),
        &format!("another {name} worker"),
        || {
            let new = d1.worker(name)?;
            crate::ensure!(new != old, "still process {new}");
            Ok(())
        },
    )
}

fn kill_supervisor(d1: &Lvsd) -> Result<()> {
    let starts = d1.service.starts();
    d1.service.kill(Signal::SIGKILL)?;
    eventually(Duration::from_secs(5), "the supervisor to be back", || {
        crate::ensure!(d1.service.starts() > starts, "not started again");
        d1.state().map(drop)
    })
}
