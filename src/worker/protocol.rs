//! What supervisor and workers say to each other.
//!
//! One JSON document per frame (see [`super::channel`]). Every request of the
//! supervisor that wants an answer carries an `id`, and the answer repeats it.

use mono::Mono;
use serde::{Deserialize, Serialize};

use crate::model::{self, Measured, Update};
use crate::status::{CheckerSnapshot, ScriptsSnapshot, VrrpSnapshot};

/// From the supervisor to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// Are you alive? Answered with [`FromWorker::Hello`].
    Hello {
        /// Counts up; repeated in the answer.
        seq: u64,
    },
    /// Run this configuration from now on, by difference to the one before,
    /// then compare everything with the kernel.
    Configure {
        /// Request id.
        id: u64,
        /// The worker's part of the validated configuration, as the difference
        /// to what it was sent before (at its start: to nothing).
        update: Box<Update>,
        /// At the start of a worker: what its predecessor left.
        resume: Option<Box<Resume>>,
    },
    /// Send a fresh [`FromWorker::Snapshot`].
    Report {
        /// Request id.
        id: u64,
    },
    /// To the vrrp worker: the last result of something tracked elsewhere.
    Measured(Measured),
    /// To the vrrp worker: change who holds what. Answered with
    /// [`FromWorker::Done`] when it is done, or was refused.
    Hold {
        /// Request id.
        id: u64,
        /// What.
        order: Order,
    },
    /// To the scripts worker: something happened; tell whoever wants to know.
    Event(model::Event),
    /// The supervisor leaves, and another one will come: go on alone, and keep
    /// what there is to tell. Answered with [`FromWorker::Detached`], the last
    /// message.
    Detach,
    /// Give everything up in good order, say [`FromWorker::Stopped`], exit.
    Stop,
}

/// Who holds the virtual addresses, as an operator orders it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Give this instance up, or all (`None`), to whoever takes it, and stay willing.
    Failover(Option<String>),
    /// Give everything up and take no part until it is off again.
    Maintenance(bool),
}

/// What a predecessor left behind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resume {
    /// Its last snapshot.
    pub snapshot: Snapshot,
    /// The last moment at which it is known to have been working.
    pub alive_until: Mono,
}

/// From a worker to the supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// Answer to [`ToWorker::Hello`].
    Hello {
        /// The number of the question.
        seq: u64,
        /// When the part of the worker that must never stall was last seen
        /// working (in the vrrp worker the advert thread).
        working: Mono,
    },
    /// The state of the worker: on request, and unasked when it changed.
    Snapshot {
        /// The request's id, none when unasked.
        id: Option<u64>,
        /// The state.
        snapshot: Box<Snapshot>,
    },
    /// From whoever measures: a new result of a tracker.
    Measured(Measured),
    /// From the vrrp worker: something happened to an instance or a group.
    Event(model::Event),
    /// Answer to [`ToWorker::Configure`] and [`ToWorker::Hold`].
    Done {
        /// The request's id.
        id: u64,
        /// What was done, in words; or what could not be done.
        outcome: Result<String, String>,
    },
    /// Answer to [`ToWorker::Detach`].
    Detached,
    /// Nothing more is done; the process is about to exit.
    Stopped {
        /// Something of ours was left in place, on purpose or because it
        /// could not be removed: whoever starts next has to know about it.
        left: bool,
    },
}

/// The state of a worker, enough to report it and to resume from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Snapshot {
    /// Of the vrrp worker.
    Vrrp(VrrpSnapshot),
    /// Of the checker worker.
    Checker(CheckerSnapshot),
    /// Of the scripts worker.
    Scripts(ScriptsSnapshot),
}

impl Snapshot {
    /// When it was made.
    #[must_use]
    pub fn taken(&self) -> Mono {
        match self {
            Self::Vrrp(snapshot) => snapshot.taken,
            Self::Checker(snapshot) => snapshot.taken,
            Self::Scripts(snapshot) => snapshot.taken,
        }
    }
}
