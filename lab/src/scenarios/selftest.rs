//! The lab shows, with keepalived in the directors' seats, that it sees what it claims to see.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Need, Scenario};
use crate::failure::Result;
use crate::net::{Daemon, Host, Lab};
use crate::site::{self, Directors, INTERFACE, Site, VIP};
use crate::watch::{Capture, Load, NetlinkTap, eventually, now};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("selftest::keepalived_takes_over", Need::Any, takes_over).alone(),
    Scenario::new("selftest::keepalived_balances", Need::Uml, balances),
    Scenario::new("selftest::cables_and_drops", Need::Uml, cables_and_drops),
    Scenario::new(
        "selftest::netlink_is_counted",
        Need::Uml,
        netlink_is_counted,
    ),
];

/// keepalived's configuration of one director: VRRPv3, one advertisement every 100 ms.
fn vrrp(priority: u8) -> String {
    format!(
        "global_defs {{
    router_id lab
    vrrp_version 3
}}
vrrp_instance VI_1 {{
    state BACKUP
    interface {INTERFACE}
    virtual_router_id 51
    priority {priority}
    advert_int 0.1
    virtual_ipaddress {{
        {VIP}/32
    }}
}}
"
    )
}

/// A pool of the site's two real servers, rr and direct routing, TCP checks.
fn pool() -> String {
    let server = |last: u8| {
        format!(
            "    real_server 172.17.1.{last} 80 {{
        TCP_CHECK {{
            connect_timeout 1
            retry 1
            delay_before_retry 1
        }}
    }}
"
        )
    };
    format!(
        "virtual_server {VIP} 80 {{
    delay_loop 1
    lb_algo rr
    lb_kind DR
    protocol TCP
{}{}}}
",
        server(152),
        server(153)
    )
}

fn keepalived(host: &Host, configuration: &str) -> Result<Daemon> {
    host.write("/run/lab/keepalived.conf", configuration)?;
    host.spawn(
        "keepalived",
        &[
            "keepalived",
            "-n",
            "-l",
            "-D",
            "-f",
            "/run/lab/keepalived.conf",
        ],
    )
}

/// The time from the last advertisement of `from` to the first announcement of the VIP after it.
fn takeover(capture: &Capture, since: Duration, from: u8) -> Result<Duration> {
    let announced = capture.wait(
        Duration::from_secs(5),
        since,
        "the VIP announced",
        |frame| frame.announced().is_some(),
    )?;
    let last = capture
        .adverts()
        .into_iter()
        .filter(|(at, advert)| *at < announced.at && advert.priority == from)
        .map(|(at, _)| at)
        .next_back();
    last.map(|last| announced.at - last)
        .ok_or_else(|| crate::failure::Failure::said("no advertisement before the takeover"))
}

fn takes_over(lab: &mut Lab) -> Result<()> {
    let Directors { d1, d2 } = Directors::build(lab)?;
    let seen = lab.capture(&d2.host, INTERFACE)?;
    let first = keepalived(&d1.host, &vrrp(150))?;
    seen.wait(
        Duration::from_secs(5),
        Duration::ZERO,
        "d1 as master",
        |frame| frame.advert().is_some_and(|advert| advert.priority == 150),
    )?;
    keepalived(&d2.host, &vrrp(100))?;
    eventually(Duration::from_secs(5), "d2 to be a backup", || {
        let state = d2.host.processes();
        crate::ensure!(state.len() >= 2, "processes: {state:?}");
        Ok(())
    })?;
    eventually(Duration::from_secs(5), "d1 to hold the VIP", || {
        crate::ensure!(d1.host.holds(INTERFACE, VIP)?, "it does not");
        Ok(())
    })?;
    // One advertisement more than the backup needs to know its master.
    seen.wait(
        Duration::from_secs(2),
        now() + Duration::from_millis(300),
        "adverts",
        |frame| frame.advert().is_some(),
    )?;
    let cut = now();
    d1.cable.cut_silently()?;
    first.kill_group(Signal::SIGKILL);
    let time = takeover(&seen, cut, 150)?;
    lab.note(format!("takeover {:.2} ms", time.as_secs_f64() * 1e3));
    // 3 x 100 ms and a skew of (256 - 100) / 256 x 100 ms.
    let theory = Duration::from_micros(360_937);
    crate::ensure!(
        time >= theory && time < theory + Duration::from_millis(20),
        "takeover after {time:?}, in theory {theory:?}"
    );
    Ok(())
}

