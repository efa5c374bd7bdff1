//! The quorums of virtual servers, as VRRP tracks them.

use crate::director::Director;
use crate::model::{Measure, Measured, Tracker, Watch};

/// The trackers of virtual servers, and what was told of them last.
#[derive(Debug, Default)]
pub(super) struct Quorums {
    trackers: Vec<(String, String)>,
    told: Vec<Option<Measured>>,
    touched: bool,
}

impl Quorums {
    /// Tracks these from now on, and tells all of them anew.
    pub(super) fn set(&mut self, trackers: &[Tracker]) {
        let server = |tracker: &Tracker| match &tracker.watch {
            Watch::VirtualServer(server) => Some((tracker.name.clone(), server.clone())),
            _ => None,
        };
        self.trackers = trackers.iter().filter_map(server).collect();
        self.told = vec![None; self.trackers.len()];
        self.touched = true;
    }

    /// Some pool has changed.
    pub(super) fn touched(&mut self) {
        self.touched = true;
    }

    /// The states that changed since this was asked last.
    pub(super) fn news(&mut self, director: &Director) -> Vec<Measured> {
        if !std::mem::take(&mut self.touched) {
            return Vec::new();
        }
        let mut news = Vec::new();
        for ((tracker, server), told) in self.trackers.iter().zip(&mut self.told) {
            let Some((weight, quorum)) = director.quorum(server) else {
                continue;
            };
            let up = weight >= quorum;
            let value = if up { Measure::Up } else { Measure::Down };
            if told.as_ref().is_some_and(|told| told.value == value) {
                continue;
            }
            let measured = Measured {
                tracker: tracker.clone(),
                value,
                detail: format!("weight {weight} of {quorum}"),
            };
            *told = Some(measured.clone());
            news.push(measured);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use checks::Health;

    use super::*;
    use crate::director::{CheckId, HealthMap, wanted_checks};
    use crate::model::{
        CheckConfig, Forward, Probe, Protocol, RealServer, ServiceId, VirtualServer, Weight,
    };

    fn check() -> CheckConfig {
        let second = std::time::Duration::from_secs(1);
        CheckConfig {
            probe: Probe::Tcp { connect_port: None },
            interval: second,
            connect_timeout: second,
            retries: 0,
            retry_delay: second,
            start: checks::Start::Down,
        }
    }

    fn server(check: CheckConfig) -> VirtualServer {
        let address = ([192, 0, 2, 1], 80).into();
        let protocol = Protocol::Tcp;
        VirtualServer {
            name: "web".into(),
            service: ServiceId::Addr { protocol, address },
            scheduler: "rr".into(),
            persistence_timeout: None,
            quorum: 2,
            real_servers: vec![RealServer {
                name: None,
                address: ([192, 0, 2, 2], 80).into(),
                weight: 2,
                forward: Forward::Dr,
                upper_threshold: 0,
                lower_threshold: 0,
                checks: vec![check],
            }],
        }
    }

    #[test]
    fn a_quorum_is_told_at_the_start_and_when_it_changes() {
        let servers = vec![server(check())];
        let id: CheckId = *wanted_checks(&servers).keys().next().unwrap();
        let mut director = Director::new(servers, HealthMap::from([(id, Health::Up)]));
        let tracker = |name: &str, server: &str| Tracker {
            name: name.into(),
            weight: Weight::default(),
            watch: Watch::VirtualServer(server.into()),
        };
        let mut quorums = Quorums::default();
        quorums.set(&[tracker("pool", "web"), tracker("other", "none")]);
        let measured = |value, detail: &str| Measured {
            tracker: "pool".into(),
            value,
            detail: detail.into(),
        };
        assert_eq!(
            quorums.news(&director),
            [measured(Measure::Up, "weight 2 of 2")]
        );
        quorums.touched();
        assert_eq!(quorums.news(&director), []);
        director.set_health(&id, Health::Down, &mut Vec::new());
        quorums.touched();
        assert_eq!(
            quorums.news(&director),
            [measured(Measure::Down, "weight 0 of 2")]
        );
    }
}
