//! Running one program: under a limit of time, with what it said last.

use std::fs::File;
use std::io::Seek;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use crate::kernel::identity::{self, Identity};
use crate::kernel::process::{self, Mark};
use crate::model::RunAs;
use crate::tracking::{LastLine, in_words};

/// Between `SIGTERM` and `SIGKILL`.
pub(super) const KILL_AFTER: Duration = Duration::from_secs(2);
/// What may be said into memory, and how much of its end is looked at.
const MOST_KEPT: u64 = 1 << 20;
const LAST_KEPT: usize = 512;
/// How long the last words of a program that has ended are waited for, when
/// something it started still holds the pipe.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// A program as it is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) words: Vec<String>,
    pub(super) user: Option<RunAs>,
    /// Whether it is refused to run as root what others may change.
    pub(super) secure: bool,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) good: bool,
    pub(super) cut_off: bool,
    pub(super) detail: String,
}

impl Outcome {
    fn failed(detail: String) -> Self {
        Self {
            good: false,
            cut_off: false,
            detail,
        }
    }
}

/// What becomes of a program's words, and of the program when we end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tie {
    /// It is of use to us only: we listen, and when we end it is killed with all it started.
    Ours,
    /// It has a purpose of its own and goes on without us: what it says goes into memory
    /// of its own, [`MOST_KEPT`] octets of it; then its writing fails.
    Own,
    /// The same, for one that runs for long: what it says goes where our log goes.
    Service,
}

/// A program that runs.
#[derive(Debug)]
pub(super) struct Run {
    child: Child,
    said: Option<pipe::Receiver>,
    kept: Option<File>,
    last: LastLine,
    /// None once it has ended.
    leader: Option<u32>,
    tie: Tie,
}

impl Run {
    /// Starts a program. Looking its user and its path up may take long, so threads for
    /// blocking work do it.
    ///
    /// # Errors
    ///
    /// Why it was not started, in words.
    pub(super) async fn start(program: Program, tie: Tie) -> Result<Self, String> {
        let runtime = Handle::current();
        let started = spawn_blocking(move || {
            let _within = runtime.enter();
            start(&program, tie)
        });
        match started.await {
            Ok(outcome) => outcome,
            Err(error) => Err(error.to_string()),
        }
    }

    /// Its process; none once it has ended.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.leader.and_then(Mark::of)
    }

    /// Waits until it ends, or until `limit` is over; then it is asked to end, and
    /// [`Run::end`] makes sure that it does.
    pub(super) async fn outcome(&mut self, limit: Option<Duration>) -> Outcome {
        let status = match limit {
            Some(limit) => match timeout(limit, self.ended()).await {
                Ok(status) => status,
                Err(_) => return self.cut_off(limit),
            },
            None => self.ended().await,
        };
        self.leader = None;
        // It may have ended within a moment of its last word.
        let _ = timeout(LAST_WORDS, self.listen()).await;
        match status {
            Ok(status) => Outcome {
                good: status.success(),
                cut_off: false,
                detail: in_words(&how(status), &self.last_line()),
            },
            Err(error) => Outcome::failed(format!("cannot wait for it: {error}")),
        }
    }

    fn cut_off(&mut self, limit: Duration) -> Outcome {
        if let Some(leader) = self.leader {
            process::signal_group(leader, Signal::TERM);
        }
        Outcome {
            good: false,
            cut_off: true,
            detail: in_words(&format!("cut off after {limit:?}"), &self.last_line()),
        }
    }

    /// Waits until one that was cut off has ended; kills it if need be.
    pub(super) async fn end(mut self) {
        let Some(leader) = self.leader else {
            return;
        };
        let patience = Instant::now() + KILL_AFTER;
        // The leader may go, and leave somebody behind who does not listen.
        let obeyed = timeout_at(patience, self.ended()).await.is_ok();
        process::signal_group(leader, Signal::KILL);
        if !obeyed {
            // However long it takes: until then it counts as running.
            let _ = self.ended().await;
        }
        self.leader = None;
    }

    /// Listens, and waits for the end of the program. Cancel safe.
    async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        loop {
            let Self {
                child, said, last, ..
            } = self;
            if said.is_none() {
                return child.wait().await;
            }
            tokio::select! {
                status = child.wait() => return status,
                () = hear(said, last) => {}
            }
        }
    }

    /// Listens until there is nothing more to be said.
    async fn listen(&mut self) {
        while self.said.is_some() {
            hear(&mut self.said, &mut self.last).await;
        }
    }

    fn last_line(&mut self) -> String {
        if let Some(kept) = &mut self.kept {
            // Ours and the program's descriptor share their position: its end.
            let mut text = vec![0; LAST_KEPT];
            let end = kept.stream_position().unwrap_or_default();
            let begin = end.saturating_sub(LAST_KEPT as u64);
            let read = kept.read_at(&mut text, begin).unwrap_or_default();
            let length = usize::try_from(end - begin).unwrap_or_default();
            text.truncate(read.min(length));
            self.last.push(&text);
        }
        self.last.line()
    }
}

