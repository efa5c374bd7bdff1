//! The address thread: virtual addresses as a level.
//!
//! What is desired follows from the instances' roles, what is observed is
//! asked of the kernel, and the difference is applied: when a role changes,
//! when the kernel reports a change, and every [`RESYNC`] in any case. An
//! address deleted by hand is therefore back at once.
//!
//! An instance whose role is not yet known (right after a start) keeps what is
//! there: a successor must not take away what it is about to resume.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;
use thiserror::Error;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::address_ops::{applied, plain, requests};
use super::announcer::{Announcer, Conflict};
use super::messages::{Interface, Key, ToAddresses, ToAdverts, ToMain};
use crate::kernel::monitor::{self, Monitor};
use crate::kernel::rtnl::{self, AddressOp, Link, Rtnl};
use crate::kernel::{clock, netlink};
use crate::model::VrrpInstance;
use crate::reconcile::address::{self, Address, Op, Ownership, TAG, Table};
use crate::status::{AddressReport, InstanceReport, VrrpSnapshot};

/// Everything is compared with the kernel at least this often.
const RESYNC: Duration = Duration::from_secs(30);
/// After an error, this soon again.
const RETRY: Duration = Duration::from_secs(1);
/// The priority of whoever has the virtual addresses as its own.
const OWNER: u8 = 255;

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
    let rtnl = Rtnl::open()?;
    let monitor = {
        let _inside = runtime.enter();
        Monitor::open()?
    };
    let (conflicts_in, conflicts) = unbounded_channel();
    let addresses = Addresses {
        rtnl,
        to_adverts,
        to_main,
        announcer: Announcer::new(conflicts_in),
        instances: BTreeMap::new(),
        roles: BTreeMap::new(),
        links: BTreeMap::new(),
        told: BTreeMap::new(),
        expected: Table::new(),
        observed: Table::new(),
        managed: BTreeSet::new(),
        configured: false,
        resync_at: Mono::MAX,
        error: None,
        repairs: 0,
        conflicts: BTreeMap::new(),
        tags: true,
    };
    std::thread::Builder::new()
        .name("addresses".into())
        .spawn(move || {
            runtime.block_on(addresses.run(commands, monitor, conflicts));
        })?;
    Ok(())
}

struct Addresses {
    rtnl: Rtnl,
    to_adverts: UnboundedSender<ToAdverts>,
    to_main: UnboundedSender<ToMain>,
    announcer: Announcer,
    instances: BTreeMap<Key, VrrpInstance>,
    roles: BTreeMap<Key, bool>,
    /// Links by name.
    links: BTreeMap<String, Link>,
    /// What the advert thread was last told of an interface.
    told: BTreeMap<String, Interface>,
    /// What the last reconciliation left.
    expected: Table,
    observed: Table,
    /// What was put there by us or by a predecessor.
    managed: BTreeSet<address::Identity>,
    /// Before the first configuration it is not known what is ours to keep.
    configured: bool,
    resync_at: Mono,
    error: Option<String>,
    repairs: u64,
    /// Who else answers for our addresses, by address.
    conflicts: BTreeMap<IpAddr, String>,
    /// Whether the kernel keeps our mark on addresses (Linux 5.18 and later).
    tags: bool,
}

