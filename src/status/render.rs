//! The status document for people.

use std::fmt::{self, Write};

use super::document::{
    CheckStatus, Document, InstanceStatus, PoolStatus, ServerStatus, TableStatus,
};
use super::telling;

/// The document as text. `colour` marks states with ANSI colours.
#[must_use]
pub fn render(document: &Document, colour: bool) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = Page { colour, document }.write(&mut text);
    text
}

/// Virtual routers of others that are shown one by one.
const STRANGERS: usize = 5;

struct Page<'a> {
    colour: bool,
    document: &'a Document,
}

impl Page<'_> {
    fn write(&self, out: &mut String) -> fmt::Result {
        self.head(out)?;
        for instance in &self.document.vrrp {
            self.instance(out, instance)?;
        }
        self.beside_instances(out)?;
        if let Some(error) = self
            .document
            .addresses
            .as_ref()
            .and_then(|a| a.error.as_ref())
        {
            writeln!(out, "  {} addresses: {error}", self.bad("!"))?;
        }
        for pool in &self.document.pools {
            self.pool(out, pool)?;
        }
        if let Some(table) = &self.document.ipvs {
            self.table(out, table)?;
        }
        let paint = |state: &str| match state {
            "UP" => self.good(state),
            _ => self.bad(state),
        };
        telling::render_trackers(out, &self.document.trackers, paint)?;
        match &self.document.notification {
            Some(status) => telling::render_notification(out, status, &self.bad("!")),
            None => Ok(()),
        }
    }

    fn head(&self, out: &mut String) -> fmt::Result {
        let document = self.document;
        writeln!(
            out,
            "lvsd {} on {}, pid {}, up {}, {} (generation {})",
            document.version,
            document.router_id,
            document.pid,
            duration(document.uptime_s),
            document.config.file,
            document.config.generation,
        )?;
        if let Some(error) = &document.config.reload_error {
            writeln!(out, "{} the last reload was refused:", self.bad("!"))?;
            for line in error.lines() {
                writeln!(out, "    {line}")?;
            }
        }
        if document.maintenance {
            writeln!(
                out,
                "{} maintenance: this director takes no part in VRRP until `lvsd maintenance off`",
                self.bad("!")
            )?;
        }
        for worker in &document.workers {
            if worker.pid.is_none() {
                writeln!(
                    out,
                    "{} the {} worker is not running",
                    self.bad("!"),
                    worker.name
                )?;
            }
            if worker.restarts > 0 {
                writeln!(
                    out,
                    "  {} worker restarted {}",
                    worker.name,
                    times(worker.restarts)
                )?;
            }
            if let Some(age) = worker.snapshot_age_s.filter(|age| *age > 5.0) {
                writeln!(
                    out,
                    "{} what follows of the {} worker is {} old",
                    self.bad("!"),
                    worker.name,
                    duration(age),
                )?;
            }
        }
        Ok(())
    }

    fn instance(&self, out: &mut String, instance: &InstanceStatus) -> fmt::Result {
        let state = match instance.state.as_str() {
            "MASTER" => self.good("MASTER"),
            "BACKUP" => "BACKUP".to_owned(),
            other => self.bad(other),
        };
        writeln!(
            out,
            "\nVRRP {}  {state} for {} ({})",
            instance.name,
            duration(instance.for_s),
            why(instance),
        )?;
        let master = match &instance.master {
            Some(master) if master.local => "this host".to_owned(),
            Some(master) => format!("{} (priority {})", master.address, master.priority),
            None => "nobody heard".to_owned(),
        };
        let group = instance.sync_group.as_ref();
        let group = group.map(|name| format!("  group {name}"));
        writeln!(
            out,
            "  {} vrid {} v{}  priority {}  every {}  master: {master}{}",
            instance.interface,
            instance.virtual_router_id,
            instance.version,
            instance.effective_priority,
            duration(instance.advert_interval_s),
            group.unwrap_or_default(),
        )?;
        self.instance_details(out, instance)?;
        for address in &instance.addresses {
            let held = if address.held {
                self.good("held here")
            } else {
                "not here".to_owned()
            };
            writeln!(
                out,
                "  {} dev {}  {held}",
                address.address, address.interface
            )?;
            if let Some(other) = &address.conflict {
                writeln!(out, "    {} {other} answers for it too", self.bad("!"))?;
            }
        }
        Ok(())
    }

    fn instance_details(&self, out: &mut String, instance: &InstanceStatus) -> fmt::Result {
        if !instance.priority_terms.is_empty() {
            write!(out, "  priority: base {}", instance.priority)?;
            for term in &instance.priority_terms {
                write!(out, ", {} {:+} ({})", term.name, term.effect, term.detail)?;
            }
            writeln!(out, " = {}", instance.effective_priority)?;
        }
        if instance.handing_over {
            writeln!(out, "  serving until the successor is heard")?;
        }
        if let Some(heartbeat) = &instance.heartbeat {
            let state = match (&heartbeat.fault, heartbeat.heard_age_s) {
                (Some(fault), _) => self.bad(fault),
                (None, Some(age)) => format!("last heard {} ago", duration(age)),
                (None, None) => "nothing heard by it yet".to_owned(),
            };
            writeln!(out, "  heartbeat {}: {state}", heartbeat.interface)?;
        }
        for verdict in &instance.verdicts {
            writeln!(out, "  {} {verdict}", self.bad("!"))?;
        }
        Ok(())
    }

    /// What concerns VRRP, but no single instance.
    fn beside_instances(&self, out: &mut String) -> fmt::Result {
        for group in &self.document.sync_groups {
            let state = match group.state.as_str() {
                "MASTER" => self.good("MASTER"),
                "BACKUP" => "BACKUP".to_owned(),
                other => self.bad(other),
            };
            writeln!(
                out,
                "\ngroup {}  {state} for {} ({}): {}",
                group.name,
                duration(group.for_s),
                group.reason,
                group.members.join(", "),
            )?;
        }
        for stranger in self.document.strangers.iter().take(STRANGERS) {
            writeln!(
                out,
                "  {} uses VRID {} on {}, which is not configured here ({}, the last {} ago)",
                stranger.from,
                stranger.virtual_router_id,
                stranger.interface,
                times(stranger.count),
                duration(stranger.last_age_s),
            )?;
        }
        let more = self.document.strangers.len().saturating_sub(STRANGERS);
        if more > 0 {
            writeln!(
                out,
                "  and {more} more virtual routers are not configured here"
            )?;
        }
        if let Some(delay) = self.document.startup_delay_s {
            writeln!(out, "  instances take part in {}", duration(delay))?;
        }
        Ok(())
    }

    fn pool(&self, out: &mut String, pool: &PoolStatus) -> fmt::Result {
        let up = pool
            .servers
            .iter()
            .filter(|server| server.state == "UP")
            .count();
        let quorum = if pool.quorum_met {
            String::new()
        } else {
            format!(
                "  {}",
                self.bad(&format!(
                    "quorum lost: weight {} of {}",
                    pool.live_weight, pool.quorum
                ))
            )
        };
        let kernel = if pool.in_kernel {
            String::new()
        } else {
            format!("  {}", self.bad("not in IPVS"))
        };
        writeln!(
            out,
            "\n{} {} {}  {up} of {} up{quorum}{kernel}",
            pool.name,
            pool.service,
            pool.scheduler,
            pool.servers.len(),
        )?;
        for (position, server) in pool.servers.iter().enumerate() {
            self.server(out, server, position + 1 == pool.servers.len())?;
        }
        Ok(())
    }

    fn server(&self, out: &mut String, server: &ServerStatus, last: bool) -> fmt::Result {
        let (branch, rail) = if last {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        let state = if server.state == "UP" {
            self.good("UP  ")
        } else {
            self.bad("DOWN")
        };
        let since = server
            .for_s
            .map(|age| format!(" for {}", duration(age)))
            .unwrap_or_default();
        let weight = match server.kernel_weight {
            Some(weight) if weight == server.weight => format!("weight {weight}"),
            Some(weight) => format!("weight {weight} (configured {})", server.weight),
            None => "not in the table".to_owned(),
        };
        writeln!(
            out,
            "{branch} {:<21} {state} {} {weight}  active {} inactive {}{since}",
            server.address, server.forward, server.active, server.inactive,
        )?;
        for check in &server.checks {
            self.check(out, check, rail)?;
        }
        Ok(())
    }

    fn check(&self, out: &mut String, check: &CheckStatus, rail: &str) -> fmt::Result {
        let last = match (&check.last, check.age_s) {
            (Some(last), Some(age)) => {
                let text = format!("{last}, {} ago", duration(age));
                if check.last_ok == Some(true) {
                    text
                } else {
                    self.bad(&text)
                }
            }
            _ => "not checked yet".to_owned(),
        };
        writeln!(out, "{rail}    {}: {last}", check.kind)
    }

    fn table(&self, out: &mut String, table: &TableStatus) -> fmt::Result {
        write!(out, "\nIPVS table: ")?;
        match (&table.error, table.synced_age_s) {
            (Some(error), _) => writeln!(out, "{}", self.bad(error))?,
            (None, Some(age)) => writeln!(out, "as it should be, {} ago", duration(age))?,
            (None, None) => writeln!(out, "not compared yet")?,
        }
        if table.drift > 0 {
            writeln!(
                out,
                "  changed by somebody else and repaired: {}, the last: {}",
                times(table.drift),
                table.last_drift.as_deref().unwrap_or("unknown"),
            )?;
        }
        for foreign in &table.foreign {
            writeln!(out, "  not ours, left alone: {foreign}")?;
        }
        Ok(())
    }

    fn good(&self, text: &str) -> String {
        self.paint(text, 32)
    }

    fn bad(&self, text: &str) -> String {
        self.paint(text, 31)
    }

    fn paint(&self, text: &str, code: u8) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Why an instance is in its state.
fn why(instance: &InstanceStatus) -> String {
    match &instance.fault {
        Some(fault) => fault.clone(),
        None if instance.waiting.is_empty() => instance.reason.clone(),
        None => format!("for {}", instance.waiting.join(", ")),
    }
}

pub(super) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        _ => format!("{count} times"),
    }
}

/// Seconds in the two units that matter: `3d4h`, `2m05s`, `850ms`.
pub(super) fn duration(seconds: f64) -> String {
    let duration = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let whole = duration.as_secs();
    match whole {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{whole}s"),
        60..3_600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h{:02}m", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let cases = [
            (0.0, "0ms"),
            (0.85, "850ms"),
            (59.9, "59s"),
            (125.0, "2m05s"),
            (7_500.0, "2h05m"),
            (90_000.0, "1d01h"),
            (-1.0, "0ms"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }
}
