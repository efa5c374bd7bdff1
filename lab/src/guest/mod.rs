//! The inside: process 1 of the booted kernel (or of a fresh process namespace), and the
//! session that it starts to do the job.
//!
//! Process 1 only mounts, starts the session, reaps what is orphaned and powers off; so the
//! session can wait for its own children like any other program.

mod mounts;
mod session;
mod stories;
mod verbs;

pub(crate) use mounts::{plain as plain_mount, tmpfs as private_directory};

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::errno::Errno;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{getpid, sync};

use crate::failure::{Attempt, Result};
use crate::job::{Event, GUEST_DIR, Ground, JOB_VARIABLE, Job, Task};

/// The argument with which process 1 starts the session.
const SESSION: &str = "guest-session";

/// The name under which the kernel calls this binary to load a module.
const MODPROBE: &str = "modprobe";

/// The lab's own binary in the boot's directory, where no mount of a guest hides it.
pub const BINARY: &str = "lab";

/// Where `modprobe -d` finds the modules of the booted kernel.
const MODULE_ROOT: &str = "/mnt/modules";

/// What the machine passed to this process, if it is a part of a guest.
enum Part {
    Init(PathBuf),
    Session,
    Modprobe,
    Verb(String),
}

/// Plays the guest's part that the process was started for; `None` when it is for none.
#[must_use]
pub fn part() -> Option<ExitCode> {
    let part = find_part()?;
    let outcome = match part {
        Part::Init(directory) => init(&directory),
        Part::Session => session::run(),
        Part::Modprobe => modprobe(),
        Part::Verb(verb) => verbs::run(&verb),
    };
    Some(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("lab: {failure}");
            ExitCode::FAILURE
        }
    })
}

fn find_part() -> Option<Part> {
    let mut args = env::args_os();
    let own_name = args.next().map(PathBuf::from)?;
    let own_name = own_name.file_name()?.to_str()?;
    if own_name == MODPROBE {
        return Some(Part::Modprobe);
    }
    if verbs::VERBS.contains(&own_name) {
        return Some(Part::Verb(own_name.to_owned()));
    }
    if args.next().is_some_and(|word| word == SESSION) {
        return Some(Part::Session);
    }
    let directory = env::var_os(JOB_VARIABLE)?;
    (getpid().as_raw() == 1).then(|| Part::Init(directory.into()))
}

fn init(directory: &Path) -> Result<()> {
    let job = Job::load(directory)?;
    let outcome = prepare_and_run(&job, directory);
    if let Err(failure) = &outcome {
        let event = Event::Broken {
            failure: failure.to_string(),
        };
        // Before the mounts are made there is no directory to tell it in; the console says it.
        let _ = event.tell(Path::new(GUEST_DIR));
        eprintln!("lab: {failure}");
    }
    if job.ground == Ground::Uml {
        sync();
        reboot(RebootMode::RB_POWER_OFF).attempt(|| "power off")?;
    }
    outcome
}

fn prepare_and_run(job: &Job, directory: &Path) -> Result<()> {
    mounts::prepare(job.ground, directory)?;
    let session = session_command(job)?
        .spawn()
        .attempt(|| "start the session")?;
    let session = i32::try_from(session.id()).unwrap_or(i32::MAX);
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _))
                if pid.as_raw() == session =>
            {
                return Ok(());
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(io::Error::from(error)).attempt(|| "wait for the session"),
        }
    }
}

/// The session; on the console's terminal when the user is to sit in front of it.
fn session_command(job: &Job) -> Result<Command> {
    let mut command = Command::new(Path::new(GUEST_DIR).join(BINARY));
    command
        .arg(SESSION)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/tmp")
        .env("LANG", "C.UTF-8")
        .env("TERM", env::var("TERM").unwrap_or_else(|_| "dumb".into()));
    if job.ground == Ground::Uml && matches!(job.task, Task::Shell) {
        let console = std::fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/tty0")
            .attempt(|| "open /dev/tty0")?;
        command
            .stdin(console.try_clone().attempt(|| "share the console")?)
            .stdout(console.try_clone().attempt(|| "share the console")?)
            .stderr(console);
    }
    Ok(command)
}

/// The kernel wants a module: look for it where the booted kernel's modules are.
fn modprobe() -> Result<()> {
    let error = Command::new("/sbin/modprobe")
        .args(["-d", MODULE_ROOT])
        .args(env::args_os().skip(1))
        .exec();
    Err(error).attempt(|| "run /sbin/modprobe")
}
