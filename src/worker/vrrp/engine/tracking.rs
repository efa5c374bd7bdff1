//! What is tracked, and what that does to an instance. Pure.
//!
//! - **Weight 0**: what is down (reversed: up) is a fault. What is not known yet keeps
//!   an instance from starting, but stops none that runs.
//! - **A weight above 0** is added while the thing is up, one below 0 while it is down;
//!   reversed, up and down change places. What is not known yet adds nothing.
//! - **Files** add their number times the weight; an effect below -253 is a fault, and
//!   with weight 0 every number but 0 is (reversed: 0 is).
//! - In a group, what the group tracks counts for every member; weights of a member's
//!   own trackers only if the group says so, unweighted ones always.

use std::collections::BTreeMap;

use crate::model::{
    Measure, Measured, SyncGroup, Tracker, Tracking, Use, VrrpInstance, Watch, Weight,
};
use crate::status::PriorityTerm;

/// An effect below this is a fault, one above its opposite counts as that.
const LIMIT: i32 = -253;

/// What everything that is tracked does together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// The sum of the effects.
    pub adjust: i32,
    /// What makes up the sum; without those that add nothing.
    pub terms: Vec<PriorityTerm>,
    /// Why the instance cannot run, in words.
    pub faults: Vec<String>,
    /// What it waits for before it starts.
    pub waiting: Vec<String>,
}

/// What is known of the tracked things.
#[derive(Debug, Default)]
pub struct Known {
    /// By name, with the setting that says what a tracker is before its first result.
    init_fail: BTreeMap<String, bool>,
    measured: BTreeMap<String, Measured>,
    /// Interfaces by name: why one does not work, if it does not.
    interfaces: BTreeMap<String, Result<(), String>>,
}

impl Known {
    /// These trackers exist. Results of others are forgotten.
    pub fn configure(&mut self, trackers: &[Tracker]) {
        self.init_fail = trackers
            .iter()
            .map(|tracker| {
                let fails = matches!(&tracker.watch, Watch::Script(script) if script.init_fail);
                (tracker.name.clone(), fails)
            })
            .collect();
        let known = &self.init_fail;
        self.measured.retain(|name, _| known.contains_key(name));
    }

    /// A result. True if it says anything new.
    pub fn measured(&mut self, result: Measured) -> bool {
        let name = result.tracker.clone();
        let old = self.measured.insert(name.clone(), result);
        old.as_ref() != self.measured.get(&name)
    }

    /// The state of an interface. True if it is new.
    pub fn interface(&mut self, name: &str, works: Result<(), String>) -> bool {
        if self.interfaces.get(name) == Some(&works) {
            return false;
        }
        self.interfaces.insert(name.to_owned(), works);
        true
    }

    /// Forgets other interfaces than these.
    pub fn retain_interfaces(&mut self, keep: impl Fn(&str) -> bool) {
        self.interfaces.retain(|name, _| keep(name));
    }

    /// The last results, for a successor.
    pub fn results(&self) -> Vec<Measured> {
        self.measured.values().cloned().collect()
    }

    /// What all that `instance` and its group track does to it.
    pub fn assess(&self, instance: &VrrpInstance, group: Option<&SyncGroup>) -> Assessment {
        let mut assessment = Assessment::default();
        let own_weights = group.is_none_or(|group| group.tracking_weight);
        self.add(&instance.tracking, own_weights, &mut assessment);
        if let Some(group) = group {
            self.add(&group.tracking, true, &mut assessment);
        }
        assessment
    }

