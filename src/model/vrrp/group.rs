//! Instances that move together.

use serde::{Deserialize, Serialize};

use super::{Notify, Tracking};

/// A sync group: Master only if all its members can be, and what takes one of them out
/// takes all out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncGroup {
    /// Its name.
    pub name: String,
    /// The names of its instances, at least one; an instance is in one group at most.
    pub members: Vec<String>,
    /// What is tracked for all members.
    pub tracking: Tracking,
    /// Whether weights of the members' own trackers count. Members of different
    /// priorities may otherwise be pulled apart.
    pub tracking_weight: bool,
    /// What is run at its changes.
    pub notify: Notify,
}
