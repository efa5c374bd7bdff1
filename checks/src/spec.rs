//! What a probe does: plain data, comparable and hashable, so that identical
//! checks can be found and run once.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// One probe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Spec {
    /// Connect by TCP.
    Tcp {
        /// Where and how to connect.
        connect: Connect,
    },
    /// Ask for an HTTP resource.
    Http(HttpSpec),
    /// Send an ICMP echo request.
    Icmp(IcmpSpec),
}

impl Spec {
    /// A TCP connect to `target`.
    #[must_use]
    pub const fn tcp(target: SocketAddr) -> Self {
        Spec::Tcp {
            connect: Connect::to(target),
        }
    }

    /// The kind in one word: `tcp`, `http` or `icmp`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Spec::Tcp { .. } => "tcp",
            Spec::Http(_) => "http",
            Spec::Icmp(_) => "icmp",
        }
    }

    /// The longest a probe may take in all: `connect_timeout` for `tcp` and
    /// `icmp` (where it is the wait for the reply); for `http` its `timeout`,
    /// by default twice `connect_timeout`.
    #[must_use]
    pub fn total_timeout(&self, connect_timeout: Duration) -> Duration {
        match self {
            Spec::Tcp { .. } | Spec::Icmp(_) => connect_timeout,
            Spec::Http(http) => http
                .timeout
                .unwrap_or_else(|| connect_timeout.saturating_mul(2)),
        }
    }

    /// Says whether the probe can be carried out as written.
    ///
    /// # Errors
    ///
    /// The first [`SpecError`] found. A probe of a spec that was never
    /// validated does not panic: it fails as local trouble.
    pub fn validate(&self) -> Result<(), SpecError> {
        match self {
            Spec::Tcp { .. } => Ok(()),
            Spec::Http(http) => http.validate(),
            Spec::Icmp(icmp) => icmp.validate(),
        }
    }
}

/// Where and how to connect. More ways (source address, mark, interface) can
/// join without breaking users: build it with [`Connect::to`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Connect {
    /// The server's address and port.
    pub target: SocketAddr,
}

impl Connect {
    /// A plain connection to `target`.
    #[must_use]
    pub const fn to(target: SocketAddr) -> Self {
        Self { target }
    }
}

/// The request of an `http` probe, and which answers are good.
///
/// The answer is good when its status is accepted and its body arrives whole,
/// within the deadline, and no longer than `max_body`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HttpSpec {
    /// Where and how to connect.
    pub connect: Connect,
    /// `GET` or `HEAD`.
    #[serde(default)]
    pub method: Method,
    /// Path with query as it goes on the request line; starts with `/`.
    pub path: String,
    /// The `Host` header (virtual host). By default the address, with the
    /// port unless it is 80.
    #[serde(default)]
    pub host: Option<String>,
    /// Accepted status codes.
    #[serde(default)]
    pub statuses: Statuses,
    /// Longest accepted body in bytes; a longer one is a failure, and is not
    /// read further.
    #[serde(default = "HttpSpec::default_max_body")]
    pub max_body: u64,
    /// Limit for connect and answer together; by default twice the policy's
    /// `connect_timeout`.
    #[serde(default)]
    pub timeout: Option<Duration>,
}

impl HttpSpec {
    /// Default of [`HttpSpec::max_body`]: 1 MiB.
    pub const MAX_BODY: u64 = 1 << 20;

    const fn default_max_body() -> u64 {
        Self::MAX_BODY
    }

    /// A `GET` of `path` at `target`, everything else by default.
    #[must_use]
    pub fn get(target: SocketAddr, path: impl Into<String>) -> Self {
        Self {
            connect: Connect::to(target),
            method: Method::Get,
            path: path.into(),
            host: None,
            statuses: Statuses::default(),
            max_body: Self::MAX_BODY,
            timeout: None,
        }
    }

    /// The `Host` header that will be sent.
    #[must_use]
    pub fn host_header(&self) -> String {
        match (&self.host, self.connect.target) {
            (Some(host), _) => host.clone(),
            (None, SocketAddr::V4(v4)) if v4.port() == 80 => v4.ip().to_string(),
            (None, SocketAddr::V4(v4)) => v4.to_string(),
            (None, SocketAddr::V6(v6)) if v6.port() == 80 => format!("[{}]", v6.ip()),
            (None, SocketAddr::V6(v6)) => format!("[{}]:{}", v6.ip(), v6.port()),
        }
    }

