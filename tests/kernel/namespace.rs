//! A network namespace of its own for each test: the test's binary runs
//! itself again, for that one test, under `unshare`.

use std::process::Command;
use std::time::{Duration, Instant};

/// Set in the namespace.
const INSIDE: &str = "LVSD_TEST_NAMESPACE";

/// Runs `test` in a fresh network namespace, as root there. `name` is the
/// name of the calling test.
///
/// # Panics
///
/// When `test` fails, and when the namespace cannot be made: never skips.
pub fn run(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    // A user namespace gives those who are not root the privileges of root
    // in the new network namespace.
    let flags = if rustix::process::geteuid().is_root() {
        "-n"
    } else {
        "-Urn"
    };
    let probe = Command::new("unshare").args([flags, "true"]).output();
    let made = probe.as_ref().is_ok_and(|output| output.status.success());
    assert!(
        made,
        "cannot make a network namespace with `unshare {flags}` (package util-linux): {probe:?}\n\
         Run the tests as root, or allow user namespaces: \
         sysctl -w kernel.unprivileged_userns_clone=1 (Debian), \
         sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)"
    );
    let output = Command::new("unshare")
        .arg(flags)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{name} failed in its namespace:\n{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs `ip` (package iproute2) with the words of `arguments`.
///
/// # Panics
///
/// When it fails.
pub fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("`ip` of package iproute2 runs");
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes a pair of virtual Ethernet interfaces, `v0` and `v1`, both up.
pub fn veth() {
    ip("link add v0 type veth peer name v1");
    ip("link set v0 up");
    ip("link set v1 up");
}

/// Waits until `holds`: the kernel tells of carriers when it gets to it.
///
/// # Panics
///
/// When it does not within five seconds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(5), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
