//! Pools for people: health and the kernel's counters put together.

use checks::Runner;

use crate::director::{CheckId, Director, PoolStatus};
use crate::kernel::ipvs::{ObservedEntry, ObservedTable};
use crate::status::{KernelServer, PoolReport};

/// One report per virtual server.
pub fn report(
    director: &Director,
    runner: &Runner<CheckId>,
    observed: &ObservedTable,
) -> Vec<PoolReport> {
    let pools = director.status(|id| runner.check(id)).into_iter();
    pools
        .map(|pool| PoolReport {
            kernel: observed
                .get(&pool.service)
                .map(|entry| servers(&pool, entry)),
            pool,
        })
        .collect()
}

fn servers(pool: &PoolStatus, entry: &ObservedEntry) -> Vec<Option<KernelServer>> {
    let find = |address| {
        let mut seen = entry.destinations.iter();
        let seen = seen.find(|seen| seen.destination.id.address == address)?;
        Some(KernelServer {
            weight: seen.destination.weight,
            active: seen.active_connections,
            inactive: seen.inactive_connections,
        })
    };
    pool.servers
        .iter()
        .map(|server| find(server.address))
        .collect()
}
