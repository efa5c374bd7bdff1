//! `lvsd run`, and the worker processes it starts.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::log;
use crate::config::{self, Style, render_all};
use crate::kernel::ipvs::{self, Ipvs};
use crate::kernel::preflight::{self, Problem};
use crate::kernel::privilege;
use crate::kernel::rtnl::Rtnl;
use crate::model::Config;
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

/// Runs the director until it is told to stop.
pub fn supervisor(config: PathBuf, runtime_dir: PathBuf) -> ExitCode {
    keep_the_heap();
    // Started by way of /proc/self/exe, it would be called "exe".
    name_process(c"lvsd");
    let loaded = match config::load(&config) {
        Ok(loaded) => loaded,
        Err(error) => {
            let style = Style::for_output(std::io::stderr().is_terminal());
            eprintln!(
                "{}\nlvsd: not started",
                render_all(&error.diagnostics, style)
            );
            return ExitCode::from(2);
        }
    };
    if let Err(problem) = host_is_fit(&loaded.config) {
        return failed(&problem);
    }
    let _log = log::start();
    report_missing_interfaces(&loaded.config);
    supervisor::log_warnings(&config, &loaded.warnings);
    match runtime() {
        Ok(runtime) => {
            let options = Options {
                config,
                runtime_dir,
            };
            match runtime.block_on(supervisor::run(options, loaded.config)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&error),
            }
        }
        Err(error) => failed(&error),
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
