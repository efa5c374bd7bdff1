//! What an operator does and gets wrong, and what lvsd says to it.

use std::time::Duration;

use super::site::start;
use super::{Need, Scenario};
use crate::failure::{Failure, Result};
use crate::net::{Host, Lab};
use crate::seat::{Lvsd, QUICK_TCP, Vrrp, pool};
use crate::site::{Directors, INTERFACE, Site, VIP};
use crate::watch::eventually;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("operator::stop_takes_everything_back", Need::Uml, stop),
    Scenario::new("operator::second_lvsd_is_refused", Need::Any, second),
    Scenario::new("operator::not_root", Need::Any, not_root),
    Scenario::new(
        "operator::interface_comes_later",
        Need::Any,
        interface_comes_later,
    ),
    Scenario::new("operator::address_in_use", Need::Any, address_in_use),
    Scenario::new("operator::no_ip_vs", Need::Uml, no_ip_vs).alone(),
];

const PATIENCE: Duration = Duration::from_secs(15);

fn vrrp() -> String {
    Vrrp::v3(150, Duration::from_millis(100)).toml()
}

fn stop(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let [d1, _d2] = start(lab, &site, QUICK_TCP, Duration::from_millis(100))?;
    d1.host.run(["ipvsadm", "-A", "-t", "10.9.9.9:25"])?;
    d1.service.stop()?;
    eventually(PATIENCE, "lvsd to be gone", || {
        let left = d1.host.processes();
        crate::ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })?;
    let table = d1.host.run(["ipvsadm", "-Ln"])?.stdout;
    crate::ensure!(!table.contains(VIP), "our service is still there:\n{table}");
    crate::ensure!(
        table.contains("10.9.9.9:25"),
        "the foreign one is gone:\n{table}"
    );
    crate::ensure!(!d1.host.holds(INTERFACE, VIP)?, "the VIP is still there");
    site.curl().map(drop)
}

/// Runs lvsd where it must refuse to start; what it says.
fn refusal(lab: &Lab, host: &Host, prefix: &[&str]) -> Result<String> {
    let program = lab.daemon()?.to_string_lossy().into_owned();
    let mut command = prefix.to_vec();
    command.extend([program.as_str(), "run", "--config", "/run/lab/lvsd.toml"]);
    let output = host.try_run(&command, Duration::from_secs(10))?;
    let text = format!("{}{}", output.stdout, output.stderr);
    crate::ensure!(
        output.code == Some(1),
        "status {:?}, and it said: {text}",
        output.code
    );
    Ok(text)
}

fn second(lab: &mut Lab) -> Result<()> {
    let Directors { d1, .. } = Directors::build(lab)?;
    let first = Lvsd::start(lab, &d1.host, &vrrp())?;
    first.wait_for("MASTER", PATIENCE)?;
    let text = refusal(lab, &d1.host, &[])?;
    let pid = format!("pid {}", first.service.pid());
    crate::ensure!(
        text.contains("another lvsd is running") && text.contains(&pid),
        "it said: {text}"
    );
    crate::ensure!(d1.host.holds(INTERFACE, VIP)?, "the first one lost the VIP");
    first.wait_for("MASTER", Duration::ZERO)
}

fn not_root(lab: &mut Lab) -> Result<()> {
    let host = lab.host("d1")?;
    host.write("/run/lab/lvsd.toml", &vrrp())?;
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let text = refusal(lab, &host, &nobody)?;
    crate::ensure!(text.contains("must be started as root"), "it said: {text}");
    Ok(())
}

fn interface_comes_later(lab: &mut Lab) -> Result<()> {
    let Directors { d1, .. } = Directors::build(lab)?;
    let later = vrrp().replace(INTERFACE, "eth7");
    let lvsd = Lvsd::start(lab, &d1.host, &later)?;
    eventually(PATIENCE, "a word about the interface", || {
        let log = lvsd.log()?;
        crate::ensure!(
            log.contains("no interface") && log.contains("eth7"),
            "{log}"
        );
        lvsd.wait_for("FAULT", Duration::ZERO)
    })?;
    d1.host.run([
        "ip", "link", "add", "eth7", "type", "veth", "peer", "name", "far7",
    ])?;
    d1.host
        .run(["ip", "addr", "add", "172.17.1.150/20", "dev", "eth7"])?;
    d1.host.run(["ip", "link", "set", "far7", "up"])?;
    d1.host.run(["ip", "link", "set", "eth7", "up"])?;
    lvsd.wait_for("MASTER", PATIENCE)?;
    crate::ensure!(d1.host.holds("eth7", VIP)?, "the VIP is not on eth7");
    Ok(())
}

fn address_in_use(lab: &mut Lab) -> Result<()> {
    let Directors { d1, d2 } = Directors::build(lab)?;
    d2.host
        .run(["ip", "addr", "add", "172.17.1.160/32", "dev", INTERFACE])?;
    let lvsd = Lvsd::start(lab, &d1.host, &vrrp())?;
    lvsd.wait_for("MASTER", PATIENCE)?;
    let mac = d2.host.read("/sys/class/net/eth0/address")?;
    eventually(PATIENCE, "the conflict in the status", || {
        let status = lvsd.status()?;
        let conflict = status.pointer("/vrrp/0/addresses/0/conflict");
        crate::ensure!(
            conflict.and_then(|conflict| conflict.as_str()) == Some(mac.trim()),
            "{conflict:?}"
        );
        Ok(())
    })
}

fn no_ip_vs(lab: &mut Lab) -> Result<()> {
    let host = lab.host("d1")?;
    host.write("/run/lab/lvsd.toml", &pool(QUICK_TCP))?;
    let helper = host.read("/proc/sys/kernel/modprobe")?;
    host.write("/proc/sys/kernel/modprobe", "/bin/false")?;
    // The kernel takes its time to take the namespaces of earlier scenarios apart.
    let removed = eventually(Duration::from_secs(30), "ip_vs to be unloaded", || {
        let mut said = String::new();
        for module in ["ip_vs_rr", "ip_vs_wrr", "ip_vs_wlc", "ip_vs"] {
            said += &host
                .try_run(&["rmmod", module], Duration::from_secs(10))?
                .stderr;
        }
        crate::ensure!(host.read("/sys/module/ip_vs/initstate").is_err(), "{said}");
        Ok(())
    });
    let text = refusal(lab, &host, &[]);
    host.write("/proc/sys/kernel/modprobe", helper.trim())?;
    host.run(["ipvsadm", "-Ln"])?;
    removed?;
    match text? {
        text if text.contains("no ip_vs") && text.contains("modprobe ip_vs") => Ok(()),
        text => Err(Failure::said(format!("it said: {text}"))),
    }
}
