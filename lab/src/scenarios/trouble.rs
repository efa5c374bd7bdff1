//! What goes wrong at night: processes that hang, workers that cannot come back, a supervisor that
//! never returns, a scheduler the kernel lacks, a reload that moves an address.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::{Need, Scenario};
use crate::failure::{Attempt, Result};
use crate::net::Lab;
use crate::seat::{Lvsd, QUICK_TCP, Vrrp, pool};
use crate::site::{Directors, INTERFACE, VIP};
use crate::watch::{eventually, now, steadily};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("trouble::a_hung_worker_is_replaced", Need::Any, hung_worker).limit(90),
    Scenario::new(
        "trouble::a_stopped_supervisor_kills_nobody",
        Need::Any,
        stopped_supervisor,
    )
    .limit(90),
    Scenario::new("trouble::a_lost_worker_is_fenced", Need::Any, fenced).limit(90),
    Scenario::new(
        "trouble::an_abandoned_director_lets_go",
        Need::Any,
        abandoned,
    )
    .limit(90),
    Scenario::new(
        "trouble::a_missing_scheduler_is_named",
        Need::Uml,
        missing_scheduler,
    ),
    Scenario::new(
        "trouble::a_new_address_is_announced",
        Need::Any,
        moved_address,
    ),
];

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(15);
/// Ten unanswered questions, one a second, and room.
const NOTICED: Duration = Duration::from_secs(20);

/// d1 as master and d2 as its backup, without a pool.
fn pair(lab: &mut Lab) -> Result<(Directors, Lvsd, Lvsd)> {
    let directors = Directors::build(lab)?;
    let d1 = Lvsd::start(lab, &directors.d1.host, &Vrrp::v3(150, SECOND).toml())?;
    let d2 = Lvsd::start(lab, &directors.d2.host, &Vrrp::v3(100, SECOND).toml())?;
    d1.wait_for("MASTER", SOON)?;
    d2.wait_for("BACKUP", SOON)?;
    Ok((directors, d1, d2))
}

fn held_by(directors: &Directors, expected: [bool; 2]) -> Result<()> {
    let found = [
        directors.d1.host.holds(INTERFACE, VIP)?,
        directors.d2.host.holds(INTERFACE, VIP)?,
    ];
    crate::ensure!(
        found == expected,
        "the VIP is on {found:?}, not on {expected:?}"
    );
    Ok(())
}

fn hung_worker(lab: &mut Lab) -> Result<()> {
    let (directors, d1, d2) = pair(lab)?;
    let hung = d1.worker("vrrp")?;
    kill(hung, Signal::SIGSTOP).attempt(|| "stop the vrrp worker")?;
    // It advertises no more, so the peer takes over; both hold the address until the watchdog acts.
    d2.wait_for("MASTER", SOON)?;
    eventually(NOTICED, "another vrrp worker", || {
        let now = d1.worker("vrrp")?;
        crate::ensure!(now != hung, "still process {now}");
        Ok(())
    })?;
    // The successor starts afresh, and preempts in good order.
    d1.wait_for("MASTER", SOON)?;
    d2.wait_for("BACKUP", SOON)?;
    eventually(SOON, "one holder", || held_by(&directors, [true, false]))?;
    let log = d1.log()?;
    crate::ensure!(
        log.contains("worker_hung"),
        "the log does not say so:\n{log}"
    );
    Ok(())
}

fn stopped_supervisor(lab: &mut Lab) -> Result<()> {
    let (directors, d1, _d2) = pair(lab)?;
    let workers = [d1.worker("vrrp")?, d1.worker("checker")?];
    d1.service.kill(Signal::SIGSTOP)?;
    steadily(Duration::from_secs(13), || {
        held_by(&directors, [true, false])
    })?;
    d1.service.kill(Signal::SIGCONT)?;
    steadily(Duration::from_secs(4), || {
        held_by(&directors, [true, false])
    })?;
    let now = [d1.worker("vrrp")?, d1.worker("checker")?];
    crate::ensure!(now == workers, "{workers:?} were replaced by {now:?}");
    Ok(())
}

