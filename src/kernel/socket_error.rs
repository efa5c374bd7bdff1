//! What the system calls on raw sockets fail with.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// A system call on a raw socket that failed, and what was attempted with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {attempt}: {errno}")]
pub struct SocketError {
    /// What was attempted, as a phrase that follows "cannot": "join 224.0.0.18 on interface 3".
    pub attempt: String,
    /// What the kernel answered.
    pub errno: Errno,
}

impl SocketError {
    pub(super) fn new(attempt: impl fmt::Display, errno: impl RawErrno) -> Self {
        Self {
            attempt: attempt.to_string(),
            errno: errno.errno(),
        }
    }

    /// Whether the interface is down (`ENETDOWN`), or leads nowhere (`ENETUNREACH`, which is also
    /// what sending by an interface that is down gives): the link's state says the rest.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.errno, Errno::NETDOWN | Errno::NETUNREACH)
    }

    /// Whether there is no such interface: it was deleted, and a new one of the same name has
    /// another index.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.errno, Errno::NODEV | Errno::NXIO)
    }

    /// Whether the socket's or the interface's queue is full, so that the same call may succeed in
    /// a moment.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.errno, Errno::AGAIN | Errno::NOBUFS)
    }
}

/// The three kinds of error numbers that the crates for system calls give.
pub(super) trait RawErrno {
    fn errno(self) -> Errno;
}

impl RawErrno for Errno {
    fn errno(self) -> Errno {
        self
    }
}

impl RawErrno for nix::errno::Errno {
    fn errno(self) -> Errno {
        Errno::from_raw_os_error(self as i32)
    }
}

impl RawErrno for io::Error {
    fn errno(self) -> Errno {
        Errno::from_io_error(&self).unwrap_or(Errno::IO)
    }
}
