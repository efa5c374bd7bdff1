//! A second opinion on captured packets: tshark's.

use std::fmt;
use std::time::Duration;

use super::Capture;
use crate::failure::{Failure, Result};
use crate::net::Host;

/// How long tshark may take for one capture.
const LIMIT: Duration = Duration::from_secs(90);

/// What is asked of every packet, in the order of the columns.
const FIELDS: [&str; 9] = [
    "frame.number",
    "ip.src",
    "ipv6.src",
    "vrrp.version",
    "vrrp.prio",
    "vrrp.checksum.status",
    "ip.checksum.status",
    "_ws.expert.severity",
    "_ws.expert.message",
];

/// Everything that may be VRRP, also where tshark cannot read on.
/// What an ICMP error quotes is none of it.
const FILTER: &str = "(vrrp || ip.proto == 112 || ipv6.nxt == 112 || ah) && !icmp && !icmpv6";

/// tshark's word for a right checksum.
const GOOD: &str = "1";

/// A packet in tshark's eyes.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Its place in the capture, from 1.
    pub number: u32,
    /// Who sent it.
    pub source: String,
    /// The protocol's version; 0 when tshark found no VRRP in it.
    pub version: u8,
    /// The advertised priority.
    pub priority: u8,
    checksum_good: bool,
    header_good: bool,
    remarks: String,
}

impl Packet {
    /// Whether it was read to its end, with right checksums and without a remark of any kind.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.version > 0 && self.checksum_good && self.header_good && self.remarks.is_empty()
    }

    fn parse(line: &str) -> Option<Self> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [
            number,
            ipv4,
            ipv6,
            version,
            priority,
            checksum,
            header,
            severity,
            message,
        ] = *columns.as_slice()
        else {
            return None;
        };
        Some(Self {
            number: number.parse().ok()?,
            source: format!("{ipv4}{ipv6}"),
            version: version.parse().unwrap_or(0),
            priority: priority.parse().unwrap_or(0),
            checksum_good: checksum == GOOD,
            // IPv6 has none.
            header_good: header == GOOD || ipv4.is_empty(),
            remarks: format!("{severity} {message}").trim().to_owned(),
        })
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |good| if good { "good" } else { "not good" };
        write!(
            out,
            "frame {} from {}: version {}, priority {}, checksum {}, IP header {}, remarks {:?}",
            self.number,
            self.source,
            self.version,
            self.priority,
            word(self.checksum_good),
            word(self.header_good),
            self.remarks
        )
    }
}

/// Ends the capture and lets tshark, run on `host`, read all VRRP in it.
///
/// # Errors
/// When tshark fails or says something else than asked for.
pub fn dissect(host: &Host, capture: &Capture) -> Result<Vec<Packet>> {
    capture.stop();
    let path = capture.path().to_string_lossy().into_owned();
    let mut command = vec!["tshark", "-n", "-r", &path, "-Y", FILTER];
    command.extend(["-o", "ip.check_checksum:TRUE", "-T", "fields"]);
    for field in FIELDS {
        command.extend(["-e", field]);
    }
    let output = host.try_run(&command, LIMIT)?;
    crate::ensure!(
        output.code == Some(0),
        "tshark ended with {:?}: {}",
        output.code,
        output.stderr
    );
    output
        .stdout
        .lines()
        .map(|line| {
            Packet::parse(line).ok_or_else(|| Failure::said(format!("tshark said {line:?}")))
        })
        .collect()
}
