//! Programs of the operator's: whether they may be run, and running them.
//!
//! A program gets a process group of its own (so that all it starts can be ended with
//! it), `/dev/null` as standard input, one pipe for all it says, `/` as its directory, and
//! an environment of [`PASSED_ON`], a fixed `PATH`, and its user's `HOME`, `USER` and
//! `LOGNAME`. All other descriptors of ours close when it starts.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::{Deserialize, Serialize};

use super::identity::Identity;

/// Where programs look for programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What of our environment a program gets.
pub const PASSED_ON: [&str; 4] = ["LANG", "LC_ALL", "LC_CTYPE", "TZ"];
/// The hidden command of ours that becomes another user with all groups and runs a program.
pub const LAUNCHER: &str = "run-as";
/// The mode bits that let the group, and all others, write.
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
/// Symbolic links followed on one path, as the kernel does.
const MOST_LINKS: u32 = 40;
/// In such a directory only the owner of a file may replace it.
const STICKY: u32 = 0o1000;

/// A program may not be run, or cannot.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no program.
    #[error("no program is named")]
    Nothing,
    /// Its path depends on where we are.
    #[error("{} is not an absolute path", .0.display())]
    Relative(PathBuf),
    /// Others than root may change what would run as root.
    #[error("refused to run {} as root: {} {why}", program.display(), path.display())]
    Insecure {
        /// The program.
        program: PathBuf,
        /// The file or directory that others may change.
        path: PathBuf,
        /// Why they may.
        why: &'static str,
    },
    /// It cannot be looked at.
    #[error("cannot look at {}: {source}", path.display())]
    Look {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be started.
    #[error("cannot run {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Makes sure that nobody but root can change a program: neither the file nor any
/// directory on the way to it, as written and with symbolic links followed.
///
/// # Errors
///
/// [`Error::Insecure`] with who can, [`Error::Look`] when that cannot be found out.
pub fn only_root_may_change(program: &Path) -> Result<(), Error> {
    if !program.is_absolute() {
        return Err(Error::Relative(program.to_owned()));
    }
    let insecure = |path: &Path, why| Error::Insecure {
        program: program.to_owned(),
        path: path.to_owned(),
        why,
    };
    // What is still to be walked, last name first.
    let mut names: Vec<_> = names(program);
    let mut path = PathBuf::from("/");
    let mut links = 0;
    loop {
        let failed = |source| Error::Look {
            path: path.clone(),
            source,
        };
        let found = fs::symlink_metadata(&path).map_err(failed)?;
        if let Some(why) = changeable(&found) {
            return Err(insecure(&path, why));
        }
        if found.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return Err(failed(Errno::LOOP.into()));
            }
            let target = fs::read_link(&path).map_err(failed)?;
            if target.is_absolute() {
                path = "/".into();
            } else {
                path.pop();
            }
            names.extend(self::names(&target));
        }
        match names.pop() {
            // Of a link's directory there is no other than the one it leads to.
            Some(name) if name == ".." => {
                path.pop();
            }
            Some(name) => path.push(name),
            None => return Ok(()),
        }
    }
}

/// The names in a path, last one first.
fn names(path: &Path) -> Vec<OsString> {
    let named = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(named).collect()
}

fn changeable(found: &Metadata) -> Option<&'static str> {
    let guarded = found.is_symlink() || (found.is_dir() && found.mode() & STICKY != 0);
    let writable = |bit| found.mode() & bit != 0 && !guarded;
    if found.uid() != 0 {
        Some("does not belong to root")
    } else if writable(OTHERS_WRITE) {
        Some("is writable by everybody")
    } else if writable(GROUP_WRITES) && found.gid() != 0 {
        Some("is writable by its group")
    } else {
        None
    }
}

/// Starts a program by way of `spawn`, with `output` as what it says to. Text without `#!`
/// is run by `/bin/sh`.
///
/// # Errors
///
/// [`Error::Start`] when it does not start.
pub fn start<C>(
    words: &[String],
    identity: Option<&Identity>,
    output: &OwnedFd,
    spawn: impl Fn(Command) -> io::Result<C>,
) -> Result<C, Error> {
    let program = words.first().ok_or(Error::Nothing)?;
    let failed = |source| Error::Start {
        program: program.into(),
        source,
    };
    let attempt = |words: &[String]| {
        let mut command = command(words, identity);
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?);
        spawn(command)
    };
    match attempt(words) {
        Err(error) if is_text(&error) => attempt(&by_shell(words)).map_err(failed),
        other => other.map_err(failed),
    }
}

/// The kernel does not know how to run it: text without `#!`.
fn is_text(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error())
}

fn by_shell(words: &[String]) -> Vec<String> {
    let shell = std::iter::once("/bin/sh".to_owned());
    shell.chain(words.iter().cloned()).collect()
}

