//! Many checks: which probe starts when. Pure; the [`Runner`](crate::Runner)
//! brings clock and probes.
//!
//! - **Sharing.** Users name their checks by an id of their own. Checks with
//!   the same [`Spec`] and [`Policy`] are one *job*: one probe, one health,
//!   and an [`Event`] for each id.
//! - **Spread.** The first probes of jobs that are new together are spread
//!   evenly over one second (or their interval if that is shorter), so that a
//!   start neither floods the network nor leaves health unknown for long. The
//!   first interval of each is then cut short, once, by a share of it that
//!   differs from job to job, so that from there on they are spread over
//!   the whole interval.
//! - **Bound.** No more than [`Limits::in_flight`] probes run at once; what
//!   is due beyond that waits, the longest due first.
//! - **Difference.** [`Scheduler::set`] leaves alone whatever is unchanged.
//!   A check with a new policy keeps health and schedule, one with a new
//!   probe keeps its health and is probed at once.
//!
//! An idle check costs one entry in a sorted set of deadlines.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mono::Mono;
use serde::{Deserialize, Serialize};

use crate::check::{Check, Effect, Health, Input, Policy, Snapshot, Spread};
use crate::outcome::Outcome;
use crate::spec::Spec;

/// First probes of jobs that are new together lie within this, or within
/// their interval if it is shorter.
const SPREAD: Duration = Duration::from_secs(1);

/// Bounds on a [`Scheduler`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Probes running at the same time; by default 1,024. Zero counts as one.
    pub in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 1_024 }
    }
}

/// One job of a [`Scheduler`]; never used again after the job is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A probe to start now; its end is reported by [`Scheduler::finish`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The job it belongs to.
    pub job: JobId,
    /// The probe.
    pub spec: Arc<Spec>,
    /// Limit for the connection.
    pub connect_timeout: Duration,
}

/// The end of a probe, for one of the ids that wanted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event<K> {
    /// The id given to [`Scheduler::set`].
    pub id: K,
    /// Health after this probe.
    pub health: Health,
    /// Whether this probe changed it.
    pub changed: bool,
    /// What the probe found.
    pub outcome: Outcome,
    /// When it ended.
    pub at: Mono,
}

/// A check with its past, for [`Scheduler::restore`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved<K> {
    /// The id given to [`Scheduler::set`].
    pub id: K,
    /// The probe.
    pub spec: Spec,
    /// The state.
    pub check: Snapshot,
}

/// Numbers about a [`Scheduler`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Ids in the desired set.
    pub ids: usize,
    /// Jobs that serve them.
    pub jobs: usize,
    /// Probes running.
    pub in_flight: usize,
    /// Probes started so far.
    pub launched: u64,
    /// The longest that a probe started after its deadline.
    pub lateness_max: Duration,
}

struct Job<K> {
    spec: Arc<Spec>,
    check: Check,
    ids: BTreeSet<K>,
}

type Key = (Arc<Spec>, Policy);

/// A job to be.
struct Fresh<K> {
    key: Key,
    ids: BTreeSet<K>,
    /// What is known of one of its ids.
    past: Option<(Spec, Snapshot)>,
}

/// Decides which probe starts when. See the [module](self).
pub struct Scheduler<K> {
    limits: Limits,
    jobs: BTreeMap<JobId, Job<K>>,
    by_key: BTreeMap<Key, JobId>,
    by_id: BTreeMap<K, JobId>,
    /// Every job that is waiting, by its deadline.
    queue: BTreeSet<(Mono, JobId)>,
    saved: BTreeMap<K, (Spec, Snapshot)>,
    next: u64,
    phase: u64,
    in_flight: usize,
    launched: u64,
    lateness_max: Duration,
}

