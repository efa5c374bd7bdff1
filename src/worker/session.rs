//! The worker's end of the channel: what every worker does alike.
//!
//! A worker inherits a connected socket as its standard input. It answers
//! hellos, hands requests to its owner, and notices when the supervisor has
//! gone or when a new supervisor wants to take over.
//!
//! A worker may be started while its predecessor still works: it answers
//! hellos, takes its place (the lock) with the first configuration, and does
//! nothing before that.
//!
//! `SIGTERM`, `SIGINT` and `SIGHUP` are ignored: a service manager or a
//! terminal sends them to the whole group, and only the supervisor knows in
//! which order things are given up.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mono::Mono;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use super::channel::{self, Sender};
use super::protocol::{FromWorker, Order, Resume, Snapshot, ToWorker};
use super::supervisor::store;
use super::{Kind, wait_until};
use crate::kernel::clock;
use crate::kernel::lock;
use crate::model::{self, Config, Measured};

/// How long a worker goes on without a supervisor before it gives up what it
/// holds. Long enough for any service manager's restart delay.
pub const ORPHAN_GRACE: Duration = Duration::from_secs(30);

/// Events that a worker keeps while it is alone, at most; the oldest go first.
const MOST_UNTOLD: usize = 4_096;

/// A worker cannot start.
#[derive(Debug, Error)]
pub enum Error {
    /// Standard input is not the supervisor's socket.
    #[error("this is a worker process of lvsd: start `lvsd run` instead ({0})")]
    NotAWorker(io::Error),
    /// Signals cannot be watched.
    #[error("signal handling: {0}")]
    Signal(io::Error),
}

