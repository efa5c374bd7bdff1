//! The address thread: what instances hold, as a level.
//!
//! What is desired follows from the configuration and the instances' roles, what
//! is observed is asked of the kernel, and the difference is applied: when a role
//! changes, when the kernel reports a change, and every [`RESYNC`] in any case.
//! An address, a route or a rule deleted by hand is therefore back at once.
//!
//! An instance whose role is not yet known (right after a start) keeps what is
//! there: a successor must not take away what it is about to resume.
//!
//! Commands that come together are worked off together: two hundred instances
//! that become Master at once cost a few dumps and batches, not two hundred. What
//! depends on their result (announcements, reports) comes after.

mod announcer;
mod attach;
mod conflicts;
mod convert;
mod devices;
mod firewall;
mod held;
mod installer;
mod interfaces;
mod links;
mod pace;
mod report;
mod steps;
mod tracked;
mod wanted;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mono::Mono;
use thiserror::Error;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use vrrp::Cause;

use self::announcer::{Announcer, Conflict, Scene};
use self::conflicts::Conflicts;
use self::firewall::Firewall;
use self::installer::Installer;
use self::links::Links;
use self::tracked::TrackedRoutes;
use self::wanted::{Config, virtual_addresses};
use self::watch::Watch;
use super::messages::{Interface, Key, Left, Setup, ToAddresses, ToAdverts, ToMain};
use crate::kernel::monitor::Event;
use crate::kernel::nft::Refused;
use crate::kernel::rtnl;
use crate::kernel::{clock, netlink};
use crate::model::{Delivery, Family, StaticNetwork, VrrpCommon, VrrpInstance};
use crate::reconcile::address::{self, Address};
use crate::reconcile::owned::Entry;
use crate::reconcile::route::PROTOCOL;
use crate::reconcile::sysctl::Saved;
use crate::status::AddressReport;

/// Everything is compared with the kernel at least this often.
const RESYNC: Duration = Duration::from_secs(30);
/// After the kernel reports a change, this soon: changes come in flocks.
const SETTLE: Duration = Duration::from_millis(5);
/// Looking at everything may take this part of the time, so that a host whose
/// thousand interfaces come and go is not all we look at.
const SHARE: u32 = 5;
/// After an error, this soon again.
const RETRY: Duration = Duration::from_secs(1);
/// Commands worked off together.
const TOGETHER: usize = 4096;