    fn add(&self, tracking: &Tracking, weights: bool, to: &mut Assessment) {
        let counts = |used: &&Use| weights || used.weight.value == 0;
        for used in tracking.interfaces.iter().filter(counts) {
            let state = self.interfaces.get(&used.name).map(|works| match works {
                Ok(()) => (true, "up".to_owned()),
                Err(reason) => (false, reason.clone()),
            });
            to.add_switch(used, state);
        }
        for used in tracking.trackers.iter().filter(counts) {
            match self.measured.get(&used.name) {
                Some(Measured {
                    value: Measure::Number(number),
                    detail,
                    ..
                }) => to.add_number(used, *number, detail),
                Some(Measured { value, detail, .. }) => {
                    to.add_switch(used, Some((*value == Measure::Up, detail.clone())));
                }
                None if self.init_fail.get(&used.name) == Some(&true) => {
                    to.add_switch(used, Some((false, "no result yet".into())));
                }
                None => to.add_switch(used, None),
            }
        }
    }
}

impl Assessment {
    /// Something that is up or down, or not known yet.
    fn add_switch(&mut self, used: &Use, state: Option<(bool, String)>) {
        let Weight { value, reverse } = used.weight;
        let Some((up, detail)) = state else {
            if value == 0 {
                self.waiting.push(used.name.clone());
            }
            return;
        };
        let good = up != reverse;
        match value {
            0 if !good => self.faults.push(format!("{}: {detail}", used.name)),
            1.. if good => self.add_term(used, value.into(), detail),
            ..0 if !good => self.add_term(used, value.into(), detail),
            _ => {}
        }
    }

    fn add_number(&mut self, used: &Use, number: i32, detail: &str) {
        let Weight { value, reverse } = used.weight;
        let fault = || format!("{}: {detail}", used.name);
        if value == 0 {
            if (number != 0) != reverse {
                self.faults.push(fault());
            }
            return;
        }
        let weight = i32::from(value).saturating_mul(if reverse { -1 } else { 1 });
        let effect = number.saturating_mul(weight).min(-LIMIT);
        if effect < LIMIT {
            self.faults.push(fault());
        } else {
            self.add_term(used, effect, detail.to_owned());
        }
    }

