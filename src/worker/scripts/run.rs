//! Running one program: under a limit of time, with what it said last.

use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use crate::kernel::identity::{self, Identity};
use crate::kernel::process;
use crate::model::RunAs;
use crate::tracking::{LastLine, in_words};

/// Between `SIGTERM` and `SIGKILL`.
pub(super) const KILL_AFTER: Duration = Duration::from_secs(2);
/// What a program says is read up to so many octets; then its pipe is closed.
const MOST_SAID: usize = 1 << 20;
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

/// A program that runs. Dropped, it is killed with all it started unless it has
/// ended.
#[derive(Debug)]
pub(super) struct Run {
    child: Child,
    said: Option<pipe::Receiver>,
    last: LastLine,
    octets: usize,
    /// To be killed when dropped.
    leader: Option<u32>,
}

impl Run {
    /// Starts a program. Looking its user and its path up may take long, so threads for
    /// blocking work do it.
    ///
    /// # Errors
    ///
    /// Why it was not started, in words.
    pub(super) async fn start(program: Program) -> Result<Self, String> {
        let runtime = Handle::current();
        let started = spawn_blocking(move || {
            let _within = runtime.enter();
            start(&program)
        });
        match started.await {
            Ok(outcome) => outcome,
            Err(error) => Err(error.to_string()),
        }
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
                detail: in_words(&how(status), &self.last.line()),
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
            detail: in_words(&format!("cut off after {limit:?}"), &self.last.line()),
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
            if self.said.is_none() {
                return self.child.wait().await;
            }
            let Self {
                child,
                said,
                last,
                octets,
                ..
            } = self;
            tokio::select! {
                status = child.wait() => return status,
                () = hear(said, last, octets) => {}
            }
        }
    }

    /// Listens until there is nothing more to be said.
    async fn listen(&mut self) {
        while self.said.is_some() {
            hear(&mut self.said, &mut self.last, &mut self.octets).await;
        }
    }
}

/// Takes in a piece of what is said; closes the pipe at its end, or when it is too much.
async fn hear(said: &mut Option<pipe::Receiver>, last: &mut LastLine, octets: &mut usize) {
    let Some(pipe) = said else {
        return std::future::pending().await;
    };
    let mut buffer = [0; 4_096];
    match pipe.read(&mut buffer).await {
        Ok(0) | Err(_) => *said = None,
        Ok(count) => {
            last.push(buffer.get(..count).unwrap_or_default());
            *octets += count;
            if *octets > MOST_SAID {
                *said = None;
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            process::signal_group(leader, Signal::KILL);
        }
    }
}

fn start(program: &Program) -> Result<Run, String> {
    let identity = who(program)?;
    let as_root = identity.as_ref().is_none_or(|identity| identity.uid == 0);
    if program.secure && as_root {
        let path = program.words.first().map_or("", String::as_str);
        process::only_root_may_change(path.as_ref()).map_err(|error| error.to_string())?;
    }
    let pipe = |error: std::io::Error| format!("cannot make a pipe: {error}");
    let (ours, theirs) = std::io::pipe().map_err(pipe)?;
    let said = pipe::Receiver::from_owned_fd(OwnedFd::from(ours)).map_err(pipe)?;
    let spawn = |command| Command::from(command).spawn();
    let child = process::start(&program.words, identity.as_ref(), &theirs.into(), spawn)
        .map_err(|error| error.to_string())?;
    Ok(Run {
        leader: child.id(),
        child,
        said: Some(said),
        last: LastLine::default(),
        octets: 0,
    })
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
