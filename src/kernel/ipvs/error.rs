//! What can go wrong with the kernel's table, and what to do about it.

use ipvs_sys::{Request, Service};
use rustix::io::Errno;

use crate::kernel::netlink::{self, Refusal};

/// An attempt on the kernel's IPVS that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The kernel has no IPVS, or not yet.
    #[error("the kernel has no IPVS: the module ip_vs is not loaded (modprobe ip_vs)")]
    NotInKernel,
    /// The kernel has not what a service asks for, and could not load it.
    #[error("cannot {attempt}: the kernel has no {missing}")]
    NoModule {
        /// What was attempted: "add service TCP 192.0.2.1:80 rr".
        attempt: String,
        /// What it lacks, and the module that has it.
        missing: String,
    },
    /// The kernel refused one request.
    #[error("cannot {attempt}: {refusal}")]
    Refused {
        /// What was attempted.
        attempt: String,
        /// The kernel's answer.
        refusal: Refusal,
    },
    /// The kernel agreed, and did not answer the question.
    #[error("cannot {attempt}: the kernel's answer does not say")]
    Unanswered {
        /// What was attempted.
        attempt: String,
    },
    /// The exchange failed.
    #[error(transparent)]
    Netlink(#[from] netlink::Error),
}

/// What to do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The table is not what we thought, or nothing is known: read it and
    /// compare again, at once.
    ObserveAgain,
    /// The kernel could not, for now.
    RetryLater,
    /// It will not work until an administrator changes something: say so.
    Degraded,
}

impl Error {
    pub(super) fn refused(request: &Request, refusal: Refusal) -> Self {
        let attempt = request.to_string();
        match request {
            Request::AddService(service) | Request::EditService(service)
                if refusal.errno == Errno::NOENT =>
            {
                Self::NoModule {
                    attempt,
                    missing: parts_of(service),
                }
            }
            _ => Self::Refused { attempt, refusal },
        }
    }

    /// The kernel's error number, when it refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::NotInKernel | Self::NoModule { .. } => Some(Errno::NOENT),
            Self::Refused { refusal, .. } => Some(refusal.errno),
            Self::Unanswered { .. } => None,
            Self::Netlink(error) => error.refused(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::NotInKernel | Self::NoModule { .. } => Action::Degraded,
            Self::Unanswered { .. } => Action::RetryLater,
            Self::Netlink(error) if error.observe_again() => Action::ObserveAgain,
            Self::Refused { .. } | Self::Netlink(_) => {
                self.errno().map_or(Action::Degraded, advice)
            }
        }
    }
}

fn advice(errno: Errno) -> Action {
    match errno {
        // There already, or gone: somebody else was at the table.
        Errno::EXIST | Errno::SRCH | Errno::NOENT => Action::ObserveAgain,
        Errno::NOMEM | Errno::NOBUFS | Errno::AGAIN | Errno::BUSY | Errno::INTR => {
            Action::RetryLater
        }
        _ => Action::Degraded,
    }
}

/// What of `service` comes from a module of its own.
fn parts_of(service: &Service) -> String {
    let name = &service.scheduler;
    let scheduler = format!("scheduler {name} (module ip_vs_{name})");
    match &service.pe_name {
        None => scheduler,
        Some(name) => {
            format!("{scheduler}, or no persistence engine {name} (module ip_vs_pe_{name})")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ipvs_sys::{Protocol, ServiceId};

    use super::*;

    fn web() -> Service {
        let id = ServiceId::Addr {
            protocol: Protocol::Tcp,
            address: "192.0.2.1:80".parse().unwrap(),
        };
        Service::new(id, "lblcr")
    }

    fn refusal(errno: Errno) -> Refusal {
        Refusal { errno, text: None }
    }

    #[test]
    fn a_missing_scheduler_is_named_with_its_module() {
        let error = Error::refused(&Request::AddService(web()), refusal(Errno::NOENT));
        assert_eq!(
            error.to_string(),
            "cannot add service TCP 192.0.2.1:80 lblcr: \
             the kernel has no scheduler lblcr (module ip_vs_lblcr)"
        );
        assert_eq!(error.action(), Action::Degraded);
    }

    #[test]
    fn refusals_say_what_was_attempted_and_what_to_do() {
        for (errno, action) in [
            (Errno::EXIST, Action::ObserveAgain),
            (Errno::NOMEM, Action::RetryLater),
            (Errno::PERM, Action::Degraded),
        ] {
            let error = Error::refused(&Request::AddService(web()), refusal(errno));
            assert_eq!(error.action(), action, "{error}");
            assert_eq!(error.errno(), Some(errno));
            assert!(
                error
                    .to_string()
                    .starts_with("cannot add service TCP 192.0.2.1:80 lblcr: "),
                "{error}"
            );
        }
    }

    #[test]
    fn a_missing_answer_asks_for_another_look() {
        let error = Error::from(netlink::Error {
            attempt: "list services".to_owned(),
            kind: netlink::ErrorKind::Timeout(Duration::from_secs(5)),
        });
        assert_eq!(error.action(), Action::ObserveAgain);
        assert_eq!(error.errno(), None);
    }
}