fn command(words: &[String], identity: Option<&Identity>) -> Command {
    let (program, arguments) = words.split_first().map_or(("", words), |(p, a)| (p, a));
    let mut command = match identity {
        // The standard library sets user and group, but no further groups.
        Some(identity) if identity.groups != [identity.gid] => {
            let mut command = Command::new("/proc/self/exe");
            let groups: Vec<_> = identity.groups.iter().map(u32::to_string).collect();
            command
                .arg0("lvsd")
                .arg(LAUNCHER)
                .args([identity.uid.to_string(), identity.gid.to_string()])
                .args([&groups.join(","), "--", program]);
            command
        }
        Some(identity) => {
            let mut command = Command::new(program);
            command.uid(identity.uid).gid(identity.gid);
            command
        }
        None => Command::new(program),
    };
    let passed_on = PASSED_ON.iter();
    command
        .args(arguments)
        .current_dir("/")
        .process_group(0)
        .env_clear()
        .env("PATH", PATH)
        .envs(passed_on.filter_map(|name| Some((name, std::env::var_os(name)?))));
    let (name, home) = match identity {
        Some(identity) => (identity.name.as_str(), identity.home.as_os_str()),
        None => ("root", OsStr::new("/root")),
    };
    command
        .env("HOME", home)
        .env("USER", name)
        .env("LOGNAME", name);
    command
}

/// Becomes another program ([`LAUNCHER`]); returns only when that failed.
#[must_use]
pub fn replace_with(words: &[String]) -> Error {
    let Some((program, arguments)) = words.split_first() else {
        return Error::Nothing;
    };
    let mut error = Command::new(program).args(arguments).exec();
    if is_text(&error) {
        error = Command::new("/bin/sh").args(words).exec();
    }
    Error::Start {
        program: program.into(),
        source: error,
    }
}

/// One process and no other that gets its number later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Process id.
    pub pid: u32,
    /// When it was started, in clock ticks since boot (`/proc/PID/stat`, field 22).
    started: u64,
}

impl Mark {
    /// Of a running process; none when it has gone.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may contain anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let gone = matches!(fields.next()?, "Z" | "X");
        let started = fields.nth(18)?.parse().ok()?;
        (!gone).then_some(Self { pid, started })
    }

    /// A descriptor that becomes readable when the process ends; none when it has gone.
    #[must_use]
    pub fn descriptor(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        (Self::of(self.pid)? == *self).then_some(descriptor)
    }
}

/// Sends a signal to a program and all it started. One that has gone is no error.
pub fn signal_group(leader: u32, signal: Signal) {
    let leader = i32::try_from(leader).ok().and_then(Pid::from_raw);
    if let Some(leader) = leader
        && let Err(errno) = kill_process_group(leader, signal)
        && errno != Errno::SRCH
    {
        tracing::warn!(event = "signal_failed", pid = leader.as_raw_pid(), error = %errno);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn refused(path: &Path) -> String {
        only_root_may_change(path).unwrap_err().to_string()
    }

    /// A directory that only root may write, below one that all may.
    fn directory() -> tempfile::TempDir {
        assert!(super::super::privilege::is_root(), "this test needs root");
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_program_that_only_root_can_change_may_run() {
        let directory = directory();
        let program = directory.path().join("program");
        fs::write(&program, "").unwrap();
        symlink("program", directory.path().join("link")).unwrap();
        symlink(
            directory.path().join("link"),
            directory.path().join("further"),
        )
        .unwrap();
        for name in ["program", "link", "further", "../../bin/sh"] {
            only_root_may_change(&directory.path().join(name)).unwrap();
        }
        assert!(refused(Path::new("program")).contains("not an absolute path"));
        assert!(refused(&directory.path().join("none")).contains("none: No such file"));
    }

    #[test]
    fn a_file_directory_or_link_that_others_can_change_is_found() {
        let directory = directory();
        let below = directory.path().join("below");
        fs::create_dir(&below).unwrap();
        let program = below.join("program");
        fs::write(&program, "").unwrap();
        let link = directory.path().join("link");
        symlink("below/program", &link).unwrap();
        let mode =
            |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(&program, 0o757);
        let text = format!("{} is writable by everybody", program.display());
        assert!(refused(&link).contains(&text), "{}", refused(&link));
        mode(&program, 0o755);
        mode(&below, 0o775);
        // root's own group may
        only_root_may_change(&link).unwrap();
        std::os::unix::fs::chown(&below, None, Some(1)).unwrap();
        assert!(refused(&link).contains("below is writable by its group"));
        mode(&below, 0o755);
        only_root_may_change(&link).unwrap();
        std::os::unix::fs::lchown(&link, Some(1), None).unwrap();
        assert!(refused(&link).contains("link does not belong to root"));
    }

    #[test]
    fn a_process_is_known_by_more_than_its_number() {
        let mark = Mark::of(std::process::id()).unwrap();
        assert!(mark.descriptor().is_some());
        let other = Mark {
            started: mark.started + 1,
            ..mark
        };
        assert!(other.descriptor().is_none());
        let mut child = Command::new("/bin/true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(Mark::of(pid), None);
    }

    #[test]
    fn links_in_a_circle_end() {
        let directory = directory();
        symlink("b", directory.path().join("a")).unwrap();
        symlink("a", directory.path().join("b")).unwrap();
        assert!(refused(&directory.path().join("a")).contains("Too many levels"));
    }
}
