//! What others change by hand is put right; what is not ours is left alone.

use std::time::{Duration, Instant};

use super::site::{expect_servers, start};
use super::{Need, Scenario};
use crate::failure::Result;
use crate::net::Lab;
use crate::seat::QUICK_TCP;
use crate::site::{INTERFACE, Site, VIP};
use crate::watch::eventually;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("drift::table_heals_at_reload", Need::Uml, heals_at_reload),
    Scenario::new("drift::table_heals_by_itself", Need::Uml, heals_by_itself),
    Scenario::new("drift::vip_comes_back", Need::Uml, vip_comes_back),
    Scenario::new("drift::bad_file_changes_nothing", Need::Uml, bad_file),
];

const SERVICE: &str = "172.17.1.160:80";
const FOREIGN: &str = "10.9.9.9:25";

/// What a careless hand does to the table.
const DAMAGES: [&[&str]; 4] = [
    &["ipvsadm", "-C"],
    &["ipvsadm", "-d", "-t", SERVICE, "-r", "172.17.1.152:80"],
    &[
        "ipvsadm",
        "-e",
        "-t",
        SERVICE,
        "-r",
        "172.17.1.152:80",
        "-g",
        "-w",
        "7",
    ],
    &["ipvsadm", "-E", "-t", SERVICE, "-s", "wrr"],
];

fn expect_ours(host: &crate::net::Host) -> Result<()> {
    expect_servers(host, 2)?;
    let table = host.run(["ipvsadm", "-Ln"])?.stdout;
    let right = table.lines().filter(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words.as_slice(), ["->", _, "Route", "1", ..])
    });
    crate::ensure!(right.count() == 2, "not two servers of weight 1:\n{table}");
    Ok(())
}

fn heals_at_reload(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let [d1, _d2] = start(lab, &site, QUICK_TCP, Duration::from_millis(100))?;
    for damage in DAMAGES {
        d1.host.run_list(damage)?;
        d1.reload()?;
        expect_ours(&d1.host).map_err(|failure| failure.during(damage.join(" ")))?;
    }
    d1.host.run(["ipvsadm", "-A", "-t", FOREIGN, "-s", "rr"])?;
    d1.reload()?;
    let table = d1.host.run(["ipvsadm", "-Ln"])?.stdout;
    crate::ensure!(
        table.contains(FOREIGN),
        "the foreign service is gone:\n{table}"
    );
    eventually(
        Duration::from_secs(35),
        "the foreign service reported",
        || {
            let status = d1.status()?;
            let foreign = status.pointer("/ipvs/foreign").map(ToString::to_string);
            crate::ensure!(
                foreign.as_deref().unwrap_or_default().contains(FOREIGN),
                "foreign services: {foreign:?}"
            );
            Ok(())
        },
    )
}

fn heals_by_itself(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let [d1, _d2] = start(lab, &site, QUICK_TCP, Duration::from_millis(100))?;
    d1.host.run(["ipvsadm", "-C"])?;
    let begin = Instant::now();
    eventually(Duration::from_secs(31), "the table to heal", || {
        expect_ours(&d1.host)
    })?;
    lab.note(format!(
        "healed after {:.1} s",
        begin.elapsed().as_secs_f64()
    ));
    let drift = d1
        .status()?
        .pointer("/ipvs/drift")
        .and_then(serde_json::Value::as_u64);
    crate::ensure!(
        drift.is_some_and(|drift| drift > 0),
        "no drift reported: {drift:?}"
    );
    Ok(())
}

fn vip_comes_back(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let [d1, _d2] = start(lab, &site, QUICK_TCP, Duration::from_millis(100))?;
    for _ in 0..3 {
        d1.host
            .run(["ip", "addr", "del", "172.17.1.160/32", "dev", INTERFACE])?;
        let begin = Instant::now();
        eventually(Duration::from_secs(1), "the VIP to come back", || {
            crate::ensure!(d1.host.holds(INTERFACE, VIP)?, "it is not there");
            Ok(())
        })?;
        lab.note(format!("{:.0} ms", begin.elapsed().as_secs_f64() * 1e3));
    }
    site.curl().map(drop)
}

fn bad_file(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let [d1, _d2] = start(lab, &site, QUICK_TCP, Duration::from_millis(100))?;
    d1.configure("[virtual_server.web]\naddress = \"172.17.1.160:80\"\nschedular = \"rr\"\n")?;
    let refused = d1.reload();
    let text = refused
        .err()
        .map(|failure| failure.to_string())
        .unwrap_or_default();
    crate::ensure!(
        text.contains("scheduler") && text.contains(":3:"),
        "the refusal names neither line nor suggestion: {text}"
    );
    expect_ours(&d1.host)?;
    crate::ensure!(d1.host.holds(INTERFACE, VIP)?, "the VIP is gone");
    Ok(())
}
