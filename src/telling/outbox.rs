//! Programs to be run because of events, in order.
//!
//! One program runs at a time for each subject, so that nothing overtakes anything: for
//! every event first the program for its state, then the one for all. What has not
//! started when a newer state comes is not run any more: the newer state is what counts.
//! A stop and a removal are the last word on a subject.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mono::Mono;
use serde::{Deserialize, Serialize};

use super::arguments;
use crate::model::{Command, Event, Notify, Subject, What};

/// A Master hears each advert of another one: listeners are told no more often than this.
const LOWER_PRIORITY_PAUSE: Duration = Duration::from_secs(1);

/// A program to be run because of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Whom it is about.
    pub subject: Subject,
    /// What happened.
    pub what: What,
    /// The event's number: older ones first.
    pub sequence: u64,
    /// The program, with all its arguments.
    pub command: Command,
}

/// What an event makes to be told besides programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// The event as it is told: a removal may be told as a fault.
    pub event: Event,
    /// Whether it is mailed.
    pub mail: bool,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    waiting: VecDeque<Job>,
    running: bool,
    /// The state that was told last.
    told: Option<What>,
    lower_priority: Option<Mono>,
}

/// The programs that wait, by subject.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    lanes: BTreeMap<Subject, Lane>,
}

impl Outbox {
    /// As a predecessor left it: the states told last, and the programs that waited.
    #[must_use]
    pub fn resumed(told: Vec<(Subject, What)>, waiting: Vec<Job>) -> Self {
        let mut outbox = Self::default();
        for (subject, what) in told {
            outbox.lane(&subject).told = Some(what);
        }
        for job in waiting {
            let subject = job.subject.clone();
            outbox.lane(&subject).waiting.push_back(job);
        }
        outbox
    }

    fn lane(&mut self, subject: &Subject) -> &mut Lane {
        self.lanes.entry(subject.clone()).or_default()
    }

    /// Takes an event in; none when nobody is to be told of it.
    pub fn take(&mut self, now: Mono, mut event: Event, notify: &Notify) -> Option<Telling> {
        if event.what == What::Deleted && !notify.notify_deleted {
            event.what = What::Fault;
        }
        let lane = self.lane(&event.subject);
        if !lane.is_news(now, event.what, notify) {
            return None;
        }
        lane.waiting.retain(|job| !supersedes(event.what, job.what));
        lane.waiting.extend(jobs(&event, notify));
        let state = is_state(event.what);
        Some(Telling {
            event,
            mail: notify.mail && state,
        })
    }

    /// The next program to be started. [`Outbox::ended`] must be called when it has.
    pub fn start(&mut self) -> Option<Job> {
        let idle = self.lanes.values_mut().filter(|lane| !lane.running);
        let first = idle
            .filter(|lane| !lane.waiting.is_empty())
            .min_by_key(|lane| lane.waiting.front().map(|job| job.sequence))?;
        first.running = true;
        first.waiting.pop_front()
    }

    /// A program of this subject runs already.
    pub fn runs(&mut self, subject: &Subject) {
        self.lane(subject).running = true;
    }

    /// The program of this subject has ended.
    pub fn ended(&mut self, subject: &Subject) {
        self.lane(subject).running = false;
    }

    /// Programs that wait, in their order.
    pub fn waiting(&self) -> impl Iterator<Item = &Job> {
        self.lanes.values().flat_map(|lane| &lane.waiting)
    }

    /// The state told last, by subject.
    pub fn told(&self) -> impl Iterator<Item = (&Subject, What)> {
        let told = |(subject, lane): (_, &Lane)| Some((subject, lane.told?));
        self.lanes.iter().filter_map(told)
    }

    /// Forgets subjects that are not configured any more, once nothing is to be told of
    /// them.
    pub fn forget(&mut self, configured: impl Fn(&Subject) -> bool) {
        self.lanes.retain(|subject, lane| {
            lane.running || !lane.waiting.is_empty() || configured(subject)
        });
    }
}

