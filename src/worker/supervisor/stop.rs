//! Stopping in order: first VRRP gives the addresses up, then the checker
//! clears its part of the IPVS table, so that no packet finds an address
//! without a table behind it; at last whoever tells others, with all there was to tell.

use std::time::Duration;

use mono::Mono;

use super::{Supervisor, fence};
use crate::kernel::clock;
use crate::worker::Kind;
use crate::worker::protocol::ToWorker;

/// How long a worker may take to stop in good order.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Stopping {
    pub(super) kind: Kind,
    pub(super) deadline: Mono,
}

impl Supervisor {
    pub(super) fn stop(&mut self) {
        if self.stopping.is_none() {
            tracing::info!(event = "stopping");
            self.stop_worker(Kind::Vrrp);
        }
    }

    fn stop_worker(&mut self, kind: Kind) {
        self.stopping = Some(Stopping {
            kind,
            deadline: clock::monotonic_now() + STOP_TIMEOUT,
        });
        let seat = self.seat(kind);
        seat.restart_at = None;
        if let Some(running) = &seat.running {
            running.send(&ToWorker::Stop);
        }
    }

    /// Goes on with stopping; true when all is done.
    pub(super) fn continue_stopping(&mut self) -> bool {
        let Some(Stopping { kind, deadline }) = self.stopping else {
            return false;
        };
        let seat = self.seat(kind);
        if let Some(running) = &mut seat.running {
            if deadline <= clock::monotonic_now() {
                tracing::error!(event = "worker_does_not_stop", worker = %kind, pid = running.pid);
                running.kill();
                // Its end arrives as an event.
                self.stopping = Some(Stopping {
                    kind,
                    deadline: Mono::MAX,
                });
            }
            return false;
        }
        let clean = seat.stopped;
        match kind {
            Kind::Vrrp => {
                if !clean {
                    let seat = self.seat(kind);
                    fence::addresses(seat.last.as_ref().map(|last| &last.snapshot));
                }
                self.stop_worker(Kind::Checker);
                self.continue_stopping()
            }
            Kind::Checker => {
                self.stop_worker(Kind::Scripts);
                self.continue_stopping()
            }
            Kind::Scripts => true,
        }
    }
}
