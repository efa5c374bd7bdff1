//! Telling others: programs, FIFOs, mail.

use std::collections::BTreeMap;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, timeout};

use super::adopted::Adopted;
use super::fifo::Fifos;
use super::mail::{Mailer, Unsent};
use super::run::{KILL_AFTER, Outcome, Run, Tie};
use super::script::{self, HOLDS_ITS_PLACE, Slots};
use crate::kernel::clock;
use crate::kernel::process::Mark;
use crate::model::defaults::NOTIFY_TIMEOUT;
use crate::model::{Config, Event, Notification, Notify, Subject};
use crate::status::{NotifyReport, RunningJob, Told};
use crate::telling::{Job, Outbox, line};

/// How far programs are.
#[derive(Debug)]
pub(super) enum Progress {
    /// One was started.
    Started(Subject, Option<Mark>),
    /// One waits for something: its place is free for another.
    Settled,
    /// One has ended; how, if not well.
    Ended(Subject, Option<Failure>),
    /// A letter was sent, or not.
    Mailed(Result<(), Unsent>),
    /// It is time to try again to send one.
    MailPauseOver,
}

/// How a program failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// By itself, or it could not be started.
    Failed,
    /// It took too long.
    CutOff,
}

/// Who is told, and what is still to be told.
#[derive(Debug)]
pub(super) struct Notifier {
    outbox: Outbox,
    notify: BTreeMap<Subject, Notify>,
    /// Of subjects that a reload removed: what happened to them is told last.
    removed: BTreeMap<Subject, Notify>,
    notification: Notification,
    fifos: Fifos,
    mailer: Mailer,
    slots: Slots,
    running: BTreeMap<Subject, Option<Mark>>,
    failed: u64,
    timeouts: u64,
    progress: UnboundedSender<Progress>,
}

impl Notifier {
    pub(super) fn new(progress: UnboundedSender<Progress>) -> Self {
        Self {
            outbox: Outbox::default(),
            notify: BTreeMap::new(),
            removed: BTreeMap::new(),
            notification: Notification::default(),
            fifos: Fifos::default(),
            mailer: Mailer::new(progress.clone()),
            slots: script::slots(),
            running: BTreeMap::new(),
            failed: 0,
            timeouts: 0,
            progress,
        }
    }

    /// Goes on where a predecessor ended.
    pub(super) fn resume(&mut self, told: Vec<Told>, left: NotifyReport) {
        let told = told.into_iter().map(|told| (told.subject, told.what));
        self.outbox = Outbox::resumed(told.collect(), left.waiting);
        self.failed = left.failed;
        self.timeouts = left.timeouts;
        for RunningJob { subject, mark } in left.running {
            let Some(adopted) = Adopted::new(mark) else {
                continue;
            };
            self.outbox.runs(&subject);
            self.running.insert(subject.clone(), Some(mark));
            let progress = self.progress.clone();
            tokio::spawn(async move {
                let failure = match timeout(NOTIFY_TIMEOUT, adopted.ended()).await {
                    Ok(()) => None,
                    Err(_) => {
                        adopted.end(KILL_AFTER).await;
                        Some(Failure::CutOff)
                    }
                };
                let _ = progress.send(Progress::Ended(subject, failure));
            });
        }
        self.fifos.resume(left.fifos);
        self.mailer.resume(left.mail);
    }

    /// Tells these from now on.
    pub(super) fn set(&mut self, config: &Config) {
        self.notification = config.global.notification.clone();
        let instances = config.vrrp_instances.iter();
        let groups = config.vrrp.sync_groups.iter();
        let notify = instances
            .map(|one| (Subject::Instance(one.name.clone()), one.notify.clone()))
            .chain(groups.map(|one| (Subject::Group(one.name.clone()), one.notify.clone())))
            .collect();
        self.removed = std::mem::replace(&mut self.notify, notify);
        self.outbox.forget(|subject| {
            self.notify.contains_key(subject) || self.removed.contains_key(subject)
        });
        self.fifos.set(&self.notification);
        let mail = self.notification.mail.as_ref();
        self.mailer.set(mail, &super::router_id(config));
        self.start();
    }

