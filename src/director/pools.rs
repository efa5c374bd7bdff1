//! Health, wanted table and quorum, kept in step.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use checks::Health;
use ipvs_sys::ServiceId;
use serde::{Deserialize, Serialize};

use super::{CheckId, HealthMap, desired_entry, weight};
use crate::model::VirtualServer;
use crate::reconcile::ipvs::{Entry, Table};

/// What changed in a pool: worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A real server entered or left the pool.
    Server {
        /// Name of the virtual server.
        pool: String,
        /// Address of the real server.
        server: SocketAddr,
        /// Its health now.
        health: Health,
    },
    /// The pool gained or lost its quorum.
    Quorum {
        /// Name of the virtual server.
        pool: String,
        /// Whether it has it now.
        up: bool,
        /// The sum of the weights of the living servers.
        weight: u64,
        /// The sum that makes a quorum.
        quorum: u32,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Server {
                pool,
                server,
                health: Health::Up,
            } => write!(f, "pool {pool}: real server {server} is up and enters"),
            Notice::Server { pool, server, .. } => {
                write!(f, "pool {pool}: real server {server} is down and leaves")
            }
            Notice::Quorum {
                pool,
                up,
                weight,
                quorum,
            } => {
                let verb = if *up { "gained" } else { "lost" };
                write!(
                    f,
                    "pool {pool} {verb} its quorum: weight {weight} of {quorum}"
                )
            }
        }
    }
}

/// The pools of a configuration, and what their health makes of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Director {
    /// In the order of the configuration.
    pub(super) servers: Vec<VirtualServer>,
    positions: BTreeMap<ServiceId, usize>,
    pub(super) health: HealthMap,
    desired: Table,
}

impl Director {
    /// The pools of `servers`, with the health known so far.
    ///
    /// After a reload, too: a new `Director`, with the health that the checks
    /// have once they have been told what is wanted now.
    #[must_use]
    pub fn new(servers: Vec<VirtualServer>, health: HealthMap) -> Self {
        let positions = servers.iter().enumerate();
        Self {
            positions: positions.map(|(at, one)| (one.service, at)).collect(),
            desired: super::desired(&servers, &health),
            servers,
            health,
        }
    }

    /// Takes the health of one check, and appends what it changed to
    /// `notices`. Returns the service whose entry in [`Director::desired`] is
    /// another one now; `None` when none is. A check that is not wanted (an
    /// event from before a reload) changes nothing.
    pub fn set_health(
        &mut self,
        id: &CheckId,
        health: Health,
        notices: &mut Vec<Notice>,
    ) -> Option<ServiceId> {
        let server = self.servers.get(*self.positions.get(&id.service)?)?;
        let mut real_servers = server.real_servers.iter();
        let real_server = real_servers.find(|one| one.address == id.server)?;
        real_server.checks.get(id.index)?;
        self.health.insert(*id, health);
        let entry = desired_entry(server, &self.health);
        let before = self.desired.get(&id.service)?;
        if entry == *before {
            return None;
        }
        notices.push(Notice::Server {
            pool: server.name.clone(),
            server: id.server,
            health,
        });
        notices.extend(quorum_notice(server, before, &entry));
        self.desired.insert(id.service, entry);
        Some(id.service)
    }

    /// The live weight of a pool, by its name, and the weight that is its quorum.
    #[must_use]
    pub fn quorum(&self, pool: &str) -> Option<(u64, u64)> {
        let server = self.servers.iter().find(|server| server.name == pool)?;
        let entry = self.desired.get(&server.service)?;
        Some((weight(entry), u64::from(server.quorum)))
    }

    /// The wanted table.
    #[must_use]
    pub const fn desired(&self) -> &Table {
        &self.desired
    }

    /// The entry of a service in the wanted table.
    pub(super) fn entry(&self, service: ServiceId) -> Option<&Entry> {
        self.desired.get(&service)
    }
}

/// Whether the pool has its quorum with this entry.
pub(super) fn has_quorum(server: &VirtualServer, entry: &Entry) -> bool {
    weight(entry) >= u64::from(server.quorum)
}

fn quorum_notice(server: &VirtualServer, before: &Entry, now: &Entry) -> Option<Notice> {
    let up = has_quorum(server, now);
    (up != has_quorum(server, before)).then(|| Notice::Quorum {
        pool: server.name.clone(),
        up,
        weight: weight(now),
        quorum: server.quorum,
    })
}
