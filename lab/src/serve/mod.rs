//! The web servers of the site.

mod nginx;
mod odd;

pub use nginx::Nginx;
pub(crate) use nginx::configuration as nginx_configuration;
pub use odd::{Behaviour, OddServer};

use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::net::Host;

/// Fetches a page with curl and returns its body without surrounding white space.
///
/// # Errors
/// What curl says, when the page cannot be fetched within three seconds.
pub fn curl(client: &Host, url: &str) -> Result<String> {
    let command = ["curl", "-sS", "--max-time", "3", url];
    let output = client.try_run(&command, Duration::from_secs(10))?;
    if output.code == Some(0) {
        return Ok(output.stdout.trim().to_owned());
    }
    Err(Failure::said(output.stderr.trim()))
}
