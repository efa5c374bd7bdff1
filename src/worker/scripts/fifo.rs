//! FIFOs that get a line for every event, and the programs that read them.
//!
//! A FIFO is open for reading and writing, so that it needs no reader to be opened and
//! keeps its lines while its reader is started again. Writing never waits: a line that
//! does not fit is lost, counted, and said once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::adopted::Adopted;
use super::run::{KILL_AFTER, Program, Run, Tie};
use crate::kernel::identity;
use crate::kernel::process::Mark;
use crate::model::{Fifo, Notification};
use crate::status::FifoReport;

/// Waits before a reader that has ended is started again; doubled up to the longest while
/// it does not live.
const RESTART: Duration = Duration::from_secs(1);
const LONGEST_RESTART: Duration = Duration::from_secs(60);
/// A reader that ran for so long was no failure.
const LIVED: Duration = Duration::from_secs(10);

/// All FIFOs.
#[derive(Debug, Default)]
pub(super) struct Fifos {
    open: Vec<Seat>,
    left: BTreeMap<PathBuf, FifoReport>,
}

#[derive(Debug)]
struct Seat {
    fifo: Fifo,
    file: Option<File>,
    /// It was not there before us.
    made: bool,
    dropped: u64,
    full: bool,
    error: Option<String>,
    reader: Option<Reader>,
}

/// The program that reads a FIFO.
#[derive(Debug)]
struct Reader {
    program: Program,
    mark: Arc<Mutex<Option<Mark>>>,
    task: JoinHandle<()>,
}

impl Fifos {
    /// What a predecessor left.
    pub(super) fn resume(&mut self, left: Vec<FifoReport>) {
        self.left = left
            .into_iter()
            .map(|one| (one.path.clone(), one))
            .collect();
    }

    /// Serves these from now on.
    pub(super) fn set(&mut self, notification: &Notification) {
        let mut before = std::mem::take(&mut self.open);
        let fifos = notification.fifo.iter().chain(&notification.vrrp_fifo);
        for fifo in fifos {
            if self.open.iter().any(|seat| seat.fifo.path == fifo.path) {
                continue;
            }
            let reader = fifo.script.as_ref().map(|script| {
                let mut program = super::program(script, notification);
                program.words.push(fifo.path.display().to_string());
                program
            });
            let same = before.iter().position(|seat| {
                let program = seat.reader.as_ref().map(|reader| &reader.program);
                seat.fifo == *fifo && program == reader.as_ref()
            });
            let seat = match same {
                Some(at) => before.swap_remove(at),
                None => Seat::new(fifo.clone(), reader, self.left.remove(&fifo.path)),
            };
            self.open.push(seat);
        }
        let until = Instant::now() + KILL_AFTER;
        for mut seat in before {
            let stays = self
                .open
                .iter()
                .any(|other| other.fifo.path == seat.fifo.path);
            tokio::spawn(async move { seat.close(until, stays).await });
        }
    }

    /// Writes a line to all of them.
    pub(super) fn write(&mut self, line: &str) {
        for seat in &mut self.open {
            seat.write(line);
        }
    }

    /// Ends their readers, once they have read all, and removes them.
    pub(super) async fn close(&mut self, until: Instant) {
        for mut seat in self.open.drain(..) {
            seat.close(until, false).await;
        }
    }

    pub(super) fn report(&self) -> Vec<FifoReport> {
        self.open.iter().map(Seat::report).collect()
    }
}

impl Seat {
    fn new(fifo: Fifo, reader: Option<Program>, left: Option<FifoReport>) -> Self {
        let mut seat = Self {
            fifo,
            file: None,
            made: left.as_ref().is_some_and(|left| left.made),
            dropped: left.as_ref().map_or(0, |left| left.dropped),
            full: false,
            error: None,
            reader: None,
        };
        seat.make_usable();
        seat.reader = reader.map(|program| {
            let adopted = left.and_then(|left| Adopted::new(left.reader?));
            Reader::new(program, adopted)
        });
        seat
    }

    fn report(&self) -> FifoReport {
        FifoReport {
            path: self.fifo.path.clone(),
            made: self.made,
            dropped: self.dropped,
            error: self.error.clone(),
            reader: self.reader.as_ref().and_then(Reader::mark),
        }
    }

