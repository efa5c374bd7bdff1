//! One set of VRRP settings, printed for each product that can sit in a seat.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use crate::site::{INTERFACE, VIP};

/// How advertisements prove that they are meant for this router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// The password in clear (version 2).
    Pass(&'static str),
    /// An authentication header over the whole packet (version 2, IPv4).
    Ah(&'static str),
}

/// Adverts to one peer instead of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unicast {
    /// Our address.
    pub source: IpAddr,
    /// The peer's.
    pub peer: IpAddr,
}

/// What the directors of a virtual router agree on, and the priority of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Vrrp {
    /// The name of the instance.
    pub name: String,
    /// The interface that adverts travel on.
    pub interface: &'static str,
    /// Virtual router identifier.
    pub vrid: u8,
    /// 2 or 3.
    pub version: u8,
    /// 1 to 255.
    pub priority: u8,
    /// Between advertisements.
    pub interval: Duration,
    /// Version 2 only.
    pub auth: Auth,
    /// Instead of multicast.
    pub unicast: Option<Unicast>,
    /// Whether frames carry the virtual MAC address.
    pub vmac: bool,
    /// What the Master holds, each with its prefix length.
    pub addresses: Vec<String>,
    /// Further lines of lvsd's table.
    pub toml: String,
    /// Further lines of keepalived's block.
    pub conf: String,
}

impl Vrrp {
    /// Version 3 with this priority and interval, for the site's virtual address.
    #[must_use]
    pub fn v3(priority: u8, interval: Duration) -> Self {
        Self {
            name: "web".into(),
            interface: INTERFACE,
            vrid: 51,
            version: 3,
            priority,
            interval,
            auth: Auth::None,
            unicast: None,
            vmac: false,
            addresses: vec![format!("{VIP}/32")],
            toml: String::new(),
            conf: String::new(),
        }
    }

    /// Version 2 with this priority and one advert a second.
    #[must_use]
    pub fn v2(priority: u8, auth: Auth) -> Self {
        Self {
            version: 2,
            auth,
            ..Self::v3(priority, Duration::from_secs(1))
        }
    }

    /// The same with further lines: lvsd's, and keepalived's.
    #[must_use]
    pub fn with(mut self, toml: &str, conf: &str) -> Self {
        for (all, more) in [(&mut self.toml, toml), (&mut self.conf, conf)] {
            all.push_str(more);
            all.push('\n');
        }
        self
    }

    /// How long a Backup with these settings waits after the last advertisement: three intervals
    /// and the skew time (RFC 9568 section 6.1; in version 2 the skew is of a second).
    #[must_use]
    pub fn master_down_time(&self) -> Duration {
        self.interval * 3 + self.skew_time()
    }

    /// The part of the wait that depends on the priority.
    #[must_use]
    pub fn skew_time(&self) -> Duration {
        let of = match self.version {
            2 => Duration::from_secs(1),
            _ => self.interval,
        };
        of * (256 - u32::from(self.priority)) / 256
    }

    /// Whether its addresses are IPv6.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        self.addresses
            .first()
            .is_some_and(|address| address.contains(':'))
    }

    /// The virtual addresses without their prefix lengths.
    pub fn virtual_addresses(&self) -> impl Iterator<Item = &str> {
        self.addresses
            .iter()
            .map(|address| address.split_once('/').map_or(&**address, |(ip, _)| ip))
    }

    /// The table of lvsd's configuration.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut text = format!(
            "[vrrp_instance.{}]
interface = \"{}\"
virtual_router_id = {}
version = {}
priority = {}
advert_interval = \"{}ms\"
virtual_addresses = {:?}
",
            self.name,
            self.interface,
            self.vrid,
            self.version,
            self.priority,
            self.interval.as_millis(),
            self.addresses,
        );
        let line = match self.auth {
            Auth::None => String::new(),
            Auth::Pass(password) => format!("auth_pass = \"{password}\"\n"),
            Auth::Ah(password) => {
                format!("authentication = {{ type = \"ah\", password = \"{password}\" }}\n")
            }
        };
        text.push_str(&line);
        if let Some(unicast) = self.unicast {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "source = \"{}\"\nunicast_peers = [\"{}\"]",
                unicast.source, unicast.peer
            );
        }
        if self.vmac {
            text.push_str("vmac = true\n");
        }
        text.push_str(&self.toml);
        text
    }

    /// The block of keepalived's configuration.
    #[must_use]
    pub fn keepalived_block(&self) -> String {
        let mut lines = vec![
            "state BACKUP".to_owned(),
            format!("interface {}", self.interface),
            format!("virtual_router_id {}", self.vrid),
            format!("version {}", self.version),
            format!("priority {}", self.priority),
            format!("advert_int {}", self.interval.as_secs_f64()),
        ];
        match self.auth {
            Auth::None => {}
            Auth::Pass(password) => lines.push(authentication("PASS", password)),
            Auth::Ah(password) => lines.push(authentication("AH", password)),
        }
        if let Some(unicast) = self.unicast {
            lines.push(format!("unicast_src_ip {}", unicast.source));
            lines.push(format!("unicast_peer {{\n{}\n}}", unicast.peer));
        }
        if self.vmac {
            lines.push("use_vmac".to_owned());
        }
        lines.push(format!(
            "virtual_ipaddress {{\n{}\n}}",
            self.addresses.join("\n")
        ));
        lines.push(self.conf.clone());
        format!("vrrp_instance {} {{\n{}\n}}\n", self.name, lines.join("\n"))
    }

    /// A whole file for keepalived with this one instance.
    #[must_use]
    pub fn keepalived(&self) -> String {
        keepalived_file(std::slice::from_ref(self))
    }

    /// A whole file for FRR with this one instance. It knows neither passwords nor unicast.
    #[must_use]
    pub fn frr(&self) -> String {
        let family = if self.is_ipv6() { "ipv6" } else { "ip" };
        let vrid = self.vrid;
        let mut text = format!(
            "interface {}\n vrrp {vrid} version {}\n vrrp {vrid} priority {}\n \
             vrrp {vrid} advertisement-interval {}\n",
            self.interface,
            self.version,
            self.priority,
            self.interval.as_millis()
        );
        for address in self.virtual_addresses() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, " vrrp {vrid} {family} {address}");
        }
        text
    }
}

fn authentication(kind: &str, password: &str) -> String {
    format!("authentication {{\nauth_type {kind}\nauth_pass {password}\n}}")
}

/// A whole file for keepalived with these instances.
#[must_use]
pub fn keepalived_file(instances: &[Vrrp]) -> String {
    let mut text = "global_defs {\nrouter_id lab\n}\n".to_owned();
    for instance in instances {
        text.push_str(&instance.keepalived_block());
    }
    text
}