fn fenced(lab: &mut Lab) -> Result<()> {
    let (directors, d1, d2) = pair(lab)?;
    let host = &directors.d1.host;
    // No worker can start while somebody else, who does not listen, holds its lock.
    let old = d1.worker("vrrp")?;
    let lock = "/run/lvsd/vrrp.lock";
    host.spawn(
        "holder",
        &[
            "flock",
            lock,
            "sh",
            "-c",
            "trap '' USR1; : > /run/lvsd/vrrp.lock; sleep 60",
        ],
    )?;
    eventually(SOON, "the holder to wait for the lock", || {
        let locks = host.read("/proc/locks")?;
        crate::ensure!(locks.contains("-> FLOCK"), "nobody waits:\n{locks}");
        Ok(())
    })?;
    kill(old, Signal::SIGKILL).attempt(|| "kill the vrrp worker")?;
    d2.wait_for("MASTER", SOON)?;
    eventually(NOTICED, "the address gone from d1", || {
        held_by(&directors, [false, true])
    })?;
    let log = d1.log()?;
    crate::ensure!(log.contains("fenc"), "the log does not say so:\n{log}");
    Ok(())
}

fn abandoned(lab: &mut Lab) -> Result<()> {
    let (directors, d1, d2) = pair(lab)?;
    d1.service.forsake()?;
    steadily(Duration::from_secs(6), || {
        held_by(&directors, [true, false])
    })?;
    // After a grace of 30 s the workers give up in good order.
    d2.wait_for("MASTER", Duration::from_secs(40))?;
    eventually(SOON, "one holder", || held_by(&directors, [false, true]))
}

fn missing_scheduler(lab: &mut Lab) -> Result<()> {
    let directors = Directors::build(lab)?;
    let host = &directors.d1.host;
    // The booted kernel has every scheduler but this one.
    let twos = pool(QUICK_TCP).replace("\"rr\"", "\"twos\"");
    let healthy = "[virtual_server.other]\naddress = \"172.17.1.160:81\"\nscheduler = \"rr\"\n\
                   [[virtual_server.other.real_server]]\naddress = \"172.17.1.152:81\"\n";
    let text = format!("{}{twos}{healthy}", Vrrp::v3(150, SECOND).toml());
    let d1 = Lvsd::start(lab, host, &text)?;
    eventually(SOON, "the error in the status", || {
        let status = d1.status()?;
        let error = status
            .pointer("/ipvs/error")
            .and_then(|error| error.as_str());
        let error = error.unwrap_or_default();
        crate::ensure!(error.contains("ip_vs_twos"), "it is {error:?}");
        Ok(())
    })?;
    let table = host.run(["ipvsadm", "-Ln"])?.stdout;
    crate::ensure!(
        table.contains(":81 rr"),
        "the other service is missing:\n{table}"
    );
    // It is said once, and nothing spins.
    steadily(Duration::from_secs(3), || Ok(()))?;
    let said = d1.log()?.matches("ipvs_failed").count();
    crate::ensure!(said <= 2, "it was logged {said} times");
    Ok(())
}

fn moved_address(lab: &mut Lab) -> Result<()> {
    let (directors, d1, _d2) = pair(lab)?;
    let seen = lab.capture(&directors.d2.host, INTERFACE)?;
    let more = Vrrp::v3(150, SECOND)
        .toml()
        .replace("/32\"]", "/32\", \"172.17.1.161/32\"]");
    d1.configure(&more)?;
    let since = now();
    d1.reload()?;
    let new: std::net::IpAddr = [172, 17, 1, 161].into();
    seen.wait(2 * SECOND, since, "the new address announced", |frame| {
        frame.announced() == Some(new)
    })?;
    crate::ensure!(
        directors.d1.host.holds(INTERFACE, "172.17.1.161")?,
        "it is not held"
    );
    d1.configure(&Vrrp::v3(150, SECOND).toml())?;
    d1.reload()?;
    crate::ensure!(
        !directors.d1.host.holds(INTERFACE, "172.17.1.161")?,
        "it is still held"
    );
    held_by(&directors, [true, false])
}
