//! Who sits in a director's seat: lvsd, or keepalived as its peer and for comparison.

use std::fmt::Write;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::net::{Daemon, Host, Lab, Leftovers, Output, Supervised};
use crate::site::{INTERFACE, VIP};
use crate::watch::eventually;

const LVSD_FILE: &str = "/run/lab/lvsd.toml";
const KEEPALIVED_FILE: &str = "/run/lab/keepalived.conf";

/// What both directors agree on, and the priority of one.
#[derive(Debug, Clone, Copy)]
pub struct Vrrp {
    /// 2 or 3.
    pub version: u8,
    /// 1 to 255.
    pub priority: u8,
    /// Between advertisements.
    pub interval: Duration,
    /// Version 2 only.
    pub auth_pass: Option<&'static str>,
}

impl Vrrp {
    /// Version 3 with this priority and interval.
    #[must_use]
    pub fn v3(priority: u8, interval: Duration) -> Self {
        Self {
            version: 3,
            priority,
            interval,
            auth_pass: None,
        }
    }

    /// How long a Backup with these settings waits after the last advertisement: three intervals
    /// and the skew time (RFC 9568 section 6.1; in version 2 the skew is of a second).
    #[must_use]
    pub fn master_down_time(&self) -> Duration {
        self.interval * 3 + self.skew_time()
    }

    /// The part of the wait that depends on the priority.
    #[must_use]
    pub fn skew_time(&self) -> Duration {
        let of = match self.version {
            2 => Duration::from_secs(1),
            _ => self.interval,
        };
        of * (256 - u32::from(self.priority)) / 256
    }

    /// The section of lvsd's configuration.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut text = format!(
            "[vrrp_instance.web]
interface = \"{INTERFACE}\"
virtual_router_id = 51
version = {}
priority = {}
advert_interval = \"{}ms\"
virtual_addresses = [\"{VIP}/32\"]
",
            self.version,
            self.priority,
            self.interval.as_millis()
        );
        if let Some(password) = self.auth_pass {
            text.push_str(&format!("auth_pass = \"{password}\"\n"));
        }
        text
    }

    /// The same for keepalived.
    #[must_use]
    pub fn keepalived(&self) -> String {
        let password = self.auth_pass.map_or(String::new(), |password| {
            format!("    authentication {{\n        auth_type PASS\n        auth_pass {password}\n    }}\n")
        });
        format!(
            "global_defs {{
    router_id lab
    vrrp_version {}
}}
vrrp_instance web {{
    state BACKUP
    interface {INTERFACE}
    virtual_router_id 51
    priority {}
    advert_int {}
{password}    virtual_ipaddress {{
        {VIP}/32
    }}
}}
",
            self.version,
            self.priority,
            self.interval.as_secs_f64()
        )
    }
}

/// The site's pool in lvsd's words, with these lines as its check.
#[must_use]
pub fn pool(check: &str) -> String {
    format!(
        "
[virtual_server.web]
address = \"{VIP}:80\"
scheduler = \"rr\"

[[virtual_server.web.check]]
{check}

[[virtual_server.web.real_server]]
address = \"172.17.1.152:80\"

[[virtual_server.web.real_server]]
address = \"172.17.1.153:80\"
"
    )
}

/// A TCP check that is quick to notice.
pub const QUICK_TCP: &str = "type = \"tcp\"
interval = \"1s\"
connect_timeout = \"1s\"
retries = 1
retry_delay = \"500ms\"";

/// lvsd in a seat, under the stand-in for a service manager.
pub struct Lvsd {
    /// The service.
    pub service: Supervised,
    /// Where it runs.
    pub host: Host,
    program: String,
}

