//! The `http` probe: one HTTP/1.1 request on a connection of its own.

use super::{Found, Start, Timeouts, Trouble};
use crate::outcome::Phase;
use crate::spec::HttpSpec;

pub(super) async fn probe(spec: &HttpSpec, start: Start, timeouts: Timeouts) -> Found {
    let limit = timeouts.connect.min(timeouts.total);
    let _stream = super::tcp::open(&spec.connect, start, limit).await?;
    Err(Trouble::local(Phase::Send, "not there yet"))
}
