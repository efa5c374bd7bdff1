//! The kernel's state and ours, brought together: observed by a few dumps,
//! changed by one batch.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::held::{Desired, Held};
use super::links::Links;
use super::steps::{Step, in_order, plain};
use super::wanted::Config;
use crate::kernel::netlink;
use crate::kernel::rtnl::{self, AddressOp, RouteOp, Rtnl, RuleOp};
use crate::reconcile::Drift;
use crate::reconcile::address::{self, Address, TAG};
use crate::reconcile::owned::{Entry, Op, Ownership, table};
use crate::reconcile::route::{PROTOCOL, Route};
use crate::reconcile::rule::Rule;

/// What is in the kernel, and what of it is ours.
#[derive(Debug)]
pub struct Installer {
    rtnl: Rtnl,
    /// The addresses as the kernel listed them.
    pub listed: Vec<rtnl::Address>,
    /// The addresses.
    pub addresses: Held<Address>,
    /// The routes.
    pub routes: Held<Route>,
    /// The rules.
    pub rules: Held<Rule>,
    /// Things found changed by somebody else and repaired.
    pub repairs: u64,
    /// Whether the kernel keeps our mark on addresses (Linux 5.18 and later).
    tags: bool,
    /// Routes and rules are looked at: some are configured, or were.
    routing: (BTreeSet<u8>, bool),
}

impl Installer {
    /// An installer that has put nothing anywhere yet.
    ///
    /// # Errors
    ///
    /// When the kernel gives no socket.
    pub fn open() -> Result<Self, netlink::Error> {
        Ok(Self {
            rtnl: Rtnl::open()?,
            listed: Vec::new(),
            addresses: Held::default(),
            routes: Held::default(),
            rules: Held::default(),
            repairs: 0,
            tags: true,
            // What a predecessor left is found by its mark, once.
            routing: (BTreeSet::from([PROTOCOL]), true),
        })
    }

    /// Reads the interfaces.
    ///
    /// # Errors
    ///
    /// When the kernel's table cannot be read.
    pub fn links(&mut self) -> Result<Links, netlink::Error> {
        Ok(Links::new(self.rtnl.links()?))
    }

    /// Reads addresses and, as far as any may be ours, routes and rules.
    ///
    /// # Errors
    ///
    /// When a table of the kernel's cannot be read.
    pub fn observe(&mut self) -> Result<(), netlink::Error> {
        self.listed = self.rtnl.addresses()?;
        self.learn_tags();
        self.addresses.observed = table(self.listed.iter().cloned().map(plain));
        let (protocols, rules) = &self.routing;
        self.routes.observed = table(self.rtnl.routes_of(protocols)?);
        if *rules {
            self.rules.observed = table(self.rtnl.rules()?);
        }
        Ok(())
    }

    /// Whether routes and rules of ours may be there, so that their events
    /// matter.
    pub fn routing(&self) -> (bool, bool) {
        (!self.routing.0.is_empty(), self.routing.1)
    }

    /// The protocol numbers of routes that may be ours.
    pub fn route_protocols(&self) -> &BTreeSet<u8> {
        &self.routing.0
    }

    /// The routes of one table.
    ///
    /// # Errors
    ///
    /// When the kernel's table cannot be read.
    pub fn routes_in(&mut self, ipv6: bool, table: u32) -> Result<Vec<Route>, netlink::Error> {
        self.rtnl.routes_in(ipv6, table)
    }

    /// Compares what was observed with what is to be, and makes it so. Returns
    /// the addresses that were not there before.
    ///
    /// # Errors
    ///
    /// Of the changes that could not be made; the others were.
    pub fn level(
        &mut self,
        config: Config<'_>,
    ) -> (BTreeSet<address::Identity>, Result<(), netlink::Error>) {
        let mut addresses = config.addresses(&self.addresses.observed);
        let mut routes = config.routes(&self.routes);
        let mut rules = config.rules(&self.rules);
        let tag = self.tags.then_some(TAG);
        let claimed = config.claimed_addresses();
        let ours = ownership(&self.addresses, &addresses, claimed, tag);
        let (address_ops, drift) = self.addresses.plan(&mut addresses, &ours);
        let links = config.links;
        log_drift("address_repaired", &drift, |identity| {
            links.name(identity.interface)
        });
        let mut repairs = drift.len();
        let ours = ownership(&self.routes, &routes, [], Some(PROTOCOL));
        let (route_ops, drift) = self.routes.plan(&mut routes, &ours);
        log_drift("route_repaired", &drift, |_| "");
        repairs += drift.len();
        let ours = ownership(&self.rules, &rules, [], Some(PROTOCOL));
        let (rule_ops, drift) = self.rules.plan(&mut rules, &ours);
        log_drift("rule_repaired", &drift, |_| "");
        repairs += drift.len();
        self.repairs = self.repairs.saturating_add(repairs.try_into().unwrap_or(0));

        let (done, outcome) = self.apply(in_order(address_ops, route_ops, rule_ops), links);
        let all = outcome.is_ok();
        let added = done.addresses.iter().filter_map(Op::added);
        let added = added.map(Entry::identity).collect();
        self.addresses.settle(addresses.table, &done.addresses, all);
        self.routes.settle(routes.table, &done.routes, all);
        self.rules.settle(rules.table, &done.rules, all);
        if all {
            // What is not configured and no longer there needs no watching.
            self.routing = (config.route_protocols(), config.has_rules());
        }
        (added, outcome)
    }

