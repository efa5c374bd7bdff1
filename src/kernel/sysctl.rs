//! Kernel parameters under `/proc/sys`.
//!
//! A parameter is named by its path, with slashes: an interface's name may
//! contain dots. Those of `net/` belong to the network namespace of the
//! process.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

/// Where the kernel shows its parameters.
const ROOT: &str = "/proc/sys";
/// Longest value read, in bytes.
const MAX_VALUE: u64 = 4096;

/// A parameter that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt} sysctl {key}: {source}")]
pub struct Error {
    /// What was attempted.
    pub attempt: String,
    /// The parameter.
    pub key: String,
    /// Why it failed.
    pub source: io::Error,
}

impl Error {
    /// Whether the kernel has no such parameter (or the interface is gone).
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// The name of parameter `key` of `interface`, for one IP version.
#[must_use]
pub fn of_interface(ipv6: bool, interface: &str, key: &str) -> String {
    let version = if ipv6 { "ipv6" } else { "ipv4" };
    format!("net/{version}/conf/{interface}/{key}")
}

/// Reads a parameter, without the white space around it.
///
/// # Errors
///
/// When there is none, or it cannot be read.
pub fn read(key: &str) -> Result<String, Error> {
    let attempt = || -> io::Result<String> {
        let mut value = String::new();
        File::open(path(key)?)?
            .take(MAX_VALUE)
            .read_to_string(&mut value)?;
        Ok(value.trim().to_owned())
    };
    attempt().map_err(|source| Error {
        attempt: "read".to_owned(),
        key: key.to_owned(),
        source,
    })
}

/// Reads a parameter that is one number.
///
/// # Errors
///
/// As [`read`], and when it is no number.
pub fn read_number(key: &str) -> Result<i64, Error> {
    let value = read(key)?;
    value.parse().map_err(|_| Error {
        attempt: "understand".to_owned(),
        key: key.to_owned(),
        source: io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{value:?} is not one number"),
        ),
    })
}

/// Writes a parameter, unless it has this value already; says whether it
/// had to.
///
/// # Errors
///
/// When there is none, or the kernel refuses the value.
pub fn write(key: &str, value: &str) -> Result<bool, Error> {
    if read(key)? == value {
        return Ok(false);
    }
    let attempt = || {
        OpenOptions::new()
            .write(true)
            .open(path(key)?)?
            .write_all(value.as_bytes())
    };
    attempt().map(|()| true).map_err(|source| Error {
        attempt: format!("write {value:?} to"),
        key: key.to_owned(),
        source,
    })
}

/// Whether this host routes IPv6 between its interfaces, as seen from
/// `interface`: the router flag of a neighbour advertisement (RFC 4861
/// section 4.4).
///
/// # Errors
///
/// As [`read_number`]; absent where IPv6 is switched off.
pub fn is_ipv6_router(interface: &str) -> Result<bool, Error> {
    Ok(read_number(&of_interface(true, interface, "forwarding"))? != 0)
}

/// The file of a parameter; refuses names that lead out of `/proc/sys`.
fn path(key: &str) -> io::Result<PathBuf> {
    let relative = Path::new(key);
    let plain = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if key.is_empty() || !plain {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not the name of a parameter",
        ));
    }
    Ok(Path::new(ROOT).join(relative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read() {
        assert_eq!(read("kernel/ostype").unwrap(), "Linux");
        assert!(read_number("kernel/pid_max").unwrap() > 0);
        let error = read_number("kernel/ostype").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot understand sysctl kernel/ostype: \"Linux\" is not one number"
        );
        assert!(read("kernel/no_such_thing").unwrap_err().is_absent());
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for key in [
            "",
            "/etc/passwd",
            "../../etc/passwd",
            "net/../../../etc/passwd",
        ] {
            let error = read(key).unwrap_err();
            assert_eq!(error.source.kind(), io::ErrorKind::InvalidInput, "{key}");
        }
    }

    #[test]
    fn the_name_of_an_interface_may_contain_a_dot() {
        assert_eq!(
            of_interface(false, "eth0.7", "arp_ignore"),
            "net/ipv4/conf/eth0.7/arp_ignore"
        );
    }
}
