//! For how long two routers that hear each other are both Master.

use std::time::Duration;

use mono::Mono;

use crate::world::ROUTERS;

/// Dual-master windows between all pairs of routers.
///
/// A window begins when both are Master and hear each other, and anew with every change
/// of the network and every advert lost between them: from then on, the first advert
/// that arrives ends it.
#[derive(Clone, Copy, Default)]
pub struct Windows {
    since: [[Option<Mono>; ROUTERS]; ROUTERS],
    /// The longest that ended.
    pub worst: Duration,
    /// How much longer than an advert interval of the better router the worst was.
    pub excess: Duration,
    pub count: usize,
}

impl Windows {
    /// Whether `a` and `b` are both Master and hear each other, from `now` on.
    /// `interval` is that of the better one.
    pub fn set(&mut self, (a, b): (usize, usize), now: Mono, dual: bool, interval: Duration) {
        let since = &mut self.since[a.min(b)][a.max(b)];
        if dual {
            since.get_or_insert(now);
        } else if let Some(since) = since.take() {
            let window = now.since(since);
            self.count += 1;
            self.worst = self.worst.max(window);
            self.excess = self.excess.max(window.saturating_sub(interval));
        }
    }

    /// Takes over what another world has seen.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.worst = self.worst.max(other.worst);
        self.excess = self.excess.max(other.excess);
    }

    /// Something between the two was lost.
    pub fn restart(&mut self, (a, b): (usize, usize), now: Mono) {
        if let Some(since) = &mut self.since[a.min(b)][a.max(b)] {
            *since = now;
        }
    }

    /// Everything between all of them was.
    pub fn restart_all(&mut self, now: Mono) {
        for since in self.since.iter_mut().flatten().flatten() {
            *since = now;
        }
    }
}
