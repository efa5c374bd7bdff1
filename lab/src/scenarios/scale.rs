//! A thousand services of ten servers, beside keepalived in the same run.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Need, Scenario};
use crate::failure::{Failure, Result};
use crate::net::{Host, Lab};
use crate::seat::{Lvsd, keepalived, large_table, reload_keepalived};
use crate::watch::{NetlinkMessage, NetlinkTap, eventually, now, steadily};

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::new("scale::a_thousand_services", Need::Uml, thousand).alone()];

const SERVICES: usize = 1_000;
const SERVERS: usize = 10;

/// Commands of linux/ip_vs.h that only read.
const READING: [u8; 5] = [4, 8, 11, 13, 15];

/// The requests since a moment that change the table.
fn changes(tap: &NetlinkTap, since: Duration) -> Vec<NetlinkMessage> {
    let mut seen = tap.requests(since);
    seen.retain(|message| !READING.contains(&message.command));
    seen
}

/// Waits until the table is complete; the time from `start` to its last entry.
fn filled(host: &Host, tap: &NetlinkTap, start: Duration) -> Result<Duration> {
    // Counting by reading the table would keep the one CPU from filling it: the tap counts.
    let expected = SERVICES * (SERVERS + 1);
    let last = eventually(Duration::from_secs(30), "the table to be complete", || {
        let seen = changes(tap, start);
        crate::ensure!(
            seen.len() >= expected,
            "{} changes of {expected}",
            seen.len()
        );
        seen.last()
            .map(|message| message.at)
            .ok_or_else(|| Failure::said("no change"))
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
    let (toml, conf) = large_table(SERVICES, SERVERS, 1);
    let (changed_toml, changed_conf) = large_table(SERVICES, SERVERS, 2);

    let host = lab.host("d2")?;
    let tap = NetlinkTap::start(&host, "IPVS")?;
    let start = now();
    let peer = keepalived(&host, &conf)?;
    let theirs = filled(&host, &tap, start)?;
    let start = now();
    reload_keepalived(&host, &peer, &changed_conf)?;
    let their_reload = first_change(&tap, start)?;
    peer.kill(Signal::SIGTERM)?;
    peer.wait(Duration::from_secs(20))?;
    drop(tap);

    let host = lab.host("d1")?;
    let tap = NetlinkTap::start(&host, "IPVS")?;
    let start = now();
    let own = Lvsd::start(lab, &host, &toml)?;
    let ours = filled(&host, &tap, start)?;
    own.status()?;
    let start = now();
    own.reload()?;
    let idle = changes(&tap, start);
    own.configure(&changed_toml)?;
    let start = now();
    own.service.kill(Signal::SIGHUP)?;
    let our_reload = first_change(&tap, start)?;
    steadily(Duration::from_secs(1), || Ok(()))?;
    let messages = changes(&tap, start);

    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    lab.note(format!(
        "table in {:.0} ms, keepalived's in {:.0} ms",
        ms(ours),
        ms(theirs)
    ));
    lab.note(format!(
        "reload in {:.0} ms, keepalived's in {:.0} ms",
        ms(our_reload),
        ms(their_reload)
    ));
    crate::ensure!(
        idle.is_empty(),
        "a reload without a change sent {} messages",
        idle.len()
    );
    crate::ensure!(
        messages.len() == 1,
        "a changed weight sent {} messages",
        messages.len()
    );
    crate::ensure!(
        ours <= theirs,
        "later than keepalived: {ours:?}, {theirs:?}"
    );
    crate::ensure!(
        our_reload <= their_reload,
        "reload slower than keepalived's"
    );
    Ok(())
}

fn first_change(tap: &NetlinkTap, start: Duration) -> Result<Duration> {
    eventually(Duration::from_secs(10), "the changed weight", || {
        changes(tap, start)
            .first()
            .map(|message| message.at - start)
            .ok_or_else(|| Failure::said("no change yet"))
    })
}
