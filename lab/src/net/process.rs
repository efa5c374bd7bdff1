//! Processes that stay: daemons, and a stand-in for the service manager that restarts them.

use std::fs::{self, OpenOptions};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::host::{Host, pid_of};
use crate::failure::{Attempt, Failure, Result};
use crate::watch::eventually;

/// How long systemd waits before it restarts a service.
const RESTART_DELAY: Duration = Duration::from_millis(100);

/// A process in the background of a host, with its output in a log file.
#[derive(Clone)]
pub struct Daemon {
    host: Host,
    name: String,
    pid: Pid,
    log: PathBuf,
    ended: Arc<(Mutex<Option<ExitStatus>>, Condvar)>,
}

impl Host {
    /// Starts a process; its output goes to `HOST.NAME.log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, name: &str, command: &[&str]) -> Result<Daemon> {
        let log = self.directory().join(format!("{}.{name}.log", self.name()));
        let (mut child, pid) = self.start(command, &log)?;
        let ended = Arc::new((Mutex::new(None), Condvar::new()));
        let waiter = Arc::clone(&ended);
        thread::spawn(move || {
            let status = child
                .wait()
                .unwrap_or_else(|_| ExitStatus::from_raw(0xff00));
            *waiter.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
            waiter.1.notify_all();
        });
        Ok(Daemon {
            host: self.clone(),
            name: name.to_owned(),
            pid,
            log,
            ended,
        })
    }

    fn start(&self, command: &[&str], log: &Path) -> Result<(Child, Pid)> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .attempt(|| format!("open {}", log.display()))?;
        let errors = file.try_clone().attempt(|| "share the log")?;
        let words: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let line = words.join(" ");
        let child = self
            .inside(move || {
                let (program, arguments) = words
                    .split_first()
                    .ok_or_else(|| std::io::Error::other("the command has no words"))?;
                Command::new(program)
                    .args(arguments)
                    .stdin(Stdio::null())
                    .stdout(file)
                    .stderr(errors)
                    .process_group(0)
                    .spawn()
            })?
            .attempt(|| format!("start `{line}` on {}", self.name()))?;
        let pid = pid_of(&child);
        Ok((child, pid))
    }
}

impl Daemon {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// What it printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its exit status, once it has ended.
    #[must_use]
    pub fn status(&self) -> Option<ExitStatus> {
        *self.ended.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a signal to the process itself, not to its children.
    ///
    /// # Errors
    /// When it has already ended.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        crate::ensure!(
            self.status().is_none(),
            "{} on {} has already ended",
            self.name,
            self.host.name()
        );
        kill(self.pid, signal).attempt(|| format!("send {signal} to {}", self.name))
    }

    /// Sends a signal to the process and all it started.
    pub fn kill_group(&self, signal: Signal) {
        // No such group: all have ended, which is what was wanted.
        let _ = killpg(self.pid, signal);
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it is still there after `limit`.
    pub fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        let (status, changed) = &*self.ended;
        let guard = status.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) = changed
            .wait_timeout_while(guard, limit, |status| status.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        guard.ok_or_else(|| Failure::Timeout {
            what: format!("{} on {} to end", self.name, self.host.name()),
            waited: limit,
            last: "it runs".into(),
        })
    }

    /// Its children, by process id, with their command lines.
    #[must_use]
    pub fn children(&self) -> Vec<(Pid, String)> {
        children_of(self.pid)
    }
}

/// The children of a process, in order of their ids, with their command lines.
pub(super) fn children_of(of: Pid) -> Vec<(Pid, String)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut children: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .map(Pid::from_raw)
        .filter(|pid| parent(*pid) == Some(of))
        .map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            (pid, line.trim_end().to_owned())
        })
        .collect();
    children.sort();
    children
}

/// The parent of a process.
pub(crate) fn parent(pid: Pid) -> Option<Pid> {
    // The second field, the name in brackets, may itself hold anything.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok().map(Pid::from_raw)
}

/// What the service manager does with the other processes of a service whose main process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// Leave them alone (systemd's `KillMode=process`).
    Leave,
    /// Send them SIGTERM, and SIGKILL soon after (`KillMode=control-group`, the default).
    Terminate,
    /// Send them SIGKILL (`KillMode=mixed`).
    Kill,
}

/// A service under the stand-in for a service manager: whenever its main process ends, it is
/// started again 100 ms later, as systemd's `Restart=always` does.
pub struct Supervised {
    name: String,
    main: Arc<AtomicU32>,
    starts: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
}

impl Host {
    /// Starts a service and keeps it running until the [`Supervised`] is stopped or dropped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn supervise(
        &self,
        name: &str,
        command: &[&str],
        leftovers: Leftovers,
    ) -> Result<Supervised> {
        let words: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let first = self.spawn(name, command)?;
        let main = Arc::new(AtomicU32::new(first.pid.as_raw().unsigned_abs()));
        let starts = Arc::new(AtomicU32::new(1));
        let stop = Arc::new(AtomicBool::new(false));
        let supervised = Supervised {
            name: format!("{name} on {}", self.name()),
            main: Arc::clone(&main),
            starts: Arc::clone(&starts),
            stop: Arc::clone(&stop),
        };
        let (host, name) = (self.clone(), name.to_owned());
        thread::spawn(move || {
            let mut daemon = first;
            loop {
                while daemon.wait(Duration::from_millis(200)).is_err() {}
                clean_up(&daemon, leftovers);
                thread::sleep(RESTART_DELAY);
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                match host.spawn(&name, &words) {
                    Ok(next) => daemon = next,
                    Err(_) => return,
                }
                main.store(daemon.pid.as_raw().unsigned_abs(), Ordering::SeqCst);
                starts.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(supervised)
    }
}

fn clean_up(daemon: &Daemon, leftovers: Leftovers) {
    match leftovers {
        Leftovers::Leave => {}
        Leftovers::Kill => daemon.kill_group(Signal::SIGKILL),
        Leftovers::Terminate => {
            daemon.kill_group(Signal::SIGTERM);
            thread::sleep(RESTART_DELAY);
            daemon.kill_group(Signal::SIGKILL);
        }
    }
}

impl Supervised {
    /// The main process as it is now.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.main.load(Ordering::SeqCst)).unwrap_or(i32::MAX))
    }

    /// How often it was started.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.starts.load(Ordering::SeqCst)
    }

    /// The children of the main process, with their command lines.
    #[must_use]
    pub fn children(&self) -> Vec<(Pid, String)> {
        children_of(self.pid())
    }

    /// The one child whose command line contains `word`.
    ///
    /// # Errors
    /// When there is none within two seconds.
    pub fn child(&self, word: &str) -> Result<Pid> {
        let what = format!("a child process of {} named {word}", self.name);
        eventually(Duration::from_secs(2), &what, || {
            let children = self.children();
            children
                .iter()
                .find(|(_, line)| line.contains(word))
                .map(|(pid, _)| *pid)
                .ok_or_else(|| Failure::said(format!("{children:?}")))
        })
    }

    /// Sends a signal to the main process; it comes back if that ends it.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).attempt(|| format!("send {signal} to {}", self.name))
    }

    /// Kills the main process, and this time nobody starts it again.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn forsake(&self) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        self.kill(Signal::SIGKILL)
    }

    /// Ends the service with SIGTERM, as `systemctl stop` does; it stays ended.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn stop(&self) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        self.kill(Signal::SIGTERM)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}
