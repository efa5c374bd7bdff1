//! A new version, a restart and an operator's order, while clients go on: nobody notices.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::site::{expect_servers, start};
use super::{Need, Scenario};
use crate::failure::Result;
use crate::net::{Host, Lab};
use crate::seat::{Lvsd, QUICK_TCP, Vrrp};
use crate::site::{self, Directors, INTERFACE, Site, VIP};
use crate::watch::{Capture, Load, eventually, now, steadily};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("upgrade::hundred_under_load", Need::Uml, hundred)
        .alone()
        .limit(1500),
    Scenario::new("upgrade::bad_binary_changes_nothing", Need::Any, bad_binary),
    Scenario::new("upgrade::failed_workers_lead_back", Need::Any, way_back).alone(),
    Scenario::new("upgrade::restart_signal", Need::Uml, restart).alone(),
    Scenario::new("upgrade::orders", Need::Any, orders),
    Scenario::new("upgrade::maintenance_lasts", Need::Any, maintenance),
];

/// How many upgrades in a row.
const UPGRADES: usize = 100;
const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(15);

/// Two directors without pools; d1 is the master. The capture is of what d2 sees.
fn pair(lab: &mut Lab, more: &str) -> Result<([Lvsd; 2], Capture)> {
    let Directors { d1, d2 } = Directors::build(lab)?;
    let configure = |priority| {
        let mut vrrp = Vrrp::v3(priority, SECOND);
        vrrp.toml = more.to_owned();
        vrrp.toml()
    };
    let seen = lab.capture(&d2.host, INTERFACE)?;
    let d1 = Lvsd::start(lab, &d1.host, &configure(150))?;
    // One after the other: without preemption the first one stays.
    d1.wait_for("MASTER", PATIENCE)?;
    let d2 = Lvsd::start(lab, &d2.host, &configure(100))?;
    d2.wait_for("BACKUP", PATIENCE)?;
    eventually(PATIENCE, "d2 to have heard the master", || {
        let status = d2.status()?;
        let heard = status.pointer("/vrrp/0/master/address");
        crate::ensure!(heard.is_some_and(serde_json::Value::is_string), "{heard:?}");
        Ok(())
    })?;
    Ok(([d1, d2], seen))
}

/// Expects that since then nobody but d1 has sent adverts, and it without a pause that its peer
/// could have noticed; the longest pause.
fn expect_one_master(seen: &Capture, since: Duration) -> Result<Duration> {
    let adverts: Vec<_> = seen
        .adverts()
        .into_iter()
        .filter(|(at, _)| *at >= since)
        .collect();
    let false_ones: Vec<_> = adverts
        .iter()
        .filter(|(_, advert)| advert.priority != 150)
        .collect();
    crate::ensure!(
        false_ones.is_empty(),
        "other adverts were seen: {false_ones:?}"
    );
    let pauses = adverts
        .windows(2)
        .filter_map(|pair| Some(pair.last()?.0.saturating_sub(pair.first()?.0)));
    let longest = pauses.max().unwrap_or_default();
    crate::ensure!(
        !longest.is_zero() && longest < SECOND * 3,
        "{} adverts, the longest pause {longest:?}",
        adverts.len()
    );
    Ok(longest)
}

fn hundred(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let [d1, d2] = start(lab, &site, QUICK_TCP, SECOND)?;
    let seen = lab.capture(&site.directors.d2.host, INTERFACE)?;
    let peer_log = d2.log()?;
    let (every, limit) = (Duration::from_millis(5), Duration::from_millis(800));
    let load = Load::start(&site.client.host, site::service(), every, limit)?;
    let since = now();
    let (pid, mut worker) = (d1.service.pid(), d1.worker("vrrp")?);
    for number in 1..=UPGRADES {
        let said = d1.command(&["upgrade"])?.stdout;
        crate::ensure!(
            said.starts_with("upgraded from "),
            "upgrade {number}: {said}"
        );
        let now = d1.worker("vrrp")?;
        crate::ensure!(now != worker, "upgrade {number}: still worker {now}");
        worker = now;
    }
    let took = now().saturating_sub(since);
    d1.wait_for("MASTER", Duration::ZERO)?;
    expect_servers(&d1.host, 2)?;
    let report = load.stop()?;
    let longest = expect_one_master(&seen, since)?;
    lab.note(format!(
        "{UPGRADES} upgrades in {:.0} s, {} requests, longest pause between adverts {} ms",
        took.as_secs_f64(),
        report.answered(),
        longest.as_millis()
    ));
    report.expect_no_failure()?;
    crate::ensure!(
        d1.service.starts() == 1 && d1.service.pid() == pid,
        "the service was started again"
    );
    let news = d2.log()?.split_off(peer_log.len());
    crate::ensure!(
        !news.contains("event=\"transition\""),
        "the peer noticed: {news}"
    );
    Ok(())
}

