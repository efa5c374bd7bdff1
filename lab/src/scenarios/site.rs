//! The standard site in its everyday.

use std::time::Duration;

use super::{Need, Scenario};
use crate::failure::Result;
use crate::net::{Host, Lab};
use crate::seat::{Lvsd, QUICK_TCP, Vrrp, pool};
use crate::site::{INTERFACE, Site, VIP};
use crate::watch::eventually;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::new(
    "site::requests_alternate",
    Need::Uml,
    alternate,
)];

/// Both directors with the usual pool; d1 is the master.
pub(super) fn start(lab: &Lab, site: &Site, check: &str, interval: Duration) -> Result<[Lvsd; 2]> {
    let configure = |priority| Vrrp::v3(priority, interval).toml() + &pool(check);
    let d1 = Lvsd::start(lab, &site.directors.d1.host, &configure(150))?;
    let d2 = Lvsd::start(lab, &site.directors.d2.host, &configure(100))?;
    let limit = Duration::from_secs(10) + interval * 4;
    d1.wait_for("MASTER", limit)?;
    d2.wait_for("BACKUP", limit)?;
    for director in [&d1, &d2] {
        eventually(limit, "both servers in the pool", || {
            expect_servers(&director.host, 2)
        })?;
    }
    Ok([d1, d2])
}

/// Expects so many real servers in the table of a director.
pub(super) fn expect_servers(director: &Host, count: usize) -> Result<()> {
    let table = director.run(["ipvsadm", "-Ln"])?.stdout;
    crate::ensure!(
        table.contains(&format!("TCP  {VIP}:80 rr")),
        "no such service:\n{table}"
    );
    let found = table
        .lines()
        .filter(|line| line.trim_start().starts_with("->") && line.contains(":80 "))
        .count();
    crate::ensure!(
        found == count,
        "{found} servers instead of {count}:\n{table}"
    );
    Ok(())
}

fn alternate(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let [d1, d2] = start(lab, &site, QUICK_TCP, Duration::from_secs(1))?;
    for director in [&d1, &d2] {
        let table = director.host.run(["ipvsadm", "-Ln"])?.stdout;
        for server in ["172.17.1.152:80", "172.17.1.153:80"] {
            let found = table.lines().any(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.starts_with(&["->", server, "Route", "1"])
            });
            crate::ensure!(
                found,
                "no `{server} Route 1` on {}:\n{table}",
                director.host.name()
            );
        }
    }
    let answers: Vec<String> = (0..20).map(|_| site.curl()).collect::<Result<_>>()?;
    crate::ensure!(
        answers.windows(2).all(|pair| pair.first() != pair.last()),
        "answers do not alternate strictly: {answers:?}"
    );
    crate::ensure!(
        d1.host.holds(INTERFACE, VIP)?,
        "the master does not hold the VIP"
    );
    crate::ensure!(!d2.host.holds(INTERFACE, VIP)?, "the backup holds the VIP");
    let addresses = d1
        .host
        .run(["ip", "-o", "-4", "addr", "show", "dev", INTERFACE])?
        .stdout;
    crate::ensure!(
        addresses.contains("172.17.1.160/32"),
        "not a /32:\n{addresses}"
    );
    Ok(())
}
