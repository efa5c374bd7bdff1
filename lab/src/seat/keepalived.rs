//! keepalived in a director's seat.

use nix::sys::signal::Signal;

use crate::failure::Result;
use crate::net::{Daemon, Host};

const KEEPALIVED_FILE: &str = "/run/lab/keepalived.conf";

/// Starts keepalived in a seat with this configuration.
///
/// # Errors
/// When it cannot be started.
pub fn keepalived(host: &Host, configuration: &str) -> Result<Daemon> {
    host.write(KEEPALIVED_FILE, configuration)?;
    host.spawn(
        "keepalived",
        &["keepalived", "-n", "-l", "-D", "-f", KEEPALIVED_FILE],
    )
}

/// Makes keepalived read another configuration.
///
/// # Errors
/// When the file cannot be written or keepalived has ended.
pub fn reload_keepalived(host: &Host, daemon: &Daemon, configuration: &str) -> Result<()> {
    host.write(KEEPALIVED_FILE, configuration)?;
    daemon.kill(Signal::SIGHUP)
}
