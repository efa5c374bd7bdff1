//! What is shown to people: the demo and the shell.

use crate::failure::Result;
use crate::net::Lab;

/// Tells the story of a failover.
pub fn demo(_lab: &mut Lab) -> Result<()> {
    Ok(())
}

/// Leaves the user inside the running site.
pub fn shell(_lab: &mut Lab) -> Result<()> {
    Ok(())
}
