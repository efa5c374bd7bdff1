//! The configurations of `examples/`, as they stand.

use std::time::Duration;

use super::site::expect_servers;
use super::{Need, Scenario};
use crate::failure::Result;
use crate::net::Lab;
use crate::seat::Lvsd;
use crate::serve::curl;
use crate::site::{INTERFACE, Site, VIP};
use crate::watch::eventually;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("examples::lvs_dr", Need::Uml, lvs_dr),
    Scenario::new("examples::http_check", Need::Uml, http_check),
    Scenario::new("examples::ipv6", Need::Uml, ipv6),
];

const LVS_DR_A: &str = include_str!("../../../examples/lvs-dr-a.toml");
const LVS_DR_B: &str = include_str!("../../../examples/lvs-dr-b.toml");
const HTTP_CHECK: &str = include_str!("../../../examples/http-check.toml");
const IPV6: &str = include_str!("../../../examples/ipv6.toml");

const PATIENCE: Duration = Duration::from_secs(15);
const VIP6: &str = "2001:db8:17:1::160";

fn lvs_dr(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let a = Lvsd::start(lab, &site.directors.d1.host, LVS_DR_A)?;
    let b = Lvsd::start(lab, &site.directors.d2.host, LVS_DR_B)?;
    a.wait_for("MASTER", PATIENCE)?;
    b.wait_for("BACKUP", PATIENCE)?;
    for director in [&a, &b] {
        eventually(PATIENCE, "both servers", || {
            expect_servers(&director.host, 2)
        })?;
    }
    crate::ensure!(
        site.curl()? != site.curl()?,
        "two requests reached one server"
    );
    Ok(())
}

fn http_check(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let [web, _other] = site.web()?;
    let director = Lvsd::start(lab, &site.directors.d1.host, HTTP_CHECK)?;
    director.wait_for("MASTER", PATIENCE)?;
    let answers = || (0..6).map(|_| site.curl()).collect::<Result<Vec<_>>>();
    eventually(PATIENCE, "two answers of rs1 for each of rs2", || {
        let answers = answers()?;
        let first = answers.iter().filter(|name| *name == "rs1").count();
        crate::ensure!(first == 4, "{answers:?}");
        Ok(())
    })?;
    web.stop()?;
    eventually(PATIENCE, "only answers of rs2", || {
        let answers = answers()?;
        crate::ensure!(answers.iter().all(|name| name == "rs2"), "{answers:?}");
        Ok(())
    })
}

fn ipv6(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let hosts = [
        (&site.directors.d1, "150"),
        (&site.directors.d2, "151"),
        (&site.rs1, "152"),
        (&site.rs2, "153"),
        (&site.client, "10"),
    ];
    for (place, last) in hosts {
        let address = format!("2001:db8:17:1::{last}/64");
        place
            .host
            .run(["ip", "addr", "add", &address, "dev", INTERFACE])?;
    }
    for server in [&site.rs1, &site.rs2] {
        let address = format!("{VIP6}/128");
        server
            .host
            .run(["ip", "addr", "add", &address, "dev", "lo"])?;
    }
    let _web = site.web()?;
    let d1 = Lvsd::start(lab, &site.directors.d1.host, IPV6)?;
    let lower = IPV6.replace("priority = 100", "priority = 90");
    let d2 = Lvsd::start(lab, &site.directors.d2.host, &lower)?;
    let seen = lab.capture(&site.directors.d2.host, INTERFACE)?;
    d1.wait_for("MASTER", PATIENCE)?;
    d2.wait_for("BACKUP", PATIENCE)?;
    eventually(PATIENCE, "d1 to hold both VIPs", || {
        crate::ensure!(d1.host.holds(INTERFACE, VIP)?, "not {VIP}");
        crate::ensure!(d1.host.holds(INTERFACE, VIP6)?, "not {VIP6}");
        Ok(())
    })?;
    let url = format!("http://[{VIP6}]/");
    let page = || curl(&site.client.host, &url);
    eventually(PATIENCE, "an answer over IPv6", || page().map(drop))?;
    crate::ensure!(page()? != page()?, "two requests reached one server");
    site.directors.d1.cable.pull()?;
    d1.cut_power();
    eventually(PATIENCE, "an answer from the new master", || {
        page().map(drop)
    })?;
    let announced = seen.frames().iter().any(|frame| {
        frame.sent
            && frame
                .announced()
                .is_some_and(|address| address.to_string() == VIP6)
    });
    crate::ensure!(announced, "d2 sent no neighbour advertisement for {VIP6}");
    Ok(())
}
