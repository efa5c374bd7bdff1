//! From health to the IPVS table that is wanted. Pure.
//!
//! A real server is alive when all its checks are up; one without a check
//! always is. The wanted table ([`Director::desired`]) has every virtual
//! server of the configuration, with its living real servers; a dead one is
//! absent. A service stays when its last real server leaves, so that clients
//! are refused by us and not answered by someone else.
//!
//! A pool is *up* when the weights of its living servers add up to its quorum
//! or more. The table does not depend on it: a few servers are better than
//! none.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | [`CheckId`], which checks are wanted, what is alive |
//! | `pools.rs` | [`Director`]: keeps health, table and quorum in step, tells what changed |
//! | `status.rs` | pools as a tree, for people and machines |

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use checks::{Health, Policy, Spec, Start};
use ipvs_sys::ServiceId;
use serde::{Deserialize, Serialize};

use crate::model::{CheckConfig, RealServer, VirtualServer};
use crate::reconcile::ipvs::{Entry, Table};

mod pools;
mod status;

pub use pools::{Director, Notice};
pub use status::{CheckStatus, PoolStatus, ServerStatus};

/// Names a check across reloads and restarts: by what it is for, wherever it
/// stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckId {
    /// The service of the virtual server.
    pub service: ServiceId,
    /// Address and port of the real server.
    pub server: SocketAddr,
    /// Which of the real server's checks, from 0.
    pub index: usize,
}

/// `TCP 192.0.2.1:80 > 10.0.0.1:80 #0`.
impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {} #{}", self.service, self.server, self.index)
    }
}

/// Health by check. A check that is not in it has what its configuration
/// says it starts with.
pub type HealthMap = BTreeMap<CheckId, Health>;

/// Every check of the configuration: what its probe does, how often, and how
/// its results count.
#[must_use]
pub fn wanted_checks(servers: &[VirtualServer]) -> BTreeMap<CheckId, (Spec, Policy)> {
    servers
        .iter()
        .flat_map(|virtual_server| {
            virtual_server.real_servers.iter().flat_map(|real_server| {
                checks_of(virtual_server, real_server)
                    .map(|(id, check)| (id, (check.spec(real_server.address), check.policy())))
            })
        })
        .collect()
}

/// The wanted table.
#[must_use]
pub fn desired(servers: &[VirtualServer], health: &HealthMap) -> Table {
    servers
        .iter()
        .map(|server| (server.service, desired_entry(server, health)))
        .collect()
}

/// The wanted entry of one virtual server.
#[must_use]
pub fn desired_entry(server: &VirtualServer, health: &HealthMap) -> Entry {
    let living = server
        .real_servers
        .iter()
        .filter(|real_server| server_health(server, real_server, health) == Health::Up);
    Entry::new(
        server.kernel_service(),
        living.map(RealServer::kernel_destination),
    )
}

/// The health of a real server: up unless one of its checks is down.
#[must_use]
pub fn server_health(
    virtual_server: &VirtualServer,
    real_server: &RealServer,
    health: &HealthMap,
) -> Health {
    let all_up = checks_of(virtual_server, real_server)
        .all(|(id, check)| check_health(&id, check, health) == Health::Up);
    if all_up { Health::Up } else { Health::Down }
}

/// The sum of the weights of the destinations of an entry.
fn weight(entry: &Entry) -> u64 {
    let weights = entry.destinations.values().map(|one| u64::from(one.weight));
    weights.sum()
}

fn check_health(id: &CheckId, check: &CheckConfig, health: &HealthMap) -> Health {
    health.get(id).copied().unwrap_or(match check.start {
        Start::Up => Health::Up,
        Start::Down => Health::Down,
    })
}

fn checks_of<'a>(
    virtual_server: &VirtualServer,
    real_server: &'a RealServer,
) -> impl Iterator<Item = (CheckId, &'a CheckConfig)> + use<'a> {
    let (service, server) = (virtual_server.service, real_server.address);
    let checks = real_server.checks.iter().enumerate();
    checks.map(move |(index, check)| {
        let id = CheckId {
            service,
            server,
            index,
        };
        (id, check)
    })
}

#[cfg(test)]
mod tests;
