//! The standard site: two directors before two web servers, all on one network, by direct routing.
//!
//! | host | address | |
//! |---|---|---|
//! | d1 | 172.17.1.150/20 | director |
//! | d2 | 172.17.1.151/20 | director |
//! | rs1 | 172.17.1.152/20 | nginx; the VIP on lo, not answering ARP for it |
//! | rs2 | 172.17.1.153/20 | likewise |
//! | client | 172.17.1.10/20 | |
//!
//! The virtual address is 172.17.1.160/32.

use std::net::SocketAddr;

use crate::failure::Result;
use crate::net::{Cable, Host, Lab};
use crate::serve::{self, Nginx};

/// The virtual address.
pub const VIP: &str = "172.17.1.160";

/// The virtual service as a URL.
pub const URL: &str = "http://172.17.1.160/";

/// The network of the site.
pub const LAN: &str = "lan";

/// The interface that every host has.
pub const INTERFACE: &str = "eth0";

/// A host of the site and its cable.
#[derive(Clone)]
pub struct Place {
    /// The host.
    pub host: Host,
    /// Its cable to the switch.
    pub cable: Cable,
}

/// Two directors on one network: enough for VRRP, on either ground.
pub struct Directors {
    /// 172.17.1.150.
    pub d1: Place,
    /// 172.17.1.151.
    pub d2: Place,
}

impl Directors {
    /// Builds them.
    ///
    /// # Errors
    /// When the kernel refuses a part.
    pub fn build(lab: &mut Lab) -> Result<Self> {
        Self::on(lab, LAN, ["d1", "d2"])
    }

    /// Builds them on a network of their own, under these names and with the usual addresses.
    ///
    /// # Errors
    /// When the kernel refuses a part.
    pub fn on(lab: &mut Lab, bridge: &str, [d1, d2]: [&str; 2]) -> Result<Self> {
        lab.bridge(bridge)?;
        Ok(Self {
            d1: place(lab, bridge, d1, "172.17.1.150/20")?,
            d2: place(lab, bridge, d2, "172.17.1.151/20")?,
        })
    }

    /// Both, in order.
    #[must_use]
    pub fn both(&self) -> [&Place; 2] {
        [&self.d1, &self.d2]
    }
}

/// The whole site.
pub struct Site {
    /// The directors.
    pub directors: Directors,
    /// A real server, 172.17.1.152.
    pub rs1: Place,
    /// A real server, 172.17.1.153.
    pub rs2: Place,
    /// The client.
    pub client: Place,
}

impl Site {
    /// Builds the site without any server running.
    ///
    /// # Errors
    /// When the kernel refuses a part.
    pub fn build(lab: &mut Lab) -> Result<Self> {
        let directors = Directors::build(lab)?;
        let site = Self {
            directors,
            rs1: place(lab, LAN, "rs1", "172.17.1.152/20")?,
            rs2: place(lab, LAN, "rs2", "172.17.1.153/20")?,
            client: place(lab, LAN, "client", "172.17.1.10/20")?,
        };
        for server in [&site.rs1.host, &site.rs2.host] {
            direct_routing(server)?;
        }
        Ok(site)
    }

    /// Starts nginx on both real servers.
    ///
    /// # Errors
    /// When one does not start.
    pub fn web(&self) -> Result<[Nginx; 2]> {
        Ok([
            Nginx::start(&self.rs1.host, "rs1")?,
            Nginx::start(&self.rs2.host, "rs2")?,
        ])
    }

    /// Fetches the page behind the VIP with curl: the name of the server that answered.
    ///
    /// # Errors
    /// What curl says.
    pub fn curl(&self) -> Result<String> {
        serve::curl(&self.client.host, URL)
    }
}

/// The virtual service's address and port.
#[must_use]
pub fn service() -> SocketAddr {
    SocketAddr::from(([172, 17, 1, 160], 80))
}

/// What a real server needs behind a director that routes directly.
///
/// # Errors
/// When the kernel refuses a setting.
pub fn direct_routing(server: &Host) -> Result<()> {
    server.sysctl("net.ipv4.conf.all.arp_ignore", "1")?;
    server.sysctl("net.ipv4.conf.all.arp_announce", "2")?;
    server.run(["ip", "addr", "add", "172.17.1.160/32", "dev", "lo"])?;
    Ok(())
}

/// A host with this address on a bridge.
///
/// # Errors
/// When the kernel refuses a part.
pub fn place(lab: &mut Lab, bridge: &str, name: &str, address: &str) -> Result<Place> {
    let host = lab.host(name)?;
    let cable = lab.link(&host, INTERFACE, bridge, &[address])?;
    Ok(Place { host, cable })
}
