//! The IPVS table: which services and destinations to add, edit and delete.
//!
//! A service is ours when it is desired, or when we programmed it before and
//! may not have deleted it yet (`managed`, which the caller keeps: add the
//! desired keys before applying, keep those alone once all is applied).
//! Every destination inside such a service is ours. Other services are never
//! touched; [`foreign`] lists them.
//!
//! # Order
//!
//! A new service is followed at once by its destinations, so it is empty for
//! the shortest time. After all gains (adds, edits that lower no weight) come
//! the losses: lowered weights and deletions. A service that both states have
//! therefore never has fewer destinations that take connections than the
//! poorer of the two states. Deleting a service takes its destinations along
//! in one message.
//!
//! # What is compared
//!
//! A different scheduler, flag, timeout, netmask or persistence engine is an
//! edit: deleting and adding would drop connections. Timeout and netmask
//! count for persistent services only, because the kernel stores but does not
//! use those of others. The kernel's own flag `IP_VS_SVC_F_HASHED` is not part
//! of [`ServiceFlags`] at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipvs_sys::{
    Destination, DestinationId, Forward, Request, Service, ServiceFlags, ServiceId, Tunnel,
};
use serde::{Deserialize, Serialize};

use super::drift::Changes;
use super::level::{self, Pair};
use super::{Drift, Found, Plan};

/// Services with their destinations, by identity.
pub type Table = BTreeMap<ServiceId, Entry>;

/// A service and its destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The service.
    pub service: Service,
    /// Its destinations by identity.
    pub destinations: BTreeMap<DestinationId, Destination>,
}

impl Entry {
    /// A service with the given destinations.
    #[must_use]
    pub fn new(service: Service, destinations: impl IntoIterator<Item = Destination>) -> Self {
        Self {
            service,
            destinations: destinations
                .into_iter()
                .map(|destination| (destination.id, destination))
                .collect(),
        }
    }
}

/// A table of the given entries.
#[must_use]
pub fn table(entries: impl IntoIterator<Item = Entry>) -> Table {
    entries
        .into_iter()
        .map(|entry| (entry.service.id, entry))
        .collect()
}

/// One change of the kernel's table; [`Op::request`] is its message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// A service that is not there yet.
    AddService(Service),
    /// New properties of a service.
    EditService(Service),
    /// A service with all its destinations.
    DeleteService(ServiceId),
    /// A destination that is not there yet.
    AddDestination(ServiceId, Destination),
    /// New properties of a destination.
    EditDestination(ServiceId, Destination),
    /// A destination.
    DeleteDestination(ServiceId, DestinationId),
}

impl Op {
    /// The message that asks the kernel for it.
    #[must_use]
    pub fn request(&self) -> Request {
        match self.clone() {
            Op::AddService(service) => Request::AddService(service),
            Op::EditService(service) => Request::EditService(service),
            Op::DeleteService(id) => Request::DeleteService(id),
            Op::AddDestination(id, destination) => Request::AddDestination(id, destination),
            Op::EditDestination(id, destination) => Request::EditDestination(id, destination),
            Op::DeleteDestination(id, destination) => Request::DeleteDestination(id, destination),
        }
    }

    /// The service it concerns.
    #[must_use]
    pub const fn service(&self) -> ServiceId {
        match self {
            Op::AddService(service) | Op::EditService(service) => service.id,
            Op::DeleteService(id)
            | Op::AddDestination(id, _)
            | Op::EditDestination(id, _)
            | Op::DeleteDestination(id, _) => *id,
        }
    }
}

/// What is attempted, in the words of [`Request`].
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request().fmt(f)
    }
}

/// What has to be done so that `observed` holds `desired`, in order.
#[must_use]
pub fn diff(desired: &Table, observed: &Table, managed: &BTreeSet<ServiceId>) -> Vec<Op> {
    let mut plan = Plan::new();
    for (id, pair) in level::join(desired, observed) {
        plan_service(&mut plan, *id, &pair, managed);
    }
    plan.into_ops()
}

