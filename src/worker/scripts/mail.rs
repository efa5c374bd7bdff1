//! Mail: a queue, and one letter at a time given to a child process of ours.
//!
//! The child ([`super::post`]) meets a server on the network, so it is nobody and gets
//! nothing but the letter and what is needed to send it. A server that does not answer
//! keeps the letters waiting and nothing else.

use std::collections::VecDeque;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::notify::Progress;
use super::post::{Envelope, TEMPORARY};
use crate::kernel::clock;
use crate::model::{Event, Mail, What};
use crate::status::MailReport;
use crate::telling::{Letter, letter};
use crate::tracking::LastLine;

/// Letters that wait; more push the oldest out.
const MOST_WAITING: usize = 256;
/// A letter this old is not news any more.
const OLDEST: Duration = Duration::from_secs(24 * 3600);
/// Waits between attempts, doubled up to the longest.
const RETRY: Duration = Duration::from_secs(10);
const LONGEST_RETRY: Duration = Duration::from_secs(15 * 60);
/// What our child says is read up to so many octets.
const MOST_SAID: u64 = 4_096;
/// What tells our child where certificates are that it trusts.
const PASSED_ON: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Why a letter was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unsent {
    /// Whether it may be sent later.
    retry: bool,
    reason: String,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Mailer {
    mail: Option<Mail>,
    router_id: String,
    waiting: VecDeque<Letter>,
    /// The attempt that is being made, or the pause before the next.
    busy: Option<JoinHandle<()>>,
    failures: u32,
    sent: u64,
    lost: u64,
    error: Option<String>,
    progress: UnboundedSender<Progress>,
}

impl Drop for Mailer {
    fn drop(&mut self) {
        self.interrupt();
    }
}

impl Mailer {
    pub(super) fn new(progress: UnboundedSender<Progress>) -> Self {
        Self {
            mail: None,
            router_id: String::new(),
            waiting: VecDeque::new(),
            busy: None,
            failures: 0,
            sent: 0,
            lost: 0,
            error: None,
            progress,
        }
    }

    /// Goes on where a predecessor ended.
    pub(super) fn resume(&mut self, left: MailReport) {
        self.waiting = left.waiting.into();
        self.sent = left.sent;
        self.lost = left.lost;
    }

    /// Sends in this way from now on.
    pub(super) fn set(&mut self, mail: Option<&Mail>, router_id: &str) {
        if self.mail.as_ref() != mail {
            // Whatever was wrong may be right now.
            self.interrupt();
            self.failures = 0;
            self.error = None;
            self.mail = mail.cloned();
        }
        router_id.clone_into(&mut self.router_id);
        if self.mail.is_none() {
            self.lost += self.waiting.len() as u64;
            self.waiting.clear();
        }
        self.start();
    }

    fn interrupt(&mut self) {
        if let Some(busy) = self.busy.take() {
            busy.abort();
        }
    }

    /// Writes a letter about an event.
    pub(super) fn post(&mut self, event: &Event) {
        let Some(mail) = &self.mail else {
            return;
        };
        if mail.no_faults && event.what == What::Fault {
            return;
        }
        if self.waiting.len() == MOST_WAITING {
            // The first one may be on its way.
            self.waiting.remove(1);
            self.lost += 1;
        }
        self.waiting
            .push_back(letter(&self.router_id, event, now()));
        self.start();
    }

    fn start(&mut self) {
        let busy = self.busy.as_ref().is_some_and(|busy| !busy.is_finished());
        let (Some(mail), Some(letter), false) = (&self.mail, self.waiting.front(), busy) else {
            return;
        };
        let envelope = Envelope {
            mail: mail.clone(),
            letter: letter.clone(),
        };
        let progress = self.progress.clone();
        self.busy = Some(tokio::spawn(async move {
            let outcome = deliver(&envelope).await;
            let _ = progress.send(Progress::Mailed(outcome));
        }));
    }

    /// An attempt has ended.
    pub(super) fn mailed(&mut self, outcome: Result<(), Unsent>) {
        self.busy = None;
        match outcome {
            Ok(()) => {
                self.waiting.pop_front();
                self.sent += 1;
                if self.failures > 0 {
                    tracing::info!(event = "mail_works_again", waiting = self.waiting.len());
                }
                self.failures = 0;
                self.error = None;
            }
            Err(Unsent { retry, reason }) => {
                if self.error.as_ref() != Some(&reason) {
                    tracing::warn!(event = "mail_failed", %reason, retry, waiting = self.waiting.len());
                }
                self.error = Some(reason);
                let old = self
                    .waiting
                    .front()
                    .is_some_and(|letter| now().saturating_sub(letter.at) > OLDEST.as_secs());
                if !retry || old {
                    self.waiting.pop_front();
                    self.lost += 1;
                }
                if retry {
                    return self.pause();
                }
            }
        }
        self.start();
    }

    fn pause(&mut self) {
        let pause = RETRY
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST_RETRY);
        self.failures += 1;
        let progress = self.progress.clone();
        self.busy = Some(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = progress.send(Progress::MailPauseOver);
        }));
    }

    /// Tries again.
    pub(super) fn pause_over(&mut self) {
        self.busy = None;
        self.start();
    }

    /// Whether there is nothing to wait for: all is sent, or the server does not take it.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() || self.failures > 0
    }

    /// For status and successor.
    pub(super) fn report(&self) -> MailReport {
        MailReport {
            waiting: self.waiting.iter().cloned().collect(),
            sent: self.sent,
            lost: self.lost,
            error: self.error.clone(),
        }
    }
}

fn now() -> u64 {
    let since = clock::wall_now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Has a child send a letter.
async fn deliver(envelope: &Envelope) -> Result<(), Unsent> {
    let limit = envelope.mail.timeout;
    match timeout(limit, child(envelope)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Unsent {
            retry: true,
            reason: format!("{} did not take it within {limit:?}", envelope.mail.server),
        }),
    }
}

async fn child(envelope: &Envelope) -> Result<(), Unsent> {
    let later = |error: std::io::Error| Unsent {
        retry: true,
        reason: format!("cannot run the sender: {error}"),
    };
    let passed_on = PASSED_ON.iter();
    let mut child = Command::new("/proc/self/exe")
        .arg0("lvsd")
        .arg("send-mail")
        .env_clear()
        .envs(passed_on.filter_map(|name| Some((name, std::env::var_os(name)?))))
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(later)?;
    let text = serde_json::to_vec(envelope).map_err(|error| later(error.into()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that has ended early says why.
        let _ = stdin.write_all(&text).await;
    }
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let read = stderr.take(MOST_SAID).read_to_end(&mut said).await;
        read.map_err(later)?;
    }
    let status = child.wait().await.map_err(later)?;
    if status.success() {
        return Ok(());
    }
    let mut last = LastLine::default();
    last.push(&said);
    let line = last.line();
    Err(Unsent {
        // Killed or crashed: nobody has said that it is hopeless.
        retry: status
            .code()
            .is_none_or(|code| code == i32::from(TEMPORARY)),
        reason: if line.is_empty() {
            status.to_string()
        } else {
            line
        },
    })
}
