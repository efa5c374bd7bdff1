//! lvsd beside keepalived, in either seat, in both versions.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Need, Scenario};
use crate::failure::Result;
use crate::net::{Daemon, Host, Lab};
use crate::seat::{Lvsd, Vrrp, keepalived};
use crate::site::{Directors, INTERFACE, VIP};
use crate::watch::{eventually, steadily};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("mixed::v2_pass_lvsd_master", Need::Any, |lab| {
        lvsd_master(lab, v2)
    }),
    Scenario::new("mixed::v2_pass_keepalived_master", Need::Any, |lab| {
        keepalived_master(lab, v2)
    }),
    Scenario::new("mixed::v3_lvsd_master", Need::Any, |lab| {
        lvsd_master(lab, v3)
    }),
    Scenario::new("mixed::v3_keepalived_master", Need::Any, |lab| {
        keepalived_master(lab, v3)
    }),
];

/// Long enough for every election with one advertisement a second.
const ELECTION: Duration = Duration::from_secs(12);

fn v2(priority: u8) -> Vrrp {
    Vrrp {
        version: 2,
        auth_pass: Some("s3cret"),
        ..v3(priority)
    }
}

fn v3(priority: u8) -> Vrrp {
    Vrrp::v3(priority, Duration::from_secs(1))
}

/// Waits until `master` holds the VIP and `backup` does not, and it stays so.
fn expect_master(master: &Host, backup: &Host) -> Result<()> {
    let held = || {
        let holders = (master.holds(INTERFACE, VIP)?, backup.holds(INTERFACE, VIP)?);
        crate::ensure!(
            holders == (true, false),
            "held by {}: {}, by {}: {}",
            master.name(),
            holders.0,
            backup.name(),
            holders.1
        );
        Ok(())
    };
    eventually(
        ELECTION,
        &format!("{} alone to hold the VIP", master.name()),
        held,
    )?;
    steadily(Duration::from_millis(1_500), held)
}

fn lvsd_master(lab: &mut Lab, settings: fn(u8) -> Vrrp) -> Result<()> {
    let Directors { d1, d2 } = Directors::build(lab)?;
    lab.capture(&d2.host, INTERFACE)?;
    let peer = keepalived(&d2.host, &settings(100).keepalived())?;
    expect_master(&d2.host, &d1.host)?;
    let own = Lvsd::start(lab, &d1.host, &settings(150).toml())?;
    expect_master(&d1.host, &d2.host)?;
    own.service.stop()?;
    expect_master(&d2.host, &d1.host)?;
    let own = Lvsd::start(lab, &d1.host, &settings(150).toml())?;
    expect_master(&d1.host, &d2.host)?;
    expect_no_error(&own, &[&peer])
}

fn keepalived_master(lab: &mut Lab, settings: fn(u8) -> Vrrp) -> Result<()> {
    let Directors { d1, d2 } = Directors::build(lab)?;
    lab.capture(&d2.host, INTERFACE)?;
    let own = Lvsd::start(lab, &d2.host, &settings(100).toml())?;
    expect_master(&d2.host, &d1.host)?;
    let peer = keepalived(&d1.host, &settings(150).keepalived())?;
    expect_master(&d1.host, &d2.host)?;
    peer.kill(Signal::SIGTERM)?;
    peer.wait(Duration::from_secs(5))?;
    expect_master(&d2.host, &d1.host)?;
    let again = keepalived(&d1.host, &settings(150).keepalived())?;
    expect_master(&d1.host, &d2.host)?;
    expect_no_error(&own, &[&peer, &again])
}

/// Neither side may complain about the other.
fn expect_no_error(own: &Lvsd, peers: &[&Daemon]) -> Result<()> {
    let complaint = |line: &&str| {
        let line = line.to_lowercase();
        // keepalived's way to say that it is about to preempt its peer.
        if line.contains("received lower priority") {
            return false;
        }
        [
            "error",
            "warn",
            "invalid",
            "mismatch",
            "discard",
            "incorrect",
            "bad ",
        ]
        .iter()
        .any(|word| line.contains(word))
    };
    let log = own.log()?;
    let mut complaints: Vec<String> = log.lines().filter(complaint).map(str::to_owned).collect();
    for peer in peers {
        complaints.extend(peer.log().lines().filter(complaint).map(str::to_owned));
    }
    crate::ensure!(complaints.is_empty(), "logged:\n{}", complaints.join("\n"));
    Ok(())
}
