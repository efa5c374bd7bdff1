//! The interfaces of this host, by name and by number.

use std::collections::BTreeMap;

use crate::kernel::rtnl::Link;

/// All interfaces.
#[derive(Debug, Default)]
pub struct Links {
    by_name: BTreeMap<String, Link>,
    names: BTreeMap<u32, String>,
}

impl Links {
    /// These interfaces.
    pub fn new(links: Vec<Link>) -> Self {
        Self {
            names: links.iter().map(|l| (l.index, l.name.clone())).collect(),
            by_name: links.into_iter().map(|l| (l.name.clone(), l)).collect(),
        }
    }

    /// The interface of this name.
    pub fn get(&self, name: &str) -> Option<&Link> {
        self.by_name.get(name)
    }

    /// The number of the interface of this name.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.get(name).map(|link| link.index)
    }

    /// The interface of this number.
    pub fn by_index(&self, index: u32) -> Option<&Link> {
        self.get(self.names.get(&index)?)
    }

    /// The name of the interface of this number.
    pub fn name(&self, index: u32) -> &str {
        self.names.get(&index).map_or("(gone)", String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.by_name.values()
    }
}
