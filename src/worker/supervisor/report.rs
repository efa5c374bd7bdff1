//! The status document out of what the supervisor and its workers know.

use std::time::UNIX_EPOCH;

use mono::Mono;

use super::{Seat, Supervisor};
use crate::director;
use crate::kernel::clock;
use crate::status::document::{
    AddressStatus, CheckStatus, ComplaintStatus, ConfigStatus, Document, FORMAT, GroupStatus,
    HeartbeatStatus, InstanceStatus, MasterStatus, PoolStatus, ServerStatus, StrangerStatus,
    TableStatus, TermStatus, VirtualAddress, WorkerStatus,
};
use crate::status::{
    AddressReport, ComplaintReport, GroupReport, HeartbeatReport, InstanceReport, KernelServer,
    PoolReport, PriorityTerm, StrangerReport, TableReport, telling,
};
use crate::worker::Kind;
use crate::worker::protocol::Snapshot;

impl Supervisor {
    /// The document of this moment.
    pub(super) fn document(&self) -> Document {
        let now = clock::monotonic_now();
        let last = |kind| {
            self.seats
                .get(&kind)
                .and_then(|seat: &Seat| seat.last.as_ref())
        };
        let vrrp = last(Kind::Vrrp).and_then(|last| last.snapshot.vrrp());
        let checker = last(Kind::Checker).and_then(|last| last.snapshot.checker());
        let scripts = last(Kind::Scripts).and_then(|last| match &last.snapshot {
            Snapshot::Scripts(snapshot) => Some(snapshot),
            _ => None,
        });
        Document {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            router_id: self.router_id(),
            pid: std::process::id(),
            uptime_s: age(now, self.started),
            config: ConfigStatus {
                file: self.options.config.display().to_string(),
                generation: self.generation,
                reload_error: self.reload_error.clone(),
            },
            maintenance: self.maintenance,
            workers: self
                .seats
                .iter()
                .map(|(kind, seat)| worker(*kind, seat, now))
                .collect(),
            vrrp: vrrp
                .map(|snapshot| {
                    snapshot
                        .instances
                        .iter()
                        .map(|i| instance(i, now))
                        .collect()
                })
                .unwrap_or_default(),
            sync_groups: vrrp
                .map(|snapshot| snapshot.groups.iter().map(|g| group(g, now)).collect())
                .unwrap_or_default(),
            strangers: vrrp
                .map(|snapshot| {
                    let strangers = snapshot.strangers.iter();
                    strangers.map(|s| stranger(s, now)).collect()
                })
                .unwrap_or_default(),
            unreadable_packets: vrrp.map_or(0, |snapshot| snapshot.unreadable),
            startup_delay_s: vrrp
                .and_then(|snapshot| snapshot.passive_until)
                .map(|until| until.since(now).as_secs_f64()),
            trackers: telling::trackers(
                &self.config.vrrp.trackers,
                scripts,
                vrrp.map_or(&[], |snapshot| &snapshot.measured),
                now,
            ),
            notification: scripts.map(telling::notification),
            addresses: vrrp.map(|snapshot| AddressStatus {
                error: snapshot.address_error.clone(),
                repairs: snapshot.repairs,
                worst_timer_lateness_s: snapshot.worst_lateness.as_secs_f64(),
            }),
            pools: checker
                .map(|snapshot| snapshot.pools.iter().map(|p| pool(p, now)).collect())
                .unwrap_or_default(),
            ipvs: checker.map(|snapshot| table(&snapshot.table, now)),
        }
    }
}

impl Supervisor {
    /// The configured name of this director, or the host's.
    fn router_id(&self) -> String {
        let host = || {
            rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned()
        };
        self.config.global.router_id.clone().unwrap_or_else(host)
    }
}

fn age(now: Mono, then: Mono) -> f64 {
    now.since(then).as_secs_f64()
}

/// A monotonic time as Unix time in seconds.
fn unix(then: Mono) -> f64 {
    let since = clock::wall_at(then).duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

fn worker(kind: Kind, seat: &Seat, now: Mono) -> WorkerStatus {
    let taken = seat.last.as_ref().map(|last| last.snapshot.taken());
    WorkerStatus {
        name: kind.to_string(),
        pid: seat.running.as_ref().map(|running| running.pid),
        uptime_s: seat
            .running
            .as_ref()
            .map(|running| age(now, running.started())),
        restarts: seat.restarts,
        snapshot_age_s: taken.map(|taken| age(now, taken)),
    }
}

fn instance(report: &InstanceReport, now: Mono) -> InstanceStatus {
    let state = report.core.state;
    InstanceStatus {
        name: report.name.clone(),
        interface: report.interface.clone(),
        family: report.family,
        virtual_router_id: report.virtual_router_id,
        version: report.version,
        state: match state {
            vrrp::State::Initialize if report.fault.is_none() => "WAITING",
            _ => state_word(state),
        }
        .to_owned(),
        priority: report.priority,
        effective_priority: report.core.priority,
        priority_terms: report.terms.iter().map(term).collect(),
        since: unix(report.since),
        for_s: age(now, report.since),
        reason: report.reason.clone(),
        fault: report.fault.clone(),
        master: report.master.map(|(address, priority)| MasterStatus {
            address: address.to_string(),
            priority,
            local: state == vrrp::State::Master,
        }),
        advert_interval_s: report.advert_interval.as_secs_f64(),
        waiting: report.waiting.clone(),
        handing_over: report.handing_over,
        sync_group: report.group.clone(),
        heartbeat: report.heartbeat.as_ref().map(|h| heartbeat(h, now)),
        verdicts: report.verdicts.clone(),
        complaints: report
            .complaints
            .iter()
            .map(|c| complaint(c, now))
            .collect(),
        addresses: report.addresses.iter().map(address).collect(),
        counters: report.counters.clone(),
    }
}

const fn state_word(state: vrrp::State) -> &'static str {
    match state {
        vrrp::State::Master => "MASTER",
        vrrp::State::Backup => "BACKUP",
        vrrp::State::Initialize => "FAULT",
    }
}

