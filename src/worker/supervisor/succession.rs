//! Leaving everything in place: for the supervisor that a service manager
//! starts next (`SIGUSR2`, systemd's `RestartKillSignal`), or for another
//! program that takes this very process over (`lvsd upgrade`).
//!
//! The workers are told to go on alone. They keep addresses, adverts and table
//! for [`ORPHAN_GRACE`](crate::worker::session::ORPHAN_GRACE), and the next
//! supervisor takes their places over one by one (see `start.rs`). So the two
//! versions need to agree on little: the signal that ends an orphan, the lock
//! files, and the state files, whose format is numbered. Everything else,
//! protocol and configuration included, is the new version's own.
//!
//! What a supervisor holds itself - its lock, the claim on the namespace, the
//! control socket, the connection of whoever asked - goes through `exec` in one
//! message ([`descriptors`]): nobody can come between, and no client is refused.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use mono::Mono;
use serde::{Deserialize, Serialize};

use super::control::Response;
use super::{Options, Supervisor, store};
use crate::kernel::{clock, descriptors};
use crate::worker::Kind;
use crate::worker::protocol::ToWorker;

/// The format of what one program image hands to the next.
pub const FORMAT: u32 = 1;
/// The longest notes, in octets.
const MOST_NOTES: usize = 65_536;
/// How long workers may take to say that they go on alone.
const PATIENCE: Duration = Duration::from_secs(1);

/// How the supervisor ended.
#[derive(Debug)]
pub enum Ending {
    /// Everything was given up.
    Stopped,
    /// Everything was left in place for the supervisor that is started next.
    Left,
    /// Everything was left in place for another program in this process.
    Become(Box<Succession>),
}

/// A program.
#[derive(Debug)]
pub enum Program {
    /// By its path.
    Path(PathBuf),
    /// By the open file: it may have been replaced or removed meanwhile.
    File(OwnedFd),
}

impl Program {
    /// The one that runs.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn own() -> io::Result<Self> {
        Ok(Self::File(File::open("/proc/self/exe")?.into()))
    }

    fn path(&self) -> PathBuf {
        match self {
            Program::Path(path) => path.clone(),
            Program::File(file) => format!("/proc/self/fd/{}", file.as_raw_fd()).into(),
        }
    }
}

/// What goes to the next program image.
#[derive(Debug)]
pub struct Heritage {
    /// What is not a descriptor.
    pub notes: Notes,
    /// The supervisor's lock.
    pub lock: OwnedFd,
    /// The claim on the network namespace.
    pub claim: OwnedFd,
    /// The control socket.
    pub control: OwnedFd,
    /// Who asked, and is told how it went.
    pub asker: Option<OwnedFd>,
    /// The program to go back to.
    pub previous: Option<OwnedFd>,
}

/// See [`Heritage::notes`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Notes {
    /// [`FORMAT`].
    pub format: u32,
    /// The version that leaves.
    pub version: String,
    /// The workers it leaves: they are children of this process.
    pub workers: Vec<u32>,
    /// Why the upgrade failed, in the program that is gone back to.
    pub failure: Option<String>,
    asker: bool,
    previous: bool,
}

/// The program that takes this process over, and what it gets.
#[derive(Debug)]
pub struct Succession {
    /// The program.
    pub program: Program,
    /// What it gets.
    pub heritage: Heritage,
}

/// Why there is a [`Succession`].
#[derive(Debug)]
pub(super) struct Becoming {
    pub(super) program: Program,
    pub(super) asker: Option<OwnedFd>,
    pub(super) previous: Option<OwnedFd>,
    pub(super) failure: Option<String>,
}

impl Notes {
    /// What this version leaves.
    pub(super) fn new(workers: Vec<u32>, failure: Option<String>) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            workers,
            failure,
            asker: false,
            previous: false,
        }
    }
}

impl Heritage {
    /// What an earlier image of this process left in its standard input.
    ///
    /// # Errors
    ///
    /// When there is no such thing.
    pub fn receive() -> io::Result<Self> {
        let (bytes, descriptors) = descriptors::unpack(io::stdin().as_fd(), MOST_NOTES)?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        let notes: Notes = serde_json::from_slice(&bytes)?;
        let mut descriptors = descriptors.into_iter();
        let mut next = || {
            let missing = || io::Error::other("a descriptor is missing");
            descriptors.next().ok_or_else(missing)
        };
        Ok(Self {
            lock: next()?,
            claim: next()?,
            control: next()?,
            asker: notes.asker.then(&mut next).transpose()?,
            previous: notes.previous.then(&mut next).transpose()?,
            notes,
        })
    }

    /// Gives the process back to the program before, if there is one.
    ///
    /// # Errors
    ///
    /// What cannot be given back.
    pub fn give_back(mut self, failure: String) -> Result<Succession, Box<Self>> {
        self.notes.failure = Some(match self.notes.failure.take() {
            Some(first) => format!("{first}\n{failure}"),
            None => failure,
        });
        match self.previous.take() {
            None => Err(Box::new(self)),
            Some(previous) => Ok(Succession {
                program: Program::File(previous),
                heritage: self,
            }),
        }
    }

