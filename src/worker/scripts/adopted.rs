//! A program that a predecessor of this worker started.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use crate::kernel::process::{self, Mark};
use crate::kernel::ready::readable;

/// It runs on; of its end we learn, but not how it ended.
#[derive(Debug)]
pub(super) struct Adopted {
    mark: Mark,
    descriptor: AsyncFd<OwnedFd>,
}

impl Adopted {
    /// None when it has ended.
    pub(super) fn new(mark: Mark) -> Option<Self> {
        let descriptor = readable(mark.descriptor()?);
        Some(Self {
            mark,
            descriptor: descriptor.ok()?,
        })
    }

    /// Which one it is.
    pub(super) const fn mark(&self) -> Mark {
        self.mark
    }

    /// Waits for its end. Cancel safe.
    pub(super) async fn ended(&self) {
        // An error would come again and again: then it counts as ended.
        let _ = self.descriptor.readable().await;
    }

    /// Asks it to end, with all it started; kills it if it does not.
    pub(super) async fn end(&self, patience: Duration) {
        process::signal_group(self.mark.pid, Signal::TERM);
        let obeyed = timeout(patience, self.ended()).await.is_ok();
        process::signal_group(self.mark.pid, Signal::KILL);
        if !obeyed {
            self.ended().await;
        }
    }
}
