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
use vrrp::Cause;

use super::address_ops::{added, applied, plain, requests};
use super::announcer::{Announcer, Conflict};
use super::messages::{Interface, Key, ToAddresses, ToAdverts, ToMain, Usable};
use super::watch::Watch;
use crate::kernel::rtnl::{self, AddressOp, Link, Rtnl};
use crate::kernel::{clock, netlink};
use crate::model::VrrpInstance;
use crate::reconcile::address::{self, Address, Op, Ownership, TAG, Table};
use crate::status::{AddressReport, VrrpSnapshot};

/// Everything is compared with the kernel at least this often.
const RESYNC: Duration = Duration::from_secs(30);
/// After the kernel reports a change, this soon: changes come in flocks.
const SETTLE: Duration = Duration::from_millis(5);
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
    let watch = {
        let _inside = runtime.enter();
        Watch::open()?
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
            runtime.block_on(addresses.run(commands, watch, conflicts));
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
        mut watch: Watch,
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
                () = watch.changed() => self.touched(),
                Some(conflict) = conflicts.recv() => self.conflict(conflict),
                () = tokio::time::sleep(wake.since(clock::monotonic_now())) => {}
            }
            let now = clock::monotonic_now();
            if self.resync_at <= now {
                self.resync();
            }
            self.announcer.fire(now, &self.instances, &self.links);
        }
    }

    fn command(&mut self, command: ToAddresses) {
        match command {
            ToAddresses::Configure { id, setup, held } => {
                self.configure(id, setup.instances, &held);
            }
            ToAddresses::Role(key, holds) => self.role(&key, holds),
            ToAddresses::Announce(key, cause) => self.announce_for(&key, cause),
            ToAddresses::Report { id, mut snapshot } => {
                self.complete(&mut snapshot);
                self.tell(ToMain::Report(id, *snapshot));
            }
            ToAddresses::Pass(message) => self.tell(message),
            ToAddresses::Stop => {
                // Also of those whose role is not known yet.
                self.roles = self.instances.keys().map(|k| (k.clone(), false)).collect();
                self.configured = true;
                self.reconcile();
                self.tell(ToMain::Stopped);
            }
        }
    }

    fn tell(&self, message: ToMain) {
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
        if !holds {
            self.announcer.forget(key);
            let addresses = instance.virtual_addresses.iter();
            for address in addresses.map(|a| a.address).collect::<Vec<_>>() {
                self.conflict(Conflict {
                    address,
                    other: None,
                });
            }
        }
        let mut gained = self.level();
        // The core announces those itself.
        gained.remove(key);
        gained.iter().for_each(|key| self.announce(key));
    }

    fn announce_for(&mut self, key: &Key, cause: Cause) {
        let repeat = |instance: &VrrpInstance| instance.announce.lower_prio_repeat;
        let rivals = self.instances.get(key).map_or(0, repeat);
        if cause != Cause::Rival || rivals > 0 {
            self.announce(key);
        }
    }

    fn announce(&mut self, key: &Key) {
        if let Some(instance) = self.instances.get(key) {
            self.announcer
                .announce(clock::monotonic_now(), key, instance, &self.links);
        }
    }

    fn configure(&mut self, id: u64, instances: Vec<VrrpInstance>, held: &[AddressReport]) {
        self.instances = instances.into_iter().map(|i| (Key::of(&i), i)).collect();
        let Self {
            roles, instances, ..
        } = self;
        roles.retain(|key, _| instances.contains_key(key));
        self.told
            .retain(|name, _| instances.keys().any(|key| key.interface == *name));
        self.conflicts.retain(|address, _| {
            let mut configured = instances.values().flat_map(|i| &i.virtual_addresses);
            configured.any(|a| a.address == *address)
        });
        self.announcer.configure(clock::monotonic_now(), instances);
        self.configured = true;
        match self.refresh_links() {
            Ok(()) => {
                self.managed.extend(self.identities(held));
                self.reconcile();
            }
            Err(error) => self.failed(&error.to_string()),
        }
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

    /// What a predecessor put there; on kernels that keep no mark nothing else
    /// tells.
    fn identities(&self, held: &[AddressReport]) -> Vec<address::Identity> {
        let identity = |report: &AddressReport| {
            let address = Address {
                interface: self.links.get(&report.interface)?.index,
                address: report.address,
                prefix_len: report.prefix,
                label: None,
                scope: 0,
                proto: None,
            };
            Some(address.identity())
        };
        held.iter().filter_map(identity).collect()
    }

    /// The kernel reported a change.
    fn touched(&mut self) {
        if self.configured {
            self.resync_at = self.resync_at.min(clock::monotonic_now() + SETTLE);
        }
    }

    fn resync(&mut self) {
        match self.refresh_links() {
            Ok(()) => self.reconcile(),
            Err(error) => self.failed(&error.to_string()),
        }
    }

    fn failed(&mut self, error: &str) {
        if self.error.as_deref() != Some(error) {
            tracing::error!(event = "addresses_failed", %error);
        }
        self.error = Some(error.to_owned());
        self.resync_at = clock::monotonic_now() + RETRY;
    }

    fn refresh_links(&mut self) -> Result<(), netlink::Error> {
        let links = self.rtnl.links()?;
        self.links = links.into_iter().map(|l| (l.name.clone(), l)).collect();
        Ok(())
    }

    /// Observes, compares, applies, and announces what was not there.
    fn reconcile(&mut self) {
        let gained = self.level();
        gained.iter().for_each(|key| self.announce(key));
    }

    /// Observes, compares, applies; returns the instances that hold their role
    /// and had an address added.
    fn level(&mut self) -> BTreeSet<Key> {
        if !self.configured {
            return BTreeSet::new();
        }
        self.resync_at = clock::monotonic_now() + RESYNC;
        let observed = match self.rtnl.addresses() {
            Ok(addresses) => addresses,
            Err(error) => {
                self.failed(&error.to_string());
                return BTreeSet::new();
            }
        };
        self.learn_tags(&observed);
        self.tell_interfaces(&observed);
        self.observed = address::table(observed.into_iter().map(plain));
        let desired = self.desired();
        let ownership = self.ownership(&desired);
        self.count_drift(&desired, &ownership);
        let ops = address::diff(&desired, &self.observed, &ownership);
        let (done, outcome) = self.apply(ops);
        self.observed = applied(&self.observed, &done);
        self.managed.extend(desired.keys().copied());
        self.expected = desired;
        match outcome {
            Err(error) => self.failed(&error.to_string()),
            Ok(()) => {
                let Self {
                    managed, expected, ..
                } = self;
                managed.retain(|identity| expected.contains_key(identity));
                self.error = None;
            }
        }
        self.gained(&done)
    }

    /// Applies what can be; returns that, and an error of what cannot.
    fn apply(&mut self, ops: Vec<Op>) -> (Vec<Op>, Result<(), netlink::Error>) {
        if ops.is_empty() {
            return (ops, Ok(()));
        }
        let steps: Vec<AddressOp> = ops.iter().flat_map(requests).collect();
        let outcomes = match self.rtnl.apply(&steps) {
            Ok(outcomes) => outcomes,
            Err(error) => return (Vec::new(), Err(error)),
        };
        let mut failure = Ok(());
        let mut outcomes = steps.iter().zip(outcomes);
        let mut done = Vec::new();
        for op in ops {
            let mut complete = true;
            for (request, outcome) in outcomes.by_ref().take(requests(&op).len()) {
                match outcome {
                    Ok(_) => self.log_change(request),
                    Err(error) => {
                        complete = false;
                        failure = Err(error);
                    }
                }
            }
            if complete {
                done.push(op);
            }
        }
        (done, failure)
    }

    fn log_change(&self, request: &AddressOp) {
        let (event, key) = match request {
            AddressOp::Delete(key) => ("address_removed", key),
            AddressOp::Add(new) | AddressOp::Replace(new) => ("address_added", &new.key),
        };
        let interface = self.name_of(key.index);
        tracing::info!(event, address = %key, interface);
    }

    fn name_of(&self, index: u32) -> &str {
        let link = self.links.values().find(|link| link.index == index);
        link.map_or("(gone)", |link| link.name.as_str())
    }

    /// The instances that hold their role and one of the addresses that `done`
    /// has added.
    fn gained(&self, done: &[Op]) -> BTreeSet<Key> {
        let added: BTreeSet<address::Identity> = done.iter().filter_map(added).collect();
        self.instances
            .iter()
            .filter(|(key, instance)| {
                let mut addresses = self.addresses_of(instance).into_iter();
                self.roles.get(key) == Some(&true)
                    && addresses.any(|address| added.contains(&address.identity()))
            })
            .map(|(key, _)| key.clone())
            .collect()
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

    /// Counts and logs what somebody else changed since the last time.
    fn count_drift(&mut self, desired: &Table, ownership: &Ownership) {
        // Only what was there and still should be: a change of ours is no drift.
        let kept: Table = self
            .expected
            .iter()
            .filter(|(identity, _)| desired.contains_key(identity))
            .map(|(identity, address)| (*identity, address.clone()))
            .collect();
        let drift = address::drift(&kept, &self.observed, ownership);
        for drift in drift
            .iter()
            .filter(|drift| kept.contains_key(&drift.subject))
        {
            self.repairs += 1;
            let interface = self.name_of(drift.subject.interface);
            tracing::warn!(event = "address_repaired", %drift, interface);
        }
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
        Interface::Usable(Usable {
            index: link.index,
            v4: rtnl::source_address(observed, link.index, false, excluded),
            v6: rtnl::source_address(observed, link.index, true, excluded),
            addresses: rtnl::usable_addresses(observed, link.index, excluded).collect(),
        })
    }

    fn conflict(&mut self, conflict: Conflict) {
        // Whoever answers after we have given it up is the next Master.
        let has = |key: &&Key| {
            let instance = self.instances.get(*key);
            let mut addresses = instance.iter().flat_map(|i| &i.virtual_addresses);
            addresses.any(|a| a.address == conflict.address)
        };
        let holders = self.roles.iter().filter(|(_, holds)| **holds);
        let ours: Vec<Key> = holders.map(|(key, _)| key).filter(has).cloned().collect();
        if ours.is_empty() && conflict.other.is_some() {
            return;
        }
        match conflict.other {
            Some(other) => {
                for key in &ours {
                    self.announcer.probe_again(clock::monotonic_now(), key);
                }
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

    /// Fills in our part of a report.
    fn complete(&self, snapshot: &mut VrrpSnapshot) {
        let held = |report: &AddressReport| {
            let index = self.links.get(&report.interface).map(|link| link.index);
            self.observed.values().any(|address| {
                Some(address.interface) == index
                    && address.address == report.address
                    && address.prefix_len == report.prefix
            })
        };
        let instances = snapshot.instances.iter_mut();
        for address in instances.flat_map(|instance| &mut instance.addresses) {
            address.held = held(address);
            address.conflict = self.conflicts.get(&address.address).cloned();
            if address.held {
                snapshot.held.push(address.clone());
            }
        }
        snapshot.address_error.clone_from(&self.error);
        snapshot.repairs = self.repairs;
    }
}