/// The thread cannot start.
#[derive(Debug, Error)]
pub enum Error {
    /// Netlink cannot be used.
    #[error(transparent)]
    Netlink(#[from] netlink::Error),
    /// The thread, its runtime or the monitor cannot be made.
    #[error("cannot start the addresses thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Starts the thread.
///
/// # Errors
///
/// As [`enum@Error`] says.
pub fn spawn(
    commands: UnboundedReceiver<ToAddresses>,
    to_adverts: UnboundedSender<ToAdverts>,
    to_main: UnboundedSender<ToMain>,
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let installer = Installer::open()?;
    let watch = {
        let _inside = runtime.enter();
        Watch::open()?
    };
    let (conflicts_in, conflicts) = unbounded_channel();
    let (outcomes_in, outcomes) = unbounded_channel();
    let addresses = Addresses {
        installer,
        links: Links::default(),
        to_adverts,
        to_main,
        announcer: Announcer::new(conflicts_in),
        instances: BTreeMap::new(),
        common: VrrpCommon::default(),
        roles: BTreeMap::new(),
        told: BTreeMap::new(),
        used: BTreeSet::new(),
        configured: false,
        dirty: false,
        after: Vec::new(),
        resync_at: Mono::MAX,
        took: Duration::ZERO,
        error: None,
        conflicts: Conflicts::default(),
        tracked: TrackedRoutes::default(),
        parameters: BTreeMap::new(),
        parameters_due: false,
        firewall: Firewall::new(outcomes_in),
        firewall_error: None,
        stopping: false,
    };
    std::thread::Builder::new()
        .name("addresses".into())
        .spawn(move || {
            let findings = Findings {
                conflicts,
                firewall: outcomes,
            };
            runtime.block_on(addresses.run(commands, watch, findings));
        })?;
    Ok(())
}

/// What is done when the kernel's state is as the commands before it want it.
enum After {
    /// Announce the addresses of this instance.
    Announce(Key, Cause),
    /// A configuration is in force.
    Configured(u64),
    /// Pass this on.
    Tell(Box<ToMain>),
}

/// What comes back of what was started.
struct Findings {
    conflicts: UnboundedReceiver<Conflict>,
    firewall: UnboundedReceiver<firewall::Outcome>,
}

struct Addresses {
    installer: Installer,
    links: Links,
    to_adverts: UnboundedSender<ToAdverts>,
    to_main: UnboundedSender<ToMain>,
    announcer: Announcer,
    instances: BTreeMap<Key, VrrpInstance>,
    common: VrrpCommon,
    /// Whether each holds its role; absent: not known yet.
    roles: BTreeMap<Key, bool>,
    /// What the advert thread was last told of an interface.
    told: BTreeMap<String, Interface>,
    /// The names of the interfaces that matter.
    used: BTreeSet<String>,
    /// Before the first configuration it is not known what is ours to keep.
    configured: bool,
    /// What is desired has changed.
    dirty: bool,
    after: Vec<After>,
    resync_at: Mono,
    /// How long the last look at everything took.
    took: Duration,
    error: Option<String>,
    conflicts: Conflicts,
    tracked: TrackedRoutes,
    /// The kernel parameters that we have changed.
    parameters: BTreeMap<String, Saved>,
    /// They have to be looked at.
    parameters_due: bool,
    firewall: Firewall,
    firewall_error: Option<String>,
    /// Everything is given up.
    stopping: bool,
}

impl Addresses {
    async fn run(
        mut self,
        mut commands: UnboundedReceiver<ToAddresses>,
        mut watch: Watch,
        mut findings: Findings,
    ) {
        loop {
            let wake = [Some(self.resync_at), self.announcer.deadline()];
            let wake = wake.into_iter().flatten().min().unwrap_or(Mono::MAX);
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                event = watch.changed() => self.touched(&event),
                Some(conflict) = findings.conflicts.recv() => self.conflict(conflict),
                Some(outcome) = findings.firewall.recv() => self.firewall_error = outcome.err(),
                () = tokio::time::sleep(wake.since(clock::monotonic_now())) => {}
            }
            // What else has come by now goes along.
            for _ in 0..TOGETHER {
                let Ok(command) = commands.try_recv() else {
                    break;
                };
                self.command(command);
            }
            self.turn(&mut watch);
        }
    }

    /// Does what is due.
    fn turn(&mut self, watch: &mut Watch) {
        let resync = self.resync_at <= clock::monotonic_now();
        self.parameters_due |= resync;
        if self.dirty || resync {
            self.dirty = false;
            self.level();
            let (routes, rules) = self.installer.routing();
            watch.follow(routes || !self.tracked.tables().is_empty(), rules);
        }
        for after in std::mem::take(&mut self.after) {
            self.carry_out(after);
        }
        let now = clock::monotonic_now();
        let scene = Scene {
            instances: &self.instances,
            links: &self.links,
        };
        self.announcer.fire(now, scene);
    }

    fn command(&mut self, command: ToAddresses) {
        match command {
            ToAddresses::Configure { id, setup, held } => self.configure(id, *setup, held),
            ToAddresses::Role(key, holds) => self.role(&key, holds),
            ToAddresses::Announce(key, cause) => self.after.push(After::Announce(key, cause)),
            ToAddresses::Report { id, snapshot } => {
                let report = ToMain::Report(id, snapshot);
                self.after.push(After::Tell(Box::new(report)));
            }
            ToAddresses::Pass(message) => self.after.push(After::Tell(Box::new(message))),
            ToAddresses::Stop => {
                // Also of those whose role is not known yet.
                self.roles = self.instances.keys().map(|k| (k.clone(), false)).collect();
                self.common.static_network = StaticNetwork::default();
                self.configured = true;
                self.stopping = true;
                self.parameters_due = true;
                self.dirty = true;
                self.firewall.end();
                self.after.push(After::Tell(Box::new(ToMain::Stopped)));
            }
        }
    }

    fn carry_out(&mut self, after: After) {
        let message = match after {
            After::Announce(key, cause) => {
                self.announce(&key, cause);
                return;
            }
            After::Configured(id) => ToMain::Done(id, self.outcome()),
            After::Tell(mut message) => {
                if let ToMain::Report(_, snapshot) = &mut *message {
                    self.complete(snapshot);
                }
                *message
            }
        };
        // The main thread ends only with the process.
        let _ = self.to_main.send(message);
    }

    fn role(&mut self, key: &Key, holds: bool) {
        let Some(instance) = self.instances.get(key) else {
            return;
        };
        if self.roles.insert(key.clone(), holds) == Some(holds) {
            return;
        }
        self.dirty = true;
        if !holds {
            self.announcer.forget(key);
            for address in virtual_addresses(instance) {
                self.conflicts.ended(&address.address);
            }
        }
    }

    fn announce(&mut self, key: &Key, cause: Cause) {
        let scene = Scene {
            instances: &self.instances,
            links: &self.links,
        };
        self.announcer
            .announce(clock::monotonic_now(), key, cause, scene);
    }

    fn configure(&mut self, id: u64, setup: Setup, left: Left) {
        let instances = setup.instances.into_iter();
        self.instances = instances.map(|i| (Key::of(&i), i)).collect();
        self.common = setup.common;
        let Self {
            roles, instances, ..
        } = self;
        roles.retain(|key, _| instances.contains_key(key));
        let told = interfaces::told(instances, &self.common);
        self.told.retain(|name, _| told.contains(name));
        self.used = interfaces::used(instances, &self.common);
        self.conflicts.retain(|address| {
            let mut configured = instances.values().flat_map(virtual_addresses);
            configured.any(|a| a.address == *address)
        });
        self.announcer
            .configure(clock::monotonic_now(), instances, &self.common);
        self.tracked.configure(&self.common.trackers);
        self.configured = true;
        self.adopt(left);
        let Self {
            instances,
            roles,
            links,
            common,
            ..
        } = self;
        self.installer.configured(Config {
            instances,
            roles,
            fixed: &common.static_network,
            links,
        });
        self.firewall.set(self.refused());
        self.parameters_due = true;
        self.dirty = true;
        self.after.push(After::Configured(id));
    }

    /// What a predecessor put there; on kernels that keep no mark nothing else
    /// tells.
    fn adopt(&mut self, left: Left) {
        let Left { held, installed } = left;
        self.parameters.extend(installed.sysctls);
        if installed.firewall {
            self.firewall.adopt();
        }
        let fixed = installed.fixed;
        let addresses = held.iter().chain(&fixed.addresses);
        if !held.is_empty() || !fixed.addresses.is_empty() {
            if let Err(error) = self.observe_links() {
                self.failed(&error.to_string());
            }
            let identity = |report: &AddressReport| {
                let index = self.links.index(&report.interface)?;
                Some(Address::plain(index, report.address, report.prefix).identity())
            };
            let identities = addresses.filter_map(identity);
            self.installer.addresses.managed.extend(identities);
        }
        let routes = installed.routes.into_iter().chain(fixed.routes);
        self.installer.routes.managed.extend(routes);
        let rules = installed.rules.into_iter().chain(fixed.rules);
        self.installer.rules.managed.extend(rules);
    }

    /// The addresses that packets are not accepted for. The owner of an address
    /// accepts them always (RFC 9568 section 6.4.3).
    fn refused(&self) -> Refused {
        let mut refused = Refused::default();
        let instances = self.instances.values();
        for instance in instances.filter(|i| !i.accept && i.priority < wanted::OWNER) {
            let own = instance.attachment.device().unwrap_or(&instance.interface);
            for address in virtual_addresses(instance) {
                let interface = address.dev.as_deref().unwrap_or(own);
                refused.insert(address.address, interface);
            }
        }
        refused
    }

    fn outcome(&self) -> Result<String, String> {
        match &self.error {
            None => Ok(format!(
                "{} instances, {} addresses held",
                self.instances.len(),
                self.installer.addresses.expected.len()
            )),
            Some(error) => Err(error.clone()),
        }
    }

    /// The kernel reported a change.
    fn touched(&mut self, event: &Event) {
        if self.configured && self.concerns(event) {
            let soon = SETTLE.max(self.took * SHARE);
            self.resync_at = self.resync_at.min(clock::monotonic_now() + soon);
        }
    }

    /// Whether an event is about anything of ours.
    fn concerns(&self, event: &Event) -> bool {
        let used = |index| self.used.contains(self.links.name(index));
        match event {
            Event::Link(link) | Event::LinkGone(link) => {
                let tracked = !self.tracked.tables().is_empty();
                tracked || self.used.contains(&link.name) || used(link.index) || link.ours
            }
            Event::AddressAdded(address) | Event::AddressRemoved(address) => {
                used(address.key.index) || address.is_ours()
            }
            Event::Route(route) => {
                let protocols = self.installer.route_protocols();
                protocols.contains(&route.identity.protocol) || self.tracked.concerns(route)
            }
            Event::Rule(rule) => rule.protocol == PROTOCOL,
            Event::Overrun => true,
        }
    }

    fn failed(&mut self, error: &str) {
        if self.error.as_deref() != Some(error) {
            tracing::error!(event = "addresses_failed", %error);
        }
        self.error = Some(error.to_owned());
        self.resync_at = clock::monotonic_now() + RETRY;
    }

    fn observe_links(&mut self) -> Result<(), netlink::Error> {
        self.links = self.installer.links()?;
        Ok(())
    }

    /// Observes, compares, applies, tells, and has announced what was not there.
    fn level(&mut self) {
        if !self.configured {
            return;
        }
        let start = clock::monotonic_now();
        self.resync_at = start + RESYNC;
        let attached = self.observe_links().and_then(|()| self.attach());
        let observed = attached.and_then(|rest| self.installer.observe().map(|()| rest));
        self.took = clock::monotonic_now().since(start);
        let rest = match observed {
            Ok(rest) => rest,
            Err(error) => {
                self.failed(&error.to_string());
                return;
            }
        };
        self.tell_interfaces();
        let Self {
            installer,
            instances,
            roles,
            common,
            links,
            ..
        } = self;
        let config = Config {
            instances,
            roles,
            fixed: &common.static_network,
            links,
        };
        let (added, outcome) = installer.level(config);
        let detached = self.detach(rest);
        match outcome.map_err(|error| error.to_string()).and(detached) {
            Err(error) => self.failed(&error),
            Ok(()) => self.error = None,
        }
        let now = clock::monotonic_now();
        for key in self.gained(&added) {
            self.announcer.announce_unasked(now, &key);
        }
        self.measure();
    }

    /// Looks at the routes that are tracked.
    fn measure(&mut self) {
        let mut routes = Vec::new();
        for (ipv6, table) in self.tracked.tables() {
            match self.installer.routes_in(ipv6, table) {
                Ok(found) => routes.extend(found),
                Err(error) => {
                    self.failed(&error.to_string());
                    return;
                }
            }
        }
        for measured in self.tracked.measure(&routes, &self.links) {
            // The advert thread ends only with the process.
            let _ = self.to_adverts.send(ToAdverts::Measured(measured));
        }
    }

    /// The instances that hold their role and one of the addresses `added`.
    fn gained(&self, added: &BTreeSet<address::Identity>) -> Vec<Key> {
        if added.is_empty() {
            return Vec::new();
        }
        let holders = self.roles.iter().filter(|(_, holds)| **holds);
        let gained = holders.filter(|(key, _)| {
            let config = self.config();
            let instance = self.instances.get(key);
            let mut addresses = instance.into_iter().flat_map(|i| config.addresses_of(i));
            addresses.any(|(address, _)| added.contains(&address.identity()))
        });
        gained.map(|(key, _)| key.clone()).collect()
    }

    fn config(&self) -> Config<'_> {
        Config {
            instances: &self.instances,
            roles: &self.roles,
            fixed: &self.common.static_network,
            links: &self.links,
        }
    }

