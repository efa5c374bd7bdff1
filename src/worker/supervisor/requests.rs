//! Requests to the running director: what operators ask on the control socket
//! and by `SIGHUP`, passed on to the workers, their answers collected.

use std::collections::BTreeMap;
use std::time::Duration;

use mono::Mono;
use tokio::sync::oneshot;

use super::Supervisor;
use super::control::{Call, Request, Response};
use crate::config::{self, Severity};
use crate::kernel::clock;
use crate::model::Update;
use crate::worker::Kind;
use crate::worker::protocol::ToWorker;

/// How long a reload may take before it is reported as unfinished.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long `lvsd status` waits for fresh snapshots.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers being collected from the workers.
#[derive(Debug)]
pub(super) struct Gather {
    waiting: BTreeMap<u64, Kind>,
    purpose: Purpose,
    lines: Vec<String>,
    failures: Vec<String>,
    deadline: Mono,
    answer: Option<oneshot::Sender<Response>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Status,
    Reload,
    /// An order to the vrrp worker.
    Order,
}

impl Gather {
    /// When it ends whether all have answered or not.
    pub(super) const fn deadline(&self) -> Mono {
        self.deadline
    }
}

impl Supervisor {
    /// A dead worker answers nothing; the new one is configured at its start.
    pub(super) fn forget_requests(&mut self, kind: Kind) {
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

    pub(super) fn answered(&mut self, id: u64, outcome: Option<(Kind, Result<String, String>)>) {
        let gather = self
            .gathers
            .iter_mut()
            .find(|gather| gather.waiting.contains_key(&id));
        if let Some(gather) = gather {
            gather.waiting.remove(&id);
            match outcome {
                // Only one worker is given an order; its words stand for themselves.
                Some((_, Ok(line))) if gather.purpose == Purpose::Order => gather.lines.push(line),
                Some((_, Err(line))) if gather.purpose == Purpose::Order => {
                    gather.failures.push(line);
                }
                Some((kind, Ok(line))) => gather.lines.push(format!("{kind}: {line}")),
                Some((kind, Err(line))) => gather.failures.push(format!("{kind}: {line}")),
                None => {}
            }
        } else if let Some((kind, Err(error))) = outcome {
            // The configuration at a worker's start has no one waiting for it.
            tracing::error!(event = "configuration_incomplete", worker = %kind, %error);
        }
    }

    pub(super) fn call(&mut self, call: Call) {
        let Call {
            request,
            answer,
            asker,
        } = call;
        if request != Request::Status
            && let Some(busy) = self.busy()
        {
            return respond(Some(answer), Response::Failed(busy));
        }
        match request {
            Request::Status => {
                self.ask(Purpose::Status, STATUS_TIMEOUT, Some(answer), |_, id| {
                    Some(ToWorker::Report { id })
                });
            }
            Request::Reload => self.reload(Some(answer)),
            Request::Failover(which) => self.failover(&which, answer),
            Request::Maintenance(wanted) => self.maintain(wanted, answer),
            Request::Upgrade(binary) => self.upgrade(binary, asker, answer),
        }
    }

    pub(super) fn reload(&mut self, answer: Option<oneshot::Sender<Response>>) {
        if let Some(busy) = self.busy() {
            // The next program reads the file anyway.
            tracing::info!(event = "reload_refused", reason = busy);
            return;
        }
        let started = clock::monotonic_now();
        match config::load(&self.options.config) {
            Err(error) => {
                let text = error.to_string();
                log_refusal(&error);
                self.reload_error = Some(text.clone());
                respond(answer, Response::Failed(text));
            }
            Ok(loaded) => {
                super::log_warnings(&self.options.config, &loaded.warnings);
                self.generation += 1;
                self.reload_error = None;
                self.config = loaded.config;
                let read_ms = clock::monotonic_now().since(started).as_secs_f64() * 1e3;
                tracing::info!(event = "reloading", generation = self.generation, read_ms);
                self.configure_all(answer);
            }
        }
    }

    fn configure_all(&mut self, answer: Option<oneshot::Sender<Response>>) {
        let mut parts: BTreeMap<_, _> = Kind::ALL
            .into_iter()
            .map(|kind| {
                let part = kind.part(&self.config);
                let seat = self.seat(kind);
                let update = Box::new(Update::between(&seat.sent, &part));
                seat.sent = part;
                (kind, update)
            })
            .collect();
        self.ask(Purpose::Reload, RELOAD_TIMEOUT, answer, |kind, id| {
            Some(ToWorker::Configure {
                id,
                update: parts.remove(&kind)?,
                resume: None,
            })
        });
    }

    /// Sends each worker the message that is made for it, if any, and collects
    /// the answers.
    pub(super) fn ask(
        &mut self,
        purpose: Purpose,
        timeout: Duration,
        answer: Option<oneshot::Sender<Response>>,
        mut message: impl FnMut(Kind, u64) -> Option<ToWorker>,
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
            let Some(message) = message(kind, id) else {
                continue;
            };
            match self.seat(kind).in_charge() {
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

    pub(super) fn finish_gathers(&mut self, now: Mono) {
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
                Purpose::Reload => reloaded(&gather, self.maintenance),
                Purpose::Order if gather.failures.is_empty() => Response::Done(gather.lines),
                Purpose::Order => Response::Failed(gather.failures.join("\n")),
            };
            respond(gather.answer, response);
        }
    }
}

/// One line per event: the first error, and how many there are.
fn log_refusal(error: &config::ConfigError) {
    let mut errors = error
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error);
    let first = errors.next();
    tracing::error!(
        event = "reload_refused",
        error = first.map(|first| first.message.as_str()),
        line = first
            .and_then(|first| first.location.as_ref())
            .map(|location| location.line),
        errors = errors.count() + usize::from(first.is_some()),
    );
}

fn reloaded(gather: &Gather, maintenance: bool) -> Response {
    if gather.failures.is_empty() {
        tracing::info!(event = "reloaded", done = gather.lines.join("; "));
        let note = "maintenance is on: this director takes no part in VRRP".to_owned();
        let lines = gather.lines.iter().cloned();
        Response::Done(lines.chain(maintenance.then_some(note)).collect())
    } else {
        let lines: Vec<_> = gather
            .lines
            .iter()
            .chain(&gather.failures)
            .cloned()
            .collect();
        tracing::error!(event = "reload_incomplete", error = lines.join("; "));
        Response::Incomplete(lines.join("\n"))
    }
}

pub(super) fn respond(answer: Option<oneshot::Sender<Response>>, response: Response) {
    if let Some(answer) = answer {
        // Whoever asked may have gone.
        let _ = answer.send(response);
    }
}
