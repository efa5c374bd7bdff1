//! The command line: what is asked for, and who does it.
//!
//! Exit codes: 0 done, 1 could not be done, 2 the configuration or the command
//! line is wrong.

pub mod check;
mod client;
mod log;
mod run;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::Style;
use crate::kernel::{identity, process};
use crate::worker::Kind;
use crate::worker::supervisor::control::{Request, Which};

/// An LVS director: VRRP failover, health checks and kernel IPVS in one daemon.
///
/// Two or more directors share a virtual address by VRRP. The one that holds
/// it balances connections over a pool of real servers through the kernel's
/// IPVS, and health checks keep the pool true.
#[derive(Debug, Parser)]
#[command(
    name = "lvsd",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the director in the foreground
    ///
    /// Signals: SIGHUP reads the configuration again; SIGTERM and SIGINT give
    /// the virtual addresses up (the peer takes over at once), remove our IPVS
    /// entries and end. SIGUSR2 ends it too, but leaves everything working for
    /// 30 seconds: an lvsd started within that time goes on with it.
    Run {
        #[command(flatten)]
        config: ConfigOption,
        #[command(flatten)]
        runtime: RuntimeOption,
        /// Go on where the program before this one left; used by `lvsd upgrade`
        #[arg(long, hide = true)]
        inherit: bool,
    },
    /// Check a configuration file: 0 it is good, 2 it is not
    Check {
        /// The file; a name that ends in .toml is TOML
        file: PathBuf,
    },
    /// Show VRRP instances, pools and the table of the running director
    Status {
        /// For machines: the document described in docs/status.md
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        runtime: RuntimeOption,
    },
    /// Make the running director read its configuration again
    ///
    /// A file with errors changes nothing and is explained. Whatever somebody
    /// else changed in the kernel's table is repaired too.
    Reload {
        #[command(flatten)]
        runtime: RuntimeOption,
    },
    /// Becomes another user with all his groups and runs a program; started by lvsd only
    #[command(name = "run-as", hide = true)]
    RunAs {
        uid: u32,
        gid: u32,
        #[arg(value_delimiter = ',')]
        groups: Vec<u32>,
        #[arg(last = true, required = true)]
        words: Vec<String>,
    },
    /// Give a virtual router up to whoever takes it, and stay willing
    ///
    /// Nobody loses a packet: the virtual addresses are served here until the
    /// successor has shown itself, and removed then. Nothing changes where
    /// nobody takes over. With the higher priority, and unless `preempt` is
    /// off, this director takes the router back after `preempt_delay`.
    Failover {
        /// The VRRP instance; not needed where there is only one
        #[arg(conflicts_with = "all")]
        instance: Option<String>,
        /// Every instance that is master here
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        runtime: RuntimeOption,
    },
    /// Take this director out of VRRP, or back in; without a word: is it on?
    ///
    /// On: what it holds is given up as by `failover`, and it takes no part
    /// until it is off again, also after a restart or an upgrade of lvsd (not
    /// after a reboot). Checks and the IPVS table go on.
    Maintenance {
        /// What it shall be
        state: Option<Switch>,
        #[command(flatten)]
        runtime: RuntimeOption,
    },
    /// Let another binary take the running director over, without a failover
    ///
    /// The new binary first has to read the configuration and to start its
    /// workers; then it takes over addresses, adverts and table as they are, in
    /// the same process. If its workers fail, the old binary takes them back.
    /// Returns when the new one serves, or says why it does not.
    Upgrade {
        /// The new binary; without it, what lies where lvsd was started from
        #[arg(long, value_name = "PATH")]
        binary: Option<PathBuf>,
        #[command(flatten)]
        runtime: RuntimeOption,
    },
    /// Says what this binary can take over, for `lvsd upgrade`
    #[command(hide = true)]
    Probe,
    /// Starts workers that do nothing, for `lvsd upgrade`
    #[command(hide = true)]
    Rehearse {
        #[command(flatten)]
        runtime: RuntimeOption,
    },
    /// Sends the mail on standard input; started by lvsd only
    #[command(hide = true)]
    SendMail,
    /// A worker process; started by `lvsd run` only
    #[command(hide = true)]
    Worker {
        kind: WorkerKind,
        #[command(flatten)]
        runtime: RuntimeOption,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigOption {
    /// The configuration file
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "/etc/lvsd/lvsd.toml"
    )]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
struct RuntimeOption {
    /// Where the control socket, locks and state lie
    #[arg(long, value_name = "DIR", default_value = "/run/lvsd")]
    runtime_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WorkerKind {
    Vrrp,
    Checker,
    Scripts,
}

impl From<WorkerKind> for Kind {
    fn from(kind: WorkerKind) -> Self {
        match kind {
            WorkerKind::Vrrp => Kind::Vrrp,
            WorkerKind::Checker => Kind::Checker,
            WorkerKind::Scripts => Kind::Scripts,
        }
    }
}

/// Parses the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run {
            config,
            runtime,
            inherit,
        } => run::supervisor(config.config, runtime.runtime_dir, inherit),
        Command::Check { file } => check_file(&file),
        Command::Status { json, runtime } => client::status(&runtime.runtime_dir, json),
        Command::Reload { runtime } => client::reload(&runtime.runtime_dir),
        Command::RunAs {
            uid,
            gid,
            groups,
            words,
        } => run_as(uid, gid, &groups, &words),
        Command::Failover {
            instance,
            all,
            runtime,
        } => {
            let which = match (instance, all) {
                (Some(name), _) => Which::Named(name),
                (None, true) => Which::All,
                (None, false) => Which::Only,
            };
            client::order(&runtime.runtime_dir, &Request::Failover(which))
        }
        Command::Upgrade { binary, runtime } => client::upgrade(&runtime.runtime_dir, binary),
        Command::Probe => run::probe(),
        Command::Rehearse { runtime } => run::rehearse(&runtime.runtime_dir),
        Command::Maintenance { state, runtime } => {
            let wanted = state.map(|state| matches!(state, Switch::On));
            client::order(&runtime.runtime_dir, &Request::Maintenance(wanted))
        }
        Command::SendMail => ExitCode::from(crate::worker::scripts::send_mail()),
        Command::Worker { kind, runtime } => run::worker(kind.into(), &runtime.runtime_dir),
    }
}

/// Exit codes as of a shell: 126 what cannot be run, 127 what is not there.
fn run_as(uid: u32, gid: u32, groups: &[u32], words: &[String]) -> ExitCode {
    if let Err((attempt, errno)) = identity::become_user(uid, gid, groups) {
        eprintln!("lvsd: cannot {attempt}: {errno}");
        return ExitCode::from(126);
    }
    let error = process::replace_with(words);
    eprintln!("lvsd: {error}");
    let absent = matches!(
        &error,
        process::Error::Start { source, .. } if source.kind() == std::io::ErrorKind::NotFound
    );
    ExitCode::from(if absent { 127 } else { 126 })
}

fn check_file(file: &Path) -> ExitCode {
    let out = std::io::stdout();
    let style = Style::for_output(out.is_terminal());
    check::run(file, &mut out.lock(), style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
