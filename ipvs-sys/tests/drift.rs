//! The committed constants are those of the kernel's header.
//!
//! What counts as drift is decided by the version of the headers
//! (`LINUX_VERSION_CODE`, which is in the generated file): from the same
//! version, the constants must be the same, none more, none less. From another
//! version, every constant we have must be there with the same value, and
//! what that header has besides is its own affair: the ABI only ever grows.

use ipvs_sys::regen::{constants, generate};

const COMMITTED: &str = include_str!("../src/abi.rs");
const VERSION: &str = "LINUX_VERSION_CODE";

#[test]
fn committed_constants_are_the_headers() {
    let text =
        generate().expect("bindgen reads <linux/ip_vs.h> (packages: libclang-dev, linux-libc-dev)");
    let (ours, theirs) = (constants(COMMITTED), constants(&text));
    assert!(
        ours.contains_key("IPVS_CMD_NEW_SERVICE") && ours.contains_key(VERSION),
        "the committed file holds constants"
    );
    if ours[VERSION] == theirs[VERSION] {
        assert_eq!(
            ours, theirs,
            "regenerate: cargo run -p ipvs-sys --features regen --example regen"
        );
        return;
    }
    for (name, value) in ours.iter().filter(|(name, _)| **name != VERSION) {
        assert_eq!(
            theirs.get(name),
            Some(value),
            "{name} differs in the installed header"
        );
    }
}
