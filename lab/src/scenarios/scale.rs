//! A thousand services of ten servers, beside keepalived in the same run.

use std::fmt;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Need, Scenario};
use crate::failure::{Failure, Result};
use crate::net::{Host, Lab};
use crate::seat::{Lvsd, keepalived, large_table, reload_keepalived};
use crate::watch::{NetlinkMessage, NetlinkTap, eventually, now, steadily};

pub(super) const SCENARIOS: &[Scenario] =
    &[
        Scenario::new("scale::a_thousand_services", Need::Uml, thousand)
            .alone()
            .limit(240),
    ];

const SERVICES: usize = 1_000;
const SERVERS: usize = 10;

/// Rounds of both, one after the other.
const ROUNDS: usize = 2;

/// Reloads in a round, each with another weight.
const RELOADS: u32 = 3;

/// A reload is seen in the kernel within this, or no later than keepalived's.
const RELOAD_LIMIT: Duration = Duration::from_millis(30);

/// How long either may take to remove its table and end.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// Commands of linux/ip_vs.h that only read.
const READING: [u8; 5] = [4, 8, 11, 13, 15];

/// Whether a request changes the table.
fn changing(request: &NetlinkMessage) -> bool {
    !READING.contains(&request.command)
}

/// Waits until the table is complete; the time from `start` to its last entry.
fn filled(host: &Host, tap: &NetlinkTap, start: Duration) -> Result<Duration> {
    // Counting by reading the table would keep the one CPU from filling it: the tap counts.
    let expected = SERVICES * (SERVERS + 1);
    let last = eventually(Duration::from_secs(30), "the table to be complete", || {
        let (count, last) = tap.count(start, changing);
        crate::ensure!(count >= expected, "{count} changes of {expected}");
        last.ok_or_else(|| Failure::said("no change"))
    })?;
    let table = host.run(["ipvsadm", "-Ln"])?.stdout;
    let servers = table.matches("Route").count();
    crate::ensure!(
        servers == SERVICES * SERVERS,
        "{servers} servers in the table"
    );
    Ok(last - start)
}

fn thousand(lab: &mut Lab) -> Result<()> {
    let tables: Vec<(String, String)> = (1..=1 + RELOADS)
        .map(|weight| large_table(SERVICES, SERVERS, weight))
        .collect();
    let (mut theirs, mut ours) = (Figures::default(), Figures::default());
    for _ in 0..ROUNDS {
        theirs.better(&keepalived_figures(lab, &tables)?);
        ours.better(&lvsd_figures(lab, &tables)?);
    }
    lab.note(format!("{ours}; keepalived's: {theirs}"));
    crate::ensure!(
        ours.full <= theirs.full,
        "the table is full later than keepalived's"
    );
    crate::ensure!(
        ours.reload <= theirs.reload.max(RELOAD_LIMIT),
        "a reload is seen later than keepalived's"
    );
    Ok(())
}

/// The best times seen: a busy machine only ever adds to them.
struct Figures {
    /// From the start to the full table.
    full: Duration,
    /// From a reload to its change in the kernel.
    reload: Duration,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            full: Duration::MAX,
            reload: Duration::MAX,
        }
    }
}

impl Figures {
    fn better(&mut self, other: &Self) {
        self.full = self.full.min(other.full);
        self.reload = self.reload.min(other.reload);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "table full after {} ms, reload seen after {} ms",
            self.full.as_millis(),
            self.reload.as_millis()
        )
    }
}

fn keepalived_figures(lab: &mut Lab, tables: &[(String, String)]) -> Result<Figures> {
    let host = lab.host("d2")?;
    let tap = NetlinkTap::start(&host, "IPVS")?;
    let (first, others) = tables.split_first().ok_or_else(no_table)?;
    let start = now();
    let peer = keepalived(&host, &first.1)?;
    let full = filled(&host, &tap, start)?;
    let mut reload = Duration::MAX;
    for (_, conf) in others {
        settle()?;
        let start = now();
        reload_keepalived(&host, &peer, conf)?;
        reload = reload.min(first_change(&tap, start)?);
    }
    peer.kill(Signal::SIGTERM)?;
    peer.wait(GONE_WITHIN)?;
    Ok(Figures { full, reload })
}

/// Besides the times: what is sent by a reload without a change, and by one with a change.
fn lvsd_figures(lab: &mut Lab, tables: &[(String, String)]) -> Result<Figures> {
    let host = lab.host("d1")?;
    let tap = NetlinkTap::start(&host, "IPVS")?;
    let (first, others) = tables.split_first().ok_or_else(no_table)?;
    let start = now();
    let own = Lvsd::start(lab, &host, &first.0)?;
    let full = filled(&host, &tap, start)?;
    own.status()?;
    let start = now();
    own.reload()?;
    expect_changes(&tap, start, 0)?;
    let mut reload = Duration::MAX;
    for (toml, _) in others {
        settle()?;
        own.configure(toml)?;
        let start = now();
        own.service.kill(Signal::SIGHUP)?;
        reload = reload.min(first_change(&tap, start)?);
        settle()?;
        expect_changes(&tap, start, 1)?;
    }
    own.service.stop()?;
    eventually(GONE_WITHIN, "lvsd to be gone", || {
        let left = host.processes();
        crate::ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })?;
    Ok(Figures { full, reload })
}

fn no_table() -> Failure {
    Failure::said("there is no table to load")
}

fn expect_changes(tap: &NetlinkTap, since: Duration, count: usize) -> Result<()> {
    let (sent, _) = tap.count(since, changing);
    crate::ensure!(
        sent == count,
        "a reload with {count} changes sent {sent} messages"
    );
    Ok(())
}

/// Lets a reload come to its end.
fn settle() -> Result<()> {
    steadily(Duration::from_millis(700), || Ok(()))
}

fn first_change(tap: &NetlinkTap, start: Duration) -> Result<Duration> {
    eventually(Duration::from_secs(10), "the changed weight", || {
        tap.requests(start, changing)
            .first()
            .map(|message| message.at - start)
            .ok_or_else(|| Failure::said("no change yet"))
    })
}
