//! What a virtual router can do besides its election, each seen from outside.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use super::{Need, Scenario};
use crate::failure::Result;
use crate::net::{Host, Lab, Netem};
use crate::seat::{Lvsd, Vrrp};
use crate::site::{Directors, INTERFACE, LAN, VIP, place};
use crate::watch::{Echo, Probe, eventually, now, steadily};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("features::a_group_moves_together", Need::Any, group),
    Scenario::new("features::a_virtual_mac_stays", Need::Uml, virtual_mac),
    Scenario::new("features::routes_and_rules", Need::Any, routes_and_rules),
    Scenario::new("features::a_second_way", Need::Uml, second_way),
    Scenario::new("features::a_split_brain_is_seen", Need::Uml, split_brain),
    Scenario::new("features::a_dead_pool_lets_go", Need::Uml, dead_pool),
];

const INTERVAL: Duration = Duration::from_millis(200);
const SOON: Duration = Duration::from_secs(15);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 17, 1, 160);

/// How long something must stay as it is: more than any timer here.
const STEADY: Duration = Duration::from_secs(2);

fn router(priority: u8) -> Vrrp {
    Vrrp::v3(priority, INTERVAL)
}

fn pair(lab: &mut Lab, configure: impl Fn(u8) -> String) -> Result<(Directors, Lvsd, Lvsd)> {
    let directors = Directors::build(lab)?;
    lab.capture(&directors.d2.host, INTERFACE)?;
    let d1 = Lvsd::start(lab, &directors.d1.host, &configure(150))?;
    let d2 = Lvsd::start(lab, &directors.d2.host, &configure(100))?;
    Ok((directors, d1, d2))
}

/// Waits until the addresses are on `master` and not on `backup`.
fn all_on(master: &Host, backup: &Host, addresses: &[&str]) -> Result<()> {
    let what = format!("{addresses:?} on {}", master.name());
    eventually(SOON, &what, || {
        for address in addresses {
            let found = (master.has_address(address)?, backup.has_address(address)?);
            crate::ensure!(
                found == (true, false),
                "{address} on {}: {}, on {}: {}",
                master.name(),
                found.0,
                backup.name(),
                found.1
            );
        }
        Ok(())
    })
}

/// A router with a side inside and a side outside: half of it is worth nothing.
fn group(lab: &mut Lab) -> Result<()> {
    let configure = |priority| {
        let inner = Vrrp {
            name: "inner".into(),
            interface: "eth1",
            vrid: 52,
            addresses: vec!["10.9.0.1/24".into()],
            ..router(priority)
        };
        let group = "[sync_group.gateway]\nmembers = [\"web\", \"inner\"]\n";
        router(priority).toml() + &inner.toml() + group
    };
    let directors = Directors::build(lab)?;
    lab.bridge("inside")?;
    let (first, second) = (&directors.d1.host, &directors.d2.host);
    let inner = lab.link(first, "eth1", "inside", &["10.9.0.2/24"])?;
    lab.link(second, "eth1", "inside", &["10.9.0.3/24"])?;
    let _d1 = Lvsd::start(lab, first, &configure(150))?;
    let _d2 = Lvsd::start(lab, second, &configure(100))?;
    let both = [VIP, "10.9.0.1"];
    all_on(first, second, &both)?;
    for cable in [&inner, &directors.d1.cable] {
        cable.pull()?;
        all_on(second, first, &both)?;
        steadily(STEADY, || all_on(second, first, &both))?;
        cable.mend()?;
        all_on(first, second, &both)?;
    }
    Ok(())
}

