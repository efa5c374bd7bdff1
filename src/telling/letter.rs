//! What a person is told. Subjects and bodies are keepalived's, so that filters of
//! operators who come from there go on working; the reason is added below.

use serde::{Deserialize, Serialize};

use crate::model::{Event, Subject, What};

/// A mail to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// When it happened: seconds of Unix time.
    pub at: u64,
    /// The event's number: with `at`, it makes the letter one and the same however often
    /// it is sent.
    pub sequence: u64,
}

/// The letter about an event that happened at `at`.
#[must_use]
pub fn letter(router_id: &str, event: &Event, at: u64) -> Letter {
    let (kind, name) = match &event.subject {
        Subject::Instance(name) => ("Instance", name),
        Subject::Group(name) => ("Group", name),
    };
    let group = matches!(event.subject, Subject::Group(_));
    let (happened, body) = match (event.what, group) {
        (What::Master, false) => (
            "Entering MASTER state",
            "VRRP Instance is now owning VRRP VIPs",
        ),
        (What::Backup, false) => ("Entering BACKUP state", NO_LONGER),
        (What::Fault, false) => ("Entering FAULT state", NO_LONGER),
        (What::Stop, false) => ("Stopping", "VRRP Instance stopping"),
        (What::Master, true) => (
            "Entering MASTER state",
            "All VRRP group instances are now in MASTER state",
        ),
        (What::Backup, true) => (
            "Entering BACKUP state",
            "All VRRP group instances are now in BACKUP state",
        ),
        (What::Fault, true) => (
            "Entering FAULT state",
            "All VRRP group instances are now in FAULT state",
        ),
        (What::Stop, true) => ("Stopping", "All VRRP group instances are now stopping"),
        (What::Deleted, _) => ("Deleted", "VRRP Deleted at reload"),
        (What::MasterRxLowerPri | What::MasterPriority | What::BackupPriority, _) => {
            (event.what.word(), event.what.word())
        }
    };
    let mut body = format!("=> {body} <=\n");
    if !event.reason.is_empty() {
        body.push_str(&format!("\nReason: {}\n", event.reason));
    }
    Letter {
        subject: format!("[{router_id}] VRRP {kind} {name} - {happened}"),
        body,
        at,
        sequence: event.sequence,
    }
}

const NO_LONGER: &str = "VRRP Instance is no longer owning VRRP VIPs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_who_what_and_why() {
        let event = |subject, what, reason: &str| Event {
            sequence: 1,
            subject,
            what,
            priority: 100,
            reason: reason.into(),
        };
        let instance = event(
            Subject::Instance("web".into()),
            What::Master,
            "no master heard",
        );
        assert_eq!(
            letter("lb01", &instance, 7),
            Letter {
                subject: "[lb01] VRRP Instance web - Entering MASTER state".into(),
                body: "=> VRRP Instance is now owning VRRP VIPs <=\n\nReason: no master heard\n"
                    .into(),
                at: 7,
                sequence: 1,
            }
        );
        let group = letter(
            "lb01",
            &event(Subject::Group("g".into()), What::Stop, ""),
            7,
        );
        assert_eq!(group.subject, "[lb01] VRRP Group g - Stopping");
        assert_eq!(
            group.body,
            "=> All VRRP group instances are now stopping <=\n"
        );
    }

    #[test]
    fn a_fifo_line_names_kind_name_state_and_priority() {
        let event = Event {
            sequence: 1,
            subject: Subject::Group("g one".into()),
            what: What::Fault,
            priority: 9,
            reason: String::new(),
        };
        assert_eq!(super::super::line(&event), "GROUP \"g one\" FAULT 0\n");
        let event = Event {
            subject: Subject::Instance("i".into()),
            what: What::MasterRxLowerPri,
            ..event
        };
        assert_eq!(
            super::super::line(&event),
            "INSTANCE \"i\" MASTER_RX_LOWER_PRI 9\n"
        );
        assert_eq!(
            super::super::arguments(&event),
            ["INSTANCE", "i", "MASTER_RX_LOWER_PRI", "9"]
        );
    }
}
