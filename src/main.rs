//! The `lvsd` binary: composes, and does nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    lvsd::cli::main()
}
