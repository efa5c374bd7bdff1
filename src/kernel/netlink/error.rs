//! What can go wrong on a netlink socket, and what to do about it.

use std::time::Duration;

use rustix::io::Errno;

use super::wire::{Malformed, Refusal};

/// A netlink exchange that failed, and what was attempted with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {attempt}: {kind}")]
pub struct Error {
    /// What was attempted, as a phrase that follows "cannot": "list links".
    pub attempt: String,
    /// What happened.
    pub kind: ErrorKind,
}

/// What happened to a netlink exchange.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// A system call on the socket failed. Nothing is known about the
    /// requests under way.
    #[error("{call} on a netlink socket: {errno}")]
    Socket {
        /// The system call.
        call: &'static str,
        /// Its error number.
        errno: Errno,
    },
    /// The kernel refused the request.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Answers were lost because the receive buffer was full (`ENOBUFS`).
    #[error("the kernel's answers did not fit the receive buffer, observe again")]
    Overrun,
    /// The acknowledgement, or the rest of a dump, did not come.
    #[error("the kernel did not answer within {0:?}")]
    Timeout(Duration),
    /// A dump was overtaken by changes (`NLM_F_DUMP_INTR`) every time.
    #[error("the table changed while it was read, {0} times in a row")]
    Interrupted(u32),
    /// A request that fits no `sendmsg`.
    #[error("a request of {0} bytes is too long")]
    TooLong(usize),
    /// An answer that cannot be understood.
    #[error("the kernel's answer is malformed: {0}")]
    Malformed(#[from] Malformed),
}

impl Error {
    /// The error number, when the kernel refused the request itself.
    #[must_use]
    pub fn refused(&self) -> Option<Errno> {
        match &self.kind {
            ErrorKind::Refused(refusal) => Some(refusal.errno),
            _ => None,
        }
    }

    /// Whether it is unknown what the kernel did, so that the state has to be
    /// read again before anything is decided.
    #[must_use]
    pub fn observe_again(&self) -> bool {
        !matches!(self.kind, ErrorKind::Refused(_) | ErrorKind::TooLong(_))
    }
}
