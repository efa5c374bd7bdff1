//! What leaves and enters an interface, octet by octet.

use std::io::Read;

use socket2::{Domain, Protocol, Socket, Type};

use crate::namespace::eventually;

/// A tap on all interfaces of the namespace.
pub struct Tap(Socket);

impl Tap {
    pub fn open() -> Self {
        const ETH_P_ALL: u16 = 3;
        let protocol = Protocol::from(i32::from(ETH_P_ALL.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol));
        Self(socket.expect("a packet socket"))
    }

    /// Waits for the first frame that `wanted` picks.
    pub fn frame(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut found = Vec::new();
        eventually("the frame is seen", || {
            let mut octets = [0; 2048];
            while let Ok(length) = (&self.0).read(&mut octets) {
                if wanted(&octets[..length]) {
                    found = octets[..length].to_vec();
                    return true;
                }
            }
            false
        });
        found
    }
}

/// Octets from hexadecimal, spaces ignored.
pub fn octets(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}
