//! The supervisor: the only process that reads the configuration.
//!
//! It starts the workers, watches them, gives each a new start with its last
//! snapshot, answers on the control socket, and stops everything in order:
//! first VRRP gives the addresses up, then the checker clears its part of the
//! IPVS table, so that no packet finds a VIP without a table behind it.
//!
//! It parses nothing from the network.

pub mod child;
pub mod control;
mod fence;
mod report;
pub mod store;
mod takeover;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use mono::Mono;
use rustix::process::{Pid, Signal as ProcessSignal, kill_process};
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal as watch_signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use self::child::{Event, Running};
use self::control::{Call, Request, Response};
use super::Kind;
use super::protocol::{FromWorker, Resume, Snapshot, ToWorker};
use crate::config;
use crate::kernel::clock;
use crate::kernel::lock;
use crate::model::Config;

/// How long a worker may take to stop in good order.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a reload may take before it is reported as unfinished.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long `lvsd status` waits for fresh snapshots.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

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
    /// Signals cannot be watched.
    #[error("signal handling: {0}")]
    Signal(io::Error),
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
    unsaved: bool,
    /// It has said good-bye.
    stopped: bool,
}

/// Answers being collected from the workers.
#[derive(Debug)]
struct Gather {
    waiting: BTreeMap<u64, Kind>,
    purpose: Purpose,
    lines: Vec<String>,
    failures: Vec<String>,
    deadline: Mono,
    answer: Option<oneshot::Sender<Response>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Status,
    Reload,
}

#[derive(Debug)]
struct Stopping {
    kind: Kind,
    deadline: Mono,
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
    stopping: Option<Stopping>,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn watch() -> Result<Self, Error> {
        let watch = |kind| watch_signal(kind).map_err(Error::Signal);
        Ok(Self {
            hangup: watch(SignalKind::hangup())?,
            terminate: watch(SignalKind::terminate())?,
            interrupt: watch(SignalKind::interrupt())?,
        })
    }
}

/// Runs until it is told to stop. Must be called inside a tokio runtime.
///
/// # Errors
///
/// As [`Error`] says; only at the start.
pub async fn run(options: Options, config: Config) -> Result<(), Error> {
    let directory = &options.runtime_dir;
    prepare_directory(directory).map_err(|source| Error::RuntimeDir {
        path: directory.clone(),
        source,
    })?;
    let _lock = lock::acquire(&directory.join("lvsd.lock"))?;
    let mut signals = Signals::watch()?;
    let (calls_in, calls) = unbounded_channel();
    control::listen(directory, calls_in).map_err(|source| Error::Control {
        path: control::socket_path(directory),
        source,
    })?;
    let (events, worker_events) = unbounded_channel();
    let mut supervisor = Supervisor::new(options, config, events);
    supervisor.start_all().await;
    supervisor.serve(&mut signals, calls, worker_events).await;
    supervisor.clean_up();
    tracing::info!(event = "stopped");
    Ok(())
}

