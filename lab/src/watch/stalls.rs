//! Whether the machine itself stood still: a time measured while it did says nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::now;

/// How long the watch sleeps each time.
const NAP: Duration = Duration::from_millis(1);

/// A nap that lasts longer than this is a stall. The kernel's timers are finer than a
/// millisecond, and the processes of a scenario together need less at a time.
const STALL: Duration = Duration::from_millis(4);

/// A watch over the clock, to be kept while something is measured.
pub struct Stalls {
    stop: Arc<AtomicBool>,
    found: Arc<Mutex<Vec<(Duration, Duration)>>>,
    thread: Option<JoinHandle<()>>,
}

impl Stalls {
    /// Starts to watch.
    #[must_use]
    pub fn watch() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let found = Arc::new(Mutex::new(Vec::new()));
        let (stopped, store) = (Arc::clone(&stop), Arc::clone(&found));
        let thread = thread::spawn(move || {
            let mut before = now();
            while !stopped.load(Ordering::SeqCst) {
                thread::sleep(NAP);
                let after = now();
                if after.saturating_sub(before) > STALL {
                    store
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((before, after));
                }
                before = after;
            }
        });
        Self {
            stop,
            found,
            thread: Some(thread),
        }
    }

    /// The longest stall that touched a span of time.
    #[must_use]
    pub fn longest(&self, from: Duration, to: Duration) -> Option<Duration> {
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|(begin, end)| *begin < to && *end > from)
            .map(|(begin, end)| *end - *begin)
            .max()
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of the watch has nothing more to say here.
            let _ = thread.join();
        }
    }
}
