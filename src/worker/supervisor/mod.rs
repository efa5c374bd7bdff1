//! The supervisor: the only process that reads the configuration.
//!
//! It starts the workers, watches them, gives each a new start with its last
//! snapshot ([`start`]), answers on the control socket ([`requests`]), stops
//! everything in order ([`stop`]), or leaves it in place for its successor
//! ([`succession`], [`upgrade`]).
//!
//! It parses nothing from the network.

pub mod child;
pub mod control;
mod fence;
mod hold;
mod relay;
mod report;
mod requests;
mod start;
mod stop;
pub mod store;
pub mod succession;
mod takeover;
pub mod upgrade;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use mono::Mono;
use rustix::process::{Pid, Signal as ProcessSignal, WaitOptions, kill_process, waitpid};
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal as watch_signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;

use self::child::{Event, Running};
use self::control::Call;
use self::relay::Relay;
use self::requests::Gather;
use self::stop::Stopping;
use self::succession::{Becoming, Ending, Heritage, Leaving, Notes, Succession};
use self::upgrade::{Probation, Upgrade, rehearsed};
use super::protocol::{FromWorker, Resume, Snapshot, ToWorker};
use super::{Kind, wait_until};
use crate::config::Diagnostic;
use crate::kernel::clock;
use crate::kernel::{descriptors, lock, service_manager};
use crate::model::Config;

/// Warnings of a configuration that are logged one by one.
const LOGGED_WARNINGS: usize = 3;

/// What the supervisor is told on the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Where sockets, locks and state lie.
    pub runtime_dir: PathBuf,
}

