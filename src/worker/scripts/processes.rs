//! Tracked processes: what runs is scanned, then followed by the kernel's events; scanned
//! every second where the kernel tells none.

use std::io;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::kernel::clock;
use crate::kernel::process_events::{self, Connector, Event};
use crate::model::{ArgumentsMatch, Measure, TrackProcess};
use crate::tracking::Count;

/// Without events.
const SCAN_EVERY: Duration = Duration::from_secs(1);
/// With events: what was missed for whatever reason is found after this.
const RESCAN_EVERY: Duration = Duration::from_secs(60);

/// The processes of all trackers.
struct Processes<T> {
    counts: Vec<Count>,
    /// What was told last of each.
    told: Vec<String>,
    with_words: bool,
    tell: T,
}

/// Watches processes for ever, and tells: the place in `trackers`, the state, and the count
/// in words. `up` is the state that a predecessor found.
pub(super) async fn watch(
    trackers: Vec<(TrackProcess, Option<bool>)>,
    tell: impl Fn(usize, Measure, String),
) {
    let with_words = trackers.iter().any(|(tracker, _)| {
        tracker.full_command || tracker.arguments_match != ArgumentsMatch::Ignore
    });
    let counts: Vec<_> = trackers
        .into_iter()
        .map(|(tracker, up)| Count::new(tracker, up))
        .collect();
    let mut processes = Processes {
        told: vec![String::new(); counts.len()],
        counts,
        with_words,
        tell,
    };
    let error = match Connector::open() {
        Ok(connector) => processes.follow(connector).await,
        Err(error) => error,
    };
    tracing::info!(
        event = "processes_scanned", every_s = SCAN_EVERY.as_secs(), %error,
        reason = "the kernel tells no process events here",
    );
    processes.scan_regularly().await;
}

impl<T: Fn(usize, Measure, String)> Processes<T> {
    /// Follows the kernel's events, until there are no more.
    async fn follow(&mut self, mut connector: Connector) -> io::Error {
        self.scan().await;
        let mut rescan = Instant::now() + RESCAN_EVERY;
        loop {
            let wake = self.wake().unwrap_or(rescan).min(rescan);
            tokio::select! {
                event = connector.next() => match event {
                    Ok(Event::Overrun) => self.scan().await,
                    Ok(event) => self.event(event),
                    Err(error) => return error,
                },
                () = tokio::time::sleep_until(wake) => {
                    if rescan <= Instant::now() {
                        self.scan().await;
                        rescan = Instant::now() + RESCAN_EVERY;
                    }
                }
            }
            self.judge();
        }
    }

    async fn scan_regularly(&mut self) {
        let mut tick = interval(SCAN_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.scan().await;
            self.judge();
            if let Some(wake) = self.wake() {
                tokio::time::sleep_until(wake.min(Instant::now() + SCAN_EVERY)).await;
                self.judge();
            }
        }
    }

    async fn scan(&mut self) {
        let with_words = self.with_words;
        // A process whose memory is in trouble may keep a reader waiting.
        let Ok(found) = spawn_blocking(move || process_events::scan(with_words)).await else {
            return;
        };
        for count in &mut self.counts {
            count.clear();
            found
                .iter()
                .for_each(|(pid, names)| count.named(*pid, names));
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Forked { parent, child } => {
                self.counts
                    .iter_mut()
                    .for_each(|count| count.forked(parent, child));
            }
            Event::Renamed(pid) => {
                let names = process_events::names(pid, self.with_words);
                for count in &mut self.counts {
                    match &names {
                        Some(names) => count.named(pid, names),
                        None => count.gone(pid),
                    }
                }
            }
            Event::Gone(pid) => self.counts.iter_mut().for_each(|count| count.gone(pid)),
            Event::Overrun => {}
        }
    }

    fn judge(&mut self) {
        let now = clock::monotonic_now();
        for (place, (count, told)) in self.counts.iter_mut().zip(&mut self.told).enumerate() {
            count.judge(now);
            let words = count.in_words();
            let Some(up) = count.up() else {
                continue;
            };
            let state = if up { Measure::Up } else { Measure::Down };
            let now = format!("{words} {up}");
            if *told != now {
                *told = now;
                (self.tell)(place, state, words);
            }
        }
    }

    /// When to judge again though nothing happens.
    fn wake(&self) -> Option<Instant> {
        let deadline = self.counts.iter().filter_map(Count::deadline).min()?;
        Some(Instant::now() + deadline.since(clock::monotonic_now()))
    }
}
