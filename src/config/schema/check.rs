//! `[[virtual_server.NAME.check]]` and `[[virtual_server.NAME.real_server.check]]`.

use std::time::Duration;

use super::super::value::Bytes;
use super::TableKind;
use super::key::{Choice, Free, Key, Preset};
use crate::model::{Method, Start, defaults};

/// What a check can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum CheckType {
    Tcp,
    Http,
    Icmp,
    /// Known, and not done by this version.
    Later,
}

/// A check whose type is not known yet.
pub(in crate::config) const CHECK_ANY: TableKind = TableKind {
    header: "[[virtual_server.NAME.check]]",
    doc: "",
    keys: &[&TYPE],
};

/// A check of type `tcp`.
pub(in crate::config) const CHECK_TCP: TableKind = TableKind {
    header: "[[virtual_server.NAME.check]] of type tcp",
    doc: "Opens a TCP connection. The same table under a real server, \
          `[[virtual_server.NAME.real_server.check]]`, is for that one only. A server is \
          healthy while all its checks are.",
    keys: &[
        &TYPE,
        &INTERVAL,
        &CONNECT_TIMEOUT,
        &RETRIES,
        &RETRY_DELAY,
        &START,
        &CONNECT_PORT,
    ],
};

/// A check of type `http`.
pub(in crate::config) const CHECK_HTTP: TableKind = TableKind {
    header: "[[virtual_server.NAME.check]] of type http",
    doc: "Asks for a page over HTTP/1.1 and reads the whole response.",
    keys: &[
        &TYPE,
        &INTERVAL,
        &CONNECT_TIMEOUT,
        &RETRIES,
        &RETRY_DELAY,
        &START,
        &CONNECT_PORT,
        &PATH,
        &METHOD,
        &HOST,
        &STATUS,
        &BODY_LIMIT,
        &TIMEOUT,
    ],
};

/// A check of type `icmp`.
pub(in crate::config) const CHECK_ICMP: TableKind = TableKind {
    header: "[[virtual_server.NAME.check]] of type icmp",
    doc: "Sends an echo request and waits for the reply.",
    keys: &[
        &TYPE,
        &INTERVAL,
        &CONNECT_TIMEOUT,
        &RETRIES,
        &RETRY_DELAY,
        &START,
    ],
};

pub(in crate::config) const TYPE: Choice<CheckType> = Choice {
    name: "type",
    preset: Preset::Required,
    words: &[
        ("tcp", CheckType::Tcp),
        ("http", CheckType::Http),
        ("icmp", CheckType::Icmp),
        ("https", CheckType::Later),
        ("udp", CheckType::Later),
        ("dns", CheckType::Later),
        ("smtp", CheckType::Later),
        ("script", CheckType::Later),
        ("file", CheckType::Later),
    ],
    doc: "what is done; this version does `tcp`, `http` and `icmp`",
};
pub(in crate::config) const INTERVAL: Key<Duration> = Key {
    name: "interval",
    preset: Preset::Value(defaults::CHECK_INTERVAL),
    min: Duration::from_millis(10),
    max: Duration::from_secs(86_400),
    doc: "between checks while all is well",
};
pub(in crate::config) const CONNECT_TIMEOUT: Key<Duration> = Key {
    name: "connect_timeout",
    preset: Preset::Value(defaults::CHECK_CONNECT_TIMEOUT),
    min: Duration::from_millis(1),
    max: Duration::from_secs(3_600),
    doc: "the longest wait for a connection; for `icmp`, for the reply",
};
pub(in crate::config) const RETRIES: Key<u32> = Key {
    name: "retries",
    preset: Preset::Value(defaults::CHECK_RETRIES),
    min: 0,
    max: 1_000,
    doc: "further attempts after a failure before the server is down. At start the first \
          failure is enough",
};
pub(in crate::config) const RETRY_DELAY: Key<Duration> = Key {
    name: "retry_delay",
    preset: Preset::Value(defaults::CHECK_RETRY_DELAY),
    min: Duration::ZERO,
    max: Duration::from_secs(3_600),
    doc: "between a failed attempt and the next",
};
pub(in crate::config) const START: Choice<Start> = Choice {
    name: "start",
    preset: Preset::Value(defaults::CHECK_START),
    words: &[("up", Start::Up), ("down", Start::Down)],
    doc: "what the server counts as before the first result",
};
pub(in crate::config) const CONNECT_PORT: Key<u32> = Key {
    name: "connect_port",
    preset: Preset::Unset("the real server's"),
    min: 1,
    max: 65_535,
    doc: "the port to connect to",
};
pub(in crate::config) const PATH: Free = Free {
    name: "path",
    kind: "string",
    default: "`\"/\"`",
    range: "begins with `/`",
    doc: "what is asked for, with the query if there is one",
};
pub(in crate::config) const METHOD: Choice<Method> = Choice {
    name: "method",
    preset: Preset::Value(defaults::HTTP_METHOD),
    words: &[("GET", Method::Get), ("HEAD", Method::Head)],
    doc: "the method of the request",
};
pub(in crate::config) const HOST: Free = Free {
    name: "host",
    kind: "string",
    default: "the address, with the port unless it is 80",
    range: "`\"NAME\"`, `\"NAME:PORT\"`",
    doc: "the `Host` header",
};
pub(in crate::config) const STATUS: Free = Free {
    name: "status",
    kind: "codes",
    default: "`\"200-299\"`",
    range: "100..=599: a code, a range `\"200-299\"`, or a list of them",
    doc: "the status codes of a healthy server",
};
pub(in crate::config) const BODY_LIMIT: Key<Bytes> = Key {
    name: "body_limit",
    preset: Preset::Value(Bytes(defaults::HTTP_BODY_LIMIT)),
    min: Bytes(0),
    max: Bytes(1 << 30),
    doc: "a longer body is a failure",
};
pub(in crate::config) const TIMEOUT: Key<Duration> = Key {
    name: "timeout",
    preset: Preset::Value(defaults::HTTP_TIMEOUT),
    min: Duration::from_millis(1),
    max: Duration::from_secs(3_600),
    doc: "the longest time for everything, from connecting to the last byte. Where it is \
          not written and `connect_timeout` is longer, that",
};
