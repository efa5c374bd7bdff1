//! Clients of the control socket: `lvsd status`, `reload`, `failover`,
//! `maintenance` and `upgrade`.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use thiserror::Error;

use crate::status;
use crate::worker::supervisor::control::{Request, Response, socket_path};

/// Longer than the daemon's own patience with its workers. The longest is that
/// of a failover at adverts of 40 s.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The largest answer read, in octets.
const MAX_RESPONSE: u64 = 256 << 20;

#[derive(Debug, Error)]
enum Error {
    #[error("no lvsd is running here: {path} does not exist (start it with `lvsd run`)")]
    NotRunning { path: String },
    #[error("no lvsd is listening on {path}; it is stopped or starting ({source})")]
    NotListening { path: String, source: io::Error },
    #[error("only root may talk to lvsd: {path}: {source}")]
    NotAllowed { path: String, source: io::Error },
    #[error("the answer of lvsd: {0}")]
    Io(#[from] io::Error),
    #[error("lvsd ended without an answer: see its log")]
    NoAnswer,
    #[error("the answer of lvsd is of another version: {0}")]
    Format(#[from] serde_json::Error),
}

/// Prints the status.
pub fn status(runtime_dir: &Path, json: bool) -> ExitCode {
    match ask(runtime_dir, &Request::Status) {
        Ok(Response::Status(document)) if json => match serde_json::to_string_pretty(&document) {
            Ok(text) => print(&format!("{text}\n")),
            Err(error) => failed(&error.to_string()),
        },
        Ok(Response::Status(document)) => {
            let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            print(&status::render(&document, colour))
        }
        other => unexpected(other),
    }
}

/// Reloads.
pub fn reload(runtime_dir: &Path) -> ExitCode {
    match ask(runtime_dir, &Request::Reload) {
        Ok(Response::Done(lines)) => print(&format!("reloaded\n{}\n", lines.join("\n"))),
        Ok(Response::Incomplete(text)) => {
            eprintln!("{text}");
            failed("reloaded, but not all of it is in force")
        }
        Ok(Response::Failed(text)) => {
            eprintln!("{text}\nlvsd: not reloaded");
            ExitCode::from(2)
        }
        other => unexpected(other),
    }
}

/// What is answered with what was done, in words.
pub fn order(runtime_dir: &Path, request: &Request) -> ExitCode {
    match ask(runtime_dir, request) {
        Ok(Response::Done(lines)) => print(&format!("{}\n", lines.join("\n"))),
        other => unexpected(other),
    }
}

/// Upgrades. The path is made absolute: the director's directory is another.
pub fn upgrade(runtime_dir: &Path, binary: Option<PathBuf>) -> ExitCode {
    match binary.map(std::path::absolute).transpose() {
        Ok(binary) => order(runtime_dir, &Request::Upgrade(binary)),
        Err(error) => failed(&format!("--binary: {error}")),
    }
}

fn unexpected(response: Result<Response, Error>) -> ExitCode {
    match response {
        Ok(Response::Failed(text) | Response::Incomplete(text)) => failed(&text),
        Ok(_) => failed("the answer does not fit the question; is another version running?"),
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(text: &str) -> ExitCode {
    eprintln!("lvsd: {text}");
    ExitCode::FAILURE
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        // A pager that was left is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => failed(&error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

fn ask(runtime_dir: &Path, request: &Request) -> Result<Response, Error> {
    let path = socket_path(runtime_dir);
    let mut stream = UnixStream::connect(&path).map_err(|source| {
        let path = path.display().to_string();
        match source.kind() {
            io::ErrorKind::NotFound => Error::NotRunning { path },
            io::ErrorKind::PermissionDenied => Error::NotAllowed { path, source },
            _ => Error::NotListening { path, source },
        }
    })?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    stream.write_all(&text)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(MAX_RESPONSE)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(Error::NoAnswer);
    }
    Ok(serde_json::from_slice(&line)?)
}
