//! What must hold on this host before the daemon starts, and what to tell
//! its operator when it does not.

use std::collections::BTreeSet;
use std::fmt;
use std::process::Command;

use super::privilege;
use super::rtnl::Link;

/// How alike a name must be to be suggested, 0 to 1.
const ALIKE: f64 = 0.7;

/// Something that keeps the daemon from starting. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not root.
    #[error("lvsd must be started as root ({0}); try: sudo lvsd run")]
    NotRoot(privilege::Error),
    /// The kernel has no ip_vs and cannot be made to load it.
    #[error(
        "this kernel has no ip_vs: {0}\n\
         lvsd needs the kernel module ip_vs. Load it now with\n    \
         modprobe ip_vs\n\
         and at every boot with\n    \
         echo ip_vs > /etc/modules-load.d/ipvs.conf\n\
         A kernel that was built without it (CONFIG_IP_VS), and a container whose host has not \
         loaded it, cannot do either."
    )]
    NoIpVs(String),
    /// The kernel did not answer whether it has ip_vs.
    #[error("cannot find out whether this kernel has ip_vs: {0}")]
    IpVsUnknown(String),
    /// A configured interface does not exist.
    #[error("there is no interface {name:?}{}; this host has {}", did_you_mean(.suggestion), list(.existing))]
    NoInterface {
        /// The configured name.
        name: String,
        /// Names of the interfaces there are.
        existing: Vec<String>,
        /// One that may have been meant.
        suggestion: Option<String>,
    },
}

/// Makes sure that this process may do what the daemon does.
///
/// # Errors
///
/// [`Problem::NotRoot`] with the capabilities that are missing.
pub fn privileges() -> Result<(), Problem> {
    privilege::require(privilege::WORKER).map_err(Problem::NotRoot)
}

/// Makes sure that the kernel has ip_vs, by `modprobe` if need be. `present`
/// asks the kernel for the IPVS family of generic netlink.
///
/// # Errors
///
/// [`Problem::NoIpVs`] with what `modprobe` said; [`Problem::IpVsUnknown`]
/// when `present` fails.
pub fn ip_vs<E: fmt::Display>(present: impl FnMut() -> Result<bool, E>) -> Result<(), Problem> {
    ip_vs_with(present, modprobe)
}

fn ip_vs_with<E: fmt::Display>(
    mut present: impl FnMut() -> Result<bool, E>,
    load: impl FnOnce() -> Result<(), String>,
) -> Result<(), Problem> {
    let mut there = || present().map_err(|error| Problem::IpVsUnknown(error.to_string()));
    if there()? {
        return Ok(());
    }
    let loaded = load();
    if there()? {
        return Ok(());
    }
    Err(Problem::NoIpVs(loaded.err().unwrap_or_else(|| {
        "`modprobe ip_vs` had no effect".to_owned()
    })))
}

/// Loads ip_vs with `modprobe`.
fn modprobe() -> Result<(), String> {
    let output = Command::new("modprobe")
        .arg("ip_vs")
        .output()
        .map_err(|error| format!("cannot run `modprobe ip_vs`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let line = words.lines().next().unwrap_or_default();
    Err(format!("`modprobe ip_vs` failed: {line}"))
}

/// One [`Problem::NoInterface`] for each name of `wanted` that is not in
/// `links`, in order and without repetition.
#[must_use]
pub fn interfaces<'a>(links: &[Link], wanted: impl IntoIterator<Item = &'a str>) -> Vec<Problem> {
    let existing: BTreeSet<&str> = links.iter().map(|link| link.name.as_str()).collect();
    let wanted: BTreeSet<&str> = wanted.into_iter().collect();
    wanted
        .difference(&existing)
        .map(|name| Problem::NoInterface {
            name: (*name).to_owned(),
            existing: existing.iter().map(|name| (*name).to_owned()).collect(),
            suggestion: closest(name, &existing).map(str::to_owned),
        })
        .collect()
}

/// The name of `existing` that is most like `name`, if one is alike enough.
#[must_use]
pub fn closest<'a>(name: &str, existing: &BTreeSet<&'a str>) -> Option<&'a str> {
    existing
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn link(name: &str) -> Link {
        Link {
            index: 1,
            name: name.to_owned(),
            up: true,
            carrier: true,
            running: true,
            loopback: false,
            arp: true,
            multicast: true,
            mac: None,
            mtu: 1500,
            parent: None,
            master: None,
            kind: None,
            ours: false,
        }
    }

    #[test]
    fn a_missing_interface_is_named_with_what_there_is() {
        let links = [link("lo"), link("enp3s0")];
        let problems = interfaces(&links, ["enp3s1", "lo", "wlan7", "wlan7"]);
        let told: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(
            told,
            [
                "there is no interface \"enp3s1\" (did you mean \"enp3s0\"?); \
                 this host has enp3s0, lo",
                "there is no interface \"wlan7\"; this host has enp3s0, lo",
            ]
        );
        assert!(
            interfaces(&[], ["eth0"])[0]
                .to_string()
                .ends_with("this host has none")
        );
    }

    #[test]
    fn ip_vs_is_loaded_only_if_it_is_missing() {
        let loaded = Cell::new(false);
        let load = || {
            loaded.set(true);
            Ok(())
        };
        ip_vs_with(|| Ok::<_, String>(true), load).unwrap();
        assert!(!loaded.get());
        ip_vs_with(|| Ok::<_, String>(loaded.get()), load).unwrap();
        assert!(loaded.get());
    }

    #[test]
    fn a_kernel_without_ip_vs_is_told_with_the_remedy() {
        let absent = || Ok::<_, String>(false);
        let refused = || Err("`modprobe ip_vs` failed: module not found".to_owned());
        let told = ip_vs_with(absent, refused).unwrap_err().to_string();
        assert!(
            told.starts_with(
                "this kernel has no ip_vs: `modprobe ip_vs` failed: module not found\n"
            )
        );
        assert!(told.contains("\n    echo ip_vs > /etc/modules-load.d/ipvs.conf\n"));
        let told = ip_vs_with(absent, || Ok(())).unwrap_err().to_string();
        assert!(told.contains("`modprobe ip_vs` had no effect"));
        let unknown = ip_vs_with(|| Err("no socket"), || Ok(())).unwrap_err();
        assert_eq!(unknown, Problem::IpVsUnknown("no socket".to_owned()));
    }
}
