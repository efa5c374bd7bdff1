//! Who is told of changes: programs, FIFOs, people.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program (an absolute path) and its arguments; at least one word.
    pub words: Vec<String>,
    /// Who runs it.
    pub user: Option<RunAs>,
    /// After which it is ended (SIGTERM, then SIGKILL); `None`: the default of its use.
    pub timeout: Option<Duration>,
}

/// A user and a group, by name or number; looked up when they are needed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunAs {
    /// The user.
    pub user: String,
    /// The group; `None`: the user's own.
    pub group: Option<String>,
}

/// What an instance or a group runs at its changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// On becoming Master.
    pub master: Option<Command>,
    /// On becoming Backup.
    pub backup: Option<Command>,
    /// On a fault.
    pub fault: Option<Command>,
    /// When the director stops.
    pub stop: Option<Command>,
    /// At every change; it is given `INSTANCE|GROUP NAME STATE PRIORITY` besides.
    pub any: Option<Command>,
    /// When a Master hears a Master of lower priority.
    pub master_rx_lower_pri: Option<Command>,
    /// On removal by a reload (state `DELETED`).
    pub deleted: Option<Command>,
    /// Whether a removal says `DELETED`; otherwise it says `FAULT`.
    pub notify_deleted: bool,
    /// Whether changes of the effective priority are told to FIFO and `any`.
    pub priority_changes: bool,
    /// Whether changes are mailed.
    pub mail: bool,
}

/// A FIFO that gets a line for every event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fifo {
    /// Where it is; created if it is not there.
    pub path: PathBuf,
    /// Who owns it.
    pub owner: Option<RunAs>,
    /// A program that reads it; it is given the path as its last argument and is started
    /// again when it ends.
    pub script: Option<Command>,
}

/// Notification of the whole director.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Who runs programs for which nothing else is said.
    pub script_user: Option<RunAs>,
    /// Whether a program that others than root may change is not run as root.
    pub script_security: bool,
    /// A FIFO for all events.
    pub fifo: Option<Fifo>,
    /// A FIFO for those of VRRP.
    pub vrrp_fifo: Option<Fifo>,
    /// A FIFO for those of virtual and real servers; nothing is written into it yet.
    pub lvs_fifo: Option<Fifo>,
    /// Mail.
    pub mail: Option<Mail>,
}

/// How mail is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The server, a name or an address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// Encryption.
    pub tls: MailTls,
    /// User name and password.
    pub login: Option<(String, Secret)>,
    /// The sender.
    pub from: String,
    /// The recipients, at least one.
    pub to: Vec<String>,
    /// The name given in EHLO; `None`: the host name.
    pub helo_name: Option<String>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Whether faults are not mailed.
    pub no_faults: bool,
}

/// Encryption of mail on its way to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// None.
    None,
    /// STARTTLS if the server offers it.
    #[default]
    Opportunistic,
    /// STARTTLS, or no mail.
    Starttls,
    /// TLS from the start.
    Tls,
}

/// A password. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Something that happened to an instance or a group, as it travels to whoever tells others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up: events of one subject are in this order.
    pub sequence: u64,
    /// Whom it is about.
    pub subject: Subject,
    /// What happened.
    pub what: What,
    /// The effective priority; 0 for groups.
    pub priority: u8,
    /// Why, in words.
    pub reason: String,
}

/// Whom an event is about, by its name in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A VRRP instance.
    Instance(String),
    /// A sync group.
    Group(String),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It became Master.
    Master,
    /// It became Backup.
    Backup,
    /// It cannot run.
    Fault,
    /// The director stops.
    Stop,
    /// A reload removed it.
    Deleted,
    /// As Master it heard a Master of lower priority.
    MasterRxLowerPri,
    /// Its effective priority changed while it was Master.
    MasterPriority,
    /// Its effective priority changed while it was Backup.
    BackupPriority,
}

impl What {
    /// The word that FIFO lines and programs get.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
            Self::MasterRxLowerPri => "MASTER_RX_LOWER_PRI",
            Self::MasterPriority => "MASTER_PRIORITY",
            Self::BackupPriority => "BACKUP_PRIORITY",
        }
    }
}