/// Takes in a piece of what is said; closes the pipe at its end.
async fn hear(said: &mut Option<pipe::Receiver>, last: &mut LastLine) {
    let Some(pipe) = said else {
        return std::future::pending().await;
    };
    let mut buffer = [0; 4_096];
    match pipe.read(&mut buffer).await {
        Ok(0) | Err(_) => *said = None,
        Ok(count) => last.push(buffer.get(..count).unwrap_or_default()),
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let (Some(leader), Tie::Ours) = (self.leader, self.tie) {
            process::signal_group(leader, Signal::KILL);
        }
    }
}

fn start(program: &Program, tie: Tie) -> Result<Run, String> {
    let identity = who(program)?;
    let as_root = identity.as_ref().is_none_or(|identity| identity.uid == 0);
    if program.secure && as_root {
        let path = program.words.first().map_or("", String::as_str);
        process::only_root_may_change(path.as_ref()).map_err(|error| error.to_string())?;
    }
    let (mut said, mut kept) = (None, None);
    let output = match tie {
        Tie::Ours => pipe().map(|(ours, theirs)| {
            said = Some(ours);
            theirs
        }),
        Tie::Own => memory().and_then(|memory| {
            kept = Some(memory.try_clone()?);
            Ok(memory.into())
        }),
        Tie::Service => std::io::stderr().as_fd().try_clone_to_owned(),
    }
    .map_err(|error| format!("cannot take in what it says: {error}"))?;
    let spawn = |command| Command::from(command).spawn();
    let child = process::start(&program.words, identity.as_ref(), &output, spawn)
        .map_err(|error| error.to_string())?;
    Ok(Run {
        leader: child.id(),
        child,
        said,
        kept,
        last: LastLine::default(),
        tie,
    })
}

fn pipe() -> std::io::Result<(pipe::Receiver, OwnedFd)> {
    let (ours, theirs) = std::io::pipe()?;
    let ours = pipe::Receiver::from_owned_fd(OwnedFd::from(ours))?;
    Ok((ours, theirs.into()))
}

/// Memory that is there for as long as somebody has it open.
fn memory() -> std::io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = rustix::fs::memfd_create(c"said", flags)?;
    rustix::fs::ftruncate(&memory, MOST_KEPT)?;
    rustix::fs::fcntl_add_seals(&memory, SealFlags::GROW | SealFlags::SHRINK)?;
    Ok(memory.into())
}

/// Who runs a program; none: who we are.
fn who(program: &Program) -> Result<Option<Identity>, String> {
    let Some(RunAs { user, group }) = &program.user else {
        return Ok(None);
    };
    let identity = identity::look_up(user, group.as_deref()).map_err(|error| error.to_string())?;
    // As root, with root's group: that is who we are.
    let ourselves = identity.uid == 0 && identity.gid == 0;
    Ok((!ourselves).then_some(identity))
}

fn how(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit status {code}"),
        None => status.to_string(),
    }
}
