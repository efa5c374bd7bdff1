//! Logging: structured, one line per event, on standard error.
//!
//! Writing is done by a thread of its own behind a bounded queue: a log reader
//! that stalls must not stall an advertisement. What does not fit is dropped.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Starts logging for this process; the guard flushes when it is dropped.
/// `LVSD_LOG` chooses the level (`info` without it).
pub fn start() -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(16_384)
        .thread_name("log")
        .finish(std::io::stderr());
    let filter = EnvFilter::try_from_env("LVSD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    guard
}
