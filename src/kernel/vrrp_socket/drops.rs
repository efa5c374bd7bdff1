//! What the kernel dropped because a socket's queue was full.

use std::fs;

use super::VrrpSocket;

impl VrrpSocket {
    /// How many messages the kernel dropped since the socket was opened, most of them because the
    /// queue was full; `None` if it does not tell.
    ///
    /// Reads a file of `/proc`, so it is for reports, not for every message. (`SO_RXQ_OVFL` would
    /// come with the messages, but only once something was dropped, and would then take the room of
    /// the ancillary data that every message needs.)
    pub fn dropped(&self) -> Option<u64> {
        let inode = rustix::fs::fstat(&self.socket).ok()?.st_ino.to_string();
        let table = match self.family {
            ipvs_sys::Family::Ipv4 => "/proc/thread-self/net/raw",
            ipvs_sys::Family::Ipv6 => "/proc/thread-self/net/raw6",
        };
        drops_of(&fs::read_to_string(table).ok()?, &inode)
    }
}

/// The last column of the line of the socket with an inode, the tenth column.
fn drops_of(table: &str, inode: &str) -> Option<u64> {
    let mut lines = table.lines().skip(1);
    let line = lines.find(|line| line.split_whitespace().nth(9) == Some(inode))?;
    line.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_found_by_its_inode() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  112: 00000000:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 3
  112: 00000000:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 17
";
        assert_eq!(drops_of(table, "4711"), Some(3));
        assert_eq!(drops_of(table, "4712"), Some(17));
        assert_eq!(drops_of(table, "4713"), None);
    }
}