    /// Something happened.
    pub(super) fn tell(&mut self, event: Event) {
        let notify = self.notify.get(&event.subject);
        let notify = notify.or_else(|| self.removed.get(&event.subject));
        // Of a subject that was never configured here, FIFOs are told.
        let notify = notify.cloned().unwrap_or_default();
        let now = clock::monotonic_now();
        if let Some(telling) = self.outbox.take(now, event, &notify) {
            self.fifos.write(&line(&telling.event));
            if telling.mail {
                self.mailer.post(&telling.event);
            }
            self.start();
        }
    }

    /// Starts what is due and has a place.
    fn start(&mut self) {
        while let Ok(slot) = self.slots.clone().try_acquire_owned() {
            let Some(job) = self.outbox.start() else {
                return;
            };
            self.running.insert(job.subject.clone(), None);
            let program = super::program(&job.command, &self.notification);
            let progress = self.progress.clone();
            tokio::spawn(async move {
                let subject = job.subject.clone();
                let failure = run(job, program, slot, &progress).await;
                let _ = progress.send(Progress::Ended(subject, failure));
            });
        }
    }

    pub(super) fn progress(&mut self, progress: Progress) {
        match progress {
            Progress::Started(subject, mark) => {
                self.running.insert(subject, mark);
            }
            Progress::Settled => {}
            Progress::Mailed(outcome) => self.mailer.mailed(outcome),
            Progress::MailPauseOver => self.mailer.pause_over(),
            Progress::Ended(subject, failure) => {
                self.outbox.ended(&subject);
                self.running.remove(&subject);
                match failure {
                    Some(Failure::Failed) => self.failed += 1,
                    Some(Failure::CutOff) => self.timeouts += 1,
                    None => {}
                }
            }
        }
        self.start();
    }

    /// Whether all programs have run to their end, and all letters are sent that can be.
    pub(super) fn is_done(&self) -> bool {
        let told = self.running.is_empty() && self.outbox.waiting().next().is_none();
        told && self.mailer.is_done()
    }

    /// Ends what serves the FIFOs: they will get nothing more.
    pub(super) async fn close(&mut self, until: Instant) {
        let running = self.running.len();
        let not_started = self.outbox.waiting().count();
        let letters = self.mailer.report().waiting.len();
        if running + not_started + letters > 0 {
            tracing::warn!(event = "notify_left", running, not_started, letters);
        }
        self.fifos.close(until).await;
    }

    /// For status and successor.
    pub(super) fn report(&self) -> (Vec<Told>, NotifyReport) {
        let told = self.outbox.told().map(|(subject, what)| Told {
            subject: subject.clone(),
            what,
        });
        let running = self.running.iter().filter_map(|(subject, mark)| {
            Some(RunningJob {
                subject: subject.clone(),
                mark: (*mark)?,
            })
        });
        let report = NotifyReport {
            waiting: self.outbox.waiting().cloned().collect(),
            running: running.collect(),
            failed: self.failed,
            timeouts: self.timeouts,
            fifos: self.fifos.report(),
            mail: self.mailer.report(),
        };
        (told.collect(), report)
    }
}

async fn run(
    job: Job,
    program: super::run::Program,
    slot: OwnedSemaphorePermit,
    progress: &UnboundedSender<Progress>,
) -> Option<Failure> {
    let Job { subject, what, .. } = job;
    let name = job.command.words.join(" ");
    let limit = job.command.timeout.unwrap_or(NOTIFY_TIMEOUT);
    let failed = |failure, reason: &str| {
        tracing::warn!(
            event = "notify_failed",
            program = name,
            state = what.word(),
            reason
        );
        Some(failure)
    };
    let mut run = match Run::start(program, Tie::Own).await {
        Ok(run) => run,
        Err(reason) => return failed(Failure::Failed, &reason),
    };
    let _ = progress.send(Progress::Started(subject, run.mark()));
    let settled = async {
        tokio::time::sleep(HOLDS_ITS_PLACE).await;
        drop(slot);
        let _ = progress.send(Progress::Settled);
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = run.outcome(Some(limit)) => outcome,
        () = settled => return None,
    };
    let Outcome {
        good,
        cut_off,
        detail,
    } = outcome;
    run.end().await;
    match (good, cut_off) {
        (true, _) => None,
        (false, true) => failed(Failure::CutOff, &detail),
        (false, false) => failed(Failure::Failed, &detail),
    }
}