    /// Opens the FIFO, making it first if need be; true when it is open.
    fn make_usable(&mut self) -> bool {
        if self
            .file
            .as_ref()
            .is_some_and(|file| is_at(file, &self.fifo.path))
        {
            return true;
        }
        match open(&self.fifo) {
            Ok((file, made)) => {
                self.made |= made;
                self.file = Some(file);
                self.error = None;
                true
            }
            Err(error) => {
                let path = self.fifo.path.display();
                let error = format!("cannot use the FIFO {path}: {error}");
                if self.error.as_ref() != Some(&error) {
                    tracing::error!(event = "fifo_unusable", %error);
                }
                self.error = Some(error);
                self.file = None;
                false
            }
        }
    }

    fn write(&mut self, line: &str) {
        let written = self.make_usable().then(|| {
            // A line is shorter than what a pipe takes as a whole (PIPE_BUF).
            let mut file = self.file.as_ref()?;
            Some(file.write_all(line.as_bytes()))
        });
        match written.flatten() {
            Some(Ok(())) if self.full => {
                self.full = false;
                tracing::info!(event = "fifo_read_again", path = %self.fifo.path.display(), lost = self.dropped);
            }
            Some(Ok(())) => {}
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => {
                self.dropped += 1;
                if !std::mem::replace(&mut self.full, true) {
                    tracing::warn!(event = "fifo_full", path = %self.fifo.path.display());
                }
            }
            // Why it is not open was said.
            other => {
                self.dropped += 1;
                if let Some(Err(error)) = other {
                    tracing::warn!(event = "fifo_failed", path = %self.fifo.path.display(), %error);
                }
            }
        }
    }

    async fn close(&mut self, until: Instant, stays: bool) {
        // Without a writer its reader comes to the end of it.
        self.file = None;
        if let Some(reader) = self.reader.take() {
            reader.close(until).await;
        }
        if self.made && !stays {
            let _ = fs::remove_file(&self.fifo.path);
        }
    }
}

/// Whether this is what lies at `path`: somebody may have removed or replaced it.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

/// Opens a FIFO; true when it had to be made. One that is there is used as it is.
fn open(fifo: &Fifo) -> io::Result<(File, bool)> {
    let path = &fifo.path;
    let mode = Mode::RUSR | Mode::WUSR;
    let made = match rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0) {
        Ok(()) => true,
        Err(rustix::io::Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.file_type().is_fifo() {
        return Err(io::Error::other("it is something else"));
    }
    if made && let Some(owner) = &fifo.owner {
        let owner = identity::look_up(&owner.user, owner.group.as_deref());
        let owner = owner.map_err(io::Error::other)?;
        std::os::unix::fs::fchown(&file, Some(owner.uid), Some(owner.gid))?;
    }
    Ok((file, made))
}

impl Reader {
    fn new(program: Program, adopted: Option<Adopted>) -> Self {
        let mark = Arc::new(Mutex::new(adopted.as_ref().map(Adopted::mark)));
        let task = tokio::spawn(serve(program.clone(), adopted, Arc::clone(&mark)));
        Self {
            program,
            mark,
            task,
        }
    }

    fn mark(&self) -> Option<Mark> {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has read all and ended; else it is made to.
    async fn close(self, until: Instant) {
        self.task.abort();
        let Some(adopted) = self.mark().and_then(Adopted::new) else {
            return;
        };
        let term = until.checked_sub(KILL_AFTER / 2).unwrap_or(until);
        if timeout_at(term, adopted.ended()).await.is_err() {
            adopted.end(KILL_AFTER / 2).await;
        }
    }
}

/// Keeps a reader running.
async fn serve(program: Program, adopted: Option<Adopted>, mark: Arc<Mutex<Option<Mark>>>) {
    let note = |now| *mark.lock().unwrap_or_else(PoisonError::into_inner) = now;
    if let Some(adopted) = adopted {
        adopted.ended().await;
        note(None);
    }
    let mut pause = RESTART;
    loop {
        let started = Instant::now();
        let reason = match Run::start(program.clone(), Tie::Service).await {
            Ok(mut run) => {
                note(run.mark());
                run.outcome(None).await.detail
            }
            Err(reason) => reason,
        };
        note(None);
        if started.elapsed() >= LIVED {
            pause = RESTART;
        }
        let program = program.words.join(" ");
        tracing::warn!(
            event = "fifo_reader_ended",
            program,
            reason,
            restart_s = pause.as_secs()
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_RESTART);
    }
}