/// The virtual address has one MAC address on whichever director it is: nobody has to learn.
fn virtual_mac(lab: &mut Lab) -> Result<()> {
    const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];
    let vmac = |priority| Vrrp {
        vmac: true,
        ..router(priority)
    };
    let (directors, d1, _d2) = pair(lab, |priority| vmac(priority).toml())?;
    let client = place(lab, LAN, "client", "172.17.1.10/20")?.host;
    let seen = lab.capture(&client, INTERFACE)?;
    let (first, second) = (&directors.d1.host, &directors.d2.host);
    all_on(first, second, &[VIP])?;
    let _echoes = [Echo::start(first, ADDRESS)?, Echo::start(second, ADDRESS)?];
    let every = Duration::from_millis(20);
    let probe = Probe::start(&client, ADDRESS, every)?;
    thread::sleep(STEADY / 2);
    let neighbour = client.run(["ip", "neigh", "show", VIP])?.stdout;
    crate::ensure!(
        neighbour.contains("00:00:5e:00:01:33"),
        "the client knows {VIP} as {neighbour:?}"
    );
    let cut = now();
    directors.d1.cable.pull()?;
    d1.cut_power();
    eventually(SOON, "the address on d2", || {
        crate::ensure!(second.has_address(VIP)?, "it is not there");
        Ok(())
    })?;
    thread::sleep(STEADY / 2);
    let lost = probe.stop()?.lost.into_iter().filter(|at| *at >= cut);
    let outage = every * u32::try_from(lost.count()).unwrap_or(u32::MAX);
    let theory = router(100).master_down_time();
    lab.note(format!(
        "an outage of {outage:.0?}, the timer is {theory:.0?}"
    ));
    crate::ensure!(
        outage <= theory + Duration::from_millis(300),
        "an outage of {outage:.0?}"
    );
    let others: Vec<String> = seen
        .frames()
        .into_iter()
        .filter(|frame| frame.advert().is_some() || frame.announced().is_some())
        .filter(|frame| frame.bytes.get(6..12) != Some(&MAC))
        .map(|frame| frame.to_string())
        .collect();
    crate::ensure!(
        others.is_empty(),
        "{} adverts or announcements from another MAC address, such as {:?}",
        others.len(),
        others.first()
    );
    Ok(())
}

/// Routes and rules follow the Master, and come back when somebody removes them.
fn routes_and_rules(lab: &mut Lab) -> Result<()> {
    let configure = |priority| {
        let more = "virtual_routes = [\"203.0.113.0/24 via 172.17.1.1 dev eth0 table 100\"]\n\
                    virtual_rules = [\"from 172.17.1.160 table 100 priority 1000\"]\n";
        router(priority).with(more, "").toml()
    };
    let (directors, d1, _d2) = pair(lab, configure)?;
    let (first, second) = (&directors.d1.host, &directors.d2.host);
    all_on(first, second, &[VIP])?;
    let present = |host: &Host, wanted: bool| {
        let what = format!("route and rule on {}: {wanted}", host.name());
        eventually(SOON, &what, || {
            // A table that does not exist yet has no routes.
            let command = ["ip", "route", "show", "table", "100"];
            let routes = host.try_run(&command, SOON)?.stdout;
            let rules = host.run(["ip", "rule", "show"])?.stdout;
            let found = [
                routes.contains("203.0.113.0/24 via 172.17.1.1"),
                rules.contains("1000:\tfrom 172.17.1.160 lookup 100"),
            ];
            crate::ensure!(found == [wanted; 2], "{found:?}: {routes}{rules}");
            Ok(())
        })
    };
    present(first, true)?;
    present(second, false)?;
    first.run(["ip", "route", "flush", "table", "100"])?;
    present(first, true)?;
    first.run(["ip", "rule", "del", "priority", "1000"])?;
    present(first, true)?;
    first.run(["ip", "addr", "del", "172.17.1.160/32", "dev", INTERFACE])?;
    all_on(first, second, &[VIP])?;
    present(first, true)?;
    d1.service.stop()?;
    all_on(second, first, &[VIP])?;
    present(second, true)?;
    present(first, false)
}

