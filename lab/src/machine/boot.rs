//! Starting a guest, and ending it when it does not end by itself.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use super::keeper::kept;
use crate::failure::{Attempt, Failure, Result};
use crate::guest::BINARY;
use crate::job::{Event, Ground, JOB_VARIABLE, Job, Task};
use crate::random::{DEFAULT_SEED, SEED_VARIABLE};

/// Memory of the booted kernel.
const MEMORY: &str = "mem=512M";

/// A guest that was started.
pub struct Boot {
    /// Where its job, events, logs and captures are.
    pub directory: PathBuf,
    child: Child,
    events_read: usize,
}

impl Boot {
    /// Starts a guest with everything it needs in `directory`, which must be new.
    ///
    /// # Errors
    /// When something cannot be put in place or the guest cannot be started.
    pub fn start(
        directory: &Path,
        ground: Ground,
        task: Task,
        daemon: Option<&Path>,
    ) -> Result<Self> {
        fs::create_dir_all(directory).attempt(|| format!("create {}", directory.display()))?;
        let own = std::env::current_exe().attempt(|| "find the lab's own binary")?;
        stage(&own, &directory.join(BINARY))?;
        if let Some(daemon) = daemon {
            stage(daemon, &directory.join("lvsd"))?;
        }
        let interactive = matches!(task, Task::Shell);
        Job {
            ground,
            task,
            daemon: daemon.map(|_| "lvsd".into()),
            seed: seed()?,
        }
        .store(directory)?;
        let mut command = match ground {
            Ground::Uml => uml(directory),
            Ground::Native => native(directory)?,
        };
        if interactive {
            // In the terminal's foreground, for the keys that the user presses.
            command.stderr(console(directory)?);
        } else {
            command = kept(&own, &command);
            command
                .stdout(console(directory)?)
                .stderr(console(directory)?)
                .process_group(0);
        }
        let child = command.spawn().attempt(|| format!("start {ground:?}"))?;
        Ok(Self {
            directory: directory.to_owned(),
            child,
            events_read: 0,
        })
    }

    /// What happened since the last call.
    #[must_use]
    pub fn events(&mut self) -> Vec<Event> {
        let text = fs::read_to_string(self.directory.join("events.jsonl")).unwrap_or_default();
        // A line still being written has no end yet.
        let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
        let new: Vec<Event> = complete
            .lines()
            .skip(self.events_read)
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        self.events_read = complete.lines().count();
        new
    }

    /// Whether the guest has ended.
    #[must_use]
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end of the guest, and prints the story that it tells meanwhile.
    ///
    /// # Errors
    /// When the guest says that it could not do its job.
    pub fn follow(mut self) -> Result<()> {
        loop {
            let ended = self.ended();
            for event in self.events() {
                match event {
                    // Where that fails, the reader has seen enough.
                    Event::Said { line } if writeln!(std::io::stdout(), "{line}").is_err() => {
                        return Ok(());
                    }
                    Event::Broken { failure } => {
                        let logs = self.directory.display();
                        return Err(Failure::said(format!("{failure}\n(logs: {logs})")));
                    }
                    _ => {}
                }
            }
            if ended {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the guest and all its processes.
    pub fn kill(&mut self) {
        if self.child.stdin.take().is_none() {
            // Without a keeper: the user's shell.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Drop for Boot {
    fn drop(&mut self) {
        // Powering off leaves the kernel's helper processes a moment to end by themselves.
        let start = Instant::now();
        while !self.ended() && start.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }
}

/// The seed of this run, from the environment or the usual one.
fn seed() -> Result<u64> {
    let Ok(text) = std::env::var(SEED_VARIABLE) else {
        return Ok(DEFAULT_SEED);
    };
    text.parse()
        .map_err(|error| Failure::said(format!("read {SEED_VARIABLE}={text:?}: {error}")))
}

fn console(directory: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(directory.join("console.log"))
        .attempt(|| format!("open the console log in {}", directory.display()))
}

/// Puts a binary where every guest sees it: a link where that is possible, else a copy.
fn stage(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).attempt(|| format!("copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Ends with this process, however this one ends.
fn tied() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    command
}

fn uml(directory: &Path) -> Command {
    let shown = directory.display();
    let mut command = tied();
    command
        .arg("linux.uml")
        .args([MEMORY, "rootfstype=hostfs", "rootflags=/", "ro"])
        .args(["con=null", "con0=fd:0,fd:1", "quiet", "loglevel=3"])
        .arg(format!("init={shown}/{BINARY}"))
        .arg(format!("{JOB_VARIABLE}={shown}"));
    if let Ok(terminal) = std::env::var("TERM") {
        command.arg(format!("TERM={terminal}"));
    }
    command
}

fn native(directory: &Path) -> Result<Command> {
    crate::ensure!(
        geteuid().is_root(),
        "namespaces on the running kernel need root; without it, scenarios run on the booted one"
    );
    let mut command = tied();
    command
        .args(["unshare", "--net", "--mount", "--uts", "--pid", "--ipc"])
        .args(["--fork", "--kill-child", "--"])
        .arg(directory.join(BINARY))
        .env(JOB_VARIABLE, directory);
    Ok(command)
}