/// Puts a program onto the host; its path.
fn program(host: &Host, name: &str, text: &str) -> Result<String> {
    let path = format!("/run/lab/{name}");
    host.write(&path, text)?;
    host.run(["chmod", "755", &path])?;
    Ok(path)
}

/// Upgrades to this program, which must fail with these words; the process stays the same.
fn expect_refusal(d1: &Lvsd, program: &str, words: &str) -> Result<()> {
    let pid = d1.service.pid();
    let said = d1.refusal(&["upgrade", "--binary", program])?;
    crate::ensure!(said.contains(words), "{program}: {said}");
    crate::ensure!(d1.service.pid() == pid, "{program}: it was started again");
    d1.wait_for("MASTER", Duration::ZERO)?;
    crate::ensure!(
        d1.host.holds(INTERFACE, VIP)?,
        "{program}: the VIP has gone"
    );
    Ok(())
}

fn bad_binary(lab: &mut Lab) -> Result<()> {
    let ([d1, _d2], seen) = pair(lab, "")?;
    let (since, worker) = (now(), d1.worker("vrrp")?);
    let good = lab.daemon()?.to_string_lossy().into_owned();
    let host = &d1.host;
    let cases = [
        ("missing", None, "No such file"),
        ("empty", Some(String::new()), "Exec format error"),
        (
            "script",
            Some("#!/bin/sh\necho hello\n".into()),
            "is not an lvsd",
        ),
        (
            "workerless",
            Some(format!(
                "#!/bin/sh\n[ $1 = rehearse ] && exit 7\nexec {good} \"$@\"\n"
            )),
            "exit status: 7",
        ),
        (
            "picky",
            Some(format!(
                "#!/bin/sh\n[ $1 = check ] && {{ echo no; exit 2; }}\nexec {good} \"$@\"\n"
            )),
            "does not accept the configuration",
        ),
        (
            "newer",
            Some("#!/bin/sh\necho '{\"lvsd\":\"9.0.0\",\"succession\":9,\"state\":9}'\n".into()),
            "systemctl restart",
        ),
    ];
    for (name, text, words) in cases {
        let path = match text {
            Some(text) => program(host, name, &text)?,
            None => format!("/run/lab/{name}"),
        };
        expect_refusal(&d1, &path, words)?;
    }
    crate::ensure!(d1.worker("vrrp")? == worker, "the worker was replaced");
    steadily(SECOND * 2, || d1.wait_for("MASTER", Duration::ZERO))?;
    expect_one_master(&seen, since).map(drop)
}

/// A binary that passes every trial and whose worker dies at work, and one that vanishes.
fn way_back(lab: &mut Lab) -> Result<()> {
    let ([d1, _d2], seen) = pair(lab, "")?;
    let since = now();
    let good = lab.daemon()?.to_string_lossy().into_owned();
    let dying = format!(
        "#!/bin/sh\n[ $1 = run ] && {{ (sleep 0.7; kill -9 $(cat /run/lvsd/vrrp.lock)) & }}\n\
         exec {good} \"$@\"\n"
    );
    let dying = program(&d1.host, "dying", &dying)?;
    expect_refusal(&d1, &dying, "the new vrrp worker ended at once")?;
    let vanishing = format!(
        "#!/bin/sh\n[ $1 = rehearse ] && {{ {good} \"$@\"; rm $0; exit 0; }}\nexec {good} \"$@\"\n"
    );
    let vanishing = program(&d1.host, "vanishing", &vanishing)?;
    expect_refusal(&d1, &vanishing, "cannot run")?;
    // And the old one can still be upgraded.
    d1.command(&["upgrade"])?;
    steadily(SECOND * 2, || d1.wait_for("MASTER", Duration::ZERO))?;
    expect_one_master(&seen, since).map(drop)
}