/// Adverts over a second cable: that the first one is cut makes no second master.
fn second_way(lab: &mut Lab) -> Result<()> {
    let directors = Directors::build(lab)?;
    lab.bridge("beat")?;
    let (first, second) = (&directors.d1.host, &directors.d2.host);
    lab.link(first, "eth1", "beat", &["10.8.0.1/24"])?;
    lab.link(second, "eth1", "beat", &["10.8.0.2/24"])?;
    let configure = |priority| {
        router(priority)
            .with("heartbeat = { interface = \"eth1\" }", "")
            .toml()
    };
    let _d1 = Lvsd::start(lab, first, &configure(150))?;
    let d2 = Lvsd::start(lab, second, &configure(100))?;
    all_on(first, second, &[VIP])?;
    d2.wait_for("BACKUP", SOON)?;
    directors.d1.cable.cut_silently()?;
    steadily(STEADY, || all_still_on(first, second))?;
    directors.d1.cable.mend()?;
    steadily(STEADY, || all_still_on(first, second))
}

fn all_still_on(master: &Host, backup: &Host) -> Result<()> {
    let found = (master.has_address(VIP)?, backup.has_address(VIP)?);
    crate::ensure!(found == (true, false), "{VIP} on both: {found:?}");
    Ok(())
}

/// Who claims the same virtual router, and does not hear us, is named.
fn split_brain(lab: &mut Lab) -> Result<()> {
    let (directors, d1, _d2) = pair(lab, |priority| router(priority).toml())?;
    let (first, second) = (&directors.d1.host, &directors.d2.host);
    all_on(first, second, &[VIP])?;
    directors.d2.cable.netem_to_host(Netem {
        loss: 100.0,
        ..Netem::default()
    })?;
    let told = |wanted: bool| {
        let what = format!("the status of d1 to name the other master: {wanted}");
        eventually(SOON, &what, || {
            let status = d1.command(&["status"])?.stdout;
            let found = status.contains("172.17.1.151 also claims");
            crate::ensure!(found == wanted, "{status}");
            Ok(())
        })
    };
    told(true)?;
    let log = d1.log()?;
    let lines = log.lines().filter(|line| line.contains("172.17.1.151"));
    let lines: Vec<&str> = lines.collect();
    crate::ensure!(
        (1..=3).contains(&lines.len()),
        "the log names it {} times: {:?}",
        lines.len(),
        lines.first()
    );
    directors.d2.cable.clear_netem_to_host()?;
    all_on(first, second, &[VIP])?;
    told(false)
}

/// A director whose pool is dead lets the other one try, whose pool is well.
fn dead_pool(lab: &mut Lab) -> Result<()> {
    let configure = |priority| {
        let pool = "[track_virtual_server.web]\nweight = -60\n\
                    [virtual_server.web]\naddress = \"172.17.1.160:80\"\nscheduler = \"rr\"\n\
                    check = [{ type = \"icmp\", interval = \"300ms\", connect_timeout = \"300ms\", \
                    retries = 1, retry_delay = \"100ms\" }]\n\
                    real_server = [{ address = \"172.17.1.152\" }]\n";
        router(priority).with("track = [\"web\"]", "").toml() + pool
    };
    let server = {
        lab.bridge(LAN)?;
        place(lab, LAN, "rs1", "172.17.1.152/20")?.host
    };
    let first = place(lab, LAN, "d1", "172.17.1.150/20")?.host;
    let second = place(lab, LAN, "d2", "172.17.1.151/20")?.host;
    let d1 = Lvsd::start(lab, &first, &configure(150))?;
    let _d2 = Lvsd::start(lab, &second, &configure(100))?;
    all_on(&first, &second, &[VIP])?;
    // Only d1 cannot reach the server any more.
    server.drop_arriving(&["-s", "172.17.1.150"])?;
    all_on(&second, &first, &[VIP])?;
    let status = d1.command(&["status"])?.stdout;
    crate::ensure!(
        status.contains("90"),
        "the status does not say the priority of 90:\n{status}"
    );
    server.let_arrive(&["-s", "172.17.1.150"])?;
    all_on(&first, &second, &[VIP])
}
