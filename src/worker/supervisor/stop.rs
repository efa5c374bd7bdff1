//! Stopping in order: first VRRP gives the addresses up, then the checker
//! clears its part of the IPVS table, so that no packet finds an address
//! without a table behind it; at last whoever tells others, with all there was
//! to tell. A Master goes on serving until its successor has shown itself, so
//! how long VRRP may take follows from the intervals.

use std::time::Duration;

use mono::Mono;

use super::{Supervisor, fence, hold};
use crate::kernel::{clock, service_manager};
use crate::worker::Kind;
use crate::worker::protocol::ToWorker;

/// The workers in the order in which they are stopped.
const ORDER: [Kind; 3] = [Kind::Vrrp, Kind::Checker, Kind::Scripts];
/// How long a worker may take to stop in good order, besides the hand-over of
/// addresses.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub(super) struct Stopping {
    /// The worker that is being stopped, as a place in [`ORDER`].
    place: usize,
    pub(super) deadline: Mono,
}

impl Supervisor {
    pub(super) async fn stop(&mut self) {
        if self.stopping.is_some() || self.leaving.is_some() {
            return;
        }
        tracing::info!(event = "stopping");
        service_manager::tell(service_manager::State::Stopping);
        if let Some(upgrade) = self.upgrade.take() {
            upgrade.refuse("lvsd is stopping".into());
        }
        // What still works without us can only be stopped by its successor.
        for kind in Kind::ALL {
            if self.seat(kind).running.is_some() && self.seat(kind).in_charge().is_none() {
                self.put_worker_in_charge(kind).await;
            }
        }
        self.stop_worker(0);
    }

    fn stop_worker(&mut self, place: usize) {
        let kind = ORDER.get(place).copied();
        let handover = match kind {
            Some(Kind::Vrrp) => hold::slowest_handover(&self.config.vrrp_instances),
            _ => Duration::ZERO,
        };
        self.stopping = Some(Stopping {
            place,
            deadline: clock::monotonic_now() + STOP_TIMEOUT + handover,
        });
        if let Some(kind) = kind {
            let seat = self.seat(kind);
            seat.restart_at = None;
            if let Some(running) = &seat.running {
                running.send(&ToWorker::Stop);
            }
        }
    }

    /// Goes on with stopping; true when all is done.
    pub(super) fn continue_stopping(&mut self) -> bool {
        while let Some(Stopping { place, deadline }) = self.stopping {
            let Some(kind) = ORDER.get(place).copied() else {
                return true;
            };
            let seat = self.seat(kind);
            if let Some(running) = &mut seat.running {
                if deadline <= clock::monotonic_now() {
                    tracing::error!(event = "worker_does_not_stop", worker = %kind, pid = running.pid);
                    running.kill();
                    // Its end arrives as an event.
                    self.stopping = Some(Stopping {
                        place,
                        deadline: Mono::MAX,
                    });
                }
                return false;
            }
            if kind == Kind::Vrrp && !seat.stopped {
                fence::addresses(seat.last.as_ref().map(|last| &last.snapshot));
            }
            self.stop_worker(place + 1);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_is_stopped_and_the_table_outlives_the_addresses() {
        let place = |kind| ORDER.iter().position(|one| *one == kind);
        assert!(Kind::ALL.into_iter().all(|kind| place(kind).is_some()));
        assert!(place(Kind::Vrrp) < place(Kind::Checker));
        assert_eq!(ORDER.last(), Some(&Kind::Scripts));
    }
}