/// A moment that a thread renews and others read: a heartbeat.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// Renews it.
    pub fn beat(&self, now: Mono) {
        self.0.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// The last renewal.
    #[must_use]
    pub fn last(&self) -> Mono {
        Mono::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// What the owner of the session has to do.
#[derive(Debug)]
pub enum Event {
    /// Run this configuration.
    Configure {
        /// Repeat it in the answer.
        id: u64,
        /// The configuration.
        config: Box<Config>,
        /// What the predecessor left, at the start.
        resume: Option<Box<Resume>>,
    },
    /// Send a snapshot.
    Report(u64),
    /// The last result of something tracked elsewhere.
    Measured(Measured),
    /// Change who holds what.
    Hold {
        /// Repeat it in the answer.
        id: u64,
        /// What.
        order: Order,
    },
    /// Something happened that others want to know.
    Told(model::Event),
    /// Give up everything and leave.
    Stop,
    /// A new supervisor takes over: store a snapshot and exit, touching nothing.
    HandOver,
    /// No supervisor came back in time.
    Abandoned,
    /// There is nothing for this process to do: leave, and touch nothing.
    Unneeded,
}

/// The worker's end of the channel.
#[derive(Debug)]
pub struct Session {
    kind: Kind,
    runtime_dir: PathBuf,
    sender: Sender,
    messages: UnboundedReceiver<ToWorker>,
    heartbeat: Heartbeat,
    /// What we were sent last: the base of the next update.
    config: Config,
    hand_over: Signal,
    orphan_until: Option<Mono>,
    abandoned: bool,
    _ignored: [Signal; 3],
    /// From the first configuration on: until then a predecessor may hold the
    /// place.
    lock: Option<lock::Guard>,
    /// What happened while there was nobody to tell.
    untold: RefCell<VecDeque<model::Event>>,
}

impl Session {
    /// Takes the socket from standard input. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// When the process was not started by a supervisor.
    pub fn open(kind: Kind, runtime_dir: &Path, heartbeat: Heartbeat) -> Result<Self, Error> {
        let fd = io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .map_err(Error::NotAWorker)?;
        let socket = StdUnixStream::from(fd);
        // Fails when standard input is no connected Unix socket.
        socket.peer_addr().map_err(Error::NotAWorker)?;
        socket.set_nonblocking(true).map_err(Error::NotAWorker)?;
        let socket = UnixStream::from_std(socket).map_err(Error::NotAWorker)?;
        let watch = |kind| signal(kind).map_err(Error::Signal);
        let ignored = [
            watch(SignalKind::terminate())?,
            watch(SignalKind::interrupt())?,
            watch(SignalKind::hangup())?,
        ];
        let hand_over = watch(SignalKind::user_defined1())?;
        let (sender, receiver) = channel::split(socket);
        let messages = channel::reader(receiver);
        Ok(Self {
            kind,
            runtime_dir: runtime_dir.to_owned(),
            sender,
            messages,
            heartbeat,
            config: Config::default(),
            hand_over,
            orphan_until: None,
            abandoned: false,
            _ignored: ignored,
            lock: None,
            untold: RefCell::default(),
        })
    }

    /// The next thing to do. Cancel safe.
    pub async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                message = self.messages.recv(), if !self.alone() => match message {
                    Some(message) => {
                        if let Some(event) = self.accept(message) {
                            return event;
                        }
                    }
                    // Its supervisor died before it was needed.
                    None if self.lock.is_none() => return Event::Unneeded,
                    None => {
                        tracing::warn!(event = "supervisor_lost", grace_s = ORPHAN_GRACE.as_secs());
                        self.orphan_until = Some(clock::monotonic_now() + ORPHAN_GRACE);
                    }
                },
                _ = self.hand_over.recv() => return Event::HandOver,
                () = wait_until(self.orphan_until) => {
                    // Said once; a new supervisor may still come.
                    self.orphan_until = None;
                    self.abandoned = true;
                    return Event::Abandoned;
                }
            }
        }
    }

    /// Whether the supervisor has gone.
    fn alone(&self) -> bool {
        self.abandoned || self.orphan_until.is_some()
    }

    fn accept(&mut self, message: ToWorker) -> Option<Event> {
        Some(match message {
            ToWorker::Hello { seq } => {
                self.send(&FromWorker::Hello {
                    seq,
                    working: self.heartbeat.last(),
                });
                return None;
            }
            ToWorker::Configure { .. } if !self.take_place() => Event::Unneeded,
            ToWorker::Configure { id, update, resume } => match update.apply(&self.config) {
                Ok(config) => {
                    self.config = config.clone();
                    Event::Configure {
                        id,
                        config: Box::new(config),
                        resume,
                    }
                }
                Err(error) => {
                    self.done(id, Err(error.to_string()));
                    return None;
                }
            },
            ToWorker::Report { id } => Event::Report(id),
            ToWorker::Measured(measured) => Event::Measured(measured),
            ToWorker::Hold { id, order } => Event::Hold { id, order },
            ToWorker::Event(event) => Event::Told(event),
            ToWorker::Stop => Event::Stop,
            ToWorker::Detach => {
                self.send(&FromWorker::Detached);
                tracing::info!(event = "detached", grace_s = ORPHAN_GRACE.as_secs());
                self.orphan_until = Some(clock::monotonic_now() + ORPHAN_GRACE);
                return None;
            }
        })
    }

    /// Takes the lock, unless it is ours already.
    fn take_place(&mut self) -> bool {
        if self.lock.is_none() {
            match lock::acquire(&self.kind.lock_file(&self.runtime_dir)) {
                Ok(lock) => self.lock = Some(lock),
                Err(error) => tracing::error!(event = "place_taken", worker = %self.kind, %error),
            }
        }
        self.lock.is_some()
    }

    /// Sends a snapshot; `id` is that of the request, none when unasked.
    pub fn snapshot(&self, id: Option<u64>, snapshot: Snapshot) {
        self.send(&FromWorker::Snapshot {
            id,
            snapshot: Box::new(snapshot),
        });
    }

    /// Tells the result of a tracker.
    pub fn measured(&self, measured: Measured) {
        self.send(&FromWorker::Measured(measured));
    }

    /// Answers a request.
    pub fn done(&self, id: u64, outcome: Result<String, String>) {
        self.send(&FromWorker::Done { id, outcome });
    }

    /// Tells what happened to an instance or a group.
    pub fn event(&self, event: model::Event) {
        if !self.alone() {
            return self.send(&FromWorker::Event(event));
        }
        let mut untold = self.untold.borrow_mut();
        if untold.len() == MOST_UNTOLD {
            untold.pop_front();
        }
        untold.push_back(event);
    }

    /// Says good-bye, and waits until the supervisor has been told.
    /// `left`: see [`FromWorker::Stopped`].
    pub async fn stopped(&self, left: bool) {
        self.send(&FromWorker::Stopped { left });
        self.sender.flush().await;
    }

    /// Stores the last snapshot for whoever comes next ([`Event::HandOver`]).
    pub fn store(&self, snapshot: Snapshot) {
        let resume = Resume {
            snapshot,
            alive_until: clock::monotonic_now(),
        };
        let path = self.kind.state_file(&self.runtime_dir);
        let untold = self.untold.borrow_mut().make_contiguous().to_vec();
        if let Err(error) = store::save_worker(&path, &resume, &untold) {
            tracing::error!(event = "state_not_saved", %error);
        }
    }

    fn send(&self, message: &FromWorker) {
        if let Err(error) = self.sender.send(message) {
            tracing::error!(event = "channel_error", %error);
        }
    }
}