fn prepare_directory(path: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

impl Supervisor {
    fn new(options: Options, config: Config, events: UnboundedSender<(Kind, u64, Event)>) -> Self {
        Self {
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
            stopping: None,
        }
    }

    async fn start_all(&mut self) {
        tracing::info!(
            event = "started",
            version = env!("CARGO_PKG_VERSION"),
            config = %self.options.config.display(),
        );
        for kind in Kind::ALL {
            let last = takeover::take_over(kind, &self.options.runtime_dir).await;
            self.seat(kind).last = last;
            self.start(kind);
        }
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
    ) {
        let mut tick = tokio::time::interval(child::HELLO_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = self.deadline();
            tokio::select! {
                Some((kind, incarnation, event)) = events.recv() => {
                    self.worker_event(kind, incarnation, event);
                }
                Some((request, answer)) = calls.recv() => self.call(request, answer),
                _ = signals.hangup.recv() => self.reload(None),
                _ = signals.terminate.recv() => self.stop(),
                _ = signals.interrupt.recv() => self.stop(),
                _ = tick.tick() => self.tick(),
                () = wait(wake) => {}
            }
            self.due();
            if self.stopping.is_none() {
                continue;
            }
            if self.continue_stopping() {
                return;
            }
        }
    }

    /// The next moment at which [`Self::due`] has something to do.
    fn deadline(&self) -> Option<Mono> {
        let restarts = self.seats.values().filter_map(|seat| seat.restart_at);
        let gathers = self.gathers.iter().map(|gather| gather.deadline);
        let stopping = self.stopping.iter().map(|stopping| stopping.deadline);
        restarts.chain(gathers).chain(stopping).min()
    }

    fn due(&mut self) {
        let now = clock::monotonic_now();
        for kind in Kind::ALL {
            if self.seat(kind).restart_at.is_some_and(|at| at <= now) {
                self.start(kind);
            }
        }
        self.finish_gathers(now);
    }

    fn tick(&mut self) {
        let now = clock::monotonic_now();
        for (&kind, seat) in &mut self.seats {
            if let Some(running) = &mut seat.running {
                running.watch(kind, now);
                // Whoever finds this file after the death of us all must know
                // how old the advertisements are.
                if kind == Kind::Vrrp
                    && let Some(last) = &mut seat.last
                {
                    last.alive_until = running.alive_until(now);
                    seat.unsaved = true;
                }
            }
            if std::mem::take(&mut seat.unsaved)
                && let Some(last) = &seat.last
                && let Err(error) = store::save(&kind.state_file(&self.options.runtime_dir), last)
            {
                tracing::warn!(event = "state_not_saved", worker = %kind, %error);
            }
        }
    }

    fn start(&mut self, kind: Kind) {
        let now = clock::monotonic_now();
        self.incarnations += 1;
        let incarnation = self.incarnations;
        let started = Running::start(
            kind,
            &self.options.runtime_dir,
            incarnation,
            now,
            &self.events,
        );
        let id = self.next_request();
        let config = Box::new(self.config.clone());
        let seat = self.seat(kind);
        seat.restart_at = None;
        seat.stopped = false;
        match started {
            Ok(running) => {
                let resume = seat.last.clone().map(Box::new);
                tracing::info!(
                    event = "worker_started", worker = %kind, pid = running.pid,
                    resume = resume.is_some(),
                );
                running.send(&ToWorker::Configure { id, config, resume });
                seat.running = Some(running);
            }
            Err(error) => {
                tracing::error!(event = "worker_not_started", worker = %kind, %error);
                self.plan_restart(kind, now);
            }
        }
    }

    fn plan_restart(&mut self, kind: Kind, now: Mono) {
        if self.stopping.is_some() {
            return;
        }
        let seat = self.seat(kind);
        seat.restarts += 1;
        seat.restart_at = Some(now + child::backoff(seat.failures));
        seat.failures = seat.failures.saturating_add(1);
        if kind == Kind::Vrrp && seat.failures == child::LOST_AFTER {
            tracing::error!(
                event = "fencing",
                reason = "the vrrp worker cannot be brought back"
            );
            fence::addresses(seat.last.as_ref().map(|last| &last.snapshot));
        }
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
        if let Some(last) = &mut seat.last {
            last.alive_until = running.alive_until(now);
        }
        if running.started_well(now) {
            seat.failures = 0;
        }
        self.forget_requests(kind);
        self.plan_restart(kind, now);
    }

    /// A dead worker answers nothing; the new one is configured at its start.
    fn forget_requests(&mut self, kind: Kind) {
        for gather in &mut self.gathers {
            let before = gather.waiting.len();
            gather.waiting.retain(|_, of| *of != kind);
            if gather.waiting.len() < before {
                gather
                    .failures
                    .push(format!("{kind}: the worker died and is started again"));
            }
        }
    }

    fn worker_message(&mut self, kind: Kind, message: FromWorker) {
        let now = clock::monotonic_now();
        let seat = self.seat(kind);
        match message {
            FromWorker::Hello { working, .. } => {
                if let Some(running) = &mut seat.running {
                    running.hello(now, working);
                    if running.started_well(now) {
                        seat.failures = 0;
                    }
                }
            }
            FromWorker::Snapshot { id, mut snapshot } => {
                // Pools are only filled in on request.
                if let (None, Some(last)) = (id, &mut seat.last) {
                    snapshot.keep_pools_of(&mut last.snapshot);
                }
                seat.last = Some(Resume {
                    snapshot: *snapshot,
                    alive_until: now,
                });
                seat.unsaved = true;
                if let Some(id) = id {
                    self.answered(id, None);
                }
            }
            FromWorker::Done { id, outcome } => self.answered(id, Some((kind, outcome))),
            FromWorker::Stopped => seat.stopped = true,
        }
    }

    fn answered(&mut self, id: u64, outcome: Option<(Kind, Result<String, String>)>) {
        let gather = self
            .gathers
            .iter_mut()
            .find(|gather| gather.waiting.contains_key(&id));
        if let Some(gather) = gather {
            gather.waiting.remove(&id);
            match outcome {
                Some((kind, Ok(line))) => gather.lines.push(format!("{kind}: {line}")),
                Some((kind, Err(line))) => gather.failures.push(format!("{kind}: {line}")),
                None => {}
            }
        } else if let Some((kind, Err(error))) = outcome {
            // The configuration at a worker's start has no one waiting for it.
            tracing::error!(event = "configuration_incomplete", worker = %kind, %error);
        }
    }

    fn call(&mut self, request: Request, answer: oneshot::Sender<Response>) {
        match request {
            Request::Status => self.ask_workers(Purpose::Status, STATUS_TIMEOUT, Some(answer)),
            Request::Reload => self.reload(Some(answer)),
        }
    }

    fn reload(&mut self, answer: Option<oneshot::Sender<Response>>) {
        if self.stopping.is_some() {
            return;
        }
        match config::load(&self.options.config) {
            Err(error) => {
                let text = error.to_string();
                tracing::error!(event = "reload_refused", error = %text);
                self.reload_error = Some(text.clone());
                respond(answer, Response::Failed(text));
            }
            Ok(loaded) => {
                for warning in &loaded.warnings {
                    tracing::warn!(event = "configuration_warning", %warning);
                }
                self.generation += 1;
                self.reload_error = None;
                self.config = loaded.config;
                tracing::info!(event = "reloading", generation = self.generation);
                self.ask_workers(Purpose::Reload, RELOAD_TIMEOUT, answer);
            }
        }
    }

    fn ask_workers(
        &mut self,
        purpose: Purpose,
        timeout: Duration,
        answer: Option<oneshot::Sender<Response>>,
    ) {
        let mut gather = Gather {
            waiting: BTreeMap::new(),
            purpose,
            lines: Vec::new(),
            failures: Vec::new(),
            deadline: clock::monotonic_now() + timeout,
            answer,
        };
        for kind in Kind::ALL {
            let id = self.next_request();
            let message = match purpose {
                Purpose::Status => ToWorker::Report { id },
                Purpose::Reload => {
                    let config = Box::new(self.config.clone());
                    ToWorker::Configure {
                        id,
                        config,
                        resume: None,
                    }
                }
            };
            match &self.seat(kind).running {
                Some(running) if running.send(&message) => {
                    gather.waiting.insert(id, kind);
                }
                _ => gather
                    .failures
                    .push(format!("{kind}: the worker is not running")),
            }
        }
        self.gathers.push(gather);
    }

    fn finish_gathers(&mut self, now: Mono) {
        let (done, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.gathers)
            .into_iter()
            .partition(|gather| gather.waiting.is_empty() || gather.deadline <= now);
        self.gathers = waiting;
        for mut gather in done {
            for kind in gather.waiting.values() {
                gather
                    .failures
                    .push(format!("{kind}: no answer yet; it goes on"));
            }
            let response = match gather.purpose {
                Purpose::Status => Response::Status(Box::new(self.document())),
                Purpose::Reload => reloaded(&gather),
            };
            respond(gather.answer, response);
        }
    }

    fn stop(&mut self) {
        if self.stopping.is_none() {
            tracing::info!(event = "stopping");
            self.stop_worker(Kind::Vrrp);
        }
    }

    fn stop_worker(&mut self, kind: Kind) {
        self.stopping = Some(Stopping {
            kind,
            deadline: clock::monotonic_now() + STOP_TIMEOUT,
        });
        let seat = self.seat(kind);
        seat.restart_at = None;
        if let Some(running) = &seat.running {
            running.send(&ToWorker::Stop);
        }
    }

    /// Goes on with stopping; true when all is done.
    fn continue_stopping(&mut self) -> bool {
        let Some(Stopping { kind, deadline }) = self.stopping else {
            return false;
        };
        let seat = self.seat(kind);
        if let Some(running) = &mut seat.running {
            if deadline <= clock::monotonic_now() {
                tracing::error!(event = "worker_does_not_stop", worker = %kind, pid = running.pid);
                running.kill();
                // Its end arrives as an event.
                self.stopping = Some(Stopping {
                    kind,
                    deadline: Mono::MAX,
                });
            }
            return false;
        }
        let clean = seat.stopped;
        match kind {
            Kind::Vrrp => {
                if !clean {
                    let seat = self.seat(kind);
                    fence::addresses(seat.last.as_ref().map(|last| &last.snapshot));
                }
                self.stop_worker(Kind::Checker);
                self.seat(Kind::Checker).running.is_none()
            }
            Kind::Checker => true,
        }
    }

    fn clean_up(&self) {
        for kind in Kind::ALL {
            store::remove(&kind.state_file(&self.options.runtime_dir));
        }
        // A client that connects now is told at once that nobody is there.
        let _ = std::fs::remove_file(control::socket_path(&self.options.runtime_dir));
    }
}

fn reloaded(gather: &Gather) -> Response {
    if gather.failures.is_empty() {
        tracing::info!(event = "reloaded", done = gather.lines.join("; "));
        Response::Done(gather.lines.clone())
    } else {
        let lines: Vec<_> = gather
            .lines
            .iter()
            .chain(&gather.failures)
            .cloned()
            .collect();
        let text = lines.join("\n");
        tracing::error!(event = "reload_incomplete", error = %text);
        Response::Failed(text)
    }
}

fn respond(answer: Option<oneshot::Sender<Response>>, response: Response) {
    if let Some(answer) = answer {
        // Whoever asked may have gone.
        let _ = answer.send(response);
    }
}

async fn wait(deadline: Option<Mono>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline.since(clock::monotonic_now())).await,
        None => std::future::pending().await,
    }
}

impl Snapshot {
    /// The part of the vrrp worker.
    fn vrrp(&self) -> Option<&crate::status::VrrpSnapshot> {
        match self {
            Snapshot::Vrrp(snapshot) => Some(snapshot),
            Snapshot::Checker(_) => None,
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
            Snapshot::Vrrp(_) => None,
        }
    }
}
