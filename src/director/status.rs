//! Pools as a tree: pool, real servers, checks.

use std::net::SocketAddr;

use checks::check::Last;
use checks::{Check, Health};
use ipvs_sys::ServiceId;
use mono::Mono;
use serde::{Deserialize, Serialize};

use super::pools::has_quorum;
use super::{CheckId, Director, check_health, checks_of, server_health, weight};
use crate::model::{Forward, RealServer, VirtualServer};

/// A virtual server and its pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name in the configuration.
    pub name: String,
    /// The service.
    pub service: ServiceId,
    /// The IPVS scheduler.
    pub scheduler: String,
    /// Whether the pool has its quorum.
    pub up: bool,
    /// The sum of the weights of the living servers.
    pub weight: u64,
    /// The sum that makes a quorum.
    pub quorum: u32,
    /// The real servers, in the order of the configuration.
    pub servers: Vec<ServerStatus>,
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Its address and port.
    pub address: SocketAddr,
    /// Up: in the table.
    pub health: Health,
    /// The weight that it has while up.
    pub weight: u32,
    /// How packets reach it.
    pub forward: Forward,
    /// Its checks, in the order of the configuration; none: always up.
    pub checks: Vec<CheckStatus>,
}

impl ServerStatus {
    /// Why it is down: the checks that are, each with its last failure.
    /// `None` when it is up.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        if self.health == Health::Up {
            return None;
        }
        let down = self.checks.iter().filter(|one| one.health == Health::Down);
        let reasons: Vec<_> = down.map(CheckStatus::reason).collect();
        Some(reasons.join("; "))
    }
}

/// A check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// The kind of probe: `tcp`, `http` or `icmp`.
    pub kind: String,
    /// Its health.
    pub health: Health,
    /// When it became that; `None` when it does not run yet.
    pub since: Option<Mono>,
    /// Its latest outcome, and when that was; `None` before the first.
    pub last: Option<Last>,
}

impl CheckStatus {
    /// `tcp: connect: connection refused (0.4 ms)`.
    fn reason(&self) -> String {
        let kind = &self.kind;
        match self.last.as_ref().map(|last| &last.outcome) {
            None => format!("{kind}: no result yet"),
            Some(Ok(report)) => format!("{kind}: {report}"),
            Some(Err(failure)) => format!("{kind}: {failure}"),
        }
    }
}

impl Director {
    /// The pools in the order of the configuration. `check` finds the state of
    /// a running check.
    #[must_use]
    pub fn status<'a>(&self, check: impl Fn(&CheckId) -> Option<&'a Check>) -> Vec<PoolStatus> {
        let pools = self.servers.iter();
        pools.map(|pool| self.pool_status(pool, &check)).collect()
    }

    fn pool_status<'a>(
        &self,
        pool: &VirtualServer,
        check: &impl Fn(&CheckId) -> Option<&'a Check>,
    ) -> PoolStatus {
        let entry = self.entry(pool.service);
        let servers = pool.real_servers.iter();
        PoolStatus {
            name: pool.name.clone(),
            service: pool.service,
            scheduler: pool.scheduler.clone(),
            up: entry.is_some_and(|entry| has_quorum(pool, entry)),
            weight: entry.map_or(0, weight),
            quorum: pool.quorum,
            servers: servers
                .map(|server| self.server_status(pool, server, check))
                .collect(),
        }
    }

    fn server_status<'a>(
        &self,
        pool: &VirtualServer,
        server: &RealServer,
        check: &impl Fn(&CheckId) -> Option<&'a Check>,
    ) -> ServerStatus {
        let checks = checks_of(pool, server).map(|(id, config)| {
            let running = check(&id);
            CheckStatus {
                kind: config.probe.name().to_owned(),
                health: check_health(&id, config, &self.health),
                since: running.map(Check::since),
                last: running.and_then(Check::last).cloned(),
            }
        });
        ServerStatus {
            name: server.name.clone(),
            address: server.address,
            health: server_health(pool, server, &self.health),
            weight: server.weight,
            forward: server.forward,
            checks: checks.collect(),
        }
    }
}
