//! Descriptors under tokio.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets tokio wait until `inner` is readable.
///
/// # Errors
///
/// When the kernel refuses to watch the descriptor.
///
/// # Panics
///
/// Outside a tokio runtime with I/O.
#[expect(
    deprecated,
    reason = "what tokio offers instead is unsafe; its condition, that the descriptor stays the \
              same and open, holds for types that own theirs and never hand it out"
)]
pub fn readable<T: AsFd + AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(inner, Interest::READABLE)
}