    fn tell_interfaces(&mut self) {
        let config = self.config();
        let own = config.own_addresses();
        let moves = |address: &rtnl::Address| {
            let identity = steps::plain(address.clone()).identity();
            let put = address.is_ours() || self.installer.addresses.managed.contains(&identity);
            (put && !own.contains(&identity)) || config.is_virtual(address.key.ip)
        };
        let names = interfaces::told(&self.instances, &self.common);
        let states = names.into_iter().map(|name| {
            let state = interfaces::state(&name, &self.links, &self.installer.listed, moves);
            (name, state)
        });
        let news: Vec<(String, Interface)> = states
            .filter(|(name, state)| self.told.get(name) != Some(state))
            .collect();
        for (name, state) in news {
            let before = self.told.insert(name.clone(), state.clone());
            let was_down = before.is_some_and(|before| before.trouble().is_some());
            if let (true, Interface::Usable(usable)) = (was_down, &state) {
                self.announce_sources(&name, usable.index);
            }
            // The advert thread ends only with the process.
            let _ = self.to_adverts.send(ToAdverts::Interface(name, state));
        }
    }

    /// An interface works again: peers that are reached by unicast are told
    /// where the address is that adverts come from.
    fn announce_sources(&mut self, name: &str, index: u32) {
        let Some(Interface::Usable(usable)) = self.told.get(name) else {
            return;
        };
        for (key, instance) in &self.instances {
            let unicast = matches!(instance.transport.mode, Delivery::Unicast { .. });
            if !unicast || instance.interface != name {
                continue;
            }
            let first = if key.family == Family::Ipv4 {
                usable.v4
            } else {
                usable.v6
            };
            if let Some(source) = instance.transport.source.or(first) {
                self.announcer.announce_own(key, name, index, source);
            }
        }
    }

    fn conflict(&mut self, conflict: Conflict) {
        let has = |key: &&Key| {
            let instance = self.instances.get(*key);
            let mut addresses = instance.into_iter().flat_map(virtual_addresses);
            addresses.any(|a| a.address == conflict.address)
        };
        let holders = self.roles.iter().filter(|(_, holds)| **holds);
        let ours: Vec<Key> = holders.map(|(key, _)| key).filter(has).cloned().collect();
        match conflict.other {
            // Whoever answers after we have given it up is the next Master.
            Some(_) if ours.is_empty() => {}
            Some(other) => {
                let is_sure = self.conflicts.found(conflict.address, &other);
                for key in &ours {
                    self.announcer
                        .probe_again(clock::monotonic_now(), key, is_sure);
                }
            }
            None => self.conflicts.ended(&conflict.address),
        }
    }
}