fn restart(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let _web = site.web()?;
    let [d1, _d2] = start(lab, &site, QUICK_TCP, SECOND)?;
    let seen = lab.capture(&site.directors.d2.host, INTERFACE)?;
    let (every, limit) = (Duration::from_millis(5), Duration::from_millis(800));
    let load = Load::start(&site.client.host, site::service(), every, limit)?;
    let since = now();
    for _ in 0..3 {
        let (starts, worker) = (d1.service.starts(), d1.worker("vrrp")?);
        d1.service.kill(Signal::SIGUSR2)?;
        eventually(PATIENCE, "another lvsd with other workers", || {
            crate::ensure!(d1.service.starts() > starts, "not started again");
            crate::ensure!(d1.worker("vrrp")? != worker, "the worker is still there");
            d1.wait_for("MASTER", Duration::ZERO)
        })?;
        steadily(SECOND * 2, || {
            crate::ensure!(d1.host.holds(INTERFACE, VIP)?, "the master lost the VIP");
            expect_servers(&d1.host, 2)
        })?;
    }
    load.stop()?.expect_no_failure()?;
    expect_one_master(&seen, since).map(drop)
}

fn orders(lab: &mut Lab) -> Result<()> {
    let ([d1, d2], _seen) = pair(lab, "preempt = false\n")?;
    let refused = [
        (
            &d2,
            vec!["failover"],
            "web is BACKUP here; 172.17.1.150 is master",
        ),
        (
            &d2,
            vec!["failover", "--all"],
            "no VRRP instance is MASTER here",
        ),
        (&d1, vec!["failover", "webb"], "did you mean web?"),
        (
            &d1,
            vec!["failover", "db"],
            "no VRRP instance db; there are web",
        ),
    ];
    for (director, words, answer) in refused {
        let said = director.refusal(&words)?;
        crate::ensure!(said.contains(answer), "{words:?}: {said}");
    }
    let said = d1.command(&["failover"])?.stdout;
    lab.note(said.trim().to_owned());
    crate::ensure!(
        said.contains("web") && said.contains("172.17.1.151"),
        "it said: {said}"
    );
    d2.wait_for("MASTER", PATIENCE)?;
    d1.wait_for("BACKUP", PATIENCE)?;
    crate::ensure!(!d1.host.holds(INTERFACE, VIP)?, "the VIP is still there");
    d2.command(&["failover", "web"])?;
    d1.wait_for("MASTER", PATIENCE)?;
    d2.wait_for("BACKUP", PATIENCE)
}

fn maintenance(lab: &mut Lab) -> Result<()> {
    let ([d1, d2], _seen) = pair(lab, "")?;
    let is_on = || Ok(d1.command(&["maintenance"])?.stdout.trim().to_owned());
    let expect = |state: &str| -> Result<()> {
        let is: String = is_on()?;
        crate::ensure!(is == state, "maintenance is {is}");
        let shown = d1.command(&["status"])?.stdout.contains("maintenance:");
        crate::ensure!(shown == (state == "on"), "status shows it: {shown}");
        Ok(())
    };
    expect("off")?;
    d1.command(&["maintenance", "on"])?;
    d2.wait_for("MASTER", PATIENCE)?;
    expect("on")?;
    let said = d1.refusal(&["failover"])?;
    crate::ensure!(said.contains("in maintenance"), "it said: {said}");
    // It lasts, whatever process is replaced.
    d1.command(&["upgrade"])?;
    let starts = d1.service.starts();
    d1.service.kill(Signal::SIGKILL)?;
    eventually(PATIENCE, "lvsd to be back", || {
        crate::ensure!(d1.service.starts() > starts, "not started again");
        expect("on")
    })?;
    let held = steadily(SECOND * 5, || {
        crate::ensure!(!d1.host.holds(INTERFACE, VIP)?, "it took the VIP");
        d2.wait_for("MASTER", Duration::ZERO)
    });
    held?;
    d1.command(&["maintenance", "off"])?;
    d1.wait_for("MASTER", PATIENCE)?;
    d2.wait_for("BACKUP", PATIENCE)?;
    expect("off")
}
