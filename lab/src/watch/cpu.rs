//! What processes cost.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use nix::unistd::{Pid, SysconfVar, sysconf};

use crate::failure::{Failure, Result};
use crate::net::Host;

/// A measurement under way.
pub struct CpuTime {
    host: Host,
    began: Instant,
    before: BTreeMap<Pid, u64>,
}

impl CpuTime {
    /// Begins to measure all processes of a host.
    #[must_use]
    pub fn begin(host: &Host) -> Self {
        Self {
            host: host.clone(),
            began: Instant::now(),
            before: ticks_of(host),
        }
    }

    /// Time on a CPU per second, in user and kernel mode, of the processes that were there all
    /// the time.
    ///
    /// # Errors
    /// When none was.
    pub fn per_second(&self) -> Result<Duration> {
        let after = ticks_of(&self.host);
        let span = self.began.elapsed();
        let stayed = self
            .before
            .iter()
            .filter_map(|(pid, before)| Some(after.get(pid)?.saturating_sub(*before)));
        let (count, ticks) = stayed.fold((0, 0), |(count, sum), ticks| (count + 1, sum + ticks));
        crate::ensure!(count > 0, "no process stayed on {}", self.host.name());
        let hertz = sysconf(SysconfVar::CLK_TCK)
            .ok()
            .flatten()
            .and_then(|hertz| u32::try_from(hertz).ok())
            .filter(|hertz| *hertz > 0)
            .ok_or_else(|| Failure::said("the kernel does not say how long its ticks are"))?;
        let used = Duration::from_secs(ticks) / hertz;
        Ok(used.div_f64(span.as_secs_f64()))
    }
}

fn ticks_of(host: &Host) -> BTreeMap<Pid, u64> {
    let processes = host.processes().into_iter();
    processes
        .filter_map(|pid| Some((pid, ticks(pid)?)))
        .collect()
}

/// Fields 14 and 15 of /proc/PID/stat (proc(5)), all threads together.
fn ticks(pid: Pid) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}
