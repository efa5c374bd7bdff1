//! Bridges, cables and addresses.

use std::net::IpAddr;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;

use super::faults::Cable;
use super::{Host, Lab};
use crate::failure::{Attempt, Failure, Result};
use crate::watch::eventually;

impl Lab {
    /// A bridge, as a switch that knows nothing of multicast would be.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn bridge(&mut self, name: &str) -> Result<()> {
        let switch = self.host("switch")?;
        switch.run_list(&[
            "ip",
            "link",
            "add",
            name,
            "type",
            "bridge",
            "stp_state",
            "0",
            "forward_delay",
            "0",
            "mcast_snooping",
            "0",
        ])?;
        switch.run(["ip", "link", "set", name, "up"])?;
        Ok(())
    }

    /// Plugs a cable between a host's new interface and a bridge, and gives the interface its
    /// addresses.
    ///
    /// # Errors
    /// When the kernel refuses the interface or an address.
    pub fn link(
        &mut self,
        host: &Host,
        interface: &str,
        bridge: &str,
        addresses: &[&str],
    ) -> Result<Cable> {
        let switch = self.host("switch")?;
        // Interface names end at 15 octets.
        let port = format!("{}-{interface}", host.name());
        crate::ensure!(port.len() <= 15, "the port name {port} is too long");
        let thread = host.thread_id().to_string();
        switch.run_list(&[
            "ip", "link", "add", &port, "type", "veth", "peer", "name", interface, "netns", &thread,
        ])?;
        switch.run(["ip", "link", "set", &port, "master", bridge, "up"])?;
        host.run(["ip", "link", "set", interface, "up"])?;
        for address in addresses {
            host.run(["ip", "addr", "add", address, "dev", interface])?;
        }
        host.wait_for_carrier(interface)?;
        Ok(Cable::new(switch, port, bridge))
    }
}

impl Host {
    /// Waits until the interface is up with a carrier.
    ///
    /// # Errors
    /// When it is not after two seconds.
    pub fn wait_for_carrier(&self, interface: &str) -> Result<()> {
        let path = format!("/sys/class/net/{interface}/operstate");
        eventually(
            Duration::from_secs(2),
            &format!("{interface} of {} to be up", self.name()),
            || match self.read(&path)?.trim() {
                "up" => Ok(()),
                other => Err(Failure::said(other)),
            },
        )
    }

    /// Whether an interface of the host holds the address (without its prefix length).
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn holds(&self, interface: &str, address: &str) -> Result<bool> {
        self.lists_address(&["ip", "-o", "addr", "show", "dev", interface], address)
    }

    /// Whether any interface of the host holds the address (without its prefix length).
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn has_address(&self, address: &str) -> Result<bool> {
        self.lists_address(&["ip", "-o", "addr", "show"], address)
    }

    /// All addresses of the host with their interfaces, without starting a process.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub fn addresses(&self) -> Result<Vec<(String, IpAddr)>> {
        let listed = self
            .inside(|| getifaddrs().map(Iterator::collect::<Vec<_>>))?
            .attempt(|| format!("list the addresses of {}", self.name()))?;
        let all = listed.into_iter().filter_map(|entry| {
            let address = entry.address?;
            let ip = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
                (Some(four), _) => IpAddr::from(four.ip()),
                (None, Some(six)) => IpAddr::from(six.ip()),
                (None, None) => return None,
            };
            Some((entry.interface_name, ip))
        });
        Ok(all.collect())
    }

    fn lists_address(&self, command: &[&str], address: &str) -> Result<bool> {
        let output = self.run_list(command)?;
        let found = output
            .stdout
            .split_whitespace()
            .any(|word| word.split('/').next() == Some(address));
        Ok(found)
    }
}
