//! Trackers of routes: is there a way to somewhere?

use std::collections::{BTreeMap, BTreeSet};

use super::links::Links;
use crate::model::{Measure, Measured, TrackRoute, Tracker, Watch};
use crate::reconcile::route::{Prefix, Route, UNICAST};

/// The trackers of routes, and what each measured last.
#[derive(Debug, Default)]
pub struct TrackedRoutes {
    trackers: BTreeMap<String, TrackRoute>,
    last: BTreeMap<String, Measured>,
}

impl TrackedRoutes {
    /// These trackers exist from now on.
    pub fn configure(&mut self, trackers: &[Tracker]) {
        let routes = trackers.iter().filter_map(|tracker| match &tracker.watch {
            Watch::Route(route) => Some((tracker.name.clone(), route.clone())),
            _ => None,
        });
        let before = std::mem::replace(&mut self.trackers, routes.collect());
        let now = &self.trackers;
        // Another route is another tracker.
        self.last
            .retain(|name, _| now.contains_key(name) && now.get(name) == before.get(name));
    }

    /// The tables to read, each with whether it is one for IPv6.
    pub fn tables(&self) -> BTreeSet<(bool, u32)> {
        let routes = self.trackers.values();
        routes
            .map(|route| (route.to.address.is_ipv6(), route.table))
            .collect()
    }

    /// Whether a route is one that is tracked.
    pub fn concerns(&self, route: &Route) -> bool {
        let mut tracked = self.trackers.values();
        tracked.any(|wanted| is_to(wanted, route))
    }

    /// What has changed, given the routes of all [`Self::tables`].
    pub fn measure(&mut self, routes: &[Route], links: &Links) -> Vec<Measured> {
        let mut news = Vec::new();
        for (name, wanted) in &self.trackers {
            let (value, detail) = look(wanted, routes, links);
            let measured = Measured {
                tracker: name.clone(),
                value,
                detail,
            };
            if self.last.get(name) != Some(&measured) {
                self.last.insert(name.clone(), measured.clone());
                news.push(measured);
            }
        }
        news
    }
}

fn is_to(wanted: &TrackRoute, route: &Route) -> bool {
    let to = Prefix {
        address: wanted.to.address,
        length: wanted.to.length,
    };
    route.identity.to == to && route.identity.table == wanted.table && route.kind == UNICAST
}

/// Up if there is such a route, along an interface that works.
fn look(wanted: &TrackRoute, routes: &[Route], links: &Links) -> (Measure, String) {
    let mut broken = None;
    for route in routes.iter().filter(|route| is_to(wanted, route)) {
        for hop in &route.next_hops {
            let name = hop.interface.map(|index| links.name(index));
            let via = wanted.via.is_none_or(|via| hop.via == Some(via));
            let dev = wanted.dev.as_deref().is_none_or(|dev| name == Some(dev));
            if !via || !dev {
                continue;
            }
            let via = hop
                .via
                .map_or_else(String::new, |via| format!(" via {via}"));
            let dev = name.map_or_else(String::new, |name| format!(" dev {name}"));
            let words = format!("{}{via}{dev}", route.identity.to);
            let link = hop.interface.and_then(|index| links.by_index(index));
            if link.is_some_and(|link| link.usable()) {
                return (Measure::Up, words);
            }
            broken = Some(format!("{words}: the interface is down"));
        }
    }
    let absent = || format!("no such route in table {}", wanted.table);
    (Measure::Down, broken.unwrap_or_else(absent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::rtnl::Link;
    use crate::model;
    use crate::reconcile::route::{Identity, NextHop};

    fn links(running: bool) -> Links {
        Links::new(vec![Link {
            index: 2,
            name: "eth0".into(),
            up: true,
            carrier: running,
            running,
            loopback: false,
            arp: true,
            multicast: true,
            mac: None,
            mtu: 1500,
            parent: None,
            master: None,
            kind: None,
            ours: false,
        }])
    }

    fn uplink(via: Option<&str>) -> Tracker {
        Tracker {
            name: "uplink".into(),
            weight: model::Weight::default(),
            watch: Watch::Route(TrackRoute {
                to: model::Prefix {
                    address: [0; 4].into(),
                    length: 0,
                },
                table: 254,
                via: via.map(|via| via.parse().unwrap()),
                dev: None,
            }),
        }
    }

    fn default_route() -> Route {
        Route {
            identity: Identity {
                table: 254,
                to: Prefix {
                    address: [0; 4].into(),
                    length: 0,
                },
                from: None,
                tos: 0,
                metric: 100,
                protocol: 16,
            },
            kind: UNICAST,
            scope: 0,
            source: None,
            next_hops: vec![NextHop {
                via: Some([192, 0, 2, 1].into()),
                interface: Some(2),
                weight: 1,
                onlink: false,
                encap: None,
            }],
            metrics: BTreeMap::new(),
            congestion_control: None,
        }
    }

    /// The news of one look: value and words.
    fn news(tracked: &mut TrackedRoutes, routes: &[Route], up: bool) -> Vec<(Measure, String)> {
        let news = tracked.measure(routes, &links(up)).into_iter();
        news.map(|measured| (measured.value, measured.detail))
            .collect()
    }

    #[test]
    fn a_route_is_up_while_it_is_there_and_its_interface_works() {
        let mut tracked = TrackedRoutes::default();
        tracked.configure(&[uplink(None)]);
        let there = [default_route()];
        let first = news(&mut tracked, &there, true);
        let words = "default via 192.0.2.1 dev eth0";
        assert_eq!(first, [(Measure::Up, words.to_owned())]);
        assert_eq!(news(&mut tracked, &there, true), []);
        let dead = news(&mut tracked, &there, false);
        let words = format!("{words}: the interface is down");
        assert_eq!(dead, [(Measure::Down, words)]);
        let gone = news(&mut tracked, &[], true);
        let words = "no such route in table 254";
        assert_eq!(gone, [(Measure::Down, words.to_owned())]);
    }

    #[test]
    fn only_the_wanted_gateway_counts() {
        let mut tracked = TrackedRoutes::default();
        tracked.configure(&[uplink(Some("192.0.2.2"))]);
        let seen = news(&mut tracked, &[default_route()], true);
        assert!(matches!(seen[..], [(Measure::Down, _)]), "{seen:?}");
        tracked.configure(&[uplink(Some("192.0.2.1"))]);
        let seen = news(&mut tracked, &[default_route()], true);
        assert!(matches!(seen[..], [(Measure::Up, _)]), "{seen:?}");
    }
}
