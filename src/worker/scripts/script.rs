//! A tracked script: run at its interval, for as long as it is tracked.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::run::{Outcome, Program, Run, Tie};
use super::trackers::Found;
use crate::kernel::clock;
use crate::model::TrackScript;
use crate::tracking::next_start;

/// Runs at a time, of those that have just begun: a thousand scripts due at once follow
/// each other instead of thrashing, in the order in which they were due.
const AT_ONCE: usize = 24;
/// A run that lasts longer than this waits for something and does not compute: its place
/// goes to the next. So hanging scripts keep no other from its turn.
pub(super) const HOLDS_ITS_PLACE: Duration = Duration::from_millis(500);

/// The places for runs.
pub(super) type Slots = Arc<Semaphore>;

/// The places of one worker.
pub(super) fn slots() -> Slots {
    Arc::new(Semaphore::new(AT_ONCE))
}

/// Runs a script again and again, and tells each result.
pub(super) async fn watch(
    script: TrackScript,
    program: Program,
    slots: Slots,
    tell: impl Fn(Found, String),
) {
    loop {
        // Never closed.
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let started = clock::monotonic_now();
        once(&script, program.clone(), slot, &tell).await;
        let now = clock::monotonic_now();
        let pause = next_start(started, script.interval, now).since(now);
        tokio::time::sleep(pause).await;
    }
}

async fn once(
    script: &TrackScript,
    program: Program,
    slot: OwnedSemaphorePermit,
    tell: &impl Fn(Found, String),
) {
    let limit = script.command.timeout.unwrap_or(script.timeout);
    let mut run = match Run::start(program, Tie::Ours).await {
        Ok(run) => run,
        Err(reason) => {
            let found = Found::One {
                good: false,
                cut_off: false,
            };
            return tell(found, reason);
        }
    };
    let keep = Instant::now() + HOLDS_ITS_PLACE;
    let Outcome {
        good,
        cut_off,
        detail,
    } = {
        let mut outcome = pin!(run.outcome(Some(limit)));
        tokio::select! {
            outcome = &mut outcome => outcome,
            () = tokio::time::sleep_until(keep) => {
                drop(slot);
                outcome.await
            }
        }
    };
    tell(Found::One { good, cut_off }, detail);
    run.end().await;
}