/// The supervisor cannot start.
#[derive(Debug, Error)]
pub enum Error {
    /// The runtime directory is not usable.
    #[error("cannot use the runtime directory {}: {source}", path.display())]
    RuntimeDir {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another lvsd runs with this runtime directory.
    #[error(transparent)]
    Lock(#[from] crate::kernel::lock::Error),
    /// The control socket cannot be made.
    #[error("cannot listen on {}: {source}", path.display())]
    Control {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another lvsd runs in this network namespace, with another runtime directory.
    #[error("another lvsd is running in this network namespace, with another runtime directory")]
    NamespaceTaken,
    /// The claim on the network namespace cannot be made.
    #[error("cannot claim this network namespace: {0}")]
    Namespace(io::Error),
    /// Signals cannot be watched.
    #[error("signal handling: {0}")]
    Signal(io::Error),
}

/// Logs the warnings of a configuration: the first few, and how many there are.
pub fn log_warnings(file: &Path, warnings: &[Diagnostic]) {
    for warning in warnings.iter().take(LOGGED_WARNINGS) {
        tracing::warn!(
            event = "configuration_warning",
            code = warning.code,
            warning = warning.message,
            line = warning.location.as_ref().map(|location| location.line),
        );
    }
    if warnings.len() > LOGGED_WARNINGS {
        let help = format!("lvsd check {}", file.display());
        tracing::warn!(
            event = "configuration_warnings",
            count = warnings.len(),
            help
        );
    }
}

/// Sends a signal; a process that has gone is no error.
pub(crate) fn signal(pid: u32, signal: ProcessSignal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, signal)
        && error != rustix::io::Errno::SRCH
    {
        tracing::warn!(event = "signal_failed", %error);
    }
}

/// One seat for a worker.
#[derive(Debug, Default)]
struct Seat {
    running: Option<Running>,
    /// Bad starts in a row.
    failures: u32,
    restarts: u64,
    restart_at: Option<Mono>,
    last: Option<Resume>,
    /// The configuration it was sent last: the base of the next update.
    sent: Config,
    unsaved: bool,
    /// It has said good-bye.
    stopped: bool,
    /// Something of ours stayed in place after it.
    left: bool,
}

impl Seat {
    /// The worker that does the work; one that only waits for its place is none.
    fn in_charge(&self) -> Option<&Running> {
        self.running
            .as_ref()
            .filter(|running| running.in_charge().is_some())
    }
}

/// How serving ended.
#[derive(Debug)]
enum Outcome {
    Stopped,
    Left,
    Become(Becoming),
}

#[derive(Debug)]
struct Supervisor {
    options: Options,
    config: Config,
    generation: u64,
    reload_error: Option<String>,
    started: Mono,
    seats: BTreeMap<Kind, Seat>,
    events: UnboundedSender<(Kind, u64, Event)>,
    incarnations: u64,
    requests: u64,
    gathers: Vec<Gather>,
    relay: Relay,
    /// Whether this director is to hold nothing.
    maintenance: bool,
    stopping: Option<Stopping>,
    upgrade: Option<Upgrade>,
    probation: Option<Probation>,
    leaving: Option<Leaving>,
    /// Workers of an earlier image of this process, until they have ended.
    inherited: Vec<u32>,
}

struct Signals {
    hangup: Signal,
    restart: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn watch() -> Result<Self, Error> {
        let watch = |kind| watch_signal(kind).map_err(Error::Signal);
        Ok(Self {
            hangup: watch(SignalKind::hangup())?,
            restart: watch(SignalKind::user_defined2())?,
            terminate: watch(SignalKind::terminate())?,
            interrupt: watch(SignalKind::interrupt())?,
        })
    }
}

/// What a supervisor holds itself.
struct Holdings {
    lock: lock::Guard,
    claim: OwnedFd,
    control: UnixListener,
}

impl Holdings {
    fn take(directory: &Path) -> Result<Self, Error> {
        prepare_directory(directory).map_err(|source| Error::RuntimeDir {
            path: directory.to_owned(),
            source,
        })?;
        Ok(Self {
            lock: lock::acquire(&directory.join("lvsd.lock"))?,
            claim: claim_namespace()?.into(),
            control: control::bind(directory).map_err(|source| Error::Control {
                path: control::socket_path(directory),
                source,
            })?,
        })
    }

    fn inherited(heritage: Heritage) -> Self {
        Self {
            lock: lock::Guard::inherited(heritage.lock),
            claim: heritage.claim,
            control: heritage.control.into(),
        }
    }
}

/// Runs until it is told to stop or to leave. Must be called inside a tokio
/// runtime. `heritage` is what an earlier image of this process left.
///
/// # Errors
///
/// As [`enum@Error`] says; only at the start.
pub async fn run(
    options: Options,
    config: Config,
    heritage: Option<Heritage>,
) -> Result<Ending, Error> {
    let (events, worker_events) = unbounded_channel();
    let mut supervisor = Supervisor::new(options.clone(), config, events);
    let holdings = match heritage {
        None => Holdings::take(&options.runtime_dir)?,
        Some(mut heritage) => {
            supervisor.inherit(&mut heritage);
            Holdings::inherited(heritage)
        }
    };
    let mut signals = Signals::watch()?;
    // An earlier image of this process held them.
    descriptors::release_signals().map_err(Error::Signal)?;
    let (calls_in, calls) = unbounded_channel();
    let listening = holdings.control.try_clone();
    listening
        .and_then(|control| control::listen(control, calls_in))
        .map_err(|source| Error::Control {
            path: control::socket_path(&options.runtime_dir),
            source,
        })?;
    supervisor.start_all().await;
    service_manager::tell(service_manager::State::Ready);
    let becoming = supervisor.serve(&mut signals, calls, worker_events).await;
    Ok(supervisor.end(becoming, holdings))
}

/// What lies in the directory is trusted, so nobody else may write to it. An
/// existing one is taken as it is.
fn prepare_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    let found = std::fs::metadata(path)?;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!(
            "it belongs to user {}",
            found.uid()
        )));
    }
    if found.mode() & 0o022 != 0 {
        return Err(io::Error::other("others may write to it"));
    }
    Ok(())
}

/// Two directors in one network namespace would take each other's addresses
/// away, whatever their runtime directories: an abstract socket belongs to the
/// namespace, and ends with its holder.
fn claim_namespace() -> Result<UnixListener, Error> {
    let name = SocketAddr::from_abstract_name("lvsd").map_err(Error::Namespace)?;
    UnixListener::bind_addr(&name).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::NamespaceTaken,
        _ => Error::Namespace(error),
    })
}

impl Supervisor {
    fn new(options: Options, config: Config, events: UnboundedSender<(Kind, u64, Event)>) -> Self {
        let maintenance = hold::in_maintenance(&options.runtime_dir);
        let relay = Relay::found(&options.runtime_dir);
        Self {
            maintenance,
            options,
            config,
            generation: 1,
            reload_error: None,
            started: clock::monotonic_now(),
            seats: Kind::ALL
                .into_iter()
                .map(|kind| (kind, Seat::default()))
                .collect(),
            events,
            incarnations: 0,
            requests: 0,
            gathers: Vec::new(),
            relay,
            stopping: None,
            upgrade: None,
            probation: None,
            leaving: None,
            inherited: Vec::new(),
        }
    }