    fn pack(&mut self) -> io::Result<OwnedFd> {
        self.notes.asker = self.asker.is_some();
        self.notes.previous = self.previous.is_some();
        let kept = [Some(&self.lock), Some(&self.claim), Some(&self.control)];
        let all = kept
            .into_iter()
            .chain([self.asker.as_ref(), self.previous.as_ref()]);
        let all: Vec<BorrowedFd<'_>> = all.flatten().map(AsFd::as_fd).collect();
        descriptors::pack(&serde_json::to_vec(&self.notes)?, &all)
    }
}

impl Succession {
    /// Becomes the program; goes back where that is impossible. Returns only
    /// when nothing can be done.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn perform(mut self, options: &Options) -> io::Error {
        let path = self.program.path();
        let error = self.exec(options);
        let failure = format!("cannot run {}: {error}", path.display());
        match self.heritage.give_back(failure) {
            Ok(mut back) => back.exec(options),
            Err(_) => error,
        }
    }

    fn exec(&mut self, options: &Options) -> io::Error {
        let prepare = || {
            descriptors::hold_signals()?;
            self.heritage.pack()
        };
        let mut prepare = prepare;
        match prepare() {
            Ok(socket) => Command::new(self.program.path())
                .arg0("lvsd")
                .args(["run", "--inherit", "--config"])
                .arg(&options.config)
                .arg("--runtime-dir")
                .arg(&options.runtime_dir)
                .stdin(Stdio::from(socket))
                .exec(),
            Err(error) => error,
        }
    }
}

/// Answers whoever asked the program before. He may have gone.
pub(super) fn answer(asker: OwnedFd, response: &Response) {
    let mut stream = UnixStream::from(asker);
    if let Ok(mut text) = serde_json::to_vec(response) {
        text.push(b'\n');
        // It is short, and the socket's buffer is empty.
        let _ = stream
            .set_nonblocking(true)
            .and_then(|()| stream.write_all(&text));
    }
}

/// On the way out.
#[derive(Debug)]
pub(super) struct Leaving {
    waiting: BTreeSet<Kind>,
    deadline: Mono,
    becoming: Option<Becoming>,
}

impl Leaving {
    /// When it ends whether all workers have answered or not.
    pub(super) const fn deadline(&self) -> Mono {
        self.deadline
    }
}

impl Supervisor {
    /// Tells the workers to go on alone, and leaves when all have heard it.
    pub(super) fn leave(&mut self, becoming: Option<Becoming>) {
        if self.stopping.is_some() || self.leaving.is_some() {
            return;
        }
        tracing::info!(event = "leaving", restart = becoming.is_none());
        // Whatever a worker stores for itself later is newer.
        self.save_states();
        let in_charge = self.seats.iter().filter_map(|(kind, seat)| {
            let running = seat.running.as_ref()?;
            running.in_charge()?;
            running.send(&ToWorker::Detach).then_some(*kind)
        });
        self.leaving = Some(Leaving {
            waiting: in_charge.collect(),
            deadline: clock::monotonic_now() + PATIENCE,
            becoming,
        });
    }

    /// This worker goes on alone, or has died.
    pub(super) fn detached(&mut self, kind: Kind) {
        if let Some(leaving) = &mut self.leaving {
            leaving.waiting.remove(&kind);
        }
    }

    /// All have heard it: what is left to be done by whoever comes.
    pub(super) fn left(&mut self) -> Option<Option<Becoming>> {
        let now = clock::monotonic_now();
        self.leaving
            .take_if(|leaving| leaving.waiting.is_empty() || leaving.deadline <= now)
            .map(|leaving| {
                self.relay.leave(&self.options.runtime_dir);
                leaving.becoming
            })
    }

    /// The processes of the workers, and of those that came before them.
    pub(super) fn worker_pids(&self) -> Vec<u32> {
        let running = self.seats.values().filter_map(|seat| seat.running.as_ref());
        let old = self.inherited.iter().copied();
        running.map(|running| running.pid).chain(old).collect()
    }

    pub(super) fn save_states(&mut self) {
        for (kind, seat) in &mut self.seats {
            if std::mem::take(&mut seat.unsaved)
                && let Some(last) = &seat.last
            {
                let path = kind.state_file(&self.options.runtime_dir);
                if let Err(error) = store::save_worker(&path, last, &[]) {
                    tracing::warn!(event = "state_not_saved", worker = %kind, %error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heritage(asker: Option<OwnedFd>) -> Heritage {
        let file = || OwnedFd::from(tempfile::tempfile().unwrap());
        Heritage {
            notes: Notes::new(vec![7, 8], None),
            lock: file(),
            claim: file(),
            control: file(),
            asker,
            previous: Some(file()),
        }
    }

    #[test]
    fn the_asker_is_answered_by_whoever_has_his_connection() {
        let (mine, his) = UnixStream::pair().unwrap();
        let mut heritage = heritage(Some(mine.into()));
        heritage.pack().unwrap();
        assert!(heritage.notes.asker);
        let asker = heritage.asker.take().unwrap();
        answer(asker, &Response::Failed("not so".into()));
        let text = io::read_to_string(his).unwrap();
        assert_eq!(text, "{\"failed\":\"not so\"}\n");
    }

    #[test]
    fn there_is_one_way_back_and_no_further() {
        let back = heritage(None).give_back("it crashed".into()).unwrap();
        assert_eq!(back.heritage.notes.failure.as_deref(), Some("it crashed"));
        assert!(matches!(back.program, Program::File(_)));
        back.heritage.give_back("again".into()).unwrap_err();
    }
}