    /// Changes interfaces.
    ///
    /// # Errors
    ///
    /// Of one that could not be changed; the others were.
    pub fn change(&mut self, ops: &[rtnl::Op], links: &Links) -> Result<(), netlink::Error> {
        let mut outcome = Ok(());
        for (op, result) in ops.iter().zip(self.rtnl.apply(ops)?) {
            match result {
                Ok(_) => log_change(op, links),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// The configuration has changed: what it may need is looked at.
    pub fn configured(&mut self, config: Config<'_>) {
        self.routing.0.extend(config.route_protocols());
        self.routing.1 |= config.has_rules();
    }

    /// Applies what can be; returns that, and an error of what cannot.
    fn apply(&mut self, steps: Vec<Step>, links: &Links) -> (Done, Result<(), netlink::Error>) {
        let mut done = Done::default();
        if steps.is_empty() {
            return (done, Ok(()));
        }
        let requests: Vec<Vec<rtnl::Op>> = steps.iter().map(Step::requests).collect();
        let flat: Vec<rtnl::Op> = requests.iter().flatten().cloned().collect();
        let mut outcomes = match self.rtnl.apply(&flat) {
            Ok(outcomes) => outcomes.into_iter(),
            Err(error) => return (done, Err(error)),
        };
        let mut failure = Ok(());
        for (step, requests) in steps.into_iter().zip(requests) {
            let mut complete = true;
            for (request, outcome) in requests.iter().zip(outcomes.by_ref()) {
                match outcome {
                    Ok(_) => log_change(request, links),
                    Err(error) => {
                        complete = false;
                        failure = Err(error);
                    }
                }
            }
            if complete {
                done.push(step);
            }
        }
        (done, failure)
    }

    /// A kernel that marks its own addresses (loopback, link-local) keeps ours;
    /// one that shows an address of ours without its mark does not.
    fn learn_tags(&mut self) {
        let mut listed = self.listed.iter();
        if listed.any(|address| address.proto.is_some()) {
            self.tags = true;
        } else if self.listed.iter().any(|address| {
            let identity = plain(address.clone()).identity();
            self.addresses.expected.contains_key(&identity)
        }) {
            self.tags = false;
        }
    }
}

/// What was done.
#[derive(Default)]
struct Done {
    addresses: Vec<Op<Address>>,
    routes: Vec<Op<Route>>,
    rules: Vec<Op<Rule>>,
}

impl Done {
    fn push(&mut self, step: Step) {
        match step {
            Step::Address(op) => self.addresses.push(op),
            Step::Route(op) => self.routes.push(op),
            Step::Rule(op) => self.rules.push(op),
        }
    }
}

fn ownership<E: Entry>(
    held: &Held<E>,
    desired: &Desired<E>,
    claimed: impl IntoIterator<Item = E::Identity>,
    mark: Option<u8>,
) -> Ownership<E::Identity> {
    let mut managed = held.managed.clone();
    managed.extend(claimed);
    managed.retain(|identity| !desired.table.contains_key(identity));
    Ownership { managed, mark }
}

fn log_drift<'a, I: Display>(
    event: &'static str,
    drift: &[Drift<I>],
    interface: impl Fn(&I) -> &'a str,
) {
    for drift in drift {
        let interface = interface(&drift.subject);
        tracing::warn!(event, %drift, interface);
    }
}

fn log_change(request: &rtnl::Op, links: &Links) {
    match request {
        rtnl::Op::Address(op) => {
            let event = match op {
                AddressOp::Delete(_) => "address_removed",
                AddressOp::Add(_) | AddressOp::Replace(_) => "address_added",
            };
            let key = op.key();
            tracing::info!(event, address = %key, interface = links.name(key.index));
        }
        rtnl::Op::Route(RouteOp::Add(route)) => {
            tracing::info!(event = "route_added", %route);
        }
        rtnl::Op::Route(RouteOp::Delete(route)) => {
            tracing::info!(event = "route_removed", %route);
        }
        rtnl::Op::Rule(RuleOp::Add(rule)) => tracing::info!(event = "rule_added", %rule),
        rtnl::Op::Rule(RuleOp::Delete(rule)) => tracing::info!(event = "rule_removed", %rule),
        rtnl::Op::Link(op) => {
            tracing::info!(event = "interface_changed", change = %rtnl::Op::Link(op.clone()));
        }
    }
}
