//! A host: namespaces of its own and a thread inside them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid, gettid, sethostname};

use crate::failure::{Attempt, Failure, Result};
use crate::guest::{plain_mount, private_directory};
use crate::job::Ground;

/// How long a command may take when nothing else is said.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// Directories that each host has for itself.
const PRIVATE: [&str; 4] = ["/run", "/tmp", "/var/log", "/etc/keepalived"];

type Errand = Box<dyn FnOnce() + Send>;

/// What a finished command left.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A host in the lab. Clones are the same host.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    ground: Ground,
    directory: PathBuf,
    thread_id: Pid,
    errands: Mutex<Sender<Errand>>,
}

impl Host {
    /// A host with a loopback interface that is up, and nothing else.
    pub(super) fn new(name: &str, ground: Ground, directory: &Path) -> Result<Self> {
        let (errands, inbox) = mpsc::channel::<Errand>();
        let (tell, hear) = mpsc::channel();
        let own_name = name.to_owned();
        thread::Builder::new()
            .name(format!("host {name}"))
            .spawn(move || {
                let ready = move_in(&own_name).map(|()| gettid());
                let alive = ready.is_ok();
                if tell.send(ready).is_ok() && alive {
                    inbox.into_iter().for_each(|errand| errand());
                }
            })
            .attempt(|| format!("start the thread of host {name}"))?;
        let thread_id = hear
            .recv()
            .map_err(|_| Failure::said(format!("the thread of host {name} ended")))?
            .map_err(|failure| failure.during(format!("create host {name}")))?;
        let host = Self {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                ground,
                directory: directory.to_owned(),
                thread_id,
                errands: Mutex::new(errands),
            }),
        };
        // Addresses are usable at once: nobody else in the lab can have them.
        for interface in ["all", "default"] {
            host.sysctl(&format!("net.ipv6.conf.{interface}.accept_dad"), "0")?;
        }
        host.run(["ip", "link", "set", "lo", "up"])?;
        Ok(host)
    }

    /// The host's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// On what it lives.
    #[must_use]
    pub fn ground(&self) -> Ground {
        self.inner.ground
    }

    /// Where the logs of its processes go.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// A thread that lives in the host's namespaces: what `nsenter --target` takes.
    #[must_use]
    pub fn thread_id(&self) -> Pid {
        self.inner.thread_id
    }

    /// Does something inside the host and returns its result. Errands of one host run one after
    /// the other, so this is for what ends quickly.
    ///
    /// # Errors
    /// When the errand panicked and took the host's thread with it.
    pub fn inside<T: Send + 'static>(
        &self,
        errand: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (tell, hear) = mpsc::channel();
        let errand: Errand = Box::new(move || {
            // The other end waits below.
            let _ = tell.send(errand());
        });
        let sent = self
            .inner
            .errands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(errand)
            .is_ok();
        hear.recv()
            .ok()
            .filter(|_| sent)
            .ok_or_else(|| Failure::said(format!("the thread of host {} is gone", self.name())))
    }

    /// Starts a thread inside the host.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<thread::JoinHandle<T>> {
        self.inside(|| thread::Builder::new().spawn(work))?
            .attempt(|| format!("start a thread on {}", self.name()))
    }

    /// Runs a command and expects it to succeed.
    ///
    /// # Errors
    /// When it cannot be started, takes longer than a minute or ends with another status than 0.
    pub fn run<const N: usize>(&self, command: [&str; N]) -> Result<Output> {
        self.run_list(&command)
    }

    /// Like [`Host::run`], for a command whose words are not known beforehand.
    ///
    /// # Errors
    /// As [`Host::run`].
    pub fn run_list(&self, command: &[&str]) -> Result<Output> {
        let output = self.try_run(command, COMMAND_LIMIT)?;
        if output.code == Some(0) {
            return Ok(output);
        }
        Err(Failure::Command {
            host: self.name().to_owned(),
            command: command.join(" "),
            status: output
                .code
                .map_or("a signal".to_owned(), |code| format!("status {code}")),
            output: format!("{}{}", output.stdout, output.stderr),
        })
    }

    /// Runs a command, whatever its status may be, for at most `limit`.
    ///
    /// # Errors
    /// When it cannot be started or is not done in time (it is killed then).
    pub fn try_run(&self, command: &[&str], limit: Duration) -> Result<Output> {
        let words: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let line = words.join(" ");
        let child = self
            .inside(move || {
                let (program, arguments) = words.split_first().ok_or_else(no_command)?;
                Command::new(program)
                    .args(arguments)
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .process_group(0)
                    .spawn()
            })?
            .attempt(|| format!("run `{line}` on {}", self.name()))?;
        let pid = pid_of(&child);
        let (tell, hear) = mpsc::channel();
        thread::spawn(move || tell.send(child.wait_with_output()));
        let Ok(output) = hear.recv_timeout(limit) else {
            let _ = kill(pid, Signal::SIGKILL);
            return Err(Failure::said(format!(
                "`{line}` on {} is not done after {limit:.1?}",
                self.name()
            )));
        };
        let output = output.attempt(|| format!("wait for `{line}`"))?;
        Ok(Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Writes a file as the host sees it (its /run, /tmp, /var/log and /etc/keepalived are its own).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let (path, text) = (PathBuf::from(path), text.to_owned());
        self.inside(move || crate::failure::write(&path, &text))?
    }

    /// Writes a file that only root may read, as the host sees it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_secret(&self, path: &str, text: &str) -> Result<()> {
        let (path, text) = (PathBuf::from(path), text.to_owned());
        self.inside(move || {
            crate::failure::write(&path, &text)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))
                .attempt(|| format!("protect {}", path.display()))
        })?
    }

    /// Writes a program as the host sees it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn script(&self, path: &str, text: &str) -> Result<()> {
        self.write(path, text)?;
        self.run(["chmod", "755", path]).map(drop)
    }

    /// Reads a file as the host sees it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, path: &str) -> Result<String> {
        let path = PathBuf::from(path);
        self.inside(move || crate::failure::read(&path))?
    }

    /// Sets a kernel parameter of the host's network, such as `net.ipv4.ip_forward`.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        self.write(&format!("/proc/sys/{}", name.replace('.', "/")), value)
    }

    /// The processes of the host.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        processes_beside(self.inner.thread_id)
    }

    /// Kills every process of the host with SIGKILL, as a power cut would, until none is left.
    pub fn kill_everything(&self) {
        for _ in 0..100 {
            let processes = self.processes();
            if processes.is_empty() {
                return;
            }
            for pid in processes {
                // It may have ended meanwhile.
                let _ = kill(pid, Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The processes in the network of a thread, other than this one.
pub(crate) fn processes_beside(thread: Pid) -> Vec<Pid> {
    let Ok(own) = fs::read_link(format!("/proc/{thread}/ns/net")) else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != getpid().as_raw())
        .filter(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|net| net == own))
        .map(Pid::from_raw)
        .collect()
}

/// Leaves the namespaces of the lab for fresh ones. Only this thread moves.
fn move_in(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS)
        .attempt(|| "make namespaces")?;
    sethostname(name).attempt(|| "set the host name")?;
    plain_mount("sysfs", "/sys")?;
    for path in PRIVATE.iter().filter(|path| Path::new(path).is_dir()) {
        private_directory(path)?;
    }
    Ok(())
}

fn no_command() -> std::io::Error {
    std::io::Error::other("the command has no words")
}

/// The process id of a child.
pub(super) fn pid_of(child: &std::process::Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}
