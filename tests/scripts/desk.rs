//! A worker at work, and the desk of the supervisor that the test is.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lvsd::kernel::clock;
use lvsd::model::{
    Command, Config, Event, Measured, Notify, Subject, SyncGroup, Tracker, Tracking, Update,
    VrrpInstance, Watch, Weight, What,
};
use lvsd::status::ScriptsSnapshot;
use lvsd::worker::channel::{self, Sender};
use lvsd::worker::protocol::{FromWorker, Resume, Snapshot, ToWorker};
use lvsd::worker::supervisor::store::{self, Left};
use tokio::net::UnixStream;
use tokio::process::{Child, Command as Process};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Desk {
    pub directory: tempfile::TempDir,
    pub config: Config,
    sent: Config,
    worker: Option<Worker>,
    requests: u64,
    sequence: u64,
    /// What was measured, in order.
    pub measured: Vec<Measured>,
}

struct Worker {
    process: Child,
    sender: Sender,
    messages: UnboundedReceiver<FromWorker>,
}

impl Desk {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            directory,
            config: Config::default(),
            sent: Config::default(),
            worker: None,
            requests: 0,
            sequence: 0,
            measured: Vec::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// An executable shell script; `$DIR` is the test's directory.
    pub fn script(&self, name: &str, text: &str) -> Command {
        let directory = self.directory.path().display();
        self.executable(name, &format!("#!/bin/sh\nDIR={directory}\n{text}\n"))
    }

    pub fn executable(&self, name: &str, text: &str) -> Command {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Command {
            words: vec![path.display().to_string()],
            user: None,
            timeout: None,
        }
    }

    pub fn track(&mut self, name: &str, watch: Watch) {
        self.config.vrrp.trackers.push(Tracker {
            name: name.into(),
            weight: Weight::default(),
            watch,
        });
    }

    pub fn instance(&mut self, name: &str, notify: Notify) {
        let family = lvsd::model::Family::Ipv4;
        let mut instance = VrrpInstance::new(name.into(), "v0".into(), 1, family);
        instance.notify = notify;
        self.config.vrrp_instances.push(instance);
    }

    pub fn group(&mut self, name: &str, notify: Notify) {
        self.config.vrrp.sync_groups.push(SyncGroup {
            name: name.into(),
            members: Vec::new(),
            tracking: Tracking::default(),
            tracking_weight: false,
            notify,
        });
    }

    /// Starts the worker with the configuration and what a predecessor left.
    pub fn start(&mut self, resume: Option<ScriptsSnapshot>) {
        let (ours, theirs) = StdUnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let process = Process::new(env!("CARGO_BIN_EXE_lvsd"))
            .args(["worker", "scripts", "--runtime-dir"])
            .arg(self.directory.path())
            .env("LVSD_TEST_SECRET", "not for programs")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (sender, receiver) = channel::split(UnixStream::from_std(ours).unwrap());
        self.worker = Some(Worker {
            process,
            sender,
            messages: channel::reader(receiver),
        });
        self.sent = Config::default();
        self.configure(resume);
    }

    pub fn reload(&mut self) {
        self.configure(None);
    }

    fn configure(&mut self, resume: Option<ScriptsSnapshot>) {
        self.requests += 1;
        let update = Box::new(Update::between(&self.sent, &self.config));
        self.sent = self.config.clone();
        let resume = resume.map(|snapshot| {
            Box::new(Resume {
                alive_until: clock::monotonic_now(),
                snapshot: Snapshot::Scripts(snapshot),
            })
        });
        let id = self.requests;
        self.send(&ToWorker::Configure { id, update, resume });
    }

    fn worker(&mut self) -> &mut Worker {
        self.worker.as_mut().unwrap()
    }

    pub fn pid(&mut self) -> u32 {
        self.worker().process.id().unwrap()
    }

    pub fn send(&mut self, message: &ToWorker) {
        self.worker().sender.send(message).unwrap();
    }

    pub fn tell(&mut self, subject: Subject, what: What) -> Event {
        self.sequence += 1;
        let event = Event {
            sequence: self.sequence,
            subject,
            what,
            priority: 100,
            reason: "a test".into(),
        };
        self.send(&ToWorker::Event(event.clone()));
        event
    }

    pub fn tell_instance(&mut self, name: &str, what: What) -> Event {
        self.tell(Subject::Instance(name.into()), what)
    }

    async fn message(&mut self) -> FromWorker {
        let message = timeout(PATIENCE, self.worker().messages.recv()).await;
        message
            .expect("the worker is silent")
            .expect("the worker has gone")
    }

    /// The next result of a tracker.
    pub async fn next_of(&mut self, tracker: &str) -> Measured {
        loop {
            if let FromWorker::Measured(measured) = self.message().await {
                self.measured.push(measured.clone());
                if measured.tracker == tracker {
                    return measured;
                }
            }
        }
    }

    /// Asks for a snapshot.
    pub async fn snapshot(&mut self) -> ScriptsSnapshot {
        self.requests += 1;
        let id = self.requests;
        self.send(&ToWorker::Report { id });
        loop {
            match self.message().await {
                FromWorker::Snapshot {
                    id: Some(answer),
                    snapshot,
                } if answer == id => match *snapshot {
                    Snapshot::Scripts(snapshot) => return snapshot,
                    other => panic!("{other:?}"),
                },
                FromWorker::Measured(measured) => self.measured.push(measured),
                _ => {}
            }
        }
    }

    /// Waits until a snapshot is as it should be.
    pub async fn snapshot_with(
        &mut self,
        what: &str,
        holds: impl Fn(&ScriptsSnapshot) -> bool,
    ) -> ScriptsSnapshot {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let snapshot = self.snapshot().await;
            if holds(&snapshot) {
                return snapshot;
            }
            let in_time = tokio::time::Instant::now() < deadline;
            assert!(in_time, "{what}: {snapshot:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Orders the stop; returns when the process has ended.
    pub async fn stop(&mut self) {
        self.send(&ToWorker::Stop);
        while !matches!(self.message().await, FromWorker::Stopped { left: false }) {}
        let mut worker = self.worker.take().unwrap();
        assert!(worker.process.wait().await.unwrap().success());
    }

    /// Kills the worker.
    pub async fn kill(&mut self) {
        let mut worker = self.worker.take().unwrap();
        worker.process.kill().await.unwrap();
    }

    /// A new supervisor takes over: the worker stores its state and ends.
    pub async fn hand_over(&mut self) -> ScriptsSnapshot {
        let pid = i32::try_from(self.pid()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
        let mut worker = self.worker.take().unwrap();
        let status = timeout(PATIENCE, worker.process.wait()).await;
        assert!(status.unwrap().unwrap().success());
        let state = self.path("scripts.state");
        let stored: Option<Left> = store::load(&state).unwrap();
        match stored.unwrap().resume.snapshot {
            Snapshot::Scripts(snapshot) => snapshot,
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until something holds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a process runs, by what a script wrote into a file.
pub fn runs(file: &Path) -> bool {
    let pid = fs::read_to_string(file).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}
