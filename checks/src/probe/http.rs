//! The `http` probe: one HTTP/1.1 request on a connection of its own.
//!
//! The server is well when it answers with an accepted status and a whole
//! body in time. The status is judged first: the body of an unwanted answer
//! is not read. A body longer than the limit is a failure and is read no
//! further; what is read is counted and dropped. Redirects are not followed;
//! a 3xx is a status like any other. Nothing the server sends makes the probe
//! hold more than [`BUFFER`] bytes of it.

use std::error::Error as _;
use std::io;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::{Found, Start, Timeouts, Trouble, within};
use crate::outcome::{Detail, Phase};
use crate::spec::{HttpSpec, Method};

/// Bound of the read buffer, and so of the answer's header.
const BUFFER: usize = 32 * 1024;

/// The `User-Agent` header.
const AGENT: &str = concat!("lvsd/", env!("CARGO_PKG_VERSION"));

type Request = http::Request<Empty<Bytes>>;

pub(super) async fn probe(spec: &HttpSpec, start: Start, timeouts: Timeouts) -> Found {
    let request = request(spec).map_err(|e| Trouble::local(Phase::Send, e.to_string()))?;
    let limit = timeouts.connect.min(timeouts.total);
    let stream = super::tcp::open(&spec.connect, start, limit).await?;
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| trouble(Phase::Send, &error))?;
    // The connection does the reading and writing; its errors reach the
    // exchange, so its own end says nothing more.
    let driver = async move {
        let _ = connection.await;
        core::future::pending().await
    };
    tokio::select! {
        found = exchange(spec, request, sender, start, timeouts) => found,
        never = driver => never,
    }
}

fn request(spec: &HttpSpec) -> Result<Request, http::Error> {
    http::Request::builder()
        .method(match spec.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
        })
        .uri(spec.path.as_str())
        .header(HOST, spec.host_header())
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
        .body(Empty::new())
}

async fn exchange(
    spec: &HttpSpec,
    request: Request,
    mut sender: http1::SendRequest<Empty<Bytes>>,
    start: Start,
    timeouts: Timeouts,
) -> Found {
    let limit = timeouts.total;
    let silent = || Trouble::remote(Phase::Status, format!("no answer within {limit:?}"));
    let answer = within(start, limit, sender.send_request(request), silent)
        .await?
        .map_err(|error| trouble(Phase::Status, &error))?;
    let status = answer.status().as_u16();
    if !spec.statuses.accepts(status) {
        let error = format!("status {status}, expected {}", spec.statuses);
        return Err(Trouble::remote(Phase::Status, error));
    }
    let body = read(answer.into_body(), spec.max_body, start, timeouts).await?;
    Ok(Detail::Http { status, body })
}

/// Reads a body to its end; how long it was.
async fn read(
    mut body: Incoming,
    max: u64,
    start: Start,
    timeouts: Timeouts,
) -> Result<u64, Trouble> {
    let exceeds = || Trouble::remote(Phase::Body, format!("body exceeds {max} bytes"));
    let limit = timeouts.total;
    // A length the server has announced.
    if body.size_hint().lower() > max {
        return Err(exceeds());
    }
    let mut length = 0_u64;
    loop {
        let slow = || {
            let error = format!("not complete within {limit:?} ({length} bytes came)");
            Trouble::remote(Phase::Body, error)
        };
        let Some(frame) = within(start, limit, body.frame(), slow).await? else {
            return Ok(length);
        };
        let frame = frame.map_err(|error| trouble(Phase::Body, &error))?;
        let data = frame.data_ref().map_or(0, Bytes::len);
        length = length.saturating_add(u64::try_from(data).unwrap_or(u64::MAX));
        if length > max {
            return Err(exceeds());
        }
    }
}

/// hyper's error in plain words. Once connected, all of them are the server's.
fn trouble(phase: Phase, error: &hyper::Error) -> Trouble {
    let cause = error.source().and_then(|s| s.downcast_ref::<io::Error>());
    if cause.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) {
        return Trouble::remote(Phase::Send, "connection closed by the server");
    }
    let early_end = cause.is_some_and(|e| e.kind() == io::ErrorKind::UnexpectedEof);
    if early_end || error.is_incomplete_message() {
        let error = match phase {
            Phase::Body => "connection closed before the body was complete",
            _ => "connection closed without an answer",
        };
        return Trouble::remote(phase, error);
    }
    if let Some(cause) = cause {
        return Trouble::remote(phase, super::plain(cause));
    }
    if error.is_parse() {
        return Trouble::remote(phase, format!("bad HTTP answer: {error}"));
    }
    Trouble::remote(phase, error.to_string())
}
