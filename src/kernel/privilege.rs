//! Which privileges this process has, and giving them up.
//!
//! Capabilities belong to threads: [`confine`] must run before a process
//! starts any other thread, or those keep theirs.

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

/// What a worker keeps: netlink and addresses, raw sockets.
pub const WORKER: CapabilitySet = CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW);

/// A privilege that is missing or could not be given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Needed and not there.
    #[error("this process lacks {}", names(*.0))]
    Missing(CapabilitySet),
    /// A system call failed.
    #[error("cannot {attempt}: {errno}")]
    System {
        /// What was attempted.
        attempt: &'static str,
        /// Why it failed.
        errno: Errno,
    },
}

/// Whether this process runs as root (effective user 0).
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The capabilities in effect for this thread.
///
/// # Errors
///
/// When the kernel does not tell.
pub fn effective() -> Result<CapabilitySet, Error> {
    Ok(current()?.effective)
}

/// Makes sure that this thread has all capabilities of `needed`.
///
/// # Errors
///
/// [`Error::Missing`] with those it lacks.
pub fn require(needed: CapabilitySet) -> Result<(), Error> {
    let missing = needed.difference(effective()?);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::Missing(missing))
    }
}

/// Gives up every capability but `keep`, for good: the bounding set too, and
/// no program this process runs gets any back (`PR_SET_NO_NEW_PRIVS`).
///
/// # Errors
///
/// [`Error::Missing`], with nothing changed, when `keep` is more than there
/// is; [`Error::System`] when the kernel refuses, with some already given up.
pub fn confine(keep: CapabilitySet) -> Result<(), Error> {
    let now = current()?;
    let missing = keep.difference(now.permitted);
    if !missing.is_empty() {
        return Err(Error::Missing(missing));
    }
    // Without this capability the bounding set stays as it is; the other two
    // suffice to keep programs from gaining anything.
    if now.effective.contains(CapabilitySet::SETPCAP) {
        bound(keep)?;
    }
    rustix::thread::clear_ambient_capability_set()
        .map_err(failed("clear the ambient capabilities"))?;
    rustix::thread::set_no_new_privs(true).map_err(failed("renounce new privileges"))?;
    let sets = CapabilitySets {
        effective: keep,
        permitted: keep,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).map_err(failed("give up capabilities"))
}

/// Takes all but `keep` out of the bounding set.
fn bound(keep: CapabilitySet) -> Result<(), Error> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match rustix::thread::capability_is_in_bounding_set(capability) {
            Ok(true) if !keep.contains(capability) => {
                rustix::thread::remove_capability_from_bounding_set(capability)
                    .map_err(failed("shrink the capability bounding set"))?;
            }
            Ok(_) => {}
            // Past the last capability this kernel has.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(failed("read the capability bounding set")(errno)),
        }
    }
    Ok(())
}

fn current() -> Result<CapabilitySets, Error> {
    rustix::thread::capabilities(None).map_err(failed("read the capabilities of this process"))
}

fn names(set: CapabilitySet) -> String {
    let names: Vec<_> = set
        .iter_names()
        .map(|(name, _)| format!("CAP_{name}"))
        .collect();
    names.join(" and ")
}

fn failed(attempt: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::System { attempt, errno }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            Error::Missing(WORKER).to_string(),
            "this process lacks CAP_NET_ADMIN and CAP_NET_RAW"
        );
        assert_eq!(require(CapabilitySet::empty()), Ok(()));
        let impossible = CapabilitySet::from_bits_retain(1 << 63);
        assert_eq!(require(impossible), Err(Error::Missing(impossible)));
        assert_eq!(confine(impossible), Err(Error::Missing(impossible)));
    }
}
