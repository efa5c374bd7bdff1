//! `lvsd upgrade`: another binary takes this process over, and nobody outside
//! notices.
//!
//! 1. **Rehearsal**, while everything goes on: the new binary says what it is
//!    (`probe`), reads the configuration (`check`), and starts each of its
//!    workers (`rehearse`), which touch nothing. Whatever fails is the answer,
//!    and nothing has happened.
//! 2. The workers go on alone, and the process becomes the new binary
//!    ([`super::succession`]). Its process id stays, so a service manager sees
//!    nothing.
//! 3. The new supervisor starts its workers beside the old ones, and takes their
//!    places over (`start.rs`).
//! 4. **Probation**: if a new worker dies, or is not at work in time, the
//!    process becomes the old binary again - by its open file, whatever lies on
//!    the disk by now - which takes over in the same way.
//!
//! The new supervisor, not the old one, starts the new workers, so that both
//! ends of every channel are of one version, and any two versions can follow
//! each other that agree on the state files.
//!
//! What remains possible: a new binary that passes the rehearsal and whose
//! *supervisor* then crashes or hangs. The workers go on for half a minute;
//! a service manager starts the binary on the disk within that time. And a
//! program that was left in place at a probation that it passed can of course
//! still be bad.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mono::Mono;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::child::Running;
use super::control::Response;
use super::requests::respond;
use super::succession::{self, Becoming, Heritage, Program};
use super::{Options, Supervisor};
use crate::kernel::clock;

/// How long the new binary may take to say what it is.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to read the configuration, or to start its workers.
const TRIAL_PATIENCE: Duration = Duration::from_secs(20);
/// What is read of a program's output, in octets.
const MOST_OUTPUT: u64 = 65_536;
/// Within this time new workers have to be at work ...
const PROBATION: Duration = Duration::from_secs(15);
/// ... and to stay it for so long.
const PROVEN: Duration = Duration::from_millis(500);

/// What a binary says about itself (`lvsd probe`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The version of lvsd.
    pub lvsd: String,
    /// [`succession::FORMAT`]: what it takes from the program before.
    pub succession: u32,
    /// [`super::store::FORMAT`]: the state files it reads.
    pub state: u32,
}

impl Probe {
    /// What this binary says.
    #[must_use]
    pub fn own() -> Self {
        Self {
            lvsd: env!("CARGO_PKG_VERSION").to_owned(),
            succession: succession::FORMAT,
            state: super::store::FORMAT,
        }
    }
}

/// An upgrade that is being rehearsed.
#[derive(Debug)]
pub(super) struct Upgrade {
    binary: PathBuf,
    rehearsal: JoinHandle<Result<Probe, String>>,
    /// Kept even when the new binary answers: dropped, it would answer.
    answer: oneshot::Sender<Response>,
    asker: Option<OwnedFd>,
}

impl Drop for Upgrade {
    fn drop(&mut self) {
        self.rehearsal.abort();
    }
}

/// After an upgrade: whether the new binary is good, or how the old one is
/// back.
#[derive(Debug)]
pub(super) struct Probation {
    before: String,
    failure: Option<String>,
    asker: Option<OwnedFd>,
    previous: Option<OwnedFd>,
    pub(super) deadline: Mono,
}

impl Probation {
    /// What comes out of the heritage besides what the supervisor itself holds.
    pub(super) fn new(heritage: &mut Heritage, now: Mono) -> Self {
        Self {
            before: heritage.notes.version.clone(),
            failure: heritage.notes.failure.take(),
            asker: heritage.asker.take(),
            previous: heritage.previous.take(),
            deadline: now + PROBATION,
        }
    }
}

/// The result of the rehearsal, when there is one.
pub(super) async fn rehearsed(upgrade: Option<&mut Upgrade>) -> Result<Probe, String> {
    match upgrade {
        Some(upgrade) => (&mut upgrade.rehearsal)
            .await
            .unwrap_or_else(|error| Err(error.to_string())),
        None => std::future::pending().await,
    }
}

impl Supervisor {
    pub(super) fn upgrade(
        &mut self,
        binary: Option<PathBuf>,
        asker: Option<OwnedFd>,
        answer: oneshot::Sender<Response>,
    ) {
        let binary = match binary.map_or_else(started_from, Ok) {
            Ok(binary) => binary,
            Err(error) => {
                let text = format!("cannot tell which binary this is ({error}): use --binary");
                return respond(Some(answer), Response::Failed(text));
            }
        };
        tracing::info!(event = "upgrade_rehearsed", binary = %binary.display());
        let rehearsal = tokio::spawn(rehearse(binary.clone(), self.options.clone()));
        self.upgrade = Some(Upgrade {
            binary,
            rehearsal,
            answer,
            asker,
        });
    }

