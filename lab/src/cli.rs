//! The command line of `cargo lab`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Result;
use crate::guest;
use crate::job::{Ground, Task};
use crate::machine::{self, Boot, Choice};
use crate::scenarios;

/// A network of directors, real servers and a client on a real kernel, to try and to test lvsd.
#[derive(Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the Debian packages that the lab needs (the other commands do it by themselves).
    Setup,
    /// Run the scenarios, or those whose name contains FILTER.
    ///
    /// What they leave to chance is decided by the number in `LAB_SEED`, or by the usual one.
    Test {
        /// A part of the names of the scenarios to run.
        filter: Option<String>,
        /// Show the names and run nothing.
        #[arg(long)]
        list: bool,
        /// Guests at a time.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// Run what needs no IPVS in namespaces of the running kernel (needs root).
        #[arg(long)]
        native: bool,
    },
    /// Tell the story of a server that dies and of a failover, with real output.
    Demo,
    /// Start the site and leave you inside it.
    Shell,
}

/// Runs the part that this process was started for.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = machine::part().or_else(guest::part) {
        return code;
    }
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("lab: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<bool> {
    match command {
        Command::Setup => {
            machine::setup()?;
            println!("The lab has all it needs.");
            Ok(true)
        }
        Command::Test {
            list: true, filter, ..
        } => {
            let part = filter.unwrap_or_default();
            for scenario in scenarios::all().filter(|scenario| scenario.name.contains(&part)) {
                println!("{}", scenario.name);
            }
            Ok(true)
        }
        Command::Test {
            filter,
            jobs,
            native,
            ..
        } => {
            machine::setup()?;
            let daemon = machine::daemon()?;
            let choice = Choice {
                filter,
                jobs,
                native,
            };
            machine::test(&choice, Some(&daemon))
        }
        Command::Demo => interactive(Task::Demo),
        Command::Shell => interactive(Task::Shell),
    }
}

fn interactive(task: Task) -> Result<bool> {
    machine::setup()?;
    let daemon = machine::daemon()?;
    let directory = machine::run_directory()?;
    Boot::start(&directory, Ground::Uml, task, Some(&daemon))?.follow()?;
    Ok(true)
}
