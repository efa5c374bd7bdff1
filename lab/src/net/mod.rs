//! What a scenario builds with: hosts, cables, processes and faults.
//!
//! Every [`Host`] is a set of namespaces (network, mounts, host name) held open by a thread of
//! this process; whatever that thread starts lives in them. Bridges live in a further host,
//! `switch`, so that a scenario meets nobody else's. Everything ends with its [`Lab`].

mod faults;
mod host;
mod process;
mod wiring;

pub use faults::{Cable, Netem};
pub(crate) use host::processes_beside;
pub use host::{Host, Output};
pub(crate) use process::parent;
pub use process::{Daemon, Leftovers, Supervised};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::{Attempt, Failure, Result};
use crate::job::{Ground, Job};
use crate::watch::Capture;

/// The world of one scenario.
pub struct Lab {
    /// Measurements and remarks, shown beside the result.
    pub notes: Arc<Mutex<Vec<String>>>,
    ground: Ground,
    directory: PathBuf,
    daemon: Option<PathBuf>,
    seed: u64,
    hosts: BTreeMap<String, Host>,
    captures: Vec<Capture>,
}

impl Lab {
    /// An empty world whose logs and captures go below `boot`, in a directory of its own.
    ///
    /// # Errors
    /// When that directory cannot be made.
    pub fn new(name: &str, boot: &Path, job: &Job) -> Result<Self> {
        let directory = boot.join(name.replace("::", "."));
        std::fs::create_dir_all(&directory)
            .attempt(|| format!("create {}", directory.display()))?;
        Ok(Self {
            notes: Arc::default(),
            ground: job.ground,
            directory,
            daemon: job.daemon.as_ref().map(|path| boot.join(path)),
            seed: job.seed,
            hosts: BTreeMap::new(),
            captures: Vec::new(),
        })
    }

    /// On what this world lives.
    #[must_use]
    pub fn ground(&self) -> Ground {
        self.ground
    }

    /// The path of the daemon under test.
    ///
    /// # Errors
    /// When the lab was started without one.
    pub fn daemon(&self) -> Result<&Path> {
        self.daemon
            .as_deref()
            .ok_or_else(|| Failure::said("the lab was started without a daemon to test"))
    }

    /// What decides everything in this world that is left to chance.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Where logs and captures of this world go.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Remarks on the result, such as a time measured.
    pub fn note(&self, text: impl Into<String>) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text.into());
    }

    /// The host of that name, created when it is new.
    ///
    /// # Errors
    /// When the kernel refuses the namespaces.
    pub fn host(&mut self, name: &str) -> Result<Host> {
        if let Some(host) = self.hosts.get(name) {
            return Ok(host.clone());
        }
        let host = Host::new(name, self.ground, &self.directory)?;
        self.hosts.insert(name.to_owned(), host.clone());
        Ok(host)
    }

    /// All hosts, by name.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// Records what passes an interface of a host, from now on, to a `.pcap` file and in memory.
    ///
    /// # Errors
    /// When the interface does not exist or the kernel refuses the socket.
    pub fn capture(&mut self, host: &Host, interface: &str) -> Result<Capture> {
        let capture = Capture::start(host, interface, &self.directory)?;
        self.captures.push(capture.clone());
        Ok(capture)
    }

    /// Ends every process and leaves the captures readable; called once the scenario is over.
    pub fn finish(&mut self, failed: bool) {
        if failed {
            for capture in &self.captures {
                capture.write_text();
            }
        }
        for capture in &self.captures {
            capture.stop();
        }
        for host in self.hosts.values() {
            host.kill_everything();
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.finish(std::thread::panicking());
    }
}
