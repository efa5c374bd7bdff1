//! The monitor of the kernel's network state, opened again when it fails.

use std::io;
use std::time::Duration;

use mono::Mono;

use crate::kernel::clock;
use crate::kernel::monitor::{Event, Monitor};

/// After a failure, this soon again.
const REOPEN: Duration = Duration::from_secs(1);

/// Says what changed, as it happens.
pub struct Watch {
    monitor: Option<Monitor>,
    /// Whether routes and rules are followed.
    routing: (bool, bool),
    reopen_at: Mono,
    /// The failure that was logged last.
    error: Option<String>,
}

impl Watch {
    /// A watch that works. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the kernel gives no socket.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            monitor: Some(Monitor::open()?),
            routing: (false, false),
            reopen_at: Mono::ZERO,
            error: None,
        })
    }

    /// From now on follows routes and rules, too, if it should.
    pub fn follow(&mut self, routes: bool, rules: bool) {
        if self.routing == (routes, rules) {
            return;
        }
        self.routing = (routes, rules);
        if let Some(monitor) = &mut self.monitor
            && let Err(error) = monitor.follow(routes, rules)
        {
            self.failed(&error);
        }
    }

    /// Waits until something has changed or, while the kernel tells nothing, may
    /// have: that is every [`REOPEN`]. May be dropped while it waits.
    pub async fn changed(&mut self) -> Event {
        loop {
            let Some(monitor) = &mut self.monitor else {
                let pause = self.reopen_at.since(clock::monotonic_now());
                tokio::time::sleep(pause).await;
                match self.reopen() {
                    Ok(monitor) => self.monitor = Some(monitor),
                    Err(error) => self.failed(&error),
                }
                return Event::Overrun;
            };
            match monitor.next().await {
                Ok(Event::Overrun) => {
                    let action = "observing everything again";
                    tracing::warn!(event = "monitor_overrun", action);
                    return Event::Overrun;
                }
                Ok(event) => return event,
                Err(error) => self.failed(&error),
            }
        }
    }

    fn reopen(&self) -> io::Result<Monitor> {
        let mut monitor = Monitor::open()?;
        let (routes, rules) = self.routing;
        monitor.follow(routes, rules)?;
        Ok(monitor)
    }

    fn failed(&mut self, error: &io::Error) {
        let error = error.to_string();
        if self.error.as_ref() != Some(&error) {
            tracing::error!(event = "monitor_failed", %error);
        }
        self.error = Some(error);
        self.monitor = None;
        self.reopen_at = clock::monotonic_now() + REOPEN;
    }
}
