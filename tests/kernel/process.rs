//! Privileges and kernel parameters.

use lvsd::kernel::privilege::{self, Error};
use lvsd::kernel::rtnl::Rtnl;
use lvsd::kernel::{preflight, sysctl};
use rustix::thread::CapabilitySet;

use crate::namespace::{self, ip, veth};

#[test]
fn a_worker_keeps_what_it_needs_and_nothing_else() {
    namespace::run(
        "process::a_worker_keeps_what_it_needs_and_nothing_else",
        || {
            preflight::privileges().unwrap();
            privilege::confine(privilege::WORKER).unwrap();
            assert_eq!(privilege::effective(), Ok(privilege::WORKER));
            assert_eq!(
                privilege::require(CapabilitySet::SYS_ADMIN),
                Err(Error::Missing(CapabilitySet::SYS_ADMIN))
            );
            let bounded = rustix::thread::capability_is_in_bounding_set;
            assert_eq!(bounded(CapabilitySet::SYS_ADMIN), Ok(false));
            assert_eq!(bounded(CapabilitySet::NET_ADMIN), Ok(true));
            // Programs gain nothing, and netlink still obeys.
            veth();
            assert!(Rtnl::open().unwrap().link_by_name("v0").unwrap().is_some());
            assert!(
                !std::process::Command::new("unshare")
                    .args(["-m", "true"])
                    .status()
                    .unwrap()
                    .success()
            );
            // Once more with less: the capabilities that remain can go too.
            privilege::confine(CapabilitySet::empty()).unwrap();
            assert_eq!(
                privilege::require(privilege::WORKER),
                Err(Error::Missing(privilege::WORKER))
            );
            assert!(
                preflight::privileges()
                    .unwrap_err()
                    .to_string()
                    .contains("CAP_NET_ADMIN")
            );
        },
    );
}

#[test]
fn parameters_of_an_interface_are_read_and_written() {
    namespace::run(
        "process::parameters_of_an_interface_are_read_and_written",
        || {
            veth();
            ip("link add link v0 name v0.7 type veth peer name v7");
            let key = sysctl::of_interface(false, "v0.7", "arp_ignore");
            assert_eq!(sysctl::read_number(&key).unwrap(), 0);
            assert!(sysctl::write(&key, "1").unwrap());
            assert!(!sysctl::write(&key, "1").unwrap());
            assert_eq!(sysctl::read(&key).unwrap(), "1");
            assert!(!sysctl::is_ipv6_router("v0").unwrap());
            sysctl::write(&sysctl::of_interface(true, "v0", "forwarding"), "1").unwrap();
            assert!(sysctl::is_ipv6_router("v0").unwrap());
            let error = sysctl::write(&key, "many").unwrap_err().to_string();
            assert!(
                error.starts_with(
                    "cannot write \"many\" to sysctl net/ipv4/conf/v0.7/arp_ignore: Invalid"
                ),
                "{error}"
            );
            assert!(sysctl::is_ipv6_router("v9").unwrap_err().is_absent());
        },
    );
}
