//! Who else answers for our addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The other holders of our addresses, as hardware addresses.
#[derive(Debug, Default)]
pub struct Conflicts {
    by_address: BTreeMap<IpAddr, String>,
    /// Those that somebody has answered for once.
    suspected: BTreeSet<IpAddr>,
}

impl Conflicts {
    /// Who answers for this address.
    pub fn of(&self, address: &IpAddr) -> Option<&String> {
        self.by_address.get(address)
    }

    /// Forgets all but those `kept`.
    pub fn retain(&mut self, kept: impl Fn(&IpAddr) -> bool) {
        self.by_address.retain(|address, _| kept(address));
        self.suspected.retain(kept);
    }

    /// Somebody answers for it. False if that is to be asked once more before it counts:
    /// it may be the rightful next Master, of whom we have not heard yet.
    pub fn found(&mut self, address: IpAddr, other: &str) -> bool {
        if self.suspected.insert(address) {
            return false;
        }
        let before = self.by_address.insert(address, other.to_owned());
        if before.as_deref() != Some(other) {
            tracing::error!(
                event = "address_in_use", %address, by = other,
                help = "another host answers for this virtual address: a real server without \
                        arp_ignore=1, or a second master that does not hear us",
            );
        }
        true
    }

    /// Nobody does.
    pub fn ended(&mut self, address: &IpAddr) {
        self.suspected.remove(address);
        if self.by_address.remove(address).is_some() {
            tracing::info!(event = "address_no_longer_in_use", %address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_second_answer_counts() {
        let address = IpAddr::from([192, 0, 2, 51]);
        let mac = "02:00:00:00:00:02";
        let mut conflicts = Conflicts::default();
        assert!(!conflicts.found(address, mac));
        assert_eq!(conflicts.of(&address), None);
        conflicts.ended(&address);
        assert!(!conflicts.found(address, mac), "another time");
        assert!(conflicts.found(address, mac));
        assert_eq!(conflicts.of(&address).map(String::as_str), Some(mac));
        conflicts.retain(|_| false);
        assert_eq!(conflicts.of(&address), None);
        assert!(!conflicts.found(address, mac), "forgotten");
    }
}
