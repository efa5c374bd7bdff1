//! Hosts that are tracked by ICMP echo requests: on a thread of their own, since adverts
//! wait for nobody.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::thread;

use checks::probe::{Prober, Timeouts};
use checks::{IcmpSpec, Outcome, Spec};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::messages::ToAdverts;
use crate::kernel::clock;
use crate::model::{Measure, Measured, TrackPing, Tracker, Watch};
use crate::tracking::{Verdict, next_start};

/// The thread.
#[derive(Debug)]
pub(super) struct Pings(UnboundedSender<BTreeMap<String, TrackPing>>);

impl Pings {
    /// Starts it; results go to the advert thread.
    ///
    /// # Errors
    ///
    /// When the thread or its runtime cannot be made.
    pub(super) fn spawn(to_adverts: UnboundedSender<ToAdverts>) -> std::io::Result<Self> {
        let (sender, targets) = unbounded_channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new()
            .name("pings".into())
            .spawn(move || LocalSet::new().block_on(&runtime, serve(targets, to_adverts)))?;
        Ok(Self(sender))
    }

    /// Tracks these from now on.
    pub(super) fn set(&self, trackers: &[Tracker]) {
        let ping = |tracker: &Tracker| match &tracker.watch {
            Watch::Ping(ping) => Some((tracker.name.clone(), ping.clone())),
            _ => None,
        };
        // The thread ends only with the process.
        let _ = self.0.send(trackers.iter().filter_map(ping).collect());
    }
}

/// A host that is being pinged until this is dropped.
struct Target {
    ping: TrackPing,
    task: JoinHandle<()>,
}

impl Drop for Target {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut wanted: UnboundedReceiver<BTreeMap<String, TrackPing>>,
    to_adverts: UnboundedSender<ToAdverts>,
) {
    let prober = Rc::new(Prober::default());
    let mut targets: BTreeMap<String, Target> = BTreeMap::new();
    while let Some(wanted) = wanted.recv().await {
        targets.retain(|name, target| wanted.get(name) == Some(&target.ping));
        for (name, ping) in wanted {
            if targets.contains_key(&name) {
                continue;
            }
            let prober = Rc::clone(&prober);
            let watch = watch(name.clone(), ping.clone(), prober, to_adverts.clone());
            let task = spawn_local(watch);
            targets.insert(name, Target { ping, task });
        }
    }
}

async fn watch(
    name: String,
    ping: TrackPing,
    prober: Rc<Prober>,
    to_adverts: UnboundedSender<ToAdverts>,
) {
    let spec = Spec::Icmp(IcmpSpec::ping(ping.target));
    let timeouts = Timeouts {
        connect: ping.timeout,
        total: ping.timeout,
    };
    let mut verdict = Verdict::new(ping.rise, ping.fall);
    loop {
        let started = clock::monotonic_now();
        let outcome = prober.probe(&spec, timeouts).await;
        if verdict.take(outcome.is_ok()) {
            let measured = measured(&name, &outcome);
            tracing::info!(
                event = "tracker_ping", tracker = name, target = %ping.target,
                up = outcome.is_ok(), reason = measured.detail,
            );
            if to_adverts.send(ToAdverts::Measured(measured)).is_err() {
                return;
            }
        }
        let now = clock::monotonic_now();
        let pause = next_start(started, ping.interval, now).since(now);
        tokio::time::sleep(pause).await;
    }
}

fn measured(tracker: &str, outcome: &Outcome) -> Measured {
    let (value, detail) = match outcome {
        Ok(report) => {
            let ms = report.elapsed.as_secs_f64() * 1e3;
            (Measure::Up, format!("answered within {ms:.1} ms"))
        }
        Err(failure) => (Measure::Down, failure.to_string()),
    };
    Measured {
        tracker: tracker.to_owned(),
        value,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Weight;

    #[test]
    fn hosts_that_answer_are_up_and_others_are_not() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, mut results) = unbounded_channel();
        let pings = Pings::spawn(sender).unwrap();
        let tracker = |name: &str, target: &str| Tracker {
            name: name.into(),
            weight: Weight::default(),
            watch: Watch::Ping(TrackPing {
                target: target.parse().unwrap(),
                interval: Duration::from_millis(50),
                timeout: Duration::from_millis(200),
                rise: 3,
                fall: 3,
            }),
        };
        let mut next = || {
            let result =
                async { tokio::time::timeout(Duration::from_secs(20), results.recv()).await };
            match runtime.block_on(result).unwrap().unwrap() {
                ToAdverts::Measured(measured) => measured,
                other => panic!("{other:?}"),
            }
        };
        pings.set(&[tracker("near", "127.0.0.1")]);
        let near = next();
        assert_eq!((near.tracker.as_str(), near.value), ("near", Measure::Up));
        assert!(
            near.detail.starts_with("answered within"),
            "{}",
            near.detail
        );
        pings.set(&[tracker("near", "127.0.0.1"), tracker("none", "0.0.0.1")]);
        let none = next();
        assert_eq!((none.tracker.as_str(), none.value), ("none", Measure::Down));
        assert_ne!(none.detail, "");
    }
}
