//! Interfaces that we make: one with the virtual router's own MAC address, or
//! one of its own on the host's.
//!
//! An interface is ours when it bears our mark ([`ALIAS`]). One that is as
//! desired is adopted, whoever made it; any other of that name is left alone,
//! and is in the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Plan;

/// The alias of interfaces that we made, for `ip link` to show and for us to know
/// them by.
pub const ALIAS: &str = "lvsd";

/// How interfaces on one parent reach each other, for ipvlan (`IPVLAN_F_*`).
pub const IPVLAN_PRIVATE: u16 = 1;
/// See [`IPVLAN_PRIVATE`].
pub const IPVLAN_VEPA: u16 = 2;

/// An interface to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Index of the interface it lies on.
    pub parent: u32,
    /// What it is.
    pub kind: Kind,
    /// Index of the interface it belongs to (a VRF); 0: none.
    pub master: u32,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A macvlan in bridge mode with this MAC address. In private mode the kernel
    /// would hand what another director sends from the same MAC address to the
    /// macvlan alone, which would have to join the group, and say so, to hear it.
    Macvlan([u8; 6]),
    /// An ipvlan in L2 mode with these `IPVLAN_F_*`.
    Ipvlan(u16),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Macvlan(_) => "macvlan",
            Kind::Ipvlan(_) => "ipvlan",
        };
        write!(f, "{} ({kind} on interface {})", self.name, self.parent)
    }
}

/// An interface that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// What it lies on.
    pub parent: Option<u32>,
    /// What it is, if it is one of the kinds that we make.
    pub kind: Option<Kind>,
    /// What it belongs to; 0: nothing.
    pub master: u32,
    /// Whether it bears our mark.
    pub ours: bool,
}

/// One thing to do to interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Make it and mark it.
    Create(Device),
    /// It fits: mark it and put it where it belongs.
    Adopt(Device),
    /// It was ours, for something else: delete it and make it.
    Recreate(Device),
    /// Delete it.
    Remove(String),
}

/// What has to be done so that `observed` holds `desired`, and the names that
/// are taken by interfaces of others.
#[must_use]
pub fn diff(
    desired: &BTreeMap<String, Device>,
    observed: &BTreeMap<String, Present>,
) -> (Vec<Op>, Vec<String>) {
    let mut plan = Plan::new();
    let mut taken = Vec::new();
    let names: BTreeSet<&String> = desired.keys().chain(observed.keys()).collect();
    for name in names {
        match (desired.get(name), observed.get(name)) {
            (Some(device), None) => plan.gain(Op::Create(device.clone())),
            (Some(device), Some(present)) if fits(device, present) => {
                if !present.ours || present.master != device.master {
                    plan.gain(Op::Adopt(device.clone()));
                }
            }
            (Some(device), Some(present)) if present.ours => {
                plan.gain(Op::Recreate(device.clone()));
            }
            (Some(_), Some(_)) => taken.push(name.clone()),
            (None, Some(present)) if present.ours => plan.loss(Op::Remove(name.clone())),
            (None, _) => {}
        }
    }
    (plan.into_ops(), taken)
}

fn fits(device: &Device, present: &Present) -> bool {
    present.parent == Some(device.parent) && present.kind == Some(device.kind)
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    /// What the kernel makes of one operation, errors included.
    fn apply(kernel: &mut BTreeMap<String, Present>, op: &Op) -> Result<(), String> {
        let made = |device: &Device| Present {
            parent: Some(device.parent),
            kind: Some(device.kind),
            master: device.master,
            ours: true,
        };
        match op {
            Op::Create(device) => match kernel.insert(device.name.clone(), made(device)) {
                Some(_) => Err(format!("EEXIST: {device}")),
                None => Ok(()),
            },
            Op::Adopt(device) => match kernel.get_mut(&device.name) {
                Some(present) => {
                    present.ours = true;
                    present.master = device.master;
                    Ok(())
                }
                None => Err(format!("ENODEV: {device}")),
            },
            Op::Recreate(device) => {
                apply(kernel, &Op::Remove(device.name.clone()))?;
                apply(kernel, &Op::Create(device.clone()))
            }
            Op::Remove(name) => match kernel.remove(name) {
                Some(_) => Ok(()),
                None => Err(format!("ENODEV: {name}")),
            },
        }
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![Just("vrrp.1"), Just("vrrp.2"), Just("eth0")].prop_map(str::to_owned)
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![
            (0..2_u8).prop_map(|vrid| Kind::Macvlan([0, 0, 0x5e, 0, 1, vrid])),
            (0..3_u16).prop_map(Kind::Ipvlan),
        ]
    }

    fn devices() -> impl Strategy<Value = BTreeMap<String, Device>> {
        btree_map(name(), (2..4_u32, kind(), 0..2_u32), 0..3).prop_map(|all| {
            let device = |(name, (parent, kind, master)): (String, (u32, Kind, u32))| {
                let device = Device {
                    name: name.clone(),
                    parent,
                    kind,
                    master,
                };
                (name, device)
            };
            all.into_iter().map(device).collect()
        })
    }

    fn present() -> impl Strategy<Value = BTreeMap<String, Present>> {
        let one = (
            proptest::option::of(2..4_u32),
            proptest::option::of(kind()),
            0..2_u32,
            any::<bool>(),
        )
            .prop_map(|(parent, kind, master, ours)| Present {
                parent,
                kind,
                master,
                ours,
            });
        btree_map(name(), one, 0..4)
    }

    proptest! {
        #[test]
        fn every_property_of_a_level_holds(
            desired in devices(), observed in present(), stop in any::<prop::sample::Index>(),
        ) {
            let (ops, taken) = diff(&desired, &observed);
            let mut kernel = observed.clone();
            for op in &ops {
                apply(&mut kernel, op).map_err(TestCaseError::fail)?;
            }
            // Applying gives the desired, and then nothing is left to do.
            for (name, device) in &desired {
                prop_assert!(taken.contains(name) || fits(device, &kernel[name]));
            }
            prop_assert_eq!(diff(&desired, &kernel), (Vec::new(), taken.clone()));
            // What is not ours is untouched.
            for (name, present) in &observed {
                if !present.ours && (taken.contains(name) || !desired.contains_key(name)) {
                    prop_assert_eq!(&kernel[name], present);
                }
            }
            // Stopping anywhere and comparing again arrives.
            let mut kernel = observed;
            for op in ops.iter().take(stop.index(ops.len() + 1)) {
                apply(&mut kernel, op).map_err(TestCaseError::fail)?;
            }
            for op in diff(&desired, &kernel).0 {
                apply(&mut kernel, &op).map_err(TestCaseError::fail)?;
            }
            prop_assert_eq!(diff(&desired, &kernel), (Vec::new(), taken));
        }
    }
}