    fn validate(&self) -> Result<(), SpecError> {
        let path_ok = self.path.starts_with('/')
            && self.path.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
            && self.path.parse::<http::Uri>().is_ok();
        if !path_ok {
            return Err(SpecError::Path(self.path.clone()));
        }
        if let Some(host) = &self.host {
            let host_ok = !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic());
            if !host_ok {
                return Err(SpecError::Host(host.clone()));
            }
        }
        if self.statuses.0.is_empty() {
            return Err(SpecError::NoStatus);
        }
        if self.timeout.is_some_and(|t| t.is_zero()) {
            return Err(SpecError::Timeout);
        }
        Ok(())
    }
}

/// The method of an `http` probe.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `GET`: the whole answer is read.
    #[default]
    Get,
    /// `HEAD`: the answer has no body.
    Head,
}

/// The target of an `icmp` probe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IcmpSpec {
    /// The host to ping.
    pub target: IpAddr,
    /// Bytes of payload, at most [`IcmpSpec::MAX_PAYLOAD`].
    #[serde(default = "IcmpSpec::default_payload")]
    pub payload: u16,
}

impl IcmpSpec {
    /// Default of [`IcmpSpec::payload`]: that of ping(8), 56 bytes.
    pub const PAYLOAD: u16 = 56;
    /// The most that fits one IPv6 packet on Ethernet: 1500 - 40 - 8.
    pub const MAX_PAYLOAD: u16 = 1_452;

    const fn default_payload() -> u16 {
        Self::PAYLOAD
    }

    /// A ping of `target` with the default payload.
    #[must_use]
    pub const fn ping(target: IpAddr) -> Self {
        Self {
            target,
            payload: Self::PAYLOAD,
        }
    }

    const fn validate(&self) -> Result<(), SpecError> {
        if self.payload > Self::MAX_PAYLOAD {
            return Err(SpecError::Payload(self.payload));
        }
        Ok(())
    }
}

/// A set of HTTP status codes; by default 200-299.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Statuses(pub Vec<StatusRange>);

impl Statuses {
    /// Whether `status` is in the set.
    #[must_use]
    pub fn accepts(&self, status: u16) -> bool {
        self.0
            .iter()
            .any(|range| (range.first..=range.last).contains(&status))
    }
}

impl Default for Statuses {
    fn default() -> Self {
        Self(vec![StatusRange {
            first: 200,
            last: 299,
        }])
    }
}

/// `200-299, 301`.
impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            range.fmt(f)?;
        }
        Ok(())
    }
}

/// Status codes from `first` to `last`, both included; as text `200` or
/// `200-299`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatusRange {
    first: u16,
    last: u16,
}

impl StatusRange {
    /// A range of codes.
    ///
    /// # Errors
    ///
    /// [`SpecError::Status`] unless `100 <= first <= last <= 599`.
    pub fn new(first: u16, last: u16) -> Result<Self, SpecError> {
        if first < 100 || last > 599 || first > last {
            return Err(SpecError::Status(format!("{first}-{last}")));
        }
        Ok(Self { first, last })
    }
}

impl FromStr for StatusRange {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let code = |part: &str| {
            part.trim()
                .parse::<u16>()
                .map_err(|_| SpecError::Status(text.to_owned()))
        };
        Self::new(code(first)?, code(last)?).map_err(|_| SpecError::Status(text.to_owned()))
    }
}

impl TryFrom<String> for StatusRange {
    type Error = SpecError;

    fn try_from(text: String) -> Result<Self, SpecError> {
        text.parse()
    }
}

impl From<StatusRange> for String {
    fn from(range: StatusRange) -> String {
        range.to_string()
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last {
            write!(f, "{first}")
        } else {
            write!(f, "{first}-{last}")
        }
    }
}

