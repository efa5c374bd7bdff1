//! Link flap damping: what changes for a moment only is not told. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use mono::Mono;

use crate::model::InterfaceSettings;
use crate::worker::vrrp::messages::Interface;

/// The delays of an interface.
#[derive(Clone, Copy, Debug, Default)]
struct Delays {
    up: Duration,
    down: Duration,
}

#[derive(Debug)]
struct State {
    /// What was told, as far as it matters here.
    usable: bool,
    /// What will be told, and when, unless it changes back before.
    pending: Option<(Mono, Interface)>,
}

/// Holds changes of interfaces back for as long as is configured.
#[derive(Debug, Default)]
pub struct Damper {
    delays: BTreeMap<String, Delays>,
    states: BTreeMap<String, State>,
}

impl Damper {
    /// These interfaces have delays.
    pub fn configure(&mut self, settings: &[InterfaceSettings]) {
        self.delays = settings
            .iter()
            .map(|one| {
                let delays = Delays {
                    up: one.up_delay,
                    down: one.down_delay,
                };
                (one.name.clone(), delays)
            })
            .collect();
    }

    /// An interface changed. What comes back is to be told now. What is heard first of
    /// an interface is always told at once. `patience` is how long the loss may be hidden
    /// at most: what has heard nothing for so long would take its Master for dead.
    pub fn hear(
        &mut self,
        now: Mono,
        name: &str,
        news: Interface,
        patience: Duration,
    ) -> Option<Interface> {
        let usable = news.trouble().is_none();
        let delays = self.delays.get(name).copied().unwrap_or_default();
        let Some(state) = self.states.get_mut(name) else {
            let pending = None;
            self.states
                .insert(name.to_owned(), State { usable, pending });
            return Some(news);
        };
        if usable == state.usable {
            // It came back in time; or an address changed.
            state.pending = None;
            return Some(news);
        }
        let delay = if usable {
            delays.up
        } else {
            delays.down.min(patience)
        };
        if delay.is_zero() {
            state.usable = usable;
            state.pending = None;
            return Some(news);
        }
        // The delay counts from the change, not from the last word about it.
        let at = state.pending.take().map_or(now + delay, |(at, _)| at);
        state.pending = Some((at, news));
        None
    }

    /// When [`Self::due`] has something.
    pub fn deadline(&self) -> Option<Mono> {
        let pending = self
            .states
            .values()
            .filter_map(|state| state.pending.as_ref());
        pending.map(|(at, _)| *at).min()
    }

    /// What has lasted long enough.
    pub fn due(&mut self, now: Mono) -> Option<(String, Interface)> {
        let is_due = |state: &State| state.pending.as_ref().is_some_and(|(at, _)| *at <= now);
        let (name, state) = self.states.iter_mut().find(|(_, state)| is_due(state))?;
        let (_, news) = state.pending.take()?;
        state.usable = news.trouble().is_none();
        Some((name.clone(), news))
    }

    /// Forgets interfaces about which nobody tells any more.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.states.retain(|name, _| keep(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::vrrp::messages::Usable;

    fn at(millis: u64) -> Mono {
        Mono::from_millis(millis)
    }

    fn up() -> Interface {
        Interface::Usable(Usable::default())
    }

    fn down() -> Interface {
        Interface::Unusable("the link is down".into())
    }

    fn damper() -> Damper {
        let mut damper = Damper::default();
        damper.configure(&[InterfaceSettings {
            name: "eth0".into(),
            down_delay: Duration::from_millis(300),
            up_delay: Duration::from_secs(2),
            garp_interval: Duration::ZERO,
            gna_interval: Duration::ZERO,
        }]);
        damper
    }

    const LONG: Duration = Duration::from_secs(3);

    #[test]
    fn a_flap_is_not_told_and_a_lasting_change_is_told_once() {
        let mut damper = damper();
        assert_eq!(damper.hear(at(0), "eth0", up(), LONG), Some(up()), "first");
        assert_eq!(damper.hear(at(100), "eth0", down(), LONG), None);
        assert_eq!(damper.deadline(), Some(at(400)));
        assert_eq!(
            damper.hear(at(200), "eth0", up(), LONG),
            Some(up()),
            "back in time"
        );
        assert_eq!((damper.deadline(), damper.due(at(9_000))), (None, None));

        damper.hear(at(1_000), "eth0", down(), LONG);
        damper.hear(at(1_200), "eth0", down(), LONG);
        assert_eq!(
            damper.deadline(),
            Some(at(1_300)),
            "counted from the first word"
        );
        assert_eq!(damper.due(at(1_299)), None);
        assert_eq!(damper.due(at(1_300)), Some(("eth0".into(), down())));
        assert_eq!(damper.due(at(1_300)), None);

        assert_eq!(damper.hear(at(2_000), "eth0", up(), LONG), None);
        assert_eq!(damper.deadline(), Some(at(4_000)), "up has its own delay");
    }

    #[test]
    fn others_are_told_at_once_and_no_loss_is_hidden_for_too_long() {
        let mut damper = damper();
        for news in [up(), down(), up()] {
            assert_eq!(damper.hear(at(0), "eth1", news.clone(), LONG), Some(news));
        }
        damper.hear(at(0), "eth0", up(), LONG);
        assert_eq!(
            damper.hear(at(0), "eth0", down(), Duration::from_millis(20)),
            None
        );
        assert_eq!(damper.deadline(), Some(at(20)));
        damper.retain(|name| name != "eth0");
        assert_eq!(damper.deadline(), None);
    }
}
