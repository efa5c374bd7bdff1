//! What one worker has for another, kept for as long as the other may need it.
//!
//! Results of trackers are levels: the vrrp worker gets the last one of each when it
//! starts. Events are edges: each is kept until the scripts worker says that it has taken
//! it in, and given to its successor otherwise.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use mono::Mono;
use serde::{Deserialize, Serialize};

use super::store;
use crate::model::{Config, Event, Measured};
use crate::worker::Kind;
use crate::worker::protocol::{Snapshot, ToWorker};

/// Events kept for a scripts worker that does not take them in. A thousand instances
/// that change state four times.
const MOST_EVENTS: usize = 4_096;

fn file(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("relay.state")
}

/// It outlives the supervisor that leaves everything in place, as a file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Relay {
    measured: BTreeMap<String, Measured>,
    events: VecDeque<Event>,
    /// The number of the last event.
    sequence: u64,
}

impl Relay {
    /// What the supervisor before this one had to pass on.
    pub(super) fn found(runtime_dir: &Path) -> Self {
        let path = file(runtime_dir);
        let kept = store::load(&path).unwrap_or_else(|error| {
            tracing::warn!(event = "state_not_read", %error);
            None
        });
        store::remove(&path);
        kept.unwrap_or_default()
    }

    /// Leaves what there is to pass on to the next supervisor.
    pub(super) fn leave(&self, runtime_dir: &Path) {
        if let Err(error) = store::save(&file(runtime_dir), self) {
            tracing::error!(event = "state_not_saved", %error);
        }
    }

    /// Keeps a tracker's last result.
    pub(super) fn measured(&mut self, measured: Measured) {
        self.measured.insert(measured.tracker.clone(), measured);
    }

    /// Keeps an event, numbered so that numbers rise over every restart of workers and
    /// supervisor within one boot.
    pub(super) fn event(&mut self, mut event: Event, now: Mono) -> Event {
        self.sequence = now.as_nanos().max(self.sequence.saturating_add(1));
        event.sequence = self.sequence;
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event.clone());
        event
    }

    /// The scripts worker has taken in the events up to this number.
    pub(super) fn told(&mut self, until: u64) {
        while self
            .events
            .front()
            .is_some_and(|event| event.sequence <= until)
        {
            self.events.pop_front();
        }
    }

    /// What a worker of this kind has to know when it starts, besides its configuration.
    pub(super) fn at_start(&mut self, kind: Kind, config: &Config) -> Vec<ToWorker> {
        match kind {
            Kind::Vrrp => {
                let trackers = &config.vrrp.trackers;
                self.measured
                    .retain(|name, _| trackers.iter().any(|one| one.name == *name));
                let measured = self.measured.values().cloned();
                measured.map(ToWorker::Measured).collect()
            }
            Kind::Checker => Vec::new(),
            Kind::Scripts => self.events.iter().cloned().map(ToWorker::Event).collect(),
        }
    }
}

impl Snapshot {
    /// Up to which number the scripts worker has taken events in.
    pub(super) fn told_until(&self) -> Option<u64> {
        match self {
            Self::Scripts(snapshot) => Some(snapshot.told_until),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Measure, Subject, TrackPing, Tracker, Watch, Weight, What};

    fn event() -> Event {
        Event {
            sequence: 7,
            subject: Subject::Instance("web".into()),
            what: What::Master,
            priority: 100,
            reason: String::new(),
        }
    }

    #[test]
    fn an_event_is_kept_until_it_was_taken_in() {
        let mut relay = Relay::default();
        let first = relay.event(event(), Mono::from_nanos(100));
        let second = relay.event(event(), Mono::from_nanos(100));
        assert_eq!((first.sequence, second.sequence), (100, 101));
        let config = Config::default();
        assert_eq!(relay.at_start(Kind::Scripts, &config).len(), 2);
        relay.told(100);
        assert!(matches!(
            &relay.at_start(Kind::Scripts, &config)[..],
            [ToWorker::Event(event)] if *event == second
        ));
        relay.told(101);
        assert!(relay.at_start(Kind::Scripts, &config).is_empty());
    }

    #[test]
    fn events_that_nobody_takes_in_do_not_pile_up() {
        let mut relay = Relay::default();
        for _ in 0..MOST_EVENTS + 5 {
            relay.event(event(), Mono::from_nanos(1));
        }
        let kept = relay.at_start(Kind::Scripts, &Config::default());
        assert_eq!(kept.len(), MOST_EVENTS);
        assert!(matches!(&kept[0], ToWorker::Event(event) if event.sequence == 6));
    }

    #[test]
    fn the_last_result_of_what_is_still_tracked_is_kept() {
        let mut relay = Relay::default();
        let measured = |tracker: &str, value| Measured {
            tracker: tracker.into(),
            value,
            detail: String::new(),
        };
        relay.measured(measured("gone", Measure::Up));
        relay.measured(measured("here", Measure::Up));
        relay.measured(measured("here", Measure::Down));
        let mut config = Config::default();
        config.vrrp.trackers.push(Tracker {
            name: "here".into(),
            weight: Weight::default(),
            watch: Watch::Ping(TrackPing {
                target: [192, 0, 2, 1].into(),
                interval: std::time::Duration::from_secs(1),
                timeout: std::time::Duration::from_secs(1),
                rise: 1,
                fall: 1,
            }),
        });
        let kept = relay.at_start(Kind::Vrrp, &config);
        assert!(matches!(
            &kept[..],
            [ToWorker::Measured(one)] if *one == measured("here", Measure::Down)
        ));
    }
}
