//! Any product in a seat, handled alike.

use std::fmt;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Frr, Lvsd, Vrrp, keepalived};
use crate::failure::Result;
use crate::net::{Daemon, Host, Lab};
use crate::site::Place;
use crate::watch::eventually;

/// How long a clean stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// What can sit in a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// The daemon under test.
    Lvsd,
    /// keepalived, as Debian ships it.
    Keepalived,
    /// FRR's vrrpd, as Debian ships it.
    Frr,
}

impl fmt::Display for Product {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Lvsd => "lvsd",
            Self::Keepalived => "keepalived",
            Self::Frr => "frr",
        })
    }
}

enum Running {
    Lvsd(Lvsd),
    Keepalived(Daemon),
    Frr(Frr),
}

/// A product in a seat, with one virtual router; it may be running or not.
pub struct Seated {
    /// What it is.
    pub product: Product,
    /// Where it sits.
    pub place: Place,
    /// Its settings.
    pub settings: Vrrp,
    running: Option<Running>,
    logs: String,
}

impl Seated {
    /// The seat taken, and nothing started yet.
    #[must_use]
    pub fn new(product: Product, place: &Place, settings: Vrrp) -> Self {
        Self {
            product,
            place: place.clone(),
            settings,
            running: None,
            logs: String::new(),
        }
    }

    /// Starts the product.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self, lab: &Lab) -> Result<()> {
        let (host, settings) = (&self.place.host, &self.settings);
        self.running = Some(match self.product {
            Product::Lvsd => Running::Lvsd(Lvsd::start(lab, host, &settings.toml())?),
            Product::Keepalived => Running::Keepalived(keepalived(host, &settings.keepalived())?),
            Product::Frr => Running::Frr(Frr::start(host, settings)?),
        });
        Ok(())
    }

    /// Stops it as a service manager does, and waits until it has ended.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        self.keep_log();
        match self.running.take() {
            None => {}
            Some(Running::Lvsd(lvsd)) => {
                lvsd.service.stop()?;
                self.wait_until_empty()?;
            }
            Some(Running::Keepalived(daemon)) => {
                daemon.kill(Signal::SIGTERM)?;
                daemon.wait(STOP_LIMIT)?;
            }
            Some(Running::Frr(frr)) => frr.stop()?,
        }
        Ok(())
    }

    fn wait_until_empty(&self) -> Result<()> {
        let host = &self.place.host;
        eventually(STOP_LIMIT, &format!("{} to be gone", self.name()), || {
            let left = host.processes();
            crate::ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
    }

    /// As if the power were cut: the cable is dead, and so are all processes.
    ///
    /// # Errors
    /// When the cable cannot be pulled.
    pub fn cut_power(&mut self) -> Result<()> {
        self.keep_log();
        self.place.cable.pull()?;
        if let Some(Running::Lvsd(lvsd)) = self.running.take() {
            lvsd.cut_power();
        }
        self.place.host.kill_everything();
        Ok(())
    }

    /// The host as it boots after [`Seated::cut_power`]: on the network, without any virtual
    /// address or device; nothing is started.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn boot(&self) -> Result<()> {
        let host = &self.place.host;
        let devices = host.run(["ip", "-o", "link", "show", "type", "macvlan"])?;
        for line in devices.stdout.lines() {
            let name = line.split([':', '@']).nth(1).unwrap_or_default().trim();
            host.run(["ip", "link", "del", name])?;
        }
        for address in &self.settings.addresses {
            if host.has_address(address.split('/').next().unwrap_or_default())? {
                host.run(["ip", "addr", "del", address, "dev", self.settings.interface])?;
            }
        }
        self.place.cable.mend()?;
        host.wait_for_carrier(self.settings.interface)
    }

    /// Whether it answers for its virtual addresses: all of them (or none) are on the host.
    ///
    /// # Errors
    /// When some of the addresses are there and others are not.
    pub fn holds(&self) -> Result<bool> {
        let host = &self.place.host;
        match &self.running {
            Some(Running::Frr(frr)) => return frr.is_master(host, &self.settings),
            // Its device has the addresses at all times.
            None if self.product == Product::Frr => return Ok(false),
            _ => {}
        }
        let held = self
            .settings
            .virtual_addresses()
            .map(|address| host.has_address(address))
            .collect::<Result<Vec<bool>>>()?;
        let all = held.iter().all(|held| *held);
        crate::ensure!(
            all || !held.contains(&true),
            "{} holds only some of {:?}: {held:?}",
            self.name(),
            self.settings.addresses
        );
        Ok(all)
    }

    /// lvsd, where it is lvsd that runs here.
    #[must_use]
    pub fn lvsd(&self) -> Option<&Lvsd> {
        match &self.running {
            Some(Running::Lvsd(lvsd)) => Some(lvsd),
            _ => None,
        }
    }

    /// Everything it logged so far, in all its lives.
    #[must_use]
    pub fn log(&mut self) -> String {
        self.keep_log();
        self.logs.clone()
    }

    fn keep_log(&mut self) {
        // The log files are appended to, so the last copy has it all.
        match &self.running {
            Some(Running::Lvsd(lvsd)) => self.logs = lvsd.log().unwrap_or_default(),
            Some(Running::Keepalived(daemon)) => self.logs = daemon.log(),
            Some(Running::Frr(frr)) => self.logs = frr.log(),
            None => {}
        }
    }

    /// The product and its host, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} on {}", self.product, self.host().name())
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.place.host
    }
}