fn group(report: &GroupReport, now: Mono) -> GroupStatus {
    GroupStatus {
        name: report.name.clone(),
        state: state_word(report.state).to_owned(),
        for_s: age(now, report.since),
        reason: report.reason.clone(),
        members: report.members.clone(),
    }
}

fn stranger(report: &StrangerReport, now: Mono) -> StrangerStatus {
    StrangerStatus {
        interface: report.interface.clone(),
        family: report.family,
        virtual_router_id: report.virtual_router_id,
        from: report.from.to_string(),
        count: report.count,
        last_age_s: age(now, report.last),
    }
}

fn term(report: &PriorityTerm) -> TermStatus {
    TermStatus {
        name: report.name.clone(),
        effect: report.effect,
        detail: report.detail.clone(),
    }
}

fn heartbeat(report: &HeartbeatReport, now: Mono) -> HeartbeatStatus {
    HeartbeatStatus {
        interface: report.interface.clone(),
        fault: report.fault.clone(),
        heard_age_s: report.heard.map(|heard| age(now, heard)),
    }
}

fn complaint(report: &ComplaintReport, now: Mono) -> ComplaintStatus {
    ComplaintStatus {
        kind: report.kind.clone(),
        from: report.from.to_string(),
        mac: report.mac.clone(),
        count: report.count,
        last_age_s: age(now, report.last),
        detail: report.detail.clone(),
    }
}

fn address(report: &AddressReport) -> VirtualAddress {
    VirtualAddress {
        address: format!("{}/{}", report.address, report.prefix),
        interface: report.interface.clone(),
        held: report.held,
        conflict: report.conflict.clone(),
    }
}

fn pool(report: &PoolReport, now: Mono) -> PoolStatus {
    let pool = &report.pool;
    let kernel = |at: usize| *report.kernel.as_ref()?.get(at)?;
    let servers = pool.servers.iter().enumerate();
    PoolStatus {
        name: pool.name.clone(),
        service: pool.service.to_string(),
        scheduler: pool.scheduler.clone(),
        in_kernel: report.kernel.is_some(),
        quorum_met: pool.up,
        live_weight: pool.weight,
        quorum: u64::from(pool.quorum),
        servers: servers
            .map(|(at, one)| server(one, kernel(at), now))
            .collect(),
    }
}

fn server(
    report: &director::ServerStatus,
    kernel: Option<KernelServer>,
    now: Mono,
) -> ServerStatus {
    let since = report.checks.iter().filter_map(|check| check.since).max();
    ServerStatus {
        name: report.name.clone(),
        address: report.address.to_string(),
        forward: ipvs_sys::Forward::from(report.forward).to_string(),
        state: match report.health {
            checks::Health::Up => "UP",
            checks::Health::Down => "DOWN",
        }
        .to_owned(),
        for_s: since.map(|since| age(now, since)),
        weight: report.weight,
        kernel_weight: kernel.map(|kernel| kernel.weight),
        active: kernel.map_or(0, |kernel| kernel.active),
        inactive: kernel.map_or(0, |kernel| kernel.inactive),
        checks: report.checks.iter().map(|one| check(one, now)).collect(),
    }
}

fn check(report: &director::CheckStatus, now: Mono) -> CheckStatus {
    let last = report.last.as_ref();
    CheckStatus {
        kind: report.kind.clone(),
        up: report.health == checks::Health::Up,
        for_s: report.since.map(|since| age(now, since)),
        last_ok: last.map(|last| last.outcome.is_ok()),
        last: last.map(|last| match &last.outcome {
            Ok(report) => report.to_string(),
            Err(failure) => failure.to_string(),
        }),
        age_s: last.map(|last| age(now, last.at)),
    }
}

fn table(report: &TableReport, now: Mono) -> TableStatus {
    TableStatus {
        synced_age_s: report.synced.map(|synced| age(now, synced)),
        drift: report.drift,
        last_drift: report.last_drift.clone(),
        foreign: report.foreign.clone(),
        error: report.error.clone(),
    }
}
