//! VRRP v2 and v3: wire format and state machine, without clock or socket.

pub mod wire;