fn balances(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let web = site.web()?;
    let d1 = &site.directors.d1.host;
    keepalived(d1, &(vrrp(150) + &pool()))?;
    eventually(Duration::from_secs(10), "both servers in the pool", || {
        let table = d1.run(["ipvsadm", "-Ln"])?.stdout;
        crate::ensure!(table.matches("Route").count() == 2, "{table}");
        site.curl().map(drop)
    })?;
    let answers: Vec<String> = (0..6).map(|_| site.curl()).collect::<Result<_>>()?;
    crate::ensure!(
        answers.windows(2).all(|pair| pair[0] != pair[1]),
        "answers do not alternate: {answers:?}"
    );
    let (every, limit) = (Duration::from_millis(20), Duration::from_secs(1));
    let load = Load::start(&site.client.host, site::service(), every, limit)?;
    web[0].stop()?;
    eventually(Duration::from_secs(10), "one server in the pool", || {
        let table = d1.run(["ipvsadm", "-Ln"])?.stdout;
        crate::ensure!(table.matches("Route").count() == 1, "{table}");
        Ok(())
    })?;
    let report = load.stop()?;
    crate::ensure!(
        !report.failures.is_empty() && report.answers.contains_key("rs2"),
        "requests to a dead server must fail, those to the other must not: {report:?}"
    );
    lab.note(format!(
        "{} answered, {} failed",
        report.answered(),
        report.failures.len()
    ));
    Ok(())
}

fn cables_and_drops(lab: &mut Lab) -> Result<()> {
    let Directors { d1, d2 } = Directors::build(lab)?;
    let ping = || {
        d1.host.try_run(
            &["ping", "-c1", "-W1", "172.17.1.151"],
            Duration::from_secs(5),
        )
    };
    let reachable = || Ok::<_, crate::failure::Failure>(ping()?.code == Some(0));
    crate::ensure!(reachable()?, "d2 must be reachable at first");
    d1.cable.cut_silently()?;
    crate::ensure!(!reachable()?, "d2 is reachable through a cut cable");
    d1.host.wait_for_carrier(INTERFACE)?;
    d1.cable.mend()?;
    eventually(Duration::from_secs(3), "d2 to be reachable again", || {
        crate::ensure!(reachable()?, "it is not");
        Ok(())
    })?;
    d1.cable.pull()?;
    let state = d1.host.read("/sys/class/net/eth0/operstate")?;
    crate::ensure!(state.trim() != "up", "the interface is up without a cable");
    d1.cable.mend()?;
    d1.host.wait_for_carrier(INTERFACE)?;
    let echo = ["-p", "icmp", "--icmp-type", "echo-request"];
    d2.host.drop_arriving(&echo)?;
    crate::ensure!(!reachable()?, "d2 answers although it drops");
    d2.host.let_arrive(&echo)?;
    crate::ensure!(reachable()?, "d2 must be reachable at last");
    Ok(())
}

fn netlink_is_counted(lab: &mut Lab) -> Result<()> {
    let host = lab.host("d1")?;
    let tap = NetlinkTap::start(&host, "IPVS")?;
    let since = now();
    host.run(["ipvsadm", "-A", "-t", "10.0.0.1:80"])?;
    host.run(["ipvsadm", "-a", "-t", "10.0.0.1:80", "-r", "10.0.0.2", "-g"])?;
    // IPVS_CMD_NEW_SERVICE and IPVS_CMD_NEW_DEST of linux/ip_vs.h.
    eventually(Duration::from_secs(2), "two additions", || {
        let seen = tap.requests(since, |_| true);
        let commands: Vec<u8> = seen.iter().map(|request| request.command).collect();
        crate::ensure!(
            commands.contains(&1) && commands.contains(&5),
            "commands {commands:?}"
        );
        Ok(())
    })
}
