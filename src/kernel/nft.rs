//! A table of packet filter rules, by the program `nft` (package nftables).
//!
//! The rules are few, change with the configuration only, and are replaced as a
//! whole in one transaction; `nft` speaks netlink better than we would.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, Output, Stdio};

/// The name of our table, in family `inet`.
pub const TABLE: &str = "lvsd";

/// Where packets are dropped: after IPVS (`NF_IP_PRI_NAT_SRC - 1`, 99), which has
/// taken those that are for a virtual service by then.
const PRIORITY: i32 = 110;

/// The filter cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program cannot be run.
    #[error("cannot run `nft` (package nftables), which `accept = false` needs: {0}")]
    Program(#[from] io::Error),
    /// It was run, and failed.
    #[error("cannot {attempt} by `nft`: {words}")]
    Refused {
        /// What was attempted.
        attempt: &'static str,
        /// The first line of what it said.
        words: String,
    },
}

/// Addresses that packets are not accepted for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// IPv4.
    pub v4: BTreeSet<Ipv4Addr>,
    /// IPv6, less those that are link-local.
    pub v6: BTreeSet<Ipv6Addr>,
    /// Link-local ones with the names of their interfaces.
    pub link_local: BTreeSet<(Ipv6Addr, String)>,
}

impl Refused {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// One more, on the interface of this name.
    pub fn insert(&mut self, address: IpAddr, interface: &str) {
        match address {
            IpAddr::V4(address) => drop(self.v4.insert(address)),
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                self.link_local.insert((address, interface.to_owned()));
            }
            IpAddr::V6(address) => drop(self.v6.insert(address)),
        }
    }

    /// The table as `nft` reads it. Neighbour discovery passes (RFC 9568 section
    /// 6.1, `Accept_Mode`), and so does what this host says to itself.
    fn script(&self) -> String {
        let v4: Vec<String> = self.v4.iter().map(ToString::to_string).collect();
        let v6: Vec<String> = self.v6.iter().map(ToString::to_string).collect();
        let link_local = self.link_local.iter();
        let link_local: Vec<String> = link_local
            .map(|(address, interface)| format!("{address} . \"{interface}\""))
            .collect();
        let mut script = removal();
        // Writing to a string does not fail.
        let _ = write!(
            script,
            "table inet {TABLE} {{\n\
             {}{}{}\
             chain input {{\n\
             type filter hook input priority {PRIORITY}; policy accept;\n\
             iif lo accept\n\
             icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept\n\
             ip daddr @v4 counter drop\n\
             ip6 daddr @v6 counter drop\n\
             ip6 daddr . iifname @link_local counter drop\n\
             }}\n}}\n",
            set("v4", "ipv4_addr", &v4),
            set("v6", "ipv6_addr", &v6),
            set("link_local", "ipv6_addr . ifname", &link_local),
        );
        script
    }
}

fn set(name: &str, kind: &str, elements: &[String]) -> String {
    let elements = if elements.is_empty() {
        String::new()
    } else {
        format!("elements = {{ {} }}\n", elements.join(", "))
    };
    format!("set {name} {{\ntype {kind}\n{elements}}}\n")
}

/// Deletes the table, which need not be there: in one transaction.
fn removal() -> String {
    format!("table inet {TABLE}\ndelete table inet {TABLE}\n")
}

/// Replaces our table, at once and as a whole.
///
/// # Errors
///
/// As [`enum@Error`] says.
pub fn replace(refused: &Refused) -> Result<(), Error> {
    run(&["-f", "-"], &refused.script(), "set the filter").map(drop)
}

/// Takes our table away, if it is there.
///
/// # Errors
///
/// As [`enum@Error`] says.
pub fn remove() -> Result<(), Error> {
    run(&["-f", "-"], &removal(), "remove the filter").map(drop)
}

/// Our table as `nft` shows it, less the counters: the same text means the same
/// table. `None` if there is none.
///
/// # Errors
///
/// When the program cannot be run.
pub fn shown() -> Result<Option<String>, Error> {
    let arguments = ["--stateless", "list", "table", "inet", TABLE];
    match run(&arguments, "", "list the filter") {
        Ok(text) => Ok(Some(text)),
        Err(Error::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn run(arguments: &[&str], input: &str, attempt: &'static str) -> Result<String, Error> {
    let mut child = Command::new("nft")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends early says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output()?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&stderr);
    Err(Error::Refused {
        attempt,
        words: words.lines().next().unwrap_or("no reason given").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_written_out() {
        let mut refused = Refused::default();
        refused.insert("192.0.2.1".parse().unwrap(), "eth0");
        refused.insert("fe80::1".parse().unwrap(), "vrrp.51");
        let script = refused.script();
        assert!(script.starts_with("table inet lvsd\ndelete table inet lvsd\ntable inet lvsd {"));
        assert!(script.contains("set v4 {\ntype ipv4_addr\nelements = { 192.0.2.1 }\n}"));
        assert!(script.contains("set v6 {\ntype ipv6_addr\n}"));
        assert!(script.contains("elements = { fe80::1 . \"vrrp.51\" }"));
    }
}
