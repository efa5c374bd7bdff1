//! `cargo lab`: a network of directors, real servers and a client on a real kernel.

use std::process::ExitCode;

fn main() -> ExitCode {
    lab::cli::main()
}
