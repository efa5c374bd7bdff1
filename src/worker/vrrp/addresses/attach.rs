//! Making the interfaces and setting the parameters that instances need.

use std::collections::BTreeMap;

use super::{Addresses, devices};
use crate::kernel::rtnl::{LinkOp, Op};
use crate::kernel::{netlink, sysctl};
use crate::reconcile::link;
use crate::reconcile::link::Device;
use crate::reconcile::sysctl::{self as parameters, Want};

/// What is left to do when the addresses are as they should be.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Interfaces to be deleted.
    delete: Vec<LinkOp>,
    /// Parameters to have.
    wants: BTreeMap<String, Want>,
    /// What went wrong before, in words.
    problem: Option<String>,
}

impl Addresses {
    /// The interfaces to have: none any more at the end.
    fn devices(&self) -> BTreeMap<String, Device> {
        if self.stopping {
            return BTreeMap::new();
        }
        devices::devices(&self.instances, &self.links)
    }

    /// Makes interfaces and sets parameters, before addresses are put there.
    ///
    /// # Errors
    ///
    /// When the kernel cannot be asked.
    pub(super) fn attach(&mut self) -> Result<Rest, netlink::Error> {
        let mut rest = Rest::default();
        let desired = self.devices();
        let (gains, losses, taken) = devices::plan(&desired, &self.links);
        rest.delete = losses.iter().flat_map(requests).collect();
        if let Some(name) = taken.first() {
            rest.problem = Some(format!(
                "cannot make interface {name}: another of that name is there, which is not lvsd's"
            ));
        }
        if !gains.is_empty() {
            let made = self.change(gains.iter().flat_map(requests));
            made.unwrap_or_else(|error| rest.problem = Some(error));
            self.parameters_due = true;
            self.observe_links()?;
        }
        // Those of a new device before it is up: it must not say a word.
        if self.parameters_due {
            if !self.stopping {
                rest.wants = devices::parameters(&self.instances, &desired, &self.links);
            }
            let wants = rest.wants.clone();
            let set = self.set_parameters(&wants, &desired);
            set.unwrap_or_else(|error| rest.problem = Some(error));
        }
        let down = desired.values().filter(|device| {
            let is_up = |link: Option<&crate::kernel::rtnl::Link>| link.is_some_and(|l| l.up);
            let made = self.links.get(&device.name).is_some();
            // The kernel sets none up whose parent is down.
            let parent = is_up(self.links.by_index(device.parent));
            made && parent && !is_up(self.links.get(&device.name))
        });
        let ups: Vec<LinkOp> = down.map(|device| LinkOp::Up(device.name.clone())).collect();
        if !ups.is_empty() {
            let up = self.change(ups.into_iter());
            up.unwrap_or_else(|error| rest.problem = Some(error));
            self.observe_links()?;
        }
        Ok(rest)
    }

    /// Deletes interfaces and gives parameters back, after addresses have gone.
    ///
    /// # Errors
    ///
    /// What went wrong here or before, in words.
    pub(super) fn detach(&mut self, rest: Rest) -> Result<(), String> {
        let mut problem = rest.problem;
        if !rest.delete.is_empty() {
            let gone = self.change(rest.delete.into_iter());
            gone.unwrap_or_else(|error| problem = Some(error));
        }
        if self.parameters_due {
            self.parameters_due = false;
            let restored = self.restore_parameters(&rest.wants);
            restored.unwrap_or_else(|error| problem = Some(error));
        }
        problem.map_or(Ok(()), Err)
    }

    fn change(&mut self, ops: impl Iterator<Item = LinkOp>) -> Result<(), String> {
        let ops: Vec<Op> = ops.map(Op::Link).collect();
        let outcomes = self.installer.change(&ops, &self.links);
        outcomes.map_err(|error| error.to_string())
    }

    fn set_parameters(
        &mut self,
        wants: &BTreeMap<String, Want>,
        devices: &BTreeMap<String, Device>,
    ) -> Result<(), String> {
        let (writes, kept) = parameters::plan(wants, &read(wants.keys()), &self.parameters);
        // What is to be given back waits.
        let wanted = writes.iter().filter(|write| wants.contains_key(&write.key));
        let (own, others): (Vec<_>, Vec<_>) = wanted.partition(|write| is_of(&write.key, devices));
        let outcome = write(others.into_iter(), true).and(write(own.into_iter(), false));
        // Those of our own devices go with them.
        let kept = kept.into_iter().filter(|(key, _)| !is_of(key, devices));
        self.parameters.extend(kept);
        outcome
    }

    fn restore_parameters(&mut self, wants: &BTreeMap<String, Want>) -> Result<(), String> {
        let surplus = self
            .parameters
            .keys()
            .filter(|key| !wants.contains_key(*key));
        let observed = read(surplus);
        let (writes, _) = parameters::plan(&BTreeMap::new(), &observed, &self.parameters);
        let outcome = write(writes.iter(), true);
        self.parameters.retain(|key, _| wants.contains_key(key));
        outcome
    }
}

/// Whether a parameter is one of these interfaces'.
fn is_of(key: &str, devices: &BTreeMap<String, Device>) -> bool {
    let interface = key
        .split_once("/conf/")
        .and_then(|(_, rest)| rest.rsplit_once('/'));
    interface.is_some_and(|(name, _)| devices.contains_key(name))
}

fn write<'w>(writes: impl Iterator<Item = &'w parameters::Write>, log: bool) -> Result<(), String> {
    let mut outcome = Ok(());
    for write in writes {
        match sysctl::write(&write.key, &write.value) {
            Ok(_) if write.repair => {
                tracing::warn!(
                    event = "sysctl_repaired",
                    key = write.key,
                    value = write.value
                );
            }
            Ok(_) if log => {
                tracing::info!(event = "sysctl_set", key = write.key, value = write.value);
            }
            Ok(_) => {}
            // It went with its interface.
            Err(error) if error.is_absent() => {}
            Err(error) => outcome = Err(error.to_string()),
        }
    }
    outcome
}

/// The kernel requests of one operation.
fn requests(op: &link::Op) -> Vec<LinkOp> {
    let adopt = |device: &Device| LinkOp::Adopt {
        name: device.name.clone(),
        master: device.master,
    };
    match op {
        link::Op::Create(device) => vec![LinkOp::Create(device.clone()), adopt(device)],
        link::Op::Adopt(device) => vec![adopt(device)],
        link::Op::Recreate(device) => vec![
            LinkOp::Delete(device.name.clone()),
            LinkOp::Create(device.clone()),
            adopt(device),
        ],
        link::Op::Remove(name) => vec![LinkOp::Delete(name.clone())],
    }
}

/// The values of the parameters that there are.
fn read<'k>(keys: impl Iterator<Item = &'k String>) -> BTreeMap<String, String> {
    keys.filter_map(|key| Some((key.clone(), sysctl::read(key).ok()?)))
        .collect()
}
