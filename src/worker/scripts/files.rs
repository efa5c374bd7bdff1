//! Tracked files: read when something happens to them, wherever in their path, and now and
//! then whether or not (a file may be written by another host, or through another mount).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::kernel::inotify::{Event, Watches};
use crate::model::{InitFile, Measure, TrackFile};
use crate::tracking::number;

/// How often files are read though nothing is known to have happened.
const REGULARLY: Duration = Duration::from_secs(5);
/// Before watching is tried again that could not be.
const RETRY: Duration = Duration::from_secs(30);
/// More than any number takes, in octets.
const LONGEST: u64 = 128;

/// A file as it is tracked.
#[derive(Debug)]
pub(super) struct Tracked {
    file: TrackFile,
    watches: Vec<Watch>,
    /// What was told last.
    told: Option<(i32, String)>,
}

/// A number of [`Watches`], and the name in it that matters; none: all of it.
#[derive(Debug, PartialEq, Eq)]
struct Watch(i32, Option<OsString>);

impl Tracked {
    /// Not read yet.
    pub(super) fn new(file: TrackFile) -> Self {
        Self {
            file,
            watches: Vec::new(),
            told: None,
        }
    }

    fn concerns(&self, event: &Event) -> bool {
        let Event::At(number, name) = event else {
            return true;
        };
        self.watches.iter().any(|Watch(watched, wanted)| {
            watched == number && (wanted.is_none() || name.is_none() || wanted == name)
        })
    }

    /// Watches the file, and the nearest directory on its way that is there.
    fn watch(&mut self, watches: &Watches) {
        self.watches.clear();
        if let Ok(number) = watches.file(&self.file.path) {
            self.watches.push(Watch(number, None));
        }
        let mut path = self.file.path.as_path();
        while let (Some(directory), Some(name)) = (path.parent(), path.file_name()) {
            if let Ok(number) = watches.directory(directory) {
                self.watches.push(Watch(number, Some(name.to_owned())));
                return;
            }
            path = directory;
        }
    }

    /// Reads the file; what is new. `written` means that somebody has just finished
    /// writing: one that is empty without that may be in the middle of it.
    fn read(&mut self, written: bool) -> Option<(Measure, String)> {
        let (value, detail) = match content(&self.file.path) {
            Ok(content) if content.trim_ascii().is_empty() && !written && self.told.is_some() => {
                return None;
            }
            Ok(content) => match number(&content) {
                Ok(value) => (value, value.to_string()),
                Err(nonsense) => (0, format!("{nonsense}: counts as 0")),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {
                (0, "there is no file: counts as 0".into())
            }
            Err(error) => (0, format!("cannot read it: {error}: counts as 0")),
        };
        let now = Some((value, detail));
        if self.told == now {
            return None;
        }
        self.told.clone_from(&now);
        let (value, detail) = now?;
        if detail.ends_with("counts as 0") && !detail.starts_with("there is no") {
            let path = self.file.path.display();
            tracing::warn!(event = "tracked_file", %path, reason = detail);
        }
        Some((Measure::Number(value), detail))
    }
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut content = Vec::new();
    file.take(LONGEST).read_to_end(&mut content)?;
    Ok(content)
}

/// Writes what is to be in a file at the start.
pub(super) fn init(path: &Path, init: InitFile) {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = File::options();
    options.write(true).mode(0o644).custom_flags(flags);
    if init.overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options
        .open(path)
        .and_then(|mut file| writeln!(file, "{}", init.value));
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => {
            tracing::error!(event = "tracked_file_not_written", path = %path.display(), %error);
        }
        Ok(()) => {}
    }
}

/// Watches files for ever, and tells their numbers: the place in `files`, the number, and
/// what it is in words.
pub(super) async fn watch(mut files: Vec<Tracked>, tell: impl Fn(usize, Measure, String)) {
    let mut complained = false;
    loop {
        let error = match Watches::open() {
            Ok(watches) => follow(&mut files, watches, &tell).await,
            Err(error) => error,
        };
        if !std::mem::replace(&mut complained, true) {
            tracing::error!(
                event = "files_not_watched", %error,
                reason = "inotify cannot be used; tracked files are read regularly only",
            );
        }
        let until = tokio::time::Instant::now() + RETRY;
        while tokio::time::Instant::now() < until {
            look(&mut files, None, false, &tell);
            tokio::time::sleep(REGULARLY).await;
        }
    }
}

/// Follows what happens, until watching fails.
async fn follow(
    files: &mut [Tracked],
    mut watches: Watches,
    tell: &impl Fn(usize, Measure, String),
) -> io::Error {
    let mut used = BTreeSet::new();
    look(files, Some(&watches), false, tell);
    loop {
        let now: BTreeSet<_> = files
            .iter()
            .flat_map(|file| &file.watches)
            .map(|one| one.0)
            .collect();
        used.difference(&now)
            .for_each(|number| watches.remove(*number));
        used = now;
        match tokio::time::timeout(REGULARLY, watches.next()).await {
            Ok(Ok(events)) => {
                for (place, file) in files.iter_mut().enumerate() {
                    if events.iter().any(|event| file.concerns(event)) {
                        look_at(place, file, Some(&watches), true, tell);
                    }
                }
            }
            Ok(Err(error)) => return error,
            Err(_elapsed) => look(files, Some(&watches), false, tell),
        }
    }
}

fn look(
    files: &mut [Tracked],
    watches: Option<&Watches>,
    written: bool,
    tell: &impl Fn(usize, Measure, String),
) {
    for (place, file) in files.iter_mut().enumerate() {
        look_at(place, file, watches, written, tell);
    }
}

fn look_at(
    place: usize,
    file: &mut Tracked,
    watches: Option<&Watches>,
    written: bool,
    tell: &impl Fn(usize, Measure, String),
) {
    // First watched, then read: nothing falls in between.
    if let Some(watches) = watches {
        file.watch(watches);
    }
    if let Some((value, detail)) = file.read(written) {
        tell(place, value, detail);
    }
}