    /// Why nothing can be asked for now that changes something.
    pub(super) fn busy(&self) -> Option<String> {
        if self.stopping.is_some() {
            Some("lvsd is stopping".into())
        } else if let Some(upgrade) = &self.upgrade {
            let binary = upgrade.binary.display();
            Some(format!(
                "an upgrade to {binary} is going on: ask again when it is done"
            ))
        } else if self.leaving.is_some() {
            Some("lvsd is being restarted: ask again when it is done".into())
        } else {
            self.probation
                .as_ref()
                .map(|_| "an upgrade is being concluded: ask again in some seconds".into())
        }
    }

    /// The rehearsal is over.
    pub(super) fn rehearsal_ended(&mut self, outcome: Result<Probe, String>) {
        let Some(upgrade) = &mut self.upgrade else {
            return;
        };
        let outcome = outcome.and_then(|probe| {
            let own = Program::own().map_err(|error| format!("/proc/self/exe: {error}"))?;
            Ok((probe, own))
        });
        match outcome {
            Ok((probe, own)) => {
                tracing::info!(event = "upgrading", version = probe.lvsd);
                let becoming = Becoming {
                    program: Program::Path(upgrade.binary.clone()),
                    asker: upgrade.asker.take(),
                    previous: match own {
                        Program::File(file) => Some(file),
                        Program::Path(_) => None,
                    },
                    failure: None,
                };
                self.leave(Some(becoming));
            }
            Err(text) => {
                tracing::error!(event = "upgrade_refused", error = %text);
                if let Some(upgrade) = self.upgrade.take() {
                    upgrade.refuse(format!("not upgraded, nothing was touched: {text}"));
                }
            }
        }
    }

    /// Looks how the new workers do; after a way back, how the old ones do.
    pub(super) fn conclude(&mut self, now: Mono) {
        let Some(probation) = &self.probation else {
            return;
        };
        let died = self.seats.iter().find(|(_, seat)| seat.restarts > 0);
        let late = probation.deadline <= now;
        let failure = match died {
            Some((kind, _)) => Some(format!("the new {kind} worker ended at once")),
            None if late => Some("the new workers are not at work in time".to_owned()),
            None => None,
        };
        let proven = |running: &Running| {
            let since = running.in_charge();
            running.is_steady() && since.is_some_and(|since| now >= since + PROVEN)
        };
        let all_proven = self
            .seats
            .values()
            .all(|seat| seat.running.as_ref().is_some_and(proven));
        if failure.is_none() && !all_proven {
            return;
        }
        let Some(mut probation) = self.probation.take() else {
            return;
        };
        match (failure, probation.previous.take()) {
            (Some(failure), Some(previous)) => {
                tracing::error!(event = "upgrade_failed", error = %failure);
                self.leave(Some(Becoming {
                    program: Program::File(previous),
                    asker: probation.asker.take(),
                    previous: None,
                    failure: Some(failure),
                }));
            }
            // There is no way back from the old binary.
            (failure, _) => probation.end(failure),
        }
    }
}

impl Upgrade {
    /// Ends it: nothing has happened.
    pub(super) fn refuse(mut self, text: String) {
        let (unused, _) = oneshot::channel();
        respond(
            Some(std::mem::replace(&mut self.answer, unused)),
            Response::Failed(text),
        );
    }
}

impl Probation {
    fn end(self, trouble: Option<String>) {
        let version = env!("CARGO_PKG_VERSION");
        let response = match (self.failure, trouble) {
            (None, None) => {
                tracing::info!(event = "upgraded", from = self.before, to = version);
                Response::Done(vec![format!("upgraded from {} to {version}", self.before)])
            }
            (Some(failure), None) => {
                tracing::error!(event = "upgrade_undone", error = %failure, version);
                Response::Failed(format!("not upgraded, {version} goes on: {failure}"))
            }
            (failure, Some(trouble)) => {
                let failure = failure
                    .map(|failure| format!("{failure}; "))
                    .unwrap_or_default();
                tracing::error!(event = "upgrade_incomplete", error = %trouble, version);
                Response::Incomplete(format!("{failure}{version} runs now, but {trouble}"))
            }
        };
        if let Some(asker) = self.asker {
            succession::answer(asker, &response);
        }
    }
}

/// The file this process was started from, as it is called; another one may lie
/// there by now.
fn started_from() -> std::io::Result<PathBuf> {
    std::env::current_exe().map(without_deleted)
}

/// The kernel marks the name of a file that was replaced.
fn without_deleted(path: PathBuf) -> PathBuf {
    let name = path
        .to_str()
        .and_then(|name| name.strip_suffix(" (deleted)"));
    name.map(PathBuf::from).unwrap_or(path)
}

/// Everything that can be tried without touching anything.
async fn rehearse(binary: PathBuf, options: Options) -> Result<Probe, String> {
    let said = run(&binary, &["probe".as_ref()], PROBE_PATIENCE).await?;
    let probe: Probe = serde_json::from_str(said.trim()).map_err(|_| {
        format!(
            "{} is not an lvsd that can be upgraded to",
            binary.display()
        )
    })?;
    fits(&probe)?;
    let config = options.config.as_path();
    run(&binary, &["check".as_ref(), config], TRIAL_PATIENCE)
        .await
        .map_err(|error| format!("it does not accept the configuration: {error}"))?;
    let directory = options.runtime_dir.as_path();
    let words = ["rehearse".as_ref(), "--runtime-dir".as_ref(), directory];
    run(&binary, &words, TRIAL_PATIENCE).await?;
    Ok(probe)
}

