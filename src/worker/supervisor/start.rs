//! How a worker gets its seat, also from a predecessor that still works.
//!
//! A worker is started, and does nothing. Where nobody holds its place it is put
//! in charge at once; where an orphan does (its supervisor died, or left for a
//! restart or an upgrade), it first has to show that it has come up. Only then
//! is the orphan told to store its state and go, so that what nobody does
//! meanwhile - advertising - takes milliseconds.

use mono::Mono;

use super::child::{self, Running};
use super::store::Left;
use super::{Supervisor, fence, takeover};
use crate::kernel::{clock, lock};
use crate::model::{Config, Update};
use crate::worker::Kind;
use crate::worker::protocol::ToWorker;

impl Supervisor {
    /// Makes the process.
    pub(super) fn start(&mut self, kind: Kind) {
        let now = clock::monotonic_now();
        self.incarnations += 1;
        let beside = lock::is_held(&kind.lock_file(&self.options.runtime_dir));
        let started = Running::start(
            kind,
            &self.options.runtime_dir,
            self.incarnations,
            now,
            beside,
            &self.events,
        );
        let seat = self.seat(kind);
        seat.restart_at = None;
        seat.stopped = false;
        match started {
            Ok(mut running) => {
                running.ask();
                seat.running = Some(running);
            }
            Err(error) => {
                tracing::error!(event = "worker_not_started", worker = %kind, %error);
                self.plan_restart(kind, now);
            }
        }
    }

    /// Puts those in charge that can be.
    pub(super) async fn put_in_charge(&mut self) {
        for kind in Kind::ALL {
            if self
                .seat(kind)
                .running
                .as_ref()
                .is_some_and(Running::is_ready)
            {
                self.put_worker_in_charge(kind).await;
            }
        }
    }

    pub(super) async fn put_worker_in_charge(&mut self, kind: Kind) {
        let seat = self.seat(kind);
        let beside = seat.running.as_ref().is_some_and(Running::is_beside);
        if (beside || seat.last.is_none())
            && let Some(left) = takeover::take_over(kind, &self.options.runtime_dir).await
        {
            self.found(kind, left);
        }
        let id = self.next_request();
        let order = self.order_at_start(kind);
        let part = kind.part(&self.config);
        let kept = self.relay.at_start(kind, &self.config);
        let seat = self.seat(kind);
        let Some(running) = &mut seat.running else {
            return;
        };
        let resume = seat.last.clone().map(Box::new);
        let resumes = resume.is_some();
        let update = Box::new(Update::between(&Config::default(), &part));
        if let Some(order) = &order {
            running.send(order);
        }
        running.send(&ToWorker::Configure { id, update, resume });
        for message in &kept {
            running.send(message);
        }
        running.put_in_charge(clock::monotonic_now());
        // Its next hello shows that it works.
        running.ask();
        tracing::info!(event = "worker_started", worker = %kind, pid = running.pid, resume = resumes);
        seat.sent = part;
    }

    /// What a worker without a supervisor left.
    fn found(&mut self, kind: Kind, left: Left) {
        let now = clock::monotonic_now();
        self.seat(kind).last = Some(left.resume);
        for event in left.events {
            let event = self.relay.event(event, now);
            self.pass_on(Kind::Scripts, &ToWorker::Event(event));
        }
    }

    pub(super) fn plan_restart(&mut self, kind: Kind, now: Mono) {
        if self.stopping.is_some() || self.leaving.is_some() {
            return;
        }
        let orphan = lock::is_held_by_one_of_us(&kind.lock_file(&self.options.runtime_dir));
        let seat = self.seat(kind);
        seat.restarts += 1;
        seat.restart_at = Some(now + child::backoff(seat.failures));
        seat.failures = seat.failures.saturating_add(1);
        // An orphan cares for the addresses as long as it is there.
        if kind == Kind::Vrrp && seat.failures >= child::LOST_AFTER && !orphan {
            tracing::error!(
                event = "fencing",
                reason = "the vrrp worker cannot be brought back"
            );
            fence::addresses(seat.last.as_ref().map(|last| &last.snapshot));
        }
    }
}
