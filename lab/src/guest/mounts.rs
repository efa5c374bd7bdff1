//! File systems and modules of a guest, set up by process 1 before anything else runs.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use nix::mount::{MsFlags, mount};

use super::{BINARY, MODPROBE, MODULE_ROOT};
use crate::failure::{Attempt, Result};
use crate::job::{GUEST_DIR, Ground};

/// Places where programs write, each to be empty and of the guest alone.
const WRITABLE: [&str; 5] = ["/run", "/tmp", "/var/log", "/var/tmp", "/var/lib/nginx"];

/// What the sites are made of. The kernel finds more by itself once it knows our modprobe.
const MODULES: [&str; 12] = [
    "veth",
    "bridge",
    "dummy",
    "nlmon",
    "sch_netem",
    "ip_vs",
    "ip_vs_rr",
    "ip_vs_wrr",
    "ip_vs_wlc",
    "iptable_filter",
    "xt_tcpudp",
    "ipv6",
];

/// Makes every file system of the guest, and the boot's directory visible at [`GUEST_DIR`].
pub fn prepare(ground: Ground, directory: &Path) -> Result<()> {
    match ground {
        Ground::Uml => {
            plain("proc", "/proc")?;
            plain("sysfs", "/sys")?;
            tmpfs("/mnt")?;
            for (kind, path) in [("devpts", "/dev/pts"), ("tmpfs", "/dev/shm")] {
                make_directory(path)?;
                plain(kind, path)?;
            }
            make_directory(GUEST_DIR)?;
            let option = directory.as_os_str();
            mount(
                Some("none"),
                GUEST_DIR,
                Some("hostfs"),
                MsFlags::empty(),
                Some(option),
            )
            .attempt(|| format!("mount {} at {GUEST_DIR}", directory.display()))?;
        }
        Ground::Native => native(directory)?,
    }
    for path in WRITABLE.iter().filter(|path| Path::new(path).is_dir()) {
        tmpfs(path)?;
    }
    if ground == Ground::Uml {
        modules()?;
    }
    Ok(())
}

/// In namespaces of the running kernel: nothing we mount may be seen outside, and the boot's
/// directory may itself lie below one of the places about to be covered.
fn native(directory: &Path) -> Result<()> {
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .attempt(|| "make the mounts private")?;
    plain("proc", "/proc")?;
    plain("sysfs", "/sys")?;
    let open = fs::File::open(directory).attempt(|| format!("open {}", directory.display()))?;
    tmpfs("/mnt")?;
    make_directory(GUEST_DIR)?;
    bind(&format!("/proc/self/fd/{}", open.as_raw_fd()), GUEST_DIR)
}

/// Lets the kernel load modules on demand through this binary, and loads the usual ones.
fn modules() -> Result<()> {
    make_directory(&format!("{MODULE_ROOT}/lib"))?;
    symlink("/usr/lib/uml/modules", format!("{MODULE_ROOT}/lib/modules"))
        .attempt(|| "link the modules of the booted kernel")?;
    let helper = format!("/mnt/{MODPROBE}");
    symlink(Path::new(GUEST_DIR).join(BINARY), &helper).attempt(|| format!("link {helper}"))?;
    fs::write("/proc/sys/kernel/modprobe", &helper).attempt(|| "tell the kernel its modprobe")?;
    let output = Command::new("/sbin/modprobe")
        .args(["-d", MODULE_ROOT, "-a"])
        .args(MODULES)
        .output()
        .attempt(|| "run modprobe")?;
    crate::ensure!(
        output.status.success(),
        "load the modules of the lab: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Mounts a kernel file system at its usual place.
pub fn plain(kind: &str, path: &str) -> Result<()> {
    mount(Some(kind), path, Some(kind), MsFlags::empty(), None::<&str>)
        .attempt(|| format!("mount {kind} at {path}"))
}

/// Mounts an empty file system in memory.
pub fn tmpfs(path: &str) -> Result<()> {
    plain("tmpfs", path)
}

fn bind(from: &str, to: &str) -> Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .attempt(|| format!("bind {from} to {to}"))
}

fn make_directory(path: &str) -> Result<()> {
    fs::create_dir_all(path).attempt(|| format!("create {path}"))
}