impl Lane {
    fn is_news(&mut self, now: Mono, what: What, notify: &Notify) -> bool {
        match what {
            What::MasterPriority | What::BackupPriority => notify.priority_changes,
            What::MasterRxLowerPri => {
                let recent = self
                    .lower_priority
                    .is_some_and(|last| now.since(last) < LOWER_PRIORITY_PAUSE);
                if !recent {
                    self.lower_priority = Some(now);
                }
                !recent
            }
            // A worker that was started again finds itself in the state it was in.
            state => self.told.replace(state) != Some(state),
        }
    }
}

/// Whether an event says in which state its subject is.
fn is_state(what: What) -> bool {
    !matches!(
        what,
        What::MasterRxLowerPri | What::MasterPriority | What::BackupPriority
    )
}

/// Whether an event makes an older one pointless that has not been told yet.
fn supersedes(newer: What, older: What) -> bool {
    is_state(newer) || newer == older || (is_priority(newer) && is_priority(older))
}

fn is_priority(what: What) -> bool {
    matches!(what, What::MasterPriority | What::BackupPriority)
}

/// The programs of an event: the one for its state, then the one for all.
fn jobs(event: &Event, notify: &Notify) -> impl Iterator<Item = Job> {
    let own = match event.what {
        What::Master => &notify.master,
        What::Backup => &notify.backup,
        What::Fault => &notify.fault,
        What::Stop => &notify.stop,
        What::Deleted => &notify.deleted,
        What::MasterRxLowerPri => &notify.master_rx_lower_pri,
        What::MasterPriority | What::BackupPriority => &None,
    };
    let any = match event.what {
        What::MasterRxLowerPri => None,
        _ => notify.any.clone(),
    };
    let any = any.map(|mut any| {
        any.words.extend(arguments(event));
        any
    });
    let job = |command| Job {
        subject: event.subject.clone(),
        what: event.what,
        sequence: event.sequence,
        command,
    };
    own.clone().into_iter().chain(any).map(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(program: &str) -> Command {
        Command {
            words: vec![program.into()],
            user: None,
            timeout: None,
        }
    }

    fn notify() -> Notify {
        Notify {
            master: Some(command("/master")),
            backup: Some(command("/backup")),
            fault: Some(command("/fault")),
            stop: Some(command("/stop")),
            any: Some(command("/any")),
            master_rx_lower_pri: Some(command("/lower")),
            deleted: Some(command("/deleted")),
            priority_changes: true,
            ..Notify::default()
        }
    }

    #[derive(Default)]
    struct Desk {
        outbox: Outbox,
        sequence: u64,
        now: Mono,
    }

    impl Desk {
        fn take(&mut self, name: &str, what: What) -> Option<Telling> {
            self.take_by(name, what, &notify())
        }

        fn take_by(&mut self, name: &str, what: What, notify: &Notify) -> Option<Telling> {
            self.sequence += 1;
            let event = Event {
                sequence: self.sequence,
                subject: Subject::Instance(name.into()),
                what,
                priority: 100,
                reason: String::new(),
            };
            self.outbox.take(self.now, event, notify)
        }

        /// Starts the next program: its words.
        fn start(&mut self) -> String {
            let job = self.outbox.start();
            job.map(|job| job.command.words.join(" "))
                .unwrap_or_default()
        }

        fn end(&mut self, name: &str) {
            self.outbox.ended(&Subject::Instance(name.into()));
        }

        /// Runs all that waits for one subject.
        fn run(&mut self, name: &str) -> Vec<String> {
            let mut run = Vec::new();
            loop {
                match self.start() {
                    none if none.is_empty() => return run,
                    words => run.push(words),
                }
                self.end(name);
            }
        }
    }

    #[test]
    fn an_event_runs_its_own_program_and_then_the_one_for_all() {
        let mut desk = Desk::default();
        assert!(desk.take("a", What::Master).is_some());
        assert_eq!(desk.start(), "/master");
        assert_eq!(desk.start(), "", "the first one still runs");
        desk.end("a");
        assert_eq!(desk.start(), "/any INSTANCE a MASTER 100");
        desk.end("a");
        assert_eq!(desk.start(), "");
    }

    #[test]
    fn a_newer_state_takes_the_place_of_what_waits() {
        let mut desk = Desk::default();
        desk.take("a", What::Master);
        assert_eq!(desk.start(), "/master");
        desk.take("a", What::Backup);
        desk.take("a", What::Fault);
        desk.take("a", What::Backup);
        desk.end("a");
        assert_eq!(desk.run("a"), ["/backup", "/any INSTANCE a BACKUP 100"]);
        desk.take("a", What::Master);
        desk.take("a", What::MasterPriority);
        desk.take("a", What::Stop);
        assert_eq!(desk.run("a"), ["/stop", "/any INSTANCE a STOP 100"]);
    }

    #[test]
    fn what_is_no_state_leaves_states_waiting() {
        let mut desk = Desk::default();
        desk.take("a", What::Master);
        desk.take("a", What::MasterPriority);
        desk.take("a", What::MasterPriority);
        desk.take("a", What::MasterRxLowerPri);
        assert_eq!(
            desk.run("a"),
            [
                "/master",
                "/any INSTANCE a MASTER 100",
                "/any INSTANCE a MASTER_PRIORITY 100",
                "/lower"
            ]
        );
    }

    #[test]
    fn subjects_do_not_wait_for_each_other_and_older_events_go_first() {
        let mut desk = Desk::default();
        desk.take("b", What::Master);
        desk.take("a", What::Backup);
        assert_eq!(desk.start(), "/master");
        assert_eq!(desk.start(), "/backup");
        desk.end("a");
        assert_eq!(desk.start(), "/any INSTANCE a BACKUP 100");
    }

    #[test]
    fn the_same_state_is_not_told_twice() {
        let mut desk = Desk::default();
        assert!(desk.take("a", What::Backup).is_some());
        assert!(desk.take("a", What::Backup).is_none());
        let told = desk.outbox.told().map(|(s, w)| (s.clone(), w)).collect();
        let waiting: Vec<_> = desk.outbox.waiting().cloned().collect();
        desk.outbox = Outbox::resumed(told, waiting);
        assert!(desk.take("a", What::Backup).is_none());
        assert_eq!(desk.run("a"), ["/backup", "/any INSTANCE a BACKUP 100"]);
    }

    #[test]
    fn another_master_is_told_of_once_a_second() {
        let mut desk = Desk::default();
        let heard = |desk: &mut Desk| desk.take("a", What::MasterRxLowerPri).is_some();
        assert!(heard(&mut desk));
        assert!(!heard(&mut desk));
        desk.now += LOWER_PRIORITY_PAUSE;
        assert!(heard(&mut desk));
        assert_eq!(desk.run("a"), ["/lower"]);
    }

    #[test]
    fn priorities_and_removals_are_told_as_configured() {
        let mut desk = Desk::default();
        let quiet = Notify {
            priority_changes: false,
            notify_deleted: false,
            mail: true,
            ..notify()
        };
        assert_eq!(desk.take_by("a", What::MasterPriority, &quiet), None);
        let fault = desk.take_by("a", What::Deleted, &quiet).unwrap();
        assert_eq!((fault.event.what, fault.mail), (What::Fault, true));
        assert_eq!(desk.run("a"), ["/fault", "/any INSTANCE a FAULT 100"]);
        let loud = Notify {
            notify_deleted: true,
            ..notify()
        };
        let deleted = desk.take_by("b", What::Deleted, &loud).unwrap();
        assert_eq!((deleted.event.what, deleted.mail), (What::Deleted, false));
        assert_eq!(desk.run("b"), ["/deleted", "/any INSTANCE b DELETED 100"]);
    }

    #[test]
    fn what_is_gone_is_forgotten_once_all_is_told() {
        let mut desk = Desk::default();
        desk.take("a", What::Stop);
        desk.outbox.forget(|_| false);
        assert_eq!(desk.run("a").len(), 2);
        desk.outbox.forget(|_| false);
        assert_eq!(desk.outbox.told().count(), 0);
    }
}