/// The part of [`diff`] that concerns the given services: the quick way after
/// a change that is known to have touched only them.
#[must_use]
pub fn diff_keys(
    keys: &BTreeSet<ServiceId>,
    desired: &Table,
    observed: &Table,
    managed: &BTreeSet<ServiceId>,
) -> Vec<Op> {
    let mut plan = Plan::new();
    for id in keys {
        if let Some(pair) = Pair::of(desired.get(id), observed.get(id)) {
            plan_service(&mut plan, *id, &pair, managed);
        }
    }
    plan.into_ops()
}

fn plan_service(
    plan: &mut Plan<Op>,
    id: ServiceId,
    pair: &Pair<'_, Entry>,
    managed: &BTreeSet<ServiceId>,
) {
    match pair {
        Pair::Missing(desired) => {
            plan.gain(Op::AddService(desired.service.clone()));
            for destination in desired.destinations.values() {
                plan.gain(Op::AddDestination(id, *destination));
            }
        }
        Pair::Both { desired, observed } => {
            if !service_changes(&desired.service, &observed.service).is_empty() {
                plan.gain(Op::EditService(desired.service.clone()));
            }
            for (_, pair) in level::join(&desired.destinations, &observed.destinations) {
                plan_destination(plan, id, pair);
            }
        }
        Pair::Extra(_) if managed.contains(&id) => plan.loss(Op::DeleteService(id)),
        Pair::Extra(_) => {}
    }
}

fn plan_destination(plan: &mut Plan<Op>, service: ServiceId, pair: Pair<'_, Destination>) {
    match pair {
        Pair::Missing(desired) => plan.gain(Op::AddDestination(service, *desired)),
        Pair::Both { desired, observed } => {
            if destination_changes(desired, observed).is_empty() {
                return;
            }
            let edit = Op::EditDestination(service, *desired);
            if desired.weight < observed.weight {
                plan.loss(edit);
            } else {
                plan.gain(edit);
            }
        }
        Pair::Extra(observed) => plan.loss(Op::DeleteDestination(service, observed.id)),
    }
}

/// Why a table, or the kernel, does not take an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `EEXIST`: what is to be added is there.
    #[error("it is there already")]
    Exists,
    /// `ESRCH`: the service is not there.
    #[error("there is no such service")]
    NoService,
    /// `ENOENT`: the destination is not there.
    #[error("the service has no such destination")]
    NoDestination,
}

/// Does to a table what the operation does to the kernel's, by the kernel's
/// rules: for a cached observation, once the kernel has acknowledged.
///
/// # Errors
///
/// [`Refused`], with the table as it was: the cache did not hold what the
/// kernel holds, so observe again.
pub fn apply(table: &mut Table, op: &Op) -> Result<(), Refused> {
    if let Op::AddService(service) = op {
        if table.contains_key(&service.id) {
            return Err(Refused::Exists);
        }
        table.insert(service.id, Entry::new(service.clone(), []));
        return Ok(());
    }
    if let Op::DeleteService(id) = op {
        return table.remove(id).map(drop).ok_or(Refused::NoService);
    }
    let entry = table.get_mut(&op.service()).ok_or(Refused::NoService)?;
    match op {
        Op::AddService(_) | Op::DeleteService(_) => {}
        Op::EditService(service) => entry.service = service.clone(),
        Op::AddDestination(_, destination) => {
            if entry.destinations.contains_key(&destination.id) {
                return Err(Refused::Exists);
            }
            entry.destinations.insert(destination.id, *destination);
        }
        Op::EditDestination(_, destination) => {
            let present = entry.destinations.get_mut(&destination.id);
            *present.ok_or(Refused::NoDestination)? = *destination;
        }
        Op::DeleteDestination(_, id) => {
            let removed = entry.destinations.remove(id);
            return removed.map(drop).ok_or(Refused::NoDestination);
        }
    }
    Ok(())
}

/// The services that are not ours, in order.
pub fn foreign<'a>(
    desired: &'a Table,
    observed: &'a Table,
    managed: &'a BTreeSet<ServiceId>,
) -> impl Iterator<Item = &'a Entry> {
    observed
        .iter()
        .filter(|(id, _)| !desired.contains_key(id) && !managed.contains(id))
        .map(|(_, entry)| entry)
}

/// What a drift is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A service.
    Service(ServiceId),
    /// A destination of a service.
    Destination(ServiceId, DestinationId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Service(service) => write!(f, "service {service}"),
            Subject::Destination(service, id) => write!(f, "destination {id} of {service}"),
        }
    }
}

