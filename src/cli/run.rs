//! `lvsd run`, and the worker processes it starts.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::log;
use crate::config::{self, Loaded, Style, render_all};
use crate::kernel::ipvs::{self, Ipvs};
use crate::kernel::preflight::{self, Problem};
use crate::kernel::privilege;
use crate::kernel::rtnl::Rtnl;
use crate::model::Config;
use crate::worker::supervisor::succession::{Ending, Heritage};
use crate::worker::supervisor::upgrade::{Probe, rehearse_workers};
use crate::worker::supervisor::{self, Options};
use crate::worker::{Kind, checker, scripts, vrrp};

/// Settings of glibc's allocator (mallopt(3)) under which the heap keeps its
/// pages once it has them. Reading ten thousand real servers takes some 25 MiB
/// for a moment; giving these back and faulting them in again was most of the
/// time that a reload took.
const STEADY_HEAP: [(&str, &str); 3] = [
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "1073741824"),
    ("MALLOC_TOP_PAD_", "1048576"),
];

/// Starts this program again, in the same process, with [`STEADY_HEAP`]: the
/// allocator reads its settings at its start only. Does nothing the second
/// time, where the operator has set them, and where it fails.
fn keep_the_heap() {
    if STEADY_HEAP
        .iter()
        .any(|(name, _)| std::env::var_os(name).is_some())
    {
        return;
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "lvsd".into());
    // Only returns when it failed; then the heap is as it is.
    let _ = std::process::Command::new("/proc/self/exe")
        .arg0(name)
        .args(arguments)
        .envs(STEADY_HEAP)
        .exec();
}

/// Runs the director until it is told to stop. `inherit`: an earlier image of
/// this process has left what it had.
pub fn supervisor(config: PathBuf, runtime_dir: PathBuf, inherit: bool) -> ExitCode {
    keep_the_heap();
    // Started by way of /proc/self/exe, it would be called "exe".
    name_process(c"lvsd");
    let options = Options {
        config,
        runtime_dir,
    };
    let heritage = match inherit.then(Heritage::receive).transpose() {
        Ok(heritage) => heritage,
        Err(error) => {
            eprintln!("lvsd: cannot take over from the program before: {error}");
            return ExitCode::FAILURE;
        }
    };
    match (prepare(&options.config), heritage) {
        (Ok(loaded), heritage) => direct(&options, loaded, heritage),
        (Err(refusal), None) => {
            eprintln!("{}", refusal.text);
            ExitCode::from(refusal.status)
        }
        (Err(refusal), Some(heritage)) => match heritage.give_back(refusal.text) {
            Ok(back) => failed(&back.perform(&options)),
            // Whoever watches over us shall try again: the workers go on for a while.
            Err(heritage) => {
                eprintln!("{}", heritage.notes.failure.unwrap_or_default());
                ExitCode::FAILURE
            }
        },
    }
}

/// Why the director does not start.
struct Refusal {
    text: String,
    status: u8,
}

fn prepare(config: &Path) -> Result<Loaded, Refusal> {
    let loaded = config::load(config).map_err(|error| {
        let style = Style::for_output(std::io::stderr().is_terminal());
        let text = render_all(&error.diagnostics, style);
        Refusal {
            text: format!("{text}\nlvsd: not started"),
            status: 2,
        }
    })?;
    host_is_fit(&loaded.config).map_err(|problem| Refusal {
        text: format!("lvsd: {problem}"),
        status: 1,
    })?;
    Ok(loaded)
}

fn direct(options: &Options, loaded: Loaded, heritage: Option<Heritage>) -> ExitCode {
    let log = log::start();
    report_missing_interfaces(&loaded.config);
    supervisor::log_warnings(&options.config, &loaded.warnings);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let ending = runtime.block_on(supervisor::run(options.clone(), loaded.config, heritage));
    // Ends what it still does, and writes what is still to be logged.
    drop(runtime);
    drop(log);
    match ending {
        Ok(Ending::Stopped | Ending::Left) => ExitCode::SUCCESS,
        Ok(Ending::Become(succession)) => failed(&succession.perform(options)),
        Err(error) => failed(&error),
    }
}

/// Says what this binary can take over.
pub fn probe() -> ExitCode {
    match serde_json::to_string(&Probe::own()) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

/// Starts the workers, which touch nothing, and waits until they answer.
pub fn rehearse(runtime_dir: &Path) -> ExitCode {
    let outcome = match runtime() {
        Ok(runtime) => runtime.block_on(rehearse_workers(runtime_dir)),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("lvsd: {text}");
            ExitCode::FAILURE
        }
    }
}

/// What must hold before anything is started.
fn host_is_fit(config: &Config) -> Result<(), Problem> {
    preflight::privileges()?;
    if config.virtual_servers.is_empty() {
        return Ok(());
    }
    preflight::ip_vs(|| match Ipvs::open() {
        Ok(_) => Ok(true),
        Err(ipvs::Error::NotInKernel) => Ok(false),
        Err(error) => Err(error),
    })
}

/// An interface that is missing may come later (a VLAN at boot), so it is an
/// error for the operator but not a reason to stay down.
fn report_missing_interfaces(config: &Config) {
    let wanted = config
        .vrrp_instances
        .iter()
        .map(|instance| instance.interface.as_str());
    let links = Rtnl::open()
        .and_then(|mut rtnl| rtnl.links())
        .unwrap_or_default();
    for problem in preflight::interfaces(&links, wanted) {
        tracing::error!(event = "interface_missing", %problem);
    }
}

/// Runs a worker until the supervisor tells it to stop.
pub fn worker(kind: Kind, runtime_dir: &Path) -> ExitCode {
    // Before the first thread is made: capabilities are each thread's own.
    // What runs programs as other users must stay root.
    if kind != Kind::Scripts
        && let Err(error) = privilege::confine(privilege::WORKER)
    {
        return failed(&error);
    }
    name_process(match kind {
        Kind::Vrrp => c"lvsd-vrrp",
        Kind::Checker => c"lvsd-checker",
        Kind::Scripts => c"lvsd-scripts",
    });
    raise_descriptor_limit();
    let _log = log::start();
    die_on_panic(kind);
    let outcome = match runtime() {
        Ok(runtime) => {
            let outcome = runtime.block_on(async {
                match kind {
                    Kind::Vrrp => vrrp::run(runtime_dir)
                        .await
                        .map_err(|error| error.to_string()),
                    Kind::Checker => checker::run(runtime_dir)
                        .await
                        .map_err(|error| error.to_string()),
                    Kind::Scripts => scripts::run(runtime_dir)
                        .await
                        .map_err(|error| error.to_string()),
                }
            });
            // A thread that waits for a dead file system must not keep us.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(event = "worker_failed", worker = %kind, %error);
            ExitCode::FAILURE
        }
    }
}

/// The name that `top` and `pgrep` show.
fn name_process(name: &std::ffi::CStr) {
    // A process without its name still works.
    let _ = rustix::thread::set_name(name);
}

/// Every probe in flight needs a descriptor.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // With fewer, probes that find none wait for the next round.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// One panicking thread ends the worker: half a worker is worse than a new one.
fn die_on_panic(kind: Kind) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        default(info);
        tracing::error!(event = "panic", worker = %kind, %info);
        std::process::abort();
    }));
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("lvsd: {error}");
    ExitCode::FAILURE
}
