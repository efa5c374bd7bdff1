//! The difference between two configurations, as it travels to a worker.
//!
//! A reload that changes one weight among ten thousand real servers must not
//! send, parse and build ten thousand real servers again: what stayed is named
//! by its place in the configuration the worker already has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Config, Global, VirtualServer, VrrpCommon, VrrpInstance};

/// What turns one configuration into another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    global: Global,
    /// All of them: there are few, and they are small.
    vrrp_instances: Vec<VrrpInstance>,
    vrrp: VrrpCommon,
    /// In the order of the new configuration.
    virtual_servers: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Item {
    /// The one at this place of the old configuration, as it was.
    Same(usize),
    /// A new or changed one.
    New(Box<VirtualServer>),
}

/// The update was made for another configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the update names virtual server number {0}, which the old configuration does not have")]
pub struct Mismatch(usize);

impl Update {
    /// What has to be done to `old` to get `new`.
    #[must_use]
    pub fn between(old: &Config, new: &Config) -> Self {
        let places: BTreeMap<_, _> = old
            .virtual_servers
            .iter()
            .enumerate()
            .map(|(at, one)| (one.service, at))
            .collect();
        let item = |server: &VirtualServer| {
            let place = places.get(&server.service).copied();
            match place.filter(|at| old.virtual_servers.get(*at) == Some(server)) {
                Some(at) => Item::Same(at),
                None => Item::New(Box::new(server.clone())),
            }
        };
        Self {
            global: new.global.clone(),
            vrrp_instances: new.vrrp_instances.clone(),
            vrrp: new.vrrp.clone(),
            virtual_servers: new.virtual_servers.iter().map(item).collect(),
        }
    }

    /// Applies it.
    ///
    /// # Errors
    ///
    /// [`Mismatch`] if it was not made for `old`.
    pub fn apply(self, old: &Config) -> Result<Config, Mismatch> {
        let server = |item| match item {
            Item::Same(at) => old.virtual_servers.get(at).cloned().ok_or(Mismatch(at)),
            Item::New(server) => Ok(*server),
        };
        Ok(Config {
            global: self.global,
            vrrp_instances: self.vrrp_instances,
            vrrp: self.vrrp,
            virtual_servers: self
                .virtual_servers
                .into_iter()
                .map(server)
                .collect::<Result<_, _>>()?,
        })
    }

    /// How many virtual servers it carries, being new or changed.
    #[must_use]
    pub fn carried(&self) -> usize {
        self.virtual_servers
            .iter()
            .filter(|item| matches!(item, Item::New(_)))
            .count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Forward, Protocol, RealServer, ServiceId};
    use super::*;

    fn config() -> impl Strategy<Value = Config> {
        let server = (
            0..6_u8,
            0..3_u32,
            proptest::collection::vec((1..4_u8, 0..3_u32), 0..3),
        );
        proptest::collection::vec(server, 0..6).prop_map(|servers| {
            let unique: BTreeMap<_, _> = servers
                .into_iter()
                .map(|(id, quorum, servers)| (id, (quorum, servers)))
                .collect();
            let virtual_servers = unique.into_iter().rev().map(|(id, (quorum, servers))| {
                let address = ([192, 0, 2, id], 80).into();
                let real_server = |(last, weight): (u8, u32)| RealServer {
                    name: None,
                    address: ([10, 0, 0, last], 80).into(),
                    weight,
                    forward: Forward::Dr,
                    upper_threshold: 0,
                    lower_threshold: 0,
                    checks: Vec::new(),
                };
                VirtualServer {
                    name: format!("s{id}"),
                    service: ServiceId::Addr {
                        protocol: Protocol::Tcp,
                        address,
                    },
                    scheduler: "rr".into(),
                    persistence_timeout: None,
                    quorum,
                    real_servers: servers.into_iter().map(real_server).collect(),
                }
            });
            Config {
                virtual_servers: virtual_servers.collect(),
                ..Config::default()
            }
        })
    }

    proptest! {
        #[test]
        fn applying_the_difference_gives_the_new_configuration(old in config(), new in config()) {
            let update = Update::between(&old, &new);
            let changed = |one: &&VirtualServer| !old.virtual_servers.contains(one);
            prop_assert_eq!(update.carried(), new.virtual_servers.iter().filter(changed).count());
            let json = serde_json::to_string(&update).unwrap();
            let update: Update = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(update.apply(&old), Ok(new));
        }

        #[test]
        fn no_difference_carries_nothing(config in config()) {
            prop_assert_eq!(Update::between(&config, &config).carried(), 0);
        }
    }

    #[test]
    fn an_update_for_another_configuration_is_refused() {
        let update = Update {
            global: Global::default(),
            vrrp_instances: Vec::new(),
            vrrp: VrrpCommon::default(),
            virtual_servers: vec![Item::Same(3)],
        };
        assert_eq!(update.apply(&Config::default()), Err(Mismatch(3)));
    }
}
