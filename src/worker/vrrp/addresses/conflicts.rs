//! Who else answers for our addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The other holders of our addresses, as hardware addresses.
#[derive(Debug, Default)]
pub struct Conflicts {
    by_address: BTreeMap<IpAddr, String>,
}

impl Conflicts {
    /// Who answers for this address.
    pub fn of(&self, address: &IpAddr) -> Option<&String> {
        self.by_address.get(address)
    }

    /// Forgets all but those `kept`.
    pub fn retain(&mut self, kept: impl Fn(&IpAddr) -> bool) {
        self.by_address.retain(|address, _| kept(address));
    }

    /// Somebody answers for it.
    pub fn found(&mut self, address: IpAddr, other: &str) {
        let before = self.by_address.insert(address, other.to_owned());
        if before.as_deref() != Some(other) {
            tracing::error!(
                event = "address_in_use", %address, by = other,
                help = "another host answers for this virtual address: a real server without \
                        arp_ignore=1, or a second master that does not hear us",
            );
        }
    }

    /// Nobody does.
    pub fn ended(&mut self, address: &IpAddr) {
        if self.by_address.remove(address).is_some() {
            tracing::info!(event = "address_no_longer_in_use", %address);
        }
    }
}
