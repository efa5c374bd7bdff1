//! FRR's zebra and vrrpd in a director's seat.
//!
//! vrrpd holds its virtual addresses on a macvlan device that it finds by the virtual MAC
//! address; while it is no Master, it keeps that device down ("protodown").

use std::time::Duration;

use nix::sys::signal::Signal;

use super::Vrrp;
use crate::failure::{Failure, Result};
use crate::net::{Daemon, Host};
use crate::watch::eventually;

const FILE: &str = "/run/frr/frr.conf";
const DIRECTORY: &str = "/usr/lib/frr";
const SOON: Duration = Duration::from_secs(10);

/// zebra and vrrpd, running.
pub struct Frr {
    zebra: Daemon,
    vrrpd: Daemon,
}

impl Frr {
    /// Starts both with these settings, on a fresh device for the virtual addresses.
    ///
    /// # Errors
    /// When a device cannot be made or a process does not start.
    pub fn start(host: &Host, settings: &Vrrp) -> Result<Self> {
        make_device(host, settings)?;
        // It drops its rights to a user of its own.
        host.run(["rm", "-rf", "/run/frr"])?;
        host.run(["install", "-d", "-o", "frr", "-g", "frr", "/run/frr"])?;
        host.write(FILE, &settings.frr())?;
        let zebra = start(host, "zebra")?;
        eventually(SOON, "zebra to listen", || {
            host.run(["test", "-S", "/run/frr/zserv.api"]).map(drop)
        })?;
        let vrrpd = start(host, "vrrpd")?;
        Ok(Self { zebra, vrrpd })
    }

    /// Ends both with SIGTERM.
    ///
    /// # Errors
    /// When one is gone already, or does not end.
    pub fn stop(&self) -> Result<()> {
        for process in [&self.vrrpd, &self.zebra] {
            process.kill(Signal::SIGTERM)?;
            process.wait(SOON)?;
        }
        Ok(())
    }

    /// Whether it is Master, by its own word and by its device.
    ///
    /// # Errors
    /// When it has no device.
    pub fn is_master(&self, host: &Host, settings: &Vrrp) -> Result<bool> {
        let log = self.vrrpd.log();
        let last = log.lines().rfind(|line| line.contains(" -> "));
        // The device is up for a moment before vrrpd takes hold of it.
        Ok(last.is_some_and(|line| line.ends_with("-> Master")) && device_is_up(host, settings)?)
    }

    /// What vrrpd printed.
    #[must_use]
    pub fn log(&self) -> String {
        self.vrrpd.log()
    }
}

fn start(host: &Host, program: &str) -> Result<Daemon> {
    let path = format!("{DIRECTORY}/{program}");
    host.spawn(
        program,
        &[
            &path,
            "-f",
            FILE,
            "-P",
            "0",
            "-A",
            "127.0.0.1",
            "--log",
            "stdout",
        ],
    )
}

/// The name of the device that holds the virtual addresses.
fn device(settings: &Vrrp) -> String {
    let family = if settings.is_ipv6() { 6 } else { 4 };
    format!("vrrp{family}-{}", settings.vrid)
}

fn make_device(host: &Host, settings: &Vrrp) -> Result<()> {
    let name = device(settings);
    let family = if settings.is_ipv6() { 2 } else { 1 };
    let mac = format!("00:00:5e:00:{family:02x}:{:02x}", settings.vrid);
    // Otherwise the other interface answers ARP for what is on the device, Master or not.
    host.sysctl("net.ipv4.conf.all.arp_ignore", "1")?;
    // Left over from before a power cut.
    let _ = host.run(["ip", "link", "del", &name]);
    host.run_list(&[
        "ip",
        "link",
        "add",
        &name,
        "link",
        settings.interface,
        "address",
        &mac,
        "type",
        "macvlan",
        "mode",
        "bridge",
    ])?;
    for address in &settings.addresses {
        host.run(["ip", "addr", "add", address, "dev", &name])?;
    }
    host.run(["ip", "link", "set", &name, "up"]).map(drop)
}

/// Whether the device carries traffic: it does while vrrpd is Master.
fn device_is_up(host: &Host, settings: &Vrrp) -> Result<bool> {
    let shown = host.run(["ip", "-o", "link", "show", "dev", &device(settings)])?;
    let flags = shown
        .stdout
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(flags, _)| flags.to_owned())
        .ok_or_else(|| Failure::said(format!("no flags in {}", shown.stdout)))?;
    Ok(flags.split(',').any(|flag| flag == "LOWER_UP") && !shown.stdout.contains("protodown on"))
}
