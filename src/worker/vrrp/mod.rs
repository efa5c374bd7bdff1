//! The vrrp worker.
//!
//! Four threads, so that an advertisement never waits:
//!
//! - **adverts**: sockets, instances, timers, on a runtime of its own. It
//!   makes no rtnetlink request and waits for nobody.
//! - **addresses**: rtnetlink (whose kernel lock can be held for long by
//!   others), gratuitous ARP and neighbour advertisements, the interface
//!   monitor. What it cares for is a level: the addresses that the instances'
//!   roles demand, reconciled with what the kernel says.
//! - **identify**: who sends what it should not, for reports.
//! - **main**: the session with the supervisor.

mod addresses;
mod adverts;
mod engine;
mod identify;
mod messages;
mod ping;

use std::path::Path;

use thiserror::Error;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::messages::{Predecessor, Setup, ToAdverts, ToMain};
use self::ping::Pings;
use super::Kind;
use super::protocol::{self, Snapshot};
use super::session::{self, Event, Heartbeat, Session};

/// The worker cannot start.
#[derive(Debug, Error)]
pub enum Error {
    /// No session with a supervisor.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// A thread cannot be made.
    #[error("cannot start the {name} thread: {source}")]
    Thread {
        /// Which one.
        name: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// Netlink cannot be used.
    #[error(transparent)]
    Addresses(#[from] addresses::Error),
}

/// Runs the worker until it is told to stop. Must be called inside a tokio
/// runtime.
///
/// # Errors
///
/// As [`enum@Error`] says; only at the start.
pub async fn run(runtime_dir: &Path) -> Result<(), Error> {
    let heartbeat = Heartbeat::default();
    let mut session = Session::open(Kind::Vrrp, runtime_dir, heartbeat.clone())?;
    let (to_adverts, adverts_queue) = unbounded_channel();
    let (to_addresses, addresses_queue) = unbounded_channel();
    let (to_main, mut from_threads) = unbounded_channel();
    let thread = |name| move |source| Error::Thread { name, source };
    addresses::spawn(addresses_queue, to_adverts.clone(), to_main)?;
    let pings = Pings::spawn(to_adverts.clone()).map_err(thread("pings"))?;
    let identify = identify::spawn(to_adverts.clone()).map_err(thread("identify"))?;
    adverts::spawn(adverts_queue, to_addresses, identify, heartbeat).map_err(thread("adverts"))?;
    serve(&mut session, &to_adverts, &pings, &mut from_threads).await;
    Ok(())
}

async fn serve(
    session: &mut Session,
    to_adverts: &UnboundedSender<ToAdverts>,
    pings: &Pings,
    from_threads: &mut UnboundedReceiver<ToMain>,
) {
    // The threads end only with the process, so sending does not fail.
    let tell = |message| drop(to_adverts.send(message));
    let mut handing_over = false;
    loop {
        tokio::select! {
            event = session.next() => match event {
                Event::Configure { id, config, resume } => {
                    pings.set(&config.vrrp.trackers);
                    let left = resume.and_then(|resume| left_over(*resume));
                    tell(ToAdverts::Configure {
                        id,
                        setup: Box::new(Setup {
                            instances: config.vrrp_instances,
                            common: config.vrrp,
                            global: config.global,
                        }),
                        left,
                    });
                }
                Event::Report(id) => tell(ToAdverts::Report(Some(id))),
                Event::Measured(measured) => tell(ToAdverts::Measured(measured)),
                Event::Hold { id, order } => tell(ToAdverts::Hold { id, order }),
                // For the scripts worker.
                Event::Told(_) => {}
                Event::Stop => tell(ToAdverts::Stop),
                Event::HandOver => {
                    handing_over = true;
                    tell(ToAdverts::Report(None));
                }
                Event::Unneeded => return,
                Event::Abandoned => {
                    tracing::error!(event = "abandoned", reason = "no supervisor came back");
                    tell(ToAdverts::Stop);
                }
            },
            message = from_threads.recv() => match message {
                Some(ToMain::Report(_, snapshot)) if handing_over => {
                    session.store(Snapshot::Vrrp(*snapshot));
                    tracing::info!(event = "handed_over");
                    return;
                }
                Some(ToMain::Report(id, snapshot)) => {
                    session.snapshot(id, Snapshot::Vrrp(*snapshot));
                }
                Some(ToMain::Done(id, outcome)) => session.done(id, outcome),
                Some(ToMain::Event(happened)) => session.event(happened),
                Some(ToMain::Stopped) => {
                    session.stopped(false).await;
                    return;
                }
                // A thread has died: the supervisor starts us again.
                None => return,
            },
        }
    }
}

/// What a predecessor left, if it was one of ours.
fn left_over(resume: protocol::Resume) -> Option<Box<Predecessor>> {
    let protocol::Resume {
        snapshot,
        alive_until,
    } = resume;
    let Snapshot::Vrrp(snapshot) = snapshot else {
        return None;
    };
    Some(Box::new(Predecessor {
        snapshot,
        alive_until,
    }))
}