impl Lvsd {
    /// Starts it with this configuration.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(lab: &Lab, host: &Host, configuration: &str) -> Result<Self> {
        let program = lab.daemon()?.to_string_lossy().into_owned();
        host.write(LVSD_FILE, configuration)?;
        let command = [program.as_str(), "run", "--config", LVSD_FILE];
        Ok(Self {
            service: host.supervise("lvsd", &command, Leftovers::Leave)?,
            host: host.clone(),
            program,
        })
    }

    /// Replaces the configuration file; it is read at the next reload.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        self.host.write(LVSD_FILE, configuration)
    }

    /// Runs `lvsd` with these words on the host.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn command(&self, words: &[&str]) -> Result<Output> {
        let mut command = vec![self.program.as_str()];
        command.extend(words);
        self.host.run_list(&command)
    }

    /// `lvsd reload`.
    ///
    /// # Errors
    /// When the configuration is refused.
    pub fn reload(&self) -> Result<()> {
        self.command(&["reload"]).map(drop)
    }

    /// `lvsd status --json`.
    ///
    /// # Errors
    /// When it does not run or says something else than JSON.
    pub fn status(&self) -> Result<Value> {
        let output = self.command(&["status", "--json"])?.stdout;
        serde_json::from_str(&output)
            .map_err(|error| Failure::said(format!("decode the status: {error}: {output}")))
    }

    /// The state of its VRRP instance.
    ///
    /// # Errors
    /// When the status says none.
    pub fn state(&self) -> Result<String> {
        let status = self.status()?;
        status
            .pointer("/vrrp/0/state")
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
            .ok_or_else(|| Failure::said(format!("no VRRP state in {status}")))
    }

    /// Waits until its VRRP instance is in a state.
    ///
    /// # Errors
    /// When it is not within `limit`.
    pub fn wait_for(&self, state: &str, limit: Duration) -> Result<()> {
        let what = format!("lvsd on {} to be {state}", self.host.name());
        eventually(limit, &what, || {
            let now = self.state()?;
            crate::ensure!(now == state, "{now}");
            Ok(())
        })
    }

    /// The process id of a worker, `vrrp` or `checker`.
    ///
    /// # Errors
    /// When the status names none.
    pub fn worker(&self, name: &str) -> Result<Pid> {
        let status = self.status()?;
        let workers = status.get("workers").and_then(Value::as_array);
        workers
            .into_iter()
            .flatten()
            .find(|worker| worker.get("name").and_then(Value::as_str) == Some(name))
            .and_then(|worker| worker.get("pid")?.as_i64())
            .and_then(|pid| i32::try_from(pid).ok())
            .map(Pid::from_raw)
            .ok_or_else(|| Failure::said(format!("no worker {name} in {status}")))
    }

    /// Ends the service for good and all its processes at once, as a power cut would.
    pub fn cut_power(self) {
        drop(self.service);
        self.host.kill_everything();
    }

    /// What it logged.
    ///
    /// # Errors
    /// When there is no log.
    pub fn log(&self) -> Result<String> {
        let path = self
            .host
            .directory()
            .join(format!("{}.lvsd.log", self.host.name()));
        crate::failure::read(&path)
    }
}

/// Starts keepalived in a seat with this configuration.
///
/// # Errors
/// When it cannot be started.
pub fn keepalived(host: &Host, configuration: &str) -> Result<Daemon> {
    host.write(KEEPALIVED_FILE, configuration)?;
    host.spawn(
        "keepalived",
        &["keepalived", "-n", "-l", "-D", "-f", KEEPALIVED_FILE],
    )
}

/// Makes keepalived read another configuration.
///
/// # Errors
/// When the file cannot be written or keepalived has ended.
pub fn reload_keepalived(host: &Host, daemon: &Daemon, configuration: &str) -> Result<()> {
    host.write(KEEPALIVED_FILE, configuration)?;
    daemon.kill(Signal::SIGHUP)
}

/// A table of `services` services with `servers` real servers each, for lvsd and for keepalived.
/// The weight of the very first server is `weight`.
#[must_use]
pub fn large_table(services: usize, servers: usize, weight: u32) -> (String, String) {
    let (mut toml, mut conf) = (String::new(), String::new());
    for service in 0..services {
        let (high, low) = (service / 200, service % 200 + 1);
        // Writing to a string cannot fail.
        let _ = write!(
            toml,
            "[virtual_server.s{service}]\naddress = \"10.1.{high}.{low}:80\"\nscheduler = \"rr\"\n"
        );
        let _ = write!(
            conf,
            "virtual_server 10.1.{high}.{low} 80 {{\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n"
        );
        for server in 0..servers {
            let weight = if (service, server) == (0, 0) {
                weight
            } else {
                1
            };
            let address = format!("10.2.{server}.{}", service % 250 + 1);
            let _ = write!(
                toml,
                "[[virtual_server.s{service}.real_server]]\naddress = \"{address}:80\"\nweight = {weight}\n"
            );
            let _ = write!(
                conf,
                "    real_server {address} 80 {{\n        weight {weight}\n    }}\n"
            );
        }
        conf.push_str("}\n");
    }
    (toml, conf)
}
