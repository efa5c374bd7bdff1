//! Arbitrary octets as a datagram of the kernel's, and as an IPVS message: no panic, and what is
//! understood survives being encoded and decoded again.
#![no_main]

use ipvs_sys::decode_any;
use libfuzzer_sys::fuzz_target;
use lvsd::kernel::netlink::{Messages, verdict};

fuzz_target!(|octets: &[u8]| {
    let _ = decode_any(octets);
    for (header, payload) in Messages::new(octets).map_while(Result::ok) {
        let _ = verdict(&header, payload);
        let _ = decode_any(payload);
    }
});