fn fits(probe: &Probe) -> Result<(), String> {
    let own = Probe::own();
    if probe.succession == own.succession {
        return Ok(());
    }
    Err(format!(
        "version {} cannot take over from {} in place (format {} instead of {}); \
         `systemctl restart lvsd` keeps the addresses, too",
        probe.lvsd, own.lvsd, probe.succession, own.succession
    ))
}

/// Runs the binary and returns what it says; what went wrong, in words.
async fn run(binary: &Path, words: &[&Path], patience: Duration) -> Result<String, String> {
    let line = format!("{} {}", binary.display(), words[0].display());
    let failed = |error: std::io::Error| format!("{line}: {error}");
    let mut child = Command::new(binary)
        .arg0("lvsd")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let all = async { tokio::join!(beginning(out), beginning(err), child.wait()) };
    let Ok((out, err, status)) = tokio::time::timeout(patience, all).await else {
        return Err(format!("{line}: no result within {} s", patience.as_secs()));
    };
    let status = status.map_err(failed)?;
    if status.success() {
        return Ok(out);
    }
    let reason = if err.trim().is_empty() { out } else { err };
    Err(format!("{line}: {status}\n{}", reason.trim_end()))
}

/// The first [`MOST_OUTPUT`] octets; the rest is read and dropped.
async fn beginning(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What cannot be read was not said.
        let _ = (&mut pipe).take(MOST_OUTPUT).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `lvsd rehearse`: starts each worker, which does nothing, and waits until it
/// answers. Must be called inside a tokio runtime.
///
/// # Errors
///
/// Which one does not come up, in words.
pub async fn rehearse_workers(runtime_dir: &Path) -> Result<(), String> {
    use super::child::Event;
    use crate::worker::Kind;
    use crate::worker::protocol::FromWorker;
    let (events, mut said) = tokio::sync::mpsc::unbounded_channel();
    let mut workers = Vec::new();
    for (kind, number) in Kind::ALL.into_iter().zip(1..) {
        let now = clock::monotonic_now();
        let mut worker = Running::start(kind, runtime_dir, number, now, true, &events)
            .map_err(|error| format!("cannot start a {kind} worker: {error}"))?;
        worker.ask();
        workers.push((kind, worker));
    }
    let mut missing = Kind::ALL.to_vec();
    while !missing.is_empty() {
        match said.recv().await {
            Some((kind, _, Event::Message(FromWorker::Hello { .. }))) => {
                missing.retain(|one| *one != kind);
            }
            Some((kind, _, Event::Exited(Ok(status)))) => {
                return Err(format!("its {kind} worker does not come up: {status}"));
            }
            Some((kind, _, Event::Exited(Err(error)))) => {
                return Err(format!("its {kind} worker does not come up: {error}"));
            }
            Some(_) => {}
            None => return Err("its workers have gone".into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_goes_by_its_name() {
        let plain = PathBuf::from("/usr/sbin/lvsd");
        assert_eq!(without_deleted(plain.clone()), plain);
        assert_eq!(without_deleted("/usr/sbin/lvsd (deleted)".into()), plain);
    }

    #[test]
    fn another_format_is_refused_with_another_way() {
        assert_eq!(fits(&Probe::own()), Ok(()));
        let other = Probe {
            lvsd: "9.0.0".into(),
            succession: 2,
            state: 1,
        };
        let text = fits(&other).unwrap_err();
        assert!(text.contains("version 9.0.0 cannot take over"), "{text}");
        assert!(text.contains("systemctl restart"), "{text}");
    }

    #[tokio::test]
    async fn what_does_not_work_is_told_with_its_words() {
        let short = Duration::from_millis(200);
        let sh = |script: &'static str| [Path::new("-c"), Path::new(script)];
        let shell = Path::new("/bin/sh");
        assert_eq!(
            run(shell, &sh("echo yes"), PROBE_PATIENCE).await,
            Ok("yes\n".into())
        );
        let error = run(shell, &sh("echo no >&2; exit 3"), PROBE_PATIENCE).await;
        assert_eq!(error, Err("/bin/sh -c: exit status: 3\nno".into()));
        let error = run(shell, &sh("sleep 60"), short).await.unwrap_err();
        assert!(error.ends_with("no result within 0 s"), "{error}");
        let error = run(Path::new("/dev/null"), &sh(""), short).await;
        assert!(error.unwrap_err().contains("Permission denied"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_lvsd_is_refused() {
        let options = Options {
            config: "/dev/null".into(),
            runtime_dir: "/tmp".into(),
        };
        let error = rehearse("/bin/true".into(), options).await.unwrap_err();
        assert_eq!(error, "/bin/true is not an lvsd that can be upgraded to");
    }
}
