//! `cargo lab`: setup, test, demo and shell.

fn main() {}