impl<K: Ord + Clone> Scheduler<K> {
    /// A scheduler without checks. `seed` shifts where in their intervals
    /// jobs come to lie; the same calls with the same seed do the same.
    #[must_use]
    pub const fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            jobs: BTreeMap::new(),
            by_key: BTreeMap::new(),
            by_id: BTreeMap::new(),
            queue: BTreeSet::new(),
            saved: BTreeMap::new(),
            next: 0,
            phase: seed,
            in_flight: 0,
            launched: 0,
            lateness_max: Duration::ZERO,
        }
    }

    /// Gives the past of checks that the next [`Scheduler::set`] will name.
    /// What that does not name, or already runs, is forgotten.
    pub fn restore(&mut self, saved: Vec<Saved<K>>) {
        self.saved = saved
            .into_iter()
            .map(|s| (s.id, (s.spec, s.check)))
            .collect();
    }

    /// Makes `desired` the set of checks, by difference; see the
    /// [module](self). Returns the jobs whose running probe is no longer
    /// wanted. There are no events for what this does to an id's health (an id
    /// may join a job that knows better): read [`Scheduler::check`] after it.
    #[must_use = "the probes of these jobs are to be cut"]
    pub fn set(&mut self, now: Mono, desired: BTreeMap<K, (Spec, Policy)>) -> Vec<JobId> {
        let mut wanted: BTreeMap<Key, BTreeSet<K>> = BTreeMap::new();
        for (id, (spec, policy)) in desired {
            wanted
                .entry((Arc::new(spec), policy))
                .or_default()
                .insert(id);
        }
        let mut kept: BTreeMap<JobId, (Key, BTreeSet<K>)> = BTreeMap::new();
        let mut unmatched = Vec::new();
        for (key, ids) in wanted {
            match self.by_key.get(&key) {
                Some(&job) => drop(kept.insert(job, (key, ids))),
                None => unmatched.push((key, ids)),
            }
        }
        let mut fresh = Vec::new();
        for (key, ids) in unmatched {
            match self.same_probe(&key, &ids, &kept) {
                Some(job) => drop(kept.insert(job, (key, ids))),
                None => {
                    let past = self.past(&ids);
                    fresh.push(Fresh { key, ids, past });
                }
            }
        }
        let cut = self.retain(now, kept);
        self.add(now, fresh);
        self.saved.clear();
        cut
    }

    /// A job that serves one of `ids` with the same probe, under another
    /// policy, and that nobody else has kept: it goes on under the new one.
    fn same_probe(
        &self,
        (spec, _): &Key,
        ids: &BTreeSet<K>,
        kept: &BTreeMap<JobId, (Key, BTreeSet<K>)>,
    ) -> Option<JobId> {
        ids.iter()
            .filter_map(|id| self.by_id.get(id))
            .find(|job| {
                !kept.contains_key(job) && self.jobs.get(job).is_some_and(|j| j.spec == *spec)
            })
            .copied()
    }

    /// The state of the first of `ids` that has one.
    fn past(&self, ids: &BTreeSet<K>) -> Option<(Spec, Snapshot)> {
        ids.iter().find_map(|id| {
            let job = self.by_id.get(id).and_then(|job| self.jobs.get(job));
            job.map(|job| (Spec::clone(&job.spec), job.check.snapshot()))
                .or_else(|| self.saved.get(id).cloned())
        })
    }

    /// Keeps only these jobs, with new policies and ids. Returns the others
    /// that were running.
    fn retain(&mut self, now: Mono, mut kept: BTreeMap<JobId, (Key, BTreeSet<K>)>) -> Vec<JobId> {
        let mut cut = Vec::new();
        self.by_key.clear();
        self.by_id.clear();
        let (by_key, by_id, queue) = (&mut self.by_key, &mut self.by_id, &mut self.queue);
        self.jobs.retain(|&job, state| {
            let due = state.check.deadline();
            let Some((key, ids)) = kept.remove(&job) else {
                match due {
                    Some(due) => drop(queue.remove(&(due, job))),
                    None => cut.push(job),
                }
                return false;
            };
            if *state.check.policy() != key.1 {
                let reconfigure = Input::Reconfigure(key.1);
                state.check.step(now, reconfigure, &mut Vec::new());
                if let (Some(old), Some(new)) = (due, state.check.deadline()) {
                    queue.remove(&(old, job));
                    queue.insert((new, job));
                }
            }
            by_key.insert(key, job);
            by_id.extend(ids.iter().map(|id| (id.clone(), job)));
            state.ids = ids;
            true
        });
        self.in_flight = self.in_flight.saturating_sub(cut.len());
        cut
    }

    /// Adds new jobs, spread over time.
    fn add(&mut self, now: Mono, fresh: Vec<Fresh<K>>) {
        let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
        for (i, Fresh { key, ids, past }) in (0..count).zip(fresh) {
            let (spec, policy) = &key;
            let first = policy.interval.min(SPREAD) / count * i;
            let check = match past {
                None => {
                    let early = self.share(policy.interval);
                    Check::new(*policy, now, Spread { first, early })
                }
                Some((old, snapshot)) => {
                    let mut check = Check::restore(*policy, snapshot, now, first);
                    if old != **spec {
                        check.step(now, Input::Replace, &mut Vec::new());
                    }
                    check
                }
            };
            let job = JobId(self.next);
            self.next += 1;
            self.queue.extend(check.deadline().map(|due| (due, job)));
            self.by_id.extend(ids.iter().map(|id| (id.clone(), job)));
            let spec = Arc::clone(spec);
            self.by_key.insert(key, job);
            self.jobs.insert(job, Job { spec, check, ids });
        }
    }

    /// A share of `whole`, another at each call: successive multiples of the
    /// golden ratio, which lie evenly however many are taken.
    fn share(&mut self, whole: Duration) -> Duration {
        self.phase = self.phase.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let millionths = u32::try_from(self.phase >> 44).unwrap_or(0);
        whole / (1 << 20) * millionths
    }

    /// Starts what is due and within the bound; appends the probes to `out`.
    pub fn turn(&mut self, now: Mono, out: &mut Vec<Launch>) {
        while self.in_flight < self.limits.in_flight.max(1)
            && let Some(&(due, job)) = self.queue.first()
            && due <= now
        {
            self.queue.pop_first();
            let Some(state) = self.jobs.get_mut(&job) else {
                continue;
            };
            state.check.step(now, Input::Timer, &mut Vec::new());
            self.in_flight += 1;
            self.launched += 1;
            self.lateness_max = self.lateness_max.max(now.since(due));
            out.push(Launch {
                job,
                spec: Arc::clone(&state.spec),
                connect_timeout: state.check.policy().connect_timeout,
            });
        }
    }

    /// When [`Scheduler::turn`] has something to do; `None` while nothing
    /// waits, or the bound is reached (then the end of a probe comes first).
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        if self.in_flight >= self.limits.in_flight.max(1) {
            return None;
        }
        self.queue.first().map(|&(due, _)| due)
    }

    /// Takes the end of a probe; appends an event for each id that wanted it.
    /// A job that is gone, or runs no probe, is ignored.
    pub fn finish(&mut self, now: Mono, job: JobId, outcome: &Outcome, out: &mut Vec<Event<K>>) {
        let Some(state) = self.jobs.get_mut(&job) else {
            return;
        };
        if state.check.deadline().is_some() {
            return;
        }
        let mut effects = Vec::new();
        state
            .check
            .step(now, Input::Done(outcome.clone()), &mut effects);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.queue
            .extend(state.check.deadline().map(|due| (due, job)));
        let changed = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Changed { .. }));
        let health = state.check.health();
        out.extend(state.ids.iter().map(|id| Event {
            id: id.clone(),
            health,
            changed,
            outcome: outcome.clone(),
            at: now,
        }));
    }

    /// Makes the check due at once. Whether there is such an id.
    pub fn check_now(&mut self, now: Mono, id: &K) -> bool {
        let Some(&job) = self.by_id.get(id) else {
            return false;
        };
        let Some(state) = self.jobs.get_mut(&job) else {
            return false;
        };
        if let Some(due) = state.check.deadline() {
            state.check.step(now, Input::Now, &mut Vec::new());
            self.queue.remove(&(due, job));
            self.queue
                .extend(state.check.deadline().map(|due| (due, job)));
        }
        true
    }

    /// The state behind an id.
    #[must_use]
    pub fn check(&self, id: &K) -> Option<&Check> {
        let job = self.by_id.get(id)?;
        self.jobs.get(job).map(|state| &state.check)
    }

    /// Every id with its state, in the order of ids.
    pub fn checks(&self) -> impl Iterator<Item = (&K, &Check)> {
        self.by_id
            .iter()
            .filter_map(|(id, job)| self.jobs.get(job).map(|state| (id, &state.check)))
    }

    /// Every check with its past, for [`Scheduler::restore`] in another
    /// process of this host.
    #[must_use]
    pub fn save(&self) -> Vec<Saved<K>> {
        let saved = |(id, job): (&K, &JobId)| {
            self.jobs.get(job).map(|state| Saved {
                id: id.clone(),
                spec: Spec::clone(&state.spec),
                check: state.check.snapshot(),
            })
        };
        self.by_id.iter().filter_map(saved).collect()
    }

    /// Numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            ids: self.by_id.len(),
            jobs: self.jobs.len(),
            in_flight: self.in_flight,
            launched: self.launched,
            lateness_max: self.lateness_max,
        }
    }
}
