//! `accept = false`: packets to virtual addresses that are for this host are
//! dropped.
//!
//! What is refused follows from the configuration alone, not from the roles: a
//! Backup does not have the addresses, so the rules match nothing there, and a
//! new Master has them before it has the addresses. The filter is a level like all
//! else: replaced as a whole, looked at every [`RESYNC`], repaired.
//!
//! `nft` runs on a thread of its own, for a program may take its time.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::kernel::nft::{self, Refused};

/// The filter is looked at this often.
const RESYNC: Duration = Duration::from_secs(30);
/// How long the end waits for the filter to be gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// The thread that keeps the filter.
#[derive(Debug)]
pub struct Firewall {
    outcomes: UnboundedSender<Outcome>,
    thread: Option<Sender<Order>>,
    wanted: Refused,
    /// A predecessor has left one.
    adopted: bool,
}

/// Whether the filter is as it should be; if not, why.
pub type Outcome = Result<(), String>;

#[derive(Debug)]
struct Order {
    refused: Refused,
    done: Option<Sender<()>>,
}

impl Firewall {
    /// Tells `outcomes` what became of it, whenever that changes.
    pub fn new(outcomes: UnboundedSender<Outcome>) -> Self {
        Self {
            outcomes,
            thread: None,
            wanted: Refused::default(),
            adopted: false,
        }
    }

    /// A predecessor has left a filter: it is ours to remove.
    pub fn adopt(&mut self) {
        self.adopted = true;
    }

    /// Whether there may be a filter of ours.
    pub fn is_used(&self) -> bool {
        !self.wanted.is_empty() || self.adopted
    }

    /// These are refused from now on.
    pub fn set(&mut self, refused: Refused) {
        if refused == self.wanted && !std::mem::take(&mut self.adopted) {
            return;
        }
        self.wanted = refused.clone();
        self.order(refused, None);
    }

    /// Takes the filter away, and waits for that.
    pub fn end(&mut self) {
        if self.thread.is_none() {
            return;
        }
        let (done, wait) = mpsc::channel();
        self.wanted = Refused::default();
        self.order(Refused::default(), Some(done));
        if wait.recv_timeout(PATIENCE).is_err() {
            tracing::warn!(event = "firewall_left", reason = "`nft` does not answer");
        }
    }

    fn order(&mut self, refused: Refused, done: Option<Sender<()>>) {
        // A thread that could not be started is tried again with the next order.
        if let Some(thread) = self.start() {
            let _ = thread.send(Order { refused, done });
        }
    }

    fn start(&mut self) -> Option<&Sender<Order>> {
        if self.thread.is_none() {
            let (orders, queue) = mpsc::channel();
            let outcomes = self.outcomes.clone();
            let thread = std::thread::Builder::new()
                .name("firewall".into())
                .spawn(move || keep(&queue, &outcomes));
            match thread {
                Ok(_) => self.thread = Some(orders),
                Err(error) => {
                    let reason = format!("cannot start the firewall thread: {error}");
                    let _ = self.outcomes.send(Err(reason));
                }
            }
        }
        self.thread.as_ref()
    }
}

/// Keeps the filter as ordered until there are no more orders.
fn keep(orders: &mpsc::Receiver<Order>, outcomes: &UnboundedSender<Outcome>) {
    let mut refused = Refused::default();
    let mut shown = None;
    let mut told = Ok(());
    loop {
        let pause = if refused.is_empty() && told.is_ok() {
            Duration::MAX
        } else {
            RESYNC
        };
        let order = match orders.recv_timeout(pause) {
            Ok(order) => Some(order),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let ordered = order.is_some();
        let done = order.and_then(|order| {
            refused = order.refused;
            order.done
        });
        let outcome = level(&refused, &mut shown, ordered).map_err(|error| error.to_string());
        if outcome != told {
            match &outcome {
                Ok(()) => tracing::info!(event = "firewall_set"),
                Err(error) => tracing::error!(event = "firewall_failed", %error),
            }
            told.clone_from(&outcome);
            // The address thread ends only with the process.
            let _ = outcomes.send(outcome);
        }
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}

fn level(refused: &Refused, shown: &mut Option<String>, ordered: bool) -> Result<(), nft::Error> {
    if refused.is_empty() {
        *shown = None;
        return nft::remove();
    }
    if !ordered && shown.is_some() {
        let present = nft::shown()?;
        if present == *shown {
            return Ok(());
        }
        tracing::warn!(event = "firewall_repaired");
    }
    *shown = None;
    nft::replace(refused)?;
    *shown = nft::shown()?;
    Ok(())
}
