//! Drives a [`Scheduler`] with real probes.

use core::time::Duration;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use mono::Mono;
use tokio::task::{AbortHandle, JoinError, JoinSet};

use crate::check::{Check, Policy};
use crate::outcome::{Failure, Outcome, Phase};
use crate::probe::{Prober, Timeouts};
use crate::schedule::{Event, JobId, Launch, Limits, Saved, Scheduler, Stats};
use crate::spec::Spec;

/// Probes watch their own deadline and say in which phase it struck; one that
/// is still there this much later is cut.
const GRACE: Duration = Duration::from_millis(250);

/// Runs checks on the current tokio runtime. See the [crate] for an
/// example.
///
/// The owner polls [`Runner::next`] in its own loop and calls the other
/// methods in between, so there is no second copy of the truth. Only probes
/// in flight are tasks. Dropping the runner ends them.
pub struct Runner<K> {
    scheduler: Scheduler<K>,
    clock: Box<dyn Fn() -> Mono + Send>,
    prober: Arc<Prober>,
    tasks: JoinSet<Outcome>,
    jobs: HashMap<tokio::task::Id, JobId>,
    running: HashMap<JobId, AbortHandle>,
    events: VecDeque<Event<K>>,
}

impl<K: Ord + Clone> Runner<K> {
    /// A runner without checks. `clock` is the time of every deadline and
    /// report; for snapshots to hold in another process it must be one that
    /// all processes share, such as `CLOCK_MONOTONIC`. For `seed` see
    /// [`Scheduler::new`].
    #[must_use]
    pub fn new(limits: Limits, seed: u64, clock: impl Fn() -> Mono + Send + 'static) -> Self {
        Self {
            scheduler: Scheduler::new(limits, seed),
            clock: Box::new(clock),
            prober: Arc::new(Prober::default()),
            tasks: JoinSet::new(),
            jobs: HashMap::new(),
            running: HashMap::new(),
            events: VecDeque::new(),
        }
    }

    /// See [`Scheduler::restore`]; call it before the first [`Runner::set`].
    pub fn restore(&mut self, saved: Vec<Saved<K>>) {
        self.scheduler.restore(saved);
    }

    /// Makes `desired` the set of checks, by difference; see
    /// [`Scheduler::set`]. Events of ids that are gone are dropped.
    pub fn set(&mut self, desired: BTreeMap<K, (Spec, Policy)>) {
        for job in self.scheduler.set((self.clock)(), desired) {
            if let Some(task) = self.running.remove(&job) {
                task.abort();
            }
        }
        let scheduler = &self.scheduler;
        self.events
            .retain(|event| scheduler.check(&event.id).is_some());
    }

    /// Waits for the next end of a probe. Runs for ever when there are no
    /// checks. Cancel safe: use it in `select!`.
    pub async fn next(&mut self) -> Event<K> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let now = (self.clock)();
            self.launch(now);
            let wait = self.scheduler.deadline().map(|due| due.since(now));
            tokio::select! {
                Some(end) = self.tasks.join_next_with_id() => self.finish(end),
                () = sleep(wait) => {}
            }
        }
    }

    fn launch(&mut self, now: Mono) {
        let mut launches = Vec::new();
        self.scheduler.turn(now, &mut launches);
        for Launch {
            job,
            spec,
            connect_timeout,
        } in launches
        {
            let prober = Arc::clone(&self.prober);
            let task = self.tasks.spawn(run(prober, spec, connect_timeout));
            self.jobs.insert(task.id(), job);
            self.running.insert(job, task);
        }
    }

    fn finish(&mut self, end: Result<(tokio::task::Id, Outcome), JoinError>) {
        let (task, outcome) = match end {
            Ok((task, outcome)) => (task, outcome),
            Err(error) => (error.id(), Err(broken(&error))),
        };
        // An aborted task's job is gone already, and its end is ignored.
        if let Some(job) = self.jobs.remove(&task) {
            self.running.remove(&job);
            let mut events = Vec::new();
            self.scheduler
                .finish((self.clock)(), job, &outcome, &mut events);
            self.events.extend(events);
        }
    }

    /// See [`Scheduler::check_now`].
    pub fn check_now(&mut self, id: &K) -> bool {
        self.scheduler.check_now((self.clock)(), id)
    }

    /// The state behind an id.
    #[must_use]
    pub fn check(&self, id: &K) -> Option<&Check> {
        self.scheduler.check(id)
    }

    /// Every id with its state, in the order of ids.
    pub fn checks(&self) -> impl Iterator<Item = (&K, &Check)> {
        self.scheduler.checks()
    }

    /// See [`Scheduler::save`].
    #[must_use]
    pub fn save(&self) -> Vec<Saved<K>> {
        self.scheduler.save()
    }

    /// Numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.scheduler.stats()
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => core::future::pending().await,
    }
}

async fn run(prober: Arc<Prober>, spec: Arc<Spec>, connect_timeout: Duration) -> Outcome {
    let timeouts = Timeouts::of(&spec, connect_timeout);
    cut(timeouts.total, prober.probe(&spec, timeouts)).await
}

/// Ends a probe that overruns its deadline by more than [`GRACE`].
async fn cut(total: Duration, probe: impl Future<Output = Outcome>) -> Outcome {
    let limit = total.saturating_add(GRACE);
    tokio::time::timeout(limit, probe)
        .await
        .unwrap_or_else(|_| {
            Err(Failure {
                phase: Phase::Run,
                error: format!("overran its deadline of {total:?} and was cut"),
                elapsed: limit,
                local: false,
            })
        })
}

/// A probe that panicked says nothing about the server.
fn broken(error: &JoinError) -> Failure {
    Failure {
        phase: Phase::Run,
        error: format!("the probe broke: {error}"),
        elapsed: Duration::ZERO,
        local: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_overruns_is_cut() {
        let total = Duration::from_secs(3);
        let begun = tokio::time::Instant::now();
        let failure = cut(total, core::future::pending()).await;
        let failure = failure.expect_err("never ends");
        assert!(begun.elapsed() >= total + GRACE);
        assert!(begun.elapsed() < total + 2 * GRACE);
        assert_eq!(failure.phase, Phase::Run);
        assert_eq!(failure.error, "overran its deadline of 3s and was cut");
        assert!(!failure.local);
    }

    #[tokio::test]
    async fn a_probe_that_panics_is_local_trouble() {
        let mut runner = Runner::new(Limits::default(), 0, || Mono::ZERO);
        let spec = Spec::tcp(([127, 0, 0, 1], 9).into());
        runner.set(BTreeMap::from([(1, (spec, Policy::default()))]));
        let mut launches = Vec::new();
        runner.scheduler.turn(Mono::ZERO, &mut launches);
        let task = runner.tasks.spawn(async { panic!("boom") });
        runner.jobs.insert(task.id(), launches[0].job);
        let event = runner.next().await;
        let failure = event.outcome.expect_err("it broke");
        assert!(failure.local);
        assert!(failure.error.contains("boom"), "{failure}");
        assert_eq!(runner.stats().in_flight, 0);
    }
}