impl Addresses {
    async fn run(
        mut self,
        mut commands: UnboundedReceiver<ToAddresses>,
        mut monitor: Monitor,
        mut conflicts: UnboundedReceiver<Conflict>,
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
                event = monitor.next() => self.event(&event),
                Some(conflict) = conflicts.recv() => self.conflict(conflict),
                () = tokio::time::sleep(wake.since(clock::monotonic_now())) => {}
            }
            let now = clock::monotonic_now();
            if self.resync_at <= now {
                self.refresh_links();
                self.reconcile();
            }
            self.announcer.fire(now, &self.links);
        }
    }

    fn command(&mut self, command: ToAddresses) {
        match command {
            ToAddresses::Configure { id, instances } => self.configure(id, instances),
            ToAddresses::Role(key, holds) => {
                if self.roles.insert(key.clone(), holds) != Some(holds) {
                    if !holds {
                        self.announcer.forget(&key);
                    }
                    self.reconcile();
                }
            }
            ToAddresses::Announce(key) => {
                if let Some(instance) = self.instances.get(&key) {
                    self.announcer
                        .announce(clock::monotonic_now(), &key, instance, &self.links);
                }
            }
            ToAddresses::Report {
                id,
                instances,
                worst_lateness,
            } => {
                let snapshot = self.snapshot(instances, worst_lateness);
                self.tell(ToMain::Report(id, snapshot));
            }
            ToAddresses::Stop => {
                self.roles.values_mut().for_each(|holds| *holds = false);
                self.reconcile();
                self.tell(ToMain::Stopped);
            }
        }
    }

    fn tell(&self, message: ToMain) {
        // The main thread ends only with the process.
        let _ = self.to_main.send(message);
    }

    fn configure(&mut self, id: u64, instances: Vec<VrrpInstance>) {
        self.instances = instances.into_iter().map(|i| (Key::of(&i), i)).collect();
        let Self {
            roles, instances, ..
        } = self;
        roles.retain(|key, _| instances.contains_key(key));
        self.told
            .retain(|name, _| instances.keys().any(|key| key.interface == *name));
        self.configured = true;
        self.refresh_links();
        self.reconcile();
        let outcome = match &self.error {
            None => Ok(format!(
                "{} instances, {} addresses held",
                self.instances.len(),
                self.expected.len()
            )),
            Some(error) => Err(error.clone()),
        };
        self.tell(ToMain::Done(id, outcome));
    }

    fn event(&mut self, event: &std::io::Result<monitor::Event>) {
        match event {
            Ok(monitor::Event::Link(_) | monitor::Event::LinkGone(_)) => {
                self.refresh_links();
                self.reconcile();
            }
            Ok(monitor::Event::AddressAdded(_) | monitor::Event::AddressRemoved(_)) => {
                self.reconcile();
            }
            Ok(monitor::Event::Overrun) => {
                tracing::warn!(
                    event = "monitor_overrun",
                    action = "observing everything again"
                );
                self.refresh_links();
                self.reconcile();
            }
            Err(error) => {
                self.failed(&error.to_string());
            }
        }
    }

    fn failed(&mut self, error: &str) {
        if self.error.as_deref() != Some(error) {
            tracing::error!(event = "addresses_failed", %error);
        }
        self.error = Some(error.to_owned());
        self.resync_at = clock::monotonic_now() + RETRY;
    }

    fn refresh_links(&mut self) {
        match self.rtnl.links() {
            Ok(links) => self.links = links.into_iter().map(|l| (l.name.clone(), l)).collect(),
            Err(error) => self.failed(&error.to_string()),
        }
    }

    /// Observes, compares, applies.
    fn reconcile(&mut self) {
        if !self.configured {
            return;
        }
        self.resync_at = clock::monotonic_now() + RESYNC;
        let observed = match self.rtnl.addresses() {
            Ok(addresses) => addresses,
            Err(error) => return self.failed(&error.to_string()),
        };
        self.learn_tags(&observed);
        self.tell_interfaces(&observed);
        self.observed = address::table(observed.into_iter().map(plain));
        let desired = self.desired();
        let ownership = self.ownership(&desired);
        let repaired = self.count_drift(&desired, &ownership);
        let ops = address::diff(&desired, &self.observed, &ownership);
        let outcome = if ops.is_empty() {
            Ok(())
        } else {
            self.apply(&ops)
        };
        self.managed
            .retain(|identity| desired.contains_key(identity));
        self.managed.extend(desired.keys().copied());
        self.expected = desired;
        match outcome {
            Err(error) => self.failed(&error.to_string()),
            Ok(()) => {
                self.error = None;
                self.observed = applied(&self.observed, &ops);
            }
        }
        for key in repaired {
            if let Some(instance) = self.instances.get(&key) {
                self.announcer
                    .announce(clock::monotonic_now(), &key, instance, &self.links);
            }
        }
    }

    fn apply(&mut self, ops: &[Op]) -> Result<(), netlink::Error> {
        let requests: Vec<AddressOp> = ops.iter().flat_map(requests).collect();
        let mut failure = Ok(());
        let outcomes = self.rtnl.apply(&requests)?;
        for (request, outcome) in requests.iter().zip(outcomes) {
            match (outcome, request) {
                (Err(error), _) => failure = Err(error),
                (Ok(_), AddressOp::Delete(key)) => {
                    tracing::info!(event = "address_removed", address = %key);
                }
                (Ok(_), AddressOp::Add(new) | AddressOp::Replace(new)) => {
                    tracing::info!(event = "address_added", address = %new.key);
                }
            }
        }
        failure
    }

    /// The addresses of all instances that hold theirs. Those of an instance
    /// whose role is not known yet are desired exactly as far as they are there.
    fn desired(&self) -> Table {
        let mut table = Table::new();
        for (key, instance) in &self.instances {
            let role = self.roles.get(key).copied();
            for address in self.addresses_of(instance) {
                let there = self.observed.contains_key(&address.identity());
                if role.unwrap_or(there) {
                    table.insert(address.identity(), address);
                }
            }
        }
        table
    }

    fn addresses_of(&self, instance: &VrrpInstance) -> Vec<Address> {
        let addresses = instance.virtual_addresses.iter().filter_map(|address| {
            let device = address.dev.as_ref().unwrap_or(&instance.interface);
            Some(Address {
                interface: self.links.get(device)?.index,
                address: address.address,
                prefix_len: address.prefix_len,
                label: address.label.clone(),
                scope: address.scope.number(),
                proto: None,
            })
        });
        addresses.collect()
    }

    /// Ours is what bears our tag, what we put there, and what the
    /// configuration says is virtual: a leftover of another director software
    /// must not stay on a Backup. The owner of an address (priority 255) has it
    /// as its own, so there only what we put counts.
    fn ownership(&self, desired: &Table) -> Ownership {
        let mut managed = self.managed.clone();
        for instance in self
            .instances
            .values()
            .filter(|instance| instance.priority < OWNER)
        {
            managed.extend(self.addresses_of(instance).iter().map(Address::identity));
        }
        managed.retain(|identity| !desired.contains_key(identity));
        Ownership {
            managed,
            tag: self.tags.then_some(TAG),
        }
    }

    /// A kernel that marks its own addresses (loopback, link-local) keeps ours;
    /// one that shows an address of ours without its mark does not.
    fn learn_tags(&mut self, observed: &[rtnl::Address]) {
        if observed.iter().any(|address| address.proto.is_some()) {
            self.tags = true;
        } else if observed
            .iter()
            .any(|a| self.expected.contains_key(&plain(a.clone()).identity()))
        {
            self.tags = false;
        }
    }

    /// Counts and logs what somebody else changed since the last time, and
    /// returns the instances whose addresses have to be announced again.
    fn count_drift(&mut self, desired: &Table, ownership: &Ownership) -> Vec<Key> {
        // Only what was there and still should be: a change of ours is no drift.
        let kept: Table = self
            .expected
            .iter()
            .filter(|(identity, _)| desired.contains_key(identity))
            .map(|(identity, address)| (*identity, address.clone()))
            .collect();
        let drift = address::drift(&kept, &self.observed, ownership);
        let mut keys = Vec::new();
        for drift in drift
            .iter()
            .filter(|drift| kept.contains_key(&drift.subject))
        {
            self.repairs += 1;
            tracing::warn!(event = "address_repaired", %drift);
            let owner = self.instances.iter().find(|(_, instance)| {
                instance
                    .virtual_addresses
                    .iter()
                    .any(|a| a.address == drift.subject.address)
            });
            keys.extend(owner.map(|(key, _)| key.clone()));
        }
        keys
    }

    fn tell_interfaces(&mut self, observed: &[rtnl::Address]) {
        let names: BTreeSet<&String> = self.instances.keys().map(|key| &key.interface).collect();
        let mut news = Vec::new();
        for name in names {
            let state = self.interface(name, observed);
            if self.told.get(name) != Some(&state) {
                news.push((name.clone(), state));
            }
        }
        for (name, state) in news {
            self.told.insert(name.clone(), state.clone());
            // The advert thread ends only with the process.
            let _ = self.to_adverts.send(ToAdverts::Interface(name, state));
        }
    }

    fn interface(&self, name: &str, observed: &[rtnl::Address]) -> Interface {
        let Some(link) = self.links.get(name) else {
            let names: Vec<&str> = self.links.keys().map(String::as_str).collect();
            return Interface::Unusable(format!(
                "no such interface (there are: {})",
                names.join(", ")
            ));
        };
        if !link.up {
            return Interface::Unusable("the interface is down".into());
        }
        if !link.running {
            return Interface::Unusable("the link is down (no carrier)".into());
        }
        // Addresses that move between hosts are no name for this one.
        let excluded = |ip: &IpAddr| {
            self.managed.iter().any(|identity| identity.address == *ip)
                || self
                    .instances
                    .values()
                    .filter(|instance| instance.priority < OWNER)
                    .any(|instance| instance.virtual_addresses.iter().any(|a| a.address == *ip))
        };
        Interface::Usable {
            index: link.index,
            v4: rtnl::source_address(observed, link.index, false, excluded),
            v6: rtnl::source_address(observed, link.index, true, excluded),
        }
    }

    fn conflict(&mut self, conflict: Conflict) {
        // Whoever answers after we have given it up is the next Master.
        let ours = self.roles.iter().any(|(key, holds)| {
            let instance = self.instances.get(key).filter(|_| *holds);
            instance.is_some_and(|one| {
                one.virtual_addresses
                    .iter()
                    .any(|a| a.address == conflict.address)
            })
        });
        if !ours && conflict.other.is_some() {
            return;
        }
        match conflict.other {
            Some(other) => {
                self.announcer
                    .probe_again(clock::monotonic_now(), conflict.address);
                if self
                    .conflicts
                    .insert(conflict.address, other.clone())
                    .as_ref()
                    != Some(&other)
                {
                    tracing::error!(
                        event = "address_in_use", address = %conflict.address, by = other,
                        help = "another host answers for this virtual address: a real server \
                                without arp_ignore=1, or a second master that does not hear us",
                    );
                }
            }
            None => {
                if self.conflicts.remove(&conflict.address).is_some() {
                    tracing::info!(event = "address_no_longer_in_use", address = %conflict.address);
                }
            }
        }
    }

    fn snapshot(
        &self,
        mut instances: Vec<InstanceReport>,
        worst_lateness: Duration,
    ) -> VrrpSnapshot {
        let held = |report: &AddressReport| {
            let index = self.links.get(&report.interface).map(|link| link.index);
            self.observed.values().any(|address| {
                Some(address.interface) == index
                    && address.address == report.address
                    && address.prefix_len == report.prefix
            })
        };
        let mut all = Vec::new();
        for address in instances
            .iter_mut()
            .flat_map(|instance| &mut instance.addresses)
        {
            address.held = held(address);
            address.conflict = self.conflicts.get(&address.address).cloned();
            if address.held {
                all.push(address.clone());
            }
        }
        VrrpSnapshot {
            taken: clock::monotonic_now(),
            instances,
            held: all,
            address_error: self.error.clone(),
            repairs: self.repairs,
            worst_lateness,
        }
    }
}
