//! The control socket: one JSON request on a line, one JSON response.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use crate::status::document::Document;

/// The longest request, in octets.
const MAX_REQUEST: u64 = 16_384;
/// How long a client may take to ask.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// What can be asked of a running lvsd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The status document.
    Status,
    /// Read the configuration file again and apply it; then compare
    /// everything with the kernel.
    Reload,
    /// Give virtual routers up to whoever takes them, and stay willing.
    Failover(Which),
    /// Give everything up and take no part until it is off again; `None` asks
    /// how it is.
    Maintenance(Option<bool>),
    /// Become the binary at this path; without one, that from which lvsd was
    /// started.
    Upgrade(Option<PathBuf>),
}

/// Which VRRP instances a request is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The only one there is.
    Only,
    /// The one of this name.
    Named(String),
    /// All of them.
    All,
}

/// The answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<Document>),
    /// Done; what was done, in words, a line each.
    Done(Vec<String>),
    /// Done as far as possible: what is not, and why.
    Incomplete(String),
    /// Not done, and why.
    Failed(String),
}

/// A request on its way to the supervisor's loop.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Response>,
    /// The connection itself, where another program image may have to answer.
    pub asker: Option<OwnedFd>,
}

/// Where the socket lies.
#[must_use]
pub fn socket_path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("lvsd.sock")
}

/// Makes the socket. Only root may connect.
///
/// # Errors
///
/// When it cannot be made.
pub fn bind(runtime_dir: &Path) -> io::Result<StdUnixListener> {
    let path = socket_path(runtime_dir);
    // We hold the lock, so a socket that lies here is a dead one.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = StdUnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Listens; each request is sent to `calls`. Must be called inside a tokio
/// runtime.
///
/// # Errors
///
/// When the socket cannot be used.
pub fn listen(listener: StdUnixListener, calls: mpsc::UnboundedSender<Call>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(serve(stream, calls.clone()));
                }
                Err(error) => {
                    tracing::warn!(event = "control_accept_failed", %error);
                    // Out of file descriptors: do not spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    Ok(())
}

async fn serve(mut stream: UnixStream, calls: mpsc::UnboundedSender<Call>) {
    let response = match tokio::time::timeout(REQUEST_TIMEOUT, read_request(&mut stream)).await {
        Ok(Ok(request)) => {
            let (answer, response) = oneshot::channel();
            let upgrade = matches!(request, Request::Upgrade(_));
            let call = Call {
                request,
                answer,
                // Without it, whoever asked has to look for himself.
                asker: upgrade
                    .then(|| stream.as_fd().try_clone_to_owned().ok())
                    .flatten(),
            };
            if calls.send(call).is_err() {
                return;
            }
            response
                .await
                .unwrap_or_else(|_| Response::Failed("lvsd is stopping".into()))
        }
        Ok(Err(error)) => Response::Failed(format!("bad request: {error}")),
        Err(_) => Response::Failed("no request came in time".into()),
    };
    if let Ok(mut text) = serde_json::to_vec(&response) {
        text.push(b'\n');
        // A client that has gone away needs no answer.
        let _ = stream.write_all(&text).await;
    }
}

async fn read_request(stream: &mut UnixStream) -> io::Result<Request> {
    let mut line = Vec::new();
    BufReader::new(stream.take(MAX_REQUEST))
        .read_until(b'\n', &mut line)
        .await?;
    Ok(serde_json::from_slice(&line)?)
}
