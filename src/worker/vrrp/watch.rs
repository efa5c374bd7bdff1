//! The interface monitor, opened again when it fails.

use std::io;
use std::time::Duration;

use mono::Mono;

use crate::kernel::clock;
use crate::kernel::monitor::{Event, Monitor};

/// After a failure, this soon again.
const REOPEN: Duration = Duration::from_secs(1);

/// Says that links or addresses changed; not which, for they are read anew.
pub struct Watch {
    monitor: Option<Monitor>,
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
            reopen_at: Mono::ZERO,
            error: None,
        })
    }

    /// Waits until something may have changed. While the kernel tells nothing,
    /// that is every [`REOPEN`]. May be dropped while it waits.
    pub async fn changed(&mut self) {
        loop {
            let Some(monitor) = &mut self.monitor else {
                let pause = self.reopen_at.since(clock::monotonic_now());
                tokio::time::sleep(pause).await;
                match Monitor::open() {
                    Ok(monitor) => self.monitor = Some(monitor),
                    Err(error) => self.failed(&error),
                }
                return;
            };
            match monitor.next().await {
                Ok(Event::Overrun) => {
                    let action = "observing everything again";
                    tracing::warn!(event = "monitor_overrun", action);
                    return;
                }
                Ok(_) => return,
                Err(error) => self.failed(&error),
            }
        }
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
