//! A steady load of requests, one after the other, from a thread inside a host.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::now;
use crate::failure::{Failure, Result};
use crate::net::Host;

/// Requests under way; each has a connection of its own.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<LoadReport>,
}

/// How the requests went.
#[derive(Debug, Clone, Default)]
pub struct LoadReport {
    /// Requests that were answered, by the body of the answer.
    pub answers: BTreeMap<String, usize>,
    /// Requests that failed: when they began, and why.
    pub failures: Vec<(Duration, String)>,
    /// The longest time that a request took.
    pub slowest: Duration,
}

impl Load {
    /// Starts a load from `client`: a `GET /` every `every`, each given up after `limit`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(client: &Host, to: SocketAddr, every: Duration, limit: Duration) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = client.thread(move || {
            let mut report = LoadReport::default();
            while !stopped.load(Ordering::SeqCst) {
                let (begin, clock) = (now(), Instant::now());
                match request(to, limit) {
                    Ok(body) => *report.answers.entry(body).or_default() += 1,
                    Err(error) => report.failures.push((begin, error.to_string())),
                }
                report.slowest = report.slowest.max(clock.elapsed());
                thread::sleep(every.saturating_sub(clock.elapsed()));
            }
            report
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends the load.
    ///
    /// # Errors
    /// When its thread panicked.
    pub fn stop(self) -> Result<LoadReport> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread
            .join()
            .map_err(|_| Failure::said("the thread of the load panicked"))
    }
}

impl LoadReport {
    /// How many requests were answered.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.answers.values().sum()
    }

    /// Expects that requests were made and none failed.
    ///
    /// # Errors
    /// Lists the failures.
    pub fn expect_no_failure(&self) -> Result<()> {
        crate::ensure!(self.answered() > 0, "no request was answered: {self:?}");
        let shown: Vec<_> = self.failures.iter().take(5).collect();
        crate::ensure!(
            self.failures.is_empty(),
            "{} of {} requests failed: {shown:?}",
            self.failures.len(),
            self.failures.len() + self.answered()
        );
        Ok(())
    }
}

/// One request; its body.
fn request(to: SocketAddr, limit: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&to, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.trim().to_owned()),
        _ => Err(std::io::Error::other(format!("answered {answer:?}"))),
    }
}
