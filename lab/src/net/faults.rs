//! What goes wrong on purpose: cables, loss and delay, dropped packets.

use super::Host;
use crate::failure::Result;
use crate::job::Ground;

/// A cable between a host and a bridge.
#[derive(Clone)]
pub struct Cable {
    switch: Host,
    port: String,
    bridge: String,
}

impl Cable {
    pub(super) fn new(switch: Host, port: String, bridge: &str) -> Self {
        Self {
            switch,
            port,
            bridge: bridge.to_owned(),
        }
    }

    /// Pulls the cable out of the host: its interface loses the carrier.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn pull(&self) -> Result<()> {
        self.on_port(&["down"])
    }

    /// Cuts the network behind the switch port: frames vanish, the carrier stays.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn cut_silently(&self) -> Result<()> {
        self.on_port(&["nomaster"])
    }

    /// Makes the cable whole again, whichever way it was cut.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn mend(&self) -> Result<()> {
        self.on_port(&["master", &self.bridge, "up"])
    }

    /// What happens to the frames on their way to the host.
    ///
    /// # Errors
    /// When the kernel has no netem.
    pub fn netem_to_host(&self, netem: Netem) -> Result<()> {
        self.switch.netem(&self.port, netem)
    }

    /// Takes back what [`Cable::netem_to_host`] did.
    ///
    /// # Errors
    /// When nothing was done.
    pub fn clear_netem_to_host(&self) -> Result<()> {
        self.switch.clear_netem(&self.port)
    }

    fn on_port(&self, what: &[&str]) -> Result<()> {
        let mut command = vec!["ip", "link", "set", &self.port];
        command.extend(what);
        self.switch.run_list(&command).map(drop)
    }
}

/// What happens to the frames that an interface sends.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Netem {
    /// Share that is lost, in percent.
    pub loss: f64,
    /// Delay in milliseconds.
    pub delay_ms: f64,
    /// The delay varies by as much, in milliseconds.
    pub jitter_ms: f64,
    /// Share that is sent twice, in percent.
    pub duplicate: f64,
    /// Share that overtakes the delayed ones, in percent.
    pub reorder: f64,
}

impl Host {
    /// Loses and delays what the interface sends; replaces an earlier setting.
    ///
    /// # Errors
    /// When the kernel has no netem.
    pub fn netem(&self, interface: &str, netem: Netem) -> Result<()> {
        let loss = format!("{}%", netem.loss);
        let delay = format!("{}ms", netem.delay_ms);
        let jitter = format!("{}ms", netem.jitter_ms);
        let duplicate = format!("{}%", netem.duplicate);
        let reorder = format!("{}%", netem.reorder);
        let mut command = vec![
            "tc",
            "qdisc",
            "replace",
            "dev",
            interface,
            "root",
            "netem",
            "delay",
            &delay,
            &jitter,
            "loss",
            &loss,
            "duplicate",
            &duplicate,
        ];
        if netem.reorder > 0.0 {
            command.extend(["reorder", &reorder]);
        }
        self.run_list(&command).map(drop)
    }

    /// Takes back what [`Host::netem`] did.
    ///
    /// # Errors
    /// When nothing was done.
    pub fn clear_netem(&self, interface: &str) -> Result<()> {
        self.run(["tc", "qdisc", "del", "dev", interface, "root"])
            .map(drop)
    }

    /// Drops packets that arrive and match, without an answer: words of an iptables rule such
    /// as `["-p", "tcp", "--dport", "80"]`.
    ///
    /// # Errors
    /// When the rule is refused.
    pub fn drop_arriving(&self, rule: &[&str]) -> Result<()> {
        self.firewall("-A", rule)
    }

    /// Takes back a rule of [`Host::drop_arriving`].
    ///
    /// # Errors
    /// When there is no such rule.
    pub fn let_arrive(&self, rule: &[&str]) -> Result<()> {
        self.firewall("-D", rule)
    }

    fn firewall(&self, action: &str, rule: &[&str]) -> Result<()> {
        // The booted kernel has no ip family in nftables; the running one may have no legacy tables.
        let program = match self.ground() {
            Ground::Uml => "iptables-legacy",
            Ground::Native => "iptables",
        };
        let mut command = vec![program, action, "INPUT"];
        command.extend(rule);
        command.extend(["-j", "DROP"]);
        self.run_list(&command).map(drop)
    }
}
