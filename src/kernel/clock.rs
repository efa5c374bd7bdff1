//! The clocks of this host, and a timer that wakes at an absolute time.
//!
//! The only place where time is read. The cores get it as a [`Mono`].
//!
//! Deadlines are of `CLOCK_BOOTTIME`, which goes on while the host is suspended. A master
//! that wakes up thus sees that its adverts have been missing, and listens before it
//! speaks. That covers suspend to memory and to disk, and every hypervisor that tells the
//! guest: by a suspend, or by setting its clock source forward when it goes on.
//!
//! It does not cover a guest that was stopped together with all of its clocks (some
//! hypervisors' *pause*, a snapshot, a migration with a long stop): to such a guest no
//! time has passed. It speaks once with its own priority; a better master answers, and a
//! lower one yields. The wall clock, which NTP sets right later, would not tell sooner.
//!
//! Tokio's own timers are of `CLOCK_MONOTONIC` and stand still in a suspend: what waits
//! by them for a deadline wakes up late, by no more than it had yet to wait.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, SystemTime};

use mono::Mono;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
};
/// The present, by `CLOCK_BOOTTIME`: one clock for all processes of a host until it
/// reboots, on which the time that it was suspended counts.
#[must_use]
pub fn monotonic_now() -> Mono {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Mono::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// How long the host has been up, the time it was suspended included.
#[must_use]
pub fn uptime() -> Duration {
    Duration::from_nanos(monotonic_now().as_nanos())
}

/// The present, by the wall clock: for people, never for deadlines.
#[must_use]
pub fn wall_now() -> SystemTime {
    SystemTime::now()
}

/// What the wall clock would have shown at `then`, had nobody set it since.
#[must_use]
pub fn wall_at(then: Mono) -> SystemTime {
    let now = monotonic_now();
    let wall = wall_now();
    if then > now {
        wall.checked_add(then.since(now)).unwrap_or(wall)
    } else {
        wall.checked_sub(now.since(then)).unwrap_or(wall)
    }
}

/// A timer of the kernel's (`timerfd`) with an absolute deadline on the clock
/// of [`monotonic_now`], in nanoseconds. Its descriptor is readable from the
/// deadline on, for any kind of `poll`; unlike tokio's timers it does not round
/// up to a millisecond.
#[derive(Debug)]
pub struct Timer(OwnedFd);

impl Timer {
    /// A timer without a deadline.
    ///
    /// # Errors
    ///
    /// When the kernel gives no descriptor.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self(rustix::time::timerfd_create(
            TimerfdClockId::Boottime,
            flags,
        )?))
    }

    /// Sets the deadline, `None` for never. One in the past fires at once; an
    /// earlier one is forgotten.
    ///
    /// # Errors
    ///
    /// None that a caller could have caused.
    pub fn set(&self, deadline: Option<Mono>) -> io::Result<()> {
        let zero = Timespec::default();
        let value = Itimerspec {
            it_interval: zero,
            // To the kernel, zero means never.
            it_value: deadline.map_or(zero, |at| timespec(at.max(Mono::from_nanos(1)))),
        };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &value)?;
        Ok(())
    }

    /// Takes the signal of a deadline that has passed.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when none has passed since it was set.
    pub fn take(&self) -> io::Result<()> {
        let mut ticks = [0; 8];
        rustix::io::read(&self.0, &mut ticks)?;
        Ok(())
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn timespec(at: Mono) -> Timespec {
    let since_epoch = Duration::from_nanos(at.as_nanos());
    Timespec {
        tv_sec: i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: since_epoch.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_forward_and_agrees_with_the_wall() {
        let before = monotonic_now();
        let after = monotonic_now();
        assert!(before <= after && before > Mono::ZERO);
        let second_ago = wall_at(after - Duration::from_secs(1));
        let age = wall_now().duration_since(second_ago).unwrap();
        assert!(
            age >= Duration::from_secs(1) && age < Duration::from_secs(60),
            "{age:?}"
        );
        assert!(wall_at(after + Duration::from_secs(60)) > wall_now());
    }

    /// Only on a host that was suspended do the clocks differ; `unshare --time
    /// --boottime 100000` makes one.
    #[test]
    fn time_in_suspend_counts_for_clock_and_timer() {
        let boottime = || {
            let now = clock_gettime(ClockId::Boottime);
            Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap())
        };
        let before = boottime();
        let now = Duration::from_nanos(monotonic_now().as_nanos());
        assert!(before <= now && now <= boottime());
        assert!(before <= uptime() && uptime() <= boottime());

        let timer = Timer::new().unwrap();
        let info = format!("/proc/self/fdinfo/{}", timer.as_raw_fd());
        let info = std::fs::read_to_string(info).unwrap();
        // CLOCK_BOOTTIME in the kernel's time.h
        assert!(info.lines().any(|line| line == "clockid: 7"), "{info}");
    }

    #[test]
    fn a_timer_signals_once_and_only_after_its_deadline() {
        let timer = Timer::new().unwrap();
        let none = |timer: &Timer| timer.take().unwrap_err().kind() == io::ErrorKind::WouldBlock;
        assert!(none(&timer));
        timer
            .set(Some(monotonic_now() + Duration::from_secs(3600)))
            .unwrap();
        assert!(none(&timer));
        for past in [Mono::ZERO, monotonic_now()] {
            timer.set(Some(past)).unwrap();
            timer.take().unwrap();
            assert!(none(&timer));
        }
        timer.set(Some(Mono::ZERO)).unwrap();
        timer.set(None).unwrap();
        assert!(none(&timer));
    }
}
