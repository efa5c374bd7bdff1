//! lvsd in a director's seat: started on a host of the lab, asked for its status, told to reload.

use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;

use crate::failure::{Attempt, Failure, Result};
use crate::net::{Host, Lab, Leftovers, Output, Supervised};
use crate::watch::eventually;

const CONFIG: &str = "/run/lab/lvsd.toml";
const PATIENCE: Duration = Duration::from_secs(20);

/// A running lvsd, under the stand-in for a service manager.
pub struct Director {
    host: Host,
    program: String,
    service: Supervised,
}

impl Director {
    /// Starts lvsd on `host` with this configuration.
    ///
    /// # Errors
    /// When it cannot be started; a bad configuration shows in its log and in [`Self::status`].
    pub fn start(lab: &Lab, host: &Host, config: &str) -> Result<Self> {
        host.write(CONFIG, config)?;
        let program = lab.daemon()?.display().to_string();
        let command = [program.as_str(), "run", "--config", CONFIG];
        // As the unit's KillMode=process: the workers outlive their supervisor.
        let service = host.supervise("lvsd", &command, Leftovers::Leave)?;
        Ok(Self {
            host: host.clone(),
            program,
            service,
        })
    }

    /// The host it runs on.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The status document.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&self) -> Result<Value> {
        let text = self
            .host
            .run([self.program.as_str(), "status", "--json"])?
            .stdout;
        serde_json::from_str(&text).attempt(|| "read the status".to_owned())
    }

    /// The status as people see it.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status_text(&self) -> Result<String> {
        Ok(self.host.run([self.program.as_str(), "status"])?.stdout)
    }

    /// A number or text of the status, by JSON pointer.
    ///
    /// # Errors
    /// When there is none.
    pub fn status_at(&self, pointer: &str) -> Result<Value> {
        let status = self.status()?;
        let found = status.pointer(pointer).cloned();
        found.ok_or_else(|| Failure::said(format!("no {pointer} in {status}")))
    }

    /// Waits until the first instance is in this state.
    ///
    /// # Errors
    /// When it is not in time.
    pub fn wait_for(&self, state: &str) -> Result<()> {
        eventually(
            PATIENCE,
            &format!("{} to be {state}", self.host.name()),
            || {
                let now = self.status_at("/vrrp/0/state")?;
                crate::ensure!(now == state, "it is {now}");
                Ok(())
            },
        )
    }

    /// Puts another configuration in place and reloads.
    ///
    /// # Errors
    /// When the command cannot be run; whether it succeeded is in its exit code.
    pub fn reload(&self, config: &str) -> Result<Output> {
        self.host.write(CONFIG, config)?;
        self.host.try_run(&[&self.program, "reload"], PATIENCE)
    }

    /// The process of a worker, `vrrp` or `checker`.
    ///
    /// # Errors
    /// When it is not running.
    pub fn worker(&self, name: &str) -> Result<Pid> {
        self.service.child(name)
    }

    /// The service: the supervisor as its main process.
    #[must_use]
    pub fn service(&self) -> &Supervised {
        &self.service
    }

    /// Kills a worker or, as `supervisor`, the supervisor.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&self, what: &str) -> Result<()> {
        let pid = match what {
            "supervisor" => self.service.pid(),
            worker => self.worker(worker)?,
        };
        nix::sys::signal::kill(pid, Signal::SIGKILL).attempt(|| format!("kill {what} {pid}"))
    }

    /// The IPVS table as `ipvsadm -Ln` shows it.
    ///
    /// # Errors
    /// What ipvsadm says.
    pub fn table(&self) -> Result<String> {
        table(&self.host)
    }
}

/// The IPVS table of a host as `ipvsadm -Ln` shows it.
///
/// # Errors
/// What ipvsadm says.
pub fn table(host: &Host) -> Result<String> {
    Ok(host.run(["ipvsadm", "-Ln"])?.stdout)
}

/// The site's configuration of a director, to be changed in parts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Priority.
    pub priority: u8,
    /// VRRP version.
    pub version: u8,
    /// Time between advertisements.
    pub advert_interval: &'static str,
    /// More lines of the VRRP instance.
    pub instance: String,
    /// The table of a check.
    pub check: String,
    /// Weights of rs1 and rs2.
    pub weights: [u32; 2],
    /// Whether there is a pool at all.
    pub pool: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            priority: 100,
            version: 3,
            advert_interval: "1s",
            instance: String::new(),
            check: "type = \"tcp\"\ninterval = \"1s\"\nconnect_timeout = \"1s\"\nretries = 1\n\
                    retry_delay = \"500ms\"\n"
                .to_owned(),
            weights: [1, 1],
            pool: true,
        }
    }
}

impl Config {
    /// As TOML.
    #[must_use]
    pub fn text(&self) -> String {
        let Self {
            priority,
            version,
            advert_interval,
            instance,
            check,
            weights,
            ..
        } = self;
        let vrrp = format!(
            "[global]\nrouter_id = \"lab-{priority}\"\n\n[vrrp_instance.web]\ninterface = \"eth0\"\n\
             virtual_router_id = 51\nversion = {version}\npriority = {priority}\n\
             advert_interval = \"{advert_interval}\"\nvirtual_addresses = [\"172.17.1.160/32\"]\n\
             {instance}\n"
        );
        if !self.pool {
            return vrrp;
        }
        let [one, two] = weights;
        format!(
            "{vrrp}[virtual_server.web]\naddress = \"172.17.1.160:80\"\nscheduler = \"rr\"\n\
             forward = \"dr\"\n\n[[virtual_server.web.check]]\n{check}\n\
             [[virtual_server.web.real_server]]\naddress = \"172.17.1.152:80\"\nweight = {one}\n\n\
             [[virtual_server.web.real_server]]\naddress = \"172.17.1.153:80\"\nweight = {two}\n"
        )
    }
}