/// What differs between the table we left (`expected`, not the one that is
/// desired now) and the one that is there, foreign services aside. Of a
/// missing service the destinations are not listed.
#[must_use]
pub fn drift(
    expected: &Table,
    observed: &Table,
    managed: &BTreeSet<ServiceId>,
) -> Vec<Drift<Subject>> {
    let mut all = Vec::new();
    for (id, pair) in level::join(expected, observed) {
        let subject = Subject::Service(*id);
        let found = match pair {
            Pair::Missing(_) => Some(Found::Missing),
            Pair::Both { desired, observed } => {
                service_changes(&desired.service, &observed.service).into_found()
            }
            Pair::Extra(_) => managed.contains(id).then_some(Found::Unexpected),
        };
        all.extend(found.map(|found| Drift { subject, found }));
        if let Pair::Both { desired, observed } = pair {
            let pairs = level::join(&desired.destinations, &observed.destinations);
            all.extend(pairs.filter_map(|(key, pair)| {
                Some(Drift {
                    subject: Subject::Destination(*id, *key),
                    found: destination_drift(pair)?,
                })
            }));
        }
    }
    all
}

fn destination_drift(pair: Pair<'_, Destination>) -> Option<Found> {
    match pair {
        Pair::Missing(_) => Some(Found::Missing),
        Pair::Both { desired, observed } => destination_changes(desired, observed).into_found(),
        Pair::Extra(_) => Some(Found::Unexpected),
    }
}

fn service_changes(desired: &Service, observed: &Service) -> Changes {
    let mut changes = Changes::default();
    changes.field(
        "scheduler",
        &desired.scheduler,
        &observed.scheduler,
        Clone::clone,
    );
    changes.field("flags", &desired.flags, &observed.flags, flag_names);
    if desired.flags.contains(ServiceFlags::PERSISTENT) {
        changes.field("timeout", &desired.timeout, &observed.timeout, |seconds| {
            format!("{seconds} s")
        });
        changes.field(
            "netmask",
            &desired.netmask,
            &observed.netmask,
            ToString::to_string,
        );
    }
    changes.field(
        "persistence engine",
        &desired.pe_name,
        &observed.pe_name,
        |name| name.clone().unwrap_or_else(|| "none".to_owned()),
    );
    changes
}

fn destination_changes(desired: &Destination, observed: &Destination) -> Changes {
    let mut changes = Changes::default();
    changes.field(
        "forwarding",
        &desired.forward,
        &observed.forward,
        ToString::to_string,
    );
    changes.field(
        "weight",
        &desired.weight,
        &observed.weight,
        ToString::to_string,
    );
    changes.field(
        "upper threshold",
        &desired.upper_threshold,
        &observed.upper_threshold,
        ToString::to_string,
    );
    changes.field(
        "lower threshold",
        &desired.lower_threshold,
        &observed.lower_threshold,
        ToString::to_string,
    );
    if desired.forward == Forward::Tunnel {
        changes.field("tunnel", &desired.tunnel, &observed.tunnel, tunnel_name);
    }
    changes
}

/// `persistent, one-packet`, or `none`.
fn flag_names(flags: &ServiceFlags) -> String {
    let names: Vec<_> = [
        (ServiceFlags::PERSISTENT, "persistent"),
        (ServiceFlags::ONE_PACKET, "one-packet"),
        (ServiceFlags::SCHED_1, "flag-1"),
        (ServiceFlags::SCHED_2, "flag-2"),
        (ServiceFlags::SCHED_3, "flag-3"),
    ]
    .into_iter()
    .filter(|(flag, _)| flags.contains(*flag))
    .map(|(_, name)| name)
    .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn tunnel_name(tunnel: &Option<Tunnel>) -> String {
    match tunnel {
        None => "ipip".to_owned(),
        Some(Tunnel::Gue { port, flags }) => format!("gue port {port} flags {}", flags.bits()),
        Some(Tunnel::Gre { flags }) => format!("gre flags {}", flags.bits()),
    }
}

#[cfg(test)]
#[path = "ipvs_tests.rs"]
mod tests;
