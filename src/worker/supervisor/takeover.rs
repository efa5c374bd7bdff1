//! At the start: take over from workers whose supervisor died or left, and find
//! what they left.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::store::{self, Left};
use crate::kernel::clock;
use crate::kernel::lock;
use crate::worker::Kind;

/// How long an orphaned worker may take to store its state and go.
const PATIENCE: Duration = Duration::from_secs(2);
/// Nobody advertises between the end of the one and the start of the other.
const POLL: Duration = Duration::from_millis(1);

/// Ends an orphaned worker of this kind, if there is one, leaving all it holds
/// in place, and returns its last state.
pub async fn take_over(kind: Kind, runtime_dir: &Path) -> Option<Left> {
    let lock = kind.lock_file(runtime_dir);
    let started = clock::monotonic_now();
    let mut asked = false;
    let mut killed = false;
    loop {
        let held = match lock::acquire(&lock) {
            Ok(_free) => break,
            Err(held) => held,
        };
        let waited = clock::monotonic_now().since(started);
        if let (lock::Error::Held { pid: Some(pid), .. }, false) = (&held, killed) {
            if !asked {
                tracing::info!(event = "taking_over", worker = %kind, pid);
                super::signal(*pid, Signal::USR1);
                asked = true;
            } else if waited > PATIENCE {
                tracing::error!(event = "orphan_killed", worker = %kind, pid);
                super::signal(*pid, Signal::KILL);
                killed = true;
            }
        } else if waited > (if asked { PATIENCE * 2 } else { PATIENCE / 8 }) {
            // The new worker will say the same, and be started again.
            tracing::error!(event = "orphan_stays", worker = %kind, error = %held);
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    match store::load(&kind.state_file(runtime_dir)) {
        Ok(left) => left,
        Err(error) => {
            tracing::warn!(event = "state_not_read", worker = %kind, %error);
            None
        }
    }
}