    fn add_term(&mut self, used: &Use, effect: i32, detail: String) {
        if effect == 0 {
            return;
        }
        self.adjust = self.adjust.saturating_add(effect);
        self.terms.push(PriorityTerm {
            name: used.name.clone(),
            effect,
            detail,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Command, Family, Notify, TrackScript};

    fn used(name: &str, value: i16, reverse: bool) -> Use {
        Use {
            name: name.into(),
            weight: Weight { value, reverse },
        }
    }

    fn instance(interfaces: Vec<Use>, trackers: Vec<Use>) -> VrrpInstance {
        VrrpInstance {
            tracking: Tracking {
                interfaces,
                trackers,
            },
            ..VrrpInstance::new("web".into(), "eth0".into(), 51, Family::Ipv4)
        }
    }

    fn result(value: Measure) -> Measured {
        Measured {
            tracker: "t".into(),
            value,
            detail: format!("{value:?}"),
        }
    }

    /// Sum, faults, waiting for one use of the tracker `t`.
    fn of(value: Option<Measure>, weight: i16, reverse: bool) -> (i32, usize, usize) {
        let mut known = Known::default();
        known.configure(&[]);
        if let Some(value) = value {
            known.measured(result(value));
        }
        let instance = instance(Vec::new(), vec![used("t", weight, reverse)]);
        let found = known.assess(&instance, None);
        assert_eq!(
            found.adjust,
            found.terms.iter().map(|t| t.effect).sum::<i32>()
        );
        (found.adjust, found.faults.len(), found.waiting.len())
    }

    #[test]
    fn weights_add_or_subtract_or_are_faults() {
        use Measure::{Down, Up};
        let table = [
            (Some(Up), 0, false, (0, 0, 0)),
            (Some(Down), 0, false, (0, 1, 0)),
            (Some(Up), 0, true, (0, 1, 0)),
            (Some(Down), 0, true, (0, 0, 0)),
            (Some(Up), 30, false, (30, 0, 0)),
            (Some(Down), 30, false, (0, 0, 0)),
            (Some(Up), 30, true, (0, 0, 0)),
            (Some(Down), 30, true, (30, 0, 0)),
            (Some(Up), -30, false, (0, 0, 0)),
            (Some(Down), -30, false, (-30, 0, 0)),
            (Some(Up), -30, true, (-30, 0, 0)),
            (None, 0, false, (0, 0, 1)),
            (None, 30, false, (0, 0, 0)),
            (None, -30, false, (0, 0, 0)),
        ];
        for (value, weight, reverse, expected) in table {
            assert_eq!(
                of(value, weight, reverse),
                expected,
                "{value:?} weight {weight} {reverse}"
            );
        }
    }

    #[test]
    fn a_files_number_is_multiplied_by_the_weight() {
        let number = |n, weight, reverse| of(Some(Measure::Number(n)), weight, reverse);
        assert_eq!(number(0, 1, false), (0, 0, 0));
        assert_eq!(number(-20, 2, false), (-40, 0, 0));
        assert_eq!(number(20, 2, true), (-40, 0, 0));
        assert_eq!(
            number(i32::MAX, 2, false),
            (253, 0, 0),
            "never more than that"
        );
        assert_eq!(number(-254, 1, false), (0, 1, 0), "too low is a fault");
        assert_eq!(number(i32::MIN, 253, false), (0, 1, 0));
        assert_eq!(number(1, 0, false), (0, 1, 0));
        assert_eq!(number(0, 0, false), (0, 0, 0));
        assert_eq!(number(0, 0, true), (0, 1, 0));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_was_measured() {
        let mut known = Known::default();
        known.measured(Measured {
            detail: "exit status 1".into(),
            ..result(Measure::Down)
        });
        assert!(known.interface("eth1", Err("the link is down".into())));
        assert!(!known.interface("eth1", Err("the link is down".into())));
        let instance = instance(
            vec![used("eth1", 0, false), used("eth2", 0, false)],
            vec![used("t", -30, false)],
        );
        let found = known.assess(&instance, None);
        assert_eq!(found.faults, ["eth1: the link is down"]);
        assert_eq!(found.waiting, ["eth2"]);
        let term = PriorityTerm {
            name: "t".into(),
            effect: -30,
            detail: "exit status 1".into(),
        };
        assert_eq!(found.terms, [term]);
    }

    #[test]
    fn a_script_that_fails_until_it_succeeds_is_waited_for_by_nobody() {
        let mut known = Known::default();
        known.configure(&[Tracker {
            name: "t".into(),
            weight: Weight::default(),
            watch: Watch::Script(TrackScript {
                command: Command {
                    words: vec!["/bin/true".into()],
                    user: None,
                    timeout: None,
                },
                interval: std::time::Duration::from_secs(1),
                timeout: std::time::Duration::from_secs(1),
                rise: 1,
                fall: 1,
                init_fail: true,
            }),
        }]);
        let found = known.assess(&instance(Vec::new(), vec![used("t", 0, false)]), None);
        assert_eq!(found.faults, ["t: no result yet"]);
        assert!(known.measured(result(Measure::Up)));
        assert!(!known.measured(result(Measure::Up)), "nothing new");
        known.configure(&[]);
        assert!(
            known.results().is_empty(),
            "of a tracker that is gone nothing is known"
        );
    }

    #[test]
    fn in_a_group_a_members_own_weights_count_only_if_it_says_so() {
        let mut known = Known::default();
        known.measured(result(Measure::Down));
        let mut group = SyncGroup {
            name: "g".into(),
            members: vec!["web".into()],
            tracking: Tracking {
                interfaces: Vec::new(),
                trackers: vec![used("t", -5, false)],
            },
            tracking_weight: false,
            notify: Notify::default(),
        };
        let weighted = instance(Vec::new(), vec![used("t", -30, false)]);
        let unweighted = instance(Vec::new(), vec![used("t", 0, false)]);
        assert_eq!(known.assess(&weighted, Some(&group)).adjust, -5);
        assert_eq!(known.assess(&unweighted, Some(&group)).faults.len(), 1);
        group.tracking_weight = true;
        assert_eq!(known.assess(&weighted, Some(&group)).adjust, -35);
    }
}