    async fn start_all(&mut self) {
        tracing::info!(
            event = "started",
            version = env!("CARGO_PKG_VERSION"),
            config = %self.options.config.display(),
            maintenance = self.maintenance,
        );
        for kind in Kind::ALL {
            self.start(kind);
        }
        self.put_in_charge().await;
    }

    /// Goes on where an earlier image of this process left.
    fn inherit(&mut self, heritage: &mut Heritage) {
        self.inherited = std::mem::take(&mut heritage.notes.workers);
        self.probation = Some(Probation::new(heritage, clock::monotonic_now()));
    }

    fn seat(&mut self, kind: Kind) -> &mut Seat {
        self.seats.entry(kind).or_default()
    }

    fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    async fn serve(
        &mut self,
        signals: &mut Signals,
        mut calls: UnboundedReceiver<Call>,
        mut events: UnboundedReceiver<(Kind, u64, Event)>,
    ) -> Outcome {
        let mut tick = tokio::time::interval(child::HELLO_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = self.deadline();
            tokio::select! {
                Some((kind, incarnation, event)) = events.recv() => {
                    self.worker_event(kind, incarnation, event);
                }
                Some(call) = calls.recv() => self.call(call),
                outcome = rehearsed(self.upgrade.as_mut()), if self.leaving.is_none() => {
                    self.rehearsal_ended(outcome);
                }
                _ = signals.hangup.recv() => self.reload(None),
                _ = signals.restart.recv() => self.leave(None),
                _ = signals.terminate.recv() => self.stop().await,
                _ = signals.interrupt.recv() => self.stop().await,
                _ = tick.tick() => self.tick(),
                () = wait_until(wake) => {}
            }
            self.due().await;
            if let Some(becoming) = self.left() {
                return becoming.map_or(Outcome::Left, Outcome::Become);
            }
            if self.stopping.is_some() && self.continue_stopping() {
                return Outcome::Stopped;
            }
        }
    }

    /// The next moment at which [`Self::due`] has something to do.
    fn deadline(&self) -> Option<Mono> {
        let restarts = self.seats.values().filter_map(|seat| seat.restart_at);
        let gathers = self.gathers.iter().map(|gather| gather.deadline());
        let stopping = self.stopping.iter().map(|stopping| stopping.deadline);
        let leaving = self.leaving.iter().map(Leaving::deadline);
        let probation = self.probation.iter().map(|probation| probation.deadline);
        let ends = stopping.chain(leaving).chain(probation);
        restarts.chain(gathers).chain(ends).min()
    }

    async fn due(&mut self) {
        let now = clock::monotonic_now();
        for kind in Kind::ALL {
            if self.seat(kind).restart_at.is_some_and(|at| at <= now) {
                self.start(kind);
            }
        }
        if self.leaving.is_none() {
            self.put_in_charge().await;
        }
        self.finish_gathers(now);
        self.conclude(now);
    }

