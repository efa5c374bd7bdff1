//! What a configuration refers to outside of itself: files with secrets, programs.
//!
//! Reading a text notes them; loading a file looks at them, and warns.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::findings::{Code, Findings};
use super::raw::Span;
use crate::model::{Notification, RunAs};

/// The mode bits that let others read.
const OTHERS_READ: u32 = 0o004;
/// The mode bits that let the group and others write.
const OTHERS_WRITE: u32 = 0o022;
/// The mode bits that let anybody execute.
const EXECUTE: u32 = 0o111;

/// Noted while reading.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// Where relative paths begin.
    directory: PathBuf,
    /// The first secret that stands in the configuration itself.
    inline_secret: Option<Span>,
    /// Files that hold a secret.
    secret_files: BTreeMap<Span, PathBuf>,
    /// Programs, and the user named beside each.
    programs: BTreeMap<Span, (PathBuf, Option<RunAs>)>,
}

impl Surroundings {
    /// Those of the file called `name`.
    pub(super) fn of(name: &str) -> Self {
        let directory = Path::new(name).parent().map(Path::to_owned);
        Self {
            directory: directory.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The path that `text` means.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.directory.join(text)
    }

    /// Notes a secret in the configuration itself.
    pub(super) fn inline_secret(&mut self, span: Span) {
        self.inline_secret.get_or_insert(span);
    }

    /// Notes a file that holds a secret.
    pub(super) fn secret_file(&mut self, span: Span, path: PathBuf) {
        self.secret_files.insert(span, path);
    }

    /// Notes a program.
    pub(super) fn program(&mut self, span: Span, path: &str, user: Option<&RunAs>) {
        self.programs.insert(span, (path.into(), user.cloned()));
    }
}

/// Looks at what the configuration in `file` refers to, and warns.
pub(super) fn inspect(file: &Path, notification: &Notification, findings: &mut Findings) {
    let around = std::mem::take(&mut findings.around);
    if let Some(span) = around.inline_secret {
        warn_if_readable(file, span, findings);
    }
    for (span, path) in &around.secret_files {
        warn_if_readable(path, *span, findings);
    }
    for (span, (path, user)) in &around.programs {
        let user = user.as_ref().or(notification.script_user.as_ref());
        let as_root = user.is_none_or(|user| user.user == "root" || user.user == "0");
        let secure = notification.script_security && as_root;
        warn_of_program(path, secure, *span, findings);
    }
}

fn warn_if_readable(path: &Path, span: Span, findings: &mut Findings) {
    let readable = fs::metadata(path).is_ok_and(|found| found.mode() & OTHERS_READ != 0);
    if readable {
        let path = path.display();
        let message = format!("everybody can read {path}, which holds this secret");
        let help = format!("chmod o-r {path}");
        findings.warning(Code::Suspicious, span, message, help);
    }
}

fn warn_of_program(path: &Path, secure: bool, span: Span, findings: &mut Findings) {
    let shown = path.display();
    let (message, help) = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let help = "what runs it will fail until it is there";
            (format!("there is no program {shown}"), help.to_owned())
        }
        // Root may see what we may not.
        Err(_) => return,
        Ok(found) if !found.is_file() || found.mode() & EXECUTE == 0 => {
            let help = format!("chmod +x {shown}, or correct the path");
            (format!("{shown} is not a program"), help)
        }
        Ok(found) if secure && others_may_change(&found) => {
            let message = format!("script_security keeps {shown} from running as root");
            let help = "others may change it; chown root and chmod go-w, or name a `user`";
            (message, help.to_owned())
        }
        Ok(_) => return,
    };
    findings.warning(Code::Suspicious, span, message, help);
}

/// Of the file itself; the directories on the way to it are looked at when it is run.
fn others_may_change(found: &Metadata) -> bool {
    found.uid() != 0 || found.mode() & OTHERS_WRITE != 0
}
