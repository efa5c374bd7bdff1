//! What is said of a change, to whom, and in which order: pure.
//!
//! What belongs here: which programs an event runs and what a newer event makes of those
//! that wait ([`Outbox`]), the line a FIFO gets, the letter a person gets. What does not:
//! running, writing and sending, which is the scripts worker's.

mod letter;
mod outbox;

use crate::model::{Event, Subject};

pub use letter::{Letter, letter};
pub use outbox::{Job, Outbox, Telling};

/// `INSTANCE` or `GROUP`, the name, and the priority that is told (groups have none: 0).
fn words(event: &Event) -> (&'static str, &str, u8) {
    match &event.subject {
        Subject::Instance(name) => ("INSTANCE", name, event.priority),
        Subject::Group(name) => ("GROUP", name, 0),
    }
}

/// The line that a FIFO gets, with its line feed.
#[must_use]
pub fn line(event: &Event) -> String {
    let (kind, name, priority) = words(event);
    format!("{kind} \"{name}\" {} {priority}\n", event.what.word())
}

/// What a program for all events gets as its last arguments.
#[must_use]
pub fn arguments(event: &Event) -> [String; 4] {
    let (kind, name, priority) = words(event);
    let word = event.what.word();
    [kind.into(), name.into(), word.into(), priority.to_string()]
}