/// Why a probe cannot be carried out as written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The path is not what a request line can carry.
    #[error("path {0:?} must start with / and hold only visible ASCII without #")]
    Path(String),
    /// The host is not what a `Host` header can carry.
    #[error("host {0:?} must be visible ASCII")]
    Host(String),
    /// No status code would be accepted.
    #[error("at least one status code must be accepted")]
    NoStatus,
    /// Not a status code or range.
    #[error("{0:?} is not a status code or range within 100-599")]
    Status(String),
    /// The total timeout is zero.
    #[error("timeout must be longer than zero")]
    Timeout,
    /// The payload does not fit one packet.
    #[error("payload of {0} bytes is above {max}", max = IcmpSpec::MAX_PAYLOAD)]
    Payload(u16),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> HttpSpec {
        HttpSpec::get("192.0.2.1:8080".parse().expect("address"), "/health?x=1")
    }

    #[test]
    fn host_header_defaults_to_the_address() {
        let host =
            |target: &str| HttpSpec::get(target.parse().expect("address"), "/").host_header();
        assert_eq!(host("192.0.2.1:80"), "192.0.2.1");
        assert_eq!(host("192.0.2.1:8080"), "192.0.2.1:8080");
        assert_eq!(host("[2001:db8::1]:80"), "[2001:db8::1]");
        assert_eq!(host("[2001:db8::1]:8080"), "[2001:db8::1]:8080");
        let mut spec = web();
        spec.host = Some("www.example".into());
        assert_eq!(spec.host_header(), "www.example");
    }

    #[test]
    fn status_ranges_parse_and_print() {
        let range = |text: &str| text.parse::<StatusRange>();
        assert_eq!(range("200").expect("a code").to_string(), "200");
        assert_eq!(range("200 - 299").expect("a range").to_string(), "200-299");
        for bad in ["", "abc", "99", "600", "300-200", "200-", "-200", "1-2-3"] {
            assert_eq!(range(bad), Err(SpecError::Status(bad.into())), "{bad}");
        }
        let statuses = Statuses(vec![
            range("200-204").expect("a range"),
            range("301").expect("a code"),
        ]);
        assert_eq!(statuses.to_string(), "200-204, 301");
        for (code, accepted) in [
            (199, false),
            (200, true),
            (204, true),
            (205, false),
            (301, true),
        ] {
            assert_eq!(statuses.accepts(code), accepted, "{code}");
        }
    }

    #[test]
    fn specs_are_validated() {
        assert_eq!(Spec::Http(web()).validate(), Ok(()));
        let with = |change: fn(&mut HttpSpec)| {
            let mut spec = web();
            change(&mut spec);
            Spec::Http(spec).validate()
        };
        for path in ["", "x", "/a b", "/a\r\nb", "/a#b", "/ü"] {
            let mut spec = web();
            spec.path = path.into();
            assert_eq!(spec.validate(), Err(SpecError::Path(path.into())));
        }
        assert_eq!(
            with(|s| s.host = Some("a\r\nb: c".into())),
            Err(SpecError::Host("a\r\nb: c".into()))
        );
        assert_eq!(with(|s| s.statuses.0.clear()), Err(SpecError::NoStatus));
        assert_eq!(
            with(|s| s.timeout = Some(Duration::ZERO)),
            Err(SpecError::Timeout)
        );
        let mut ping = IcmpSpec::ping(IpAddr::from([192, 0, 2, 1]));
        assert_eq!(Spec::Icmp(ping.clone()).validate(), Ok(()));
        ping.payload = 1_453;
        assert_eq!(Spec::Icmp(ping).validate(), Err(SpecError::Payload(1_453)));
    }

    #[test]
    fn specs_survive_serde_and_default() {
        let text = r#"{"type":"http","connect":{"target":"192.0.2.1:8080"},"path":"/health?x=1"}"#;
        let spec: Spec = serde_json::from_str(text).expect("parses");
        assert_eq!(spec, Spec::Http(web()));
        let again = serde_json::to_string(&spec).expect("serializes");
        assert_eq!(serde_json::from_str::<Spec>(&again).expect("parses"), spec);
    }

    #[test]
    fn total_timeout_covers_the_whole_exchange() {
        let connect = Duration::from_secs(3);
        let tcp = Spec::tcp("192.0.2.1:80".parse().expect("address"));
        assert_eq!(tcp.total_timeout(connect), Duration::from_secs(3));
        let mut http = web();
        assert_eq!(
            Spec::Http(http.clone()).total_timeout(connect),
            Duration::from_secs(6)
        );
        http.timeout = Some(Duration::from_secs(4));
        assert_eq!(
            Spec::Http(http).total_timeout(connect),
            Duration::from_secs(4)
        );
    }
}
