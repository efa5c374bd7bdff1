//! What happens to files and in directories (inotify(7)).

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use super::ready;

/// Names that appear, vanish or are finished in a directory, and its own end.
const DIRECTORY: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);
/// What is written to a file, by whichever name, and its end.
const FILE: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);
/// Room for a few events with the longest names, in bytes.
const BUFFER: usize = 16 * 1024;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// To what is watched under this number; in a directory to this name.
    At(i32, Option<OsString>),
    /// More than the kernel could keep: look at everything.
    Overflow,
}

/// A set of watches.
#[derive(Debug)]
pub struct Watches {
    descriptor: AsyncFd<OwnedFd>,
    buffer: Box<[MaybeUninit<u8>]>,
}

impl Watches {
    /// None yet.
    ///
    /// # Errors
    ///
    /// When the kernel gives no descriptor (`fs.inotify.max_user_instances`).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O.
    pub fn open() -> io::Result<Self> {
        let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self {
            descriptor: ready::readable(descriptor)?,
            buffer: vec![MaybeUninit::uninit(); BUFFER].into(),
        })
    }

    /// Watches a directory. The same one has the same number always.
    ///
    /// # Errors
    ///
    /// When it is not there, or the kernel watches enough (`fs.inotify.max_user_watches`).
    pub fn directory(&self, path: &Path) -> io::Result<i32> {
        Ok(inotify::add_watch(
            self.descriptor.get_ref(),
            path,
            DIRECTORY,
        )?)
    }

    /// Watches a file, links followed.
    ///
    /// # Errors
    ///
    /// As [`Watches::directory`].
    pub fn file(&self, path: &Path) -> io::Result<i32> {
        Ok(inotify::add_watch(self.descriptor.get_ref(), path, FILE)?)
    }

    /// Watches this no longer. One that has ended by itself is no error.
    pub fn remove(&self, number: i32) {
        let _ = inotify::remove_watch(self.descriptor.get_ref(), number);
    }

    /// The next events. Cancel safe.
    ///
    /// # Errors
    ///
    /// When the descriptor fails.
    pub async fn next(&mut self) -> io::Result<Vec<Event>> {
        loop {
            let mut ready = self.descriptor.readable().await?;
            let buffer = &mut self.buffer;
            let read = ready.try_io(|descriptor| read(descriptor.get_ref(), buffer));
            match read {
                Ok(events) => return events,
                Err(_not_ready) => {}
            }
        }
    }
}

/// Reads one buffer of events.
fn read(descriptor: &OwnedFd, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Vec<Event>> {
    let mut reader = Reader::new(descriptor, buffer);
    let mut events = Vec::new();
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let name = event
            .file_name()
            .map(|name| OsString::from_vec(name.to_bytes().to_vec()));
        events.push(if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
            Event::Overflow
        } else {
            Event::At(event.wd(), name)
        });
        if reader.is_buffer_empty() {
            return Ok(events);
        }
    }
}
