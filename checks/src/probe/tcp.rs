//! The `tcp` probe: the server is well when it accepts a connection.
//!
//! The connection is closed in the ordinary way (FIN), not reset: some servers
//! log a reset as an error, and the `TIME_WAIT` that stays with us costs
//! little. Nothing is sent or read.

use core::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use super::{Found, Start, Timeouts, Trouble, within};
use crate::outcome::{Detail, Phase};
use crate::spec::Connect;

pub(super) async fn probe(connect: &Connect, start: Start, timeouts: Timeouts) -> Found {
    let limit = timeouts.connect.min(timeouts.total);
    open(connect, start, limit).await.map(|_| Detail::Connected)
}

/// A connection to the target, within `limit` of `start`.
///
/// Done by hand rather than by [`TcpStream::connect`], to tell what `connect`
/// itself refuses (no ports left, forbidden here) from what comes back from
/// the network: an ICMPv6 "administratively prohibited" is `EACCES` too.
pub(super) async fn open(
    connect: &Connect,
    start: Start,
    limit: Duration,
) -> Result<TcpStream, Trouble> {
    let socket = |error| Trouble::local(Phase::Socket, super::plain(&error));
    let domain = Domain::for_address(connect.target);
    let kind = Type::STREAM.nonblocking();
    let raw = Socket::new(domain, kind, Some(Protocol::TCP)).map_err(socket)?;
    match raw.connect(&connect.target.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(EINPROGRESS) => {}
        Err(error) => return Err(Trouble::from_call(Phase::Connect, &error)),
    }
    let stream = TcpStream::from_std(raw.into()).map_err(socket)?;
    let silent = || Trouble::remote(Phase::Connect, format!("no answer within {limit:?}"));
    within(start, limit, stream.writable(), silent)
        .await?
        .map_err(socket)?;
    match stream.take_error() {
        Ok(None) => Ok(stream),
        Ok(Some(error)) | Err(error) => Err(Trouble::remote(Phase::Connect, super::plain(&error))),
    }
}

/// `EINPROGRESS` of asm-generic/errno.h: the handshake has begun.
const EINPROGRESS: i32 = 115;
