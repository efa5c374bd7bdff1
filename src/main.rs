//! The `lvsd` binary: composes, and does nothing else.

fn main() {}