    fn tick(&mut self) {
        let now = clock::monotonic_now();
        for (&kind, seat) in &mut self.seats {
            if let Some(running) = &mut seat.running {
                running.watch(kind, child::patience(kind, &self.config.vrrp_instances));
                // Whoever finds this file after the death of us all must know
                // how old the advertisements are.
                if kind == Kind::Vrrp
                    && let Some(last) = &mut seat.last
                    && let Some(alive_until) = running.alive_until(now)
                {
                    last.alive_until = alive_until;
                    seat.unsaved = true;
                }
            }
        }
        self.save_states();
        // Their ends are nobody's event: they are waited for so that they vanish.
        self.inherited.retain(|pid| {
            let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
            pid.is_some_and(|pid| matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(None)))
        });
    }

    fn worker_event(&mut self, kind: Kind, incarnation: u64, event: Event) {
        let seat = self.seat(kind);
        let current = seat
            .running
            .as_ref()
            .is_some_and(|r| r.incarnation == incarnation);
        if !current {
            return;
        }
        match event {
            Event::Message(message) => self.worker_message(kind, message),
            Event::Exited(status) => self.worker_exited(kind, &status),
        }
    }

    fn worker_exited(&mut self, kind: Kind, status: &io::Result<std::process::ExitStatus>) {
        let now = clock::monotonic_now();
        let seat = self.seat(kind);
        let Some(running) = seat.running.take() else {
            return;
        };
        if seat.stopped && status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            tracing::info!(event = "worker_stopped", worker = %kind, pid = running.pid);
            return;
        }
        let status = match status {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(event = "worker_died", worker = %kind, pid = running.pid, %status);
        if let (Some(last), Some(until)) = (&mut seat.last, running.alive_until(now)) {
            last.alive_until = until;
            seat.unsaved = true;
        }
        self.forget_requests(kind);
        self.detached(kind);
        self.plan_restart(kind, now);
    }

    /// Passes on what one worker has for another. One that is not running gets what it
    /// needs to know when it starts ([`relay`]).
    fn pass_on(&self, to: Kind, message: &ToWorker) {
        let seat = self.seats.get(&to);
        if let Some(running) = seat.and_then(Seat::in_charge) {
            running.send(message);
        }
    }

    fn worker_message(&mut self, kind: Kind, message: FromWorker) {
        let now = clock::monotonic_now();
        let seat = self.seat(kind);
        let Some(running) = &mut seat.running else {
            return;
        };
        running.heard(now);
        match message {
            FromWorker::Hello { working, .. } => {
                running.hello(now, working);
                if running.started_well() {
                    seat.failures = 0;
                }
            }
            FromWorker::Snapshot { id, mut snapshot } => {
                running.reported();
                // Fresh pools are only sent on request.
                if let (None, Some(last)) = (id, &mut seat.last) {
                    snapshot.keep_pools_of(&mut last.snapshot);
                }
                let told = snapshot.told_until();
                seat.last = Some(Resume {
                    snapshot: *snapshot,
                    alive_until: now,
                });
                seat.unsaved = true;
                if let Some(told) = told {
                    self.relay.told(told);
                }
                if let Some(id) = id {
                    self.answered(id, None);
                }
            }
            FromWorker::Measured(measured) => {
                self.relay.measured(measured.clone());
                self.pass_on(Kind::Vrrp, &ToWorker::Measured(measured));
            }
            FromWorker::Event(event) => {
                let event = self.relay.event(event, now);
                self.pass_on(Kind::Scripts, &ToWorker::Event(event));
            }
            FromWorker::Done { id, outcome } => self.answered(id, Some((kind, outcome))),
            FromWorker::Detached => self.detached(kind),
            FromWorker::Stopped { left } => {
                seat.stopped = true;
                seat.left = left;
            }
        }
    }

    fn end(self, outcome: Outcome, holdings: Holdings) -> Ending {
        match outcome {
            Outcome::Stopped => {
                self.clean_up();
                tracing::info!(event = "stopped");
                Ending::Stopped
            }
            Outcome::Left => {
                service_manager::tell(service_manager::State::Stopping);
                tracing::info!(event = "left");
                Ending::Left
            }
            Outcome::Become(becoming) => {
                let notes = Notes::new(self.worker_pids(), becoming.failure);
                Ending::Become(Box::new(Succession {
                    program: becoming.program,
                    heritage: Heritage {
                        notes,
                        lock: holdings.lock.into(),
                        claim: holdings.claim,
                        control: holdings.control.into(),
                        asker: becoming.asker,
                        previous: becoming.previous,
                    },
                }))
            }
        }
    }

    fn clean_up(&self) {
        for (kind, seat) in &self.seats {
            // What is still there belongs to whoever starts next.
            if seat.stopped && !seat.left {
                store::remove(&kind.state_file(&self.options.runtime_dir));
            }
        }
        // A client that connects now is told at once that nobody is there.
        let _ = std::fs::remove_file(control::socket_path(&self.options.runtime_dir));
    }
}

impl Snapshot {
    /// The part of the vrrp worker.
    fn vrrp(&self) -> Option<&crate::status::VrrpSnapshot> {
        match self {
            Snapshot::Vrrp(snapshot) => Some(snapshot),
            _ => None,
        }
    }

    /// Takes over the pools of the snapshot before this one.
    fn keep_pools_of(&mut self, before: &mut Snapshot) {
        if let (Snapshot::Checker(now), Snapshot::Checker(before)) = (self, before) {
            now.pools = std::mem::take(&mut before.pools);
        }
    }

    /// The part of the checker worker.
    fn checker(&self) -> Option<&crate::status::CheckerSnapshot> {
        match self {
            Snapshot::Checker(snapshot) => Some(snapshot),
            _ => None,
        }
    }
}
