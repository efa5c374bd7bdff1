//! Who holds the virtual addresses, as operators order it: `lvsd failover` and
//! `lvsd maintenance`.
//!
//! An order that cannot mean anything is refused here, in words; the rest is
//! the vrrp worker's to carry out, and it says how it went. Maintenance is kept
//! in the runtime directory: it outlives this process and every worker, and
//! ends with the boot.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Supervisor;
use super::control::{Response, Which};
use super::requests::{Purpose, respond};
use crate::kernel::preflight::closest;
use crate::model::{SyncGroup, VrrpInstance};
use crate::status::InstanceReport;
use crate::worker::Kind;
use crate::worker::protocol::{Order, ToWorker};

/// What an order may take besides the time that the successor has to show
/// itself, which follows from the intervals of the adverts.
const ORDER_TIMEOUT: Duration = Duration::from_secs(10);

fn mark(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("maintenance")
}

/// Whether maintenance was ordered in this boot and not ended.
pub(super) fn in_maintenance(runtime_dir: &Path) -> bool {
    mark(runtime_dir).exists()
}

fn keep(runtime_dir: &Path, on: bool) -> io::Result<()> {
    let mark = mark(runtime_dir);
    if on {
        return fs::write(mark, b"");
    }
    match fs::remove_file(mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The longest that one of these instances may keep its addresses while it
/// waits for its successor: the skew time, which is shorter than one interval,
/// and a margin.
pub(super) fn slowest_handover(instances: &[VrrpInstance]) -> Duration {
    let intervals = instances.iter().map(|instance| instance.advert_interval);
    intervals.max().unwrap_or_default() * 2
}

impl Supervisor {
    /// What a vrrp worker must know before it starts the first instance.
    pub(super) fn order_at_start(&mut self, kind: Kind) -> Option<ToWorker> {
        (kind == Kind::Vrrp && self.maintenance).then(|| ToWorker::Hold {
            id: self.next_request(),
            order: Order::Maintenance(true),
        })
    }

    pub(super) fn failover(&mut self, which: &Which, answer: oneshot::Sender<Response>) {
        let instances = &self.config.vrrp_instances;
        let seat = self.seats.get(&Kind::Vrrp);
        let roles: Option<Vec<_>> = seat.and_then(|seat| {
            let last = &seat.last.as_ref()?.snapshot;
            Some(last.vrrp()?.instances.iter().map(Role::of).collect())
        });
        let order = if self.maintenance {
            Err("this director is in maintenance and holds nothing (end it with `lvsd maintenance off`)".into())
        } else {
            let groups = &self.config.vrrp.sync_groups;
            failover_order(which, (instances, groups), &roles.unwrap_or_default())
        };
        match order {
            Ok(order) => self.order(order, Some(answer)),
            Err(text) => respond(Some(answer), Response::Failed(text)),
        }
    }

    pub(super) fn maintain(&mut self, wanted: Option<bool>, answer: oneshot::Sender<Response>) {
        let word = |on| if on { "on" } else { "off" };
        let now = self.maintenance;
        let Some(on) = wanted else {
            return respond(Some(answer), Response::Done(vec![word(now).into()]));
        };
        if on == now {
            let text = format!("maintenance is {} already", word(on));
            return respond(Some(answer), Response::Done(vec![text]));
        }
        if let Err(error) = keep(&self.options.runtime_dir, on) {
            let path = mark(&self.options.runtime_dir);
            let text = format!("cannot keep that in {}: {error}", path.display());
            return respond(Some(answer), Response::Failed(text));
        }
        self.maintenance = on;
        tracing::info!(event = "maintenance", on);
        if self.seat(Kind::Vrrp).in_charge().is_some() {
            self.order(Order::Maintenance(on), Some(answer));
        } else {
            let text = format!(
                "maintenance is {}; the vrrp worker is not running and will be told when it starts",
                word(on)
            );
            respond(Some(answer), Response::Done(vec![text]));
        }
    }

    fn order(&mut self, order: Order, answer: Option<oneshot::Sender<Response>>) {
        let timeout = ORDER_TIMEOUT + slowest_handover(&self.config.vrrp_instances);
        let mut order = Some(order);
        self.ask(Purpose::Order, timeout, answer, |kind, id| {
            let order = order.take_if(|_| kind == Kind::Vrrp)?;
            Some(ToWorker::Hold { id, order })
        });
    }
}

/// What the worker said last of an instance.
#[derive(Clone, Copy, Debug)]
struct Role<'a> {
    name: &'a str,
    state: vrrp::State,
    fault: Option<&'a str>,
    master: Option<IpAddr>,
}

impl<'a> Role<'a> {
    fn of(report: &'a InstanceReport) -> Self {
        Self {
            name: &report.name,
            state: report.core.state,
            fault: report.fault.as_deref(),
            master: report.master.map(|(address, _)| address),
        }
    }

    fn is_master(&self) -> bool {
        self.state == vrrp::State::Master
    }

    fn why_not_master(&self) -> String {
        let name = self.name;
        match (self.fault, self.master) {
            (Some(fault), _) => format!("{name} is in FAULT here: {fault}"),
            (None, Some(master)) => format!("{name} is BACKUP here; {master} is master"),
            (None, None) => format!("{name} is not MASTER here"),
        }
    }
}

/// The order to the worker, or why there is none to give.
fn failover_order(
    which: &Which,
    (instances, groups): (&[VrrpInstance], &[SyncGroup]),
    roles: &[Role<'_>],
) -> Result<Order, String> {
    let all = instances.iter().map(|one| one.name.as_str());
    let names: BTreeSet<&str> = all.chain(groups.iter().map(|g| g.name.as_str())).collect();
    let known = || names.iter().copied().collect::<Vec<_>>().join(", ");
    let name = match (which, instances) {
        (_, []) => return Err("no VRRP instance is configured".into()),
        (Which::All, _) if !roles.iter().any(Role::is_master) => {
            return Err("no VRRP instance is MASTER here".into());
        }
        (Which::All, _) => return Ok(Order::Failover(None)),
        (Which::Only, [one]) => one.name.as_str(),
        (Which::Only, _) => {
            return Err(format!(
                "which VRRP instance? Name one of {}, or say --all",
                known()
            ));
        }
        (Which::Named(name), _) => name.as_str(),
    };
    if !names.contains(name) {
        return Err(match closest(name, &names) {
            Some(alike) => format!("no VRRP instance {name} (did you mean {alike}?)"),
            None => format!("no VRRP instance {name}; there are {}", known()),
        });
    }
    let group = groups.iter().find(|group| group.name == name);
    let is_meant = |role: &&Role<'_>| match group {
        Some(group) => group.members.iter().any(|member| member == role.name),
        None => role.name == name,
    };
    let meant = || roles.iter().filter(is_meant);
    // Of a group, a Master if there is one.
    match meant()
        .find(|role| role.is_master())
        .or_else(|| meant().next())
    {
        Some(role) if role.is_master() => Ok(Order::Failover(Some(name.to_owned()))),
        Some(role) => Err(role.why_not_master()),
        None => Err(format!("{name} has not been started yet")),
    }
}

#[cfg(test)]
mod tests {
    use vrrp::State::{Backup, Initialize, Master};

    use super::*;
    use crate::config;
    use crate::model::{Notify, Tracking};

    fn instances(names: &[&str]) -> Vec<VrrpInstance> {
        let tables = names.iter().zip(1..).map(|(name, vrid)| {
            format!(
                "[vrrp_instance.{name}]\ninterface = \"eth0\"\nvirtual_router_id = {vrid}\n\
                 virtual_addresses = [\"192.0.2.{vrid}/32\"]\n"
            )
        });
        let text: String = tables.collect();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("test.toml");
        fs::write(&file, text).unwrap();
        config::load(&file).unwrap().config.vrrp_instances
    }

    fn role(name: &str, state: vrrp::State) -> Role<'_> {
        Role {
            name,
            state,
            fault: None,
            master: Some([172, 17, 1, 151].into()),
        }
    }

    fn refused(which: &Which, names: &[&str], roles: &[Role<'_>]) -> String {
        failover_order(which, (&instances(names), &[]), roles).unwrap_err()
    }

    #[test]
    fn what_is_master_here_can_be_given_up() {
        let (one, two) = (instances(&["web"]), instances(&["web", "db"]));
        let roles = [role("web", Master), role("db", Backup)];
        let web = Ok(Order::Failover(Some("web".into())));
        assert_eq!(failover_order(&Which::Only, (&one, &[]), &roles), web);
        assert_eq!(
            failover_order(&Which::Named("web".into()), (&two, &[]), &roles),
            web
        );
        assert_eq!(
            failover_order(&Which::All, (&two, &[]), &roles),
            Ok(Order::Failover(None))
        );
    }

    #[test]
    fn a_group_is_given_up_by_its_name() {
        let two = instances(&["web", "db"]);
        let group = SyncGroup {
            name: "site".into(),
            members: vec!["web".into(), "db".into()],
            tracking: Tracking::default(),
            tracking_weight: false,
            notify: Notify::default(),
        };
        let order = |roles: &[Role<'_>]| {
            let site = Which::Named("site".into());
            failover_order(&site, (&two, std::slice::from_ref(&group)), roles)
        };
        let masters = [role("web", Master), role("db", Master)];
        assert_eq!(order(&masters), Ok(Order::Failover(Some("site".into()))));
        let backups = [role("web", Backup), role("db", Backup)];
        let refused = "web is BACKUP here; 172.17.1.151 is master";
        assert_eq!(order(&backups), Err(refused.into()));
    }

    #[test]
    fn what_cannot_be_given_up_is_refused_with_the_reason() {
        let backup = [role("web", Backup)];
        let web = Which::Named("web".into());
        assert_eq!(
            refused(&web, &["web"], &backup),
            "web is BACKUP here; 172.17.1.151 is master"
        );
        assert_eq!(
            refused(&Which::All, &["web"], &backup),
            "no VRRP instance is MASTER here"
        );
        assert_eq!(refused(&web, &["web"], &[]), "web has not been started yet");
        let fault = Role {
            fault: Some("eth0: down"),
            ..role("web", Initialize)
        };
        assert_eq!(
            refused(&web, &["web"], &[fault]),
            "web is in FAULT here: eth0: down"
        );
        assert_eq!(refused(&web, &[], &[]), "no VRRP instance is configured");
    }

    #[test]
    fn a_name_that_is_not_there_is_corrected() {
        let named = |name: &str| Which::Named(name.to_owned());
        assert_eq!(
            refused(&named("webb"), &["web", "db"], &[]),
            "no VRRP instance webb (did you mean web?)"
        );
        assert_eq!(
            refused(&named("mail"), &["web", "db"], &[]),
            "no VRRP instance mail; there are db, web"
        );
        assert_eq!(
            refused(&Which::Only, &["web", "db"], &[]),
            "which VRRP instance? Name one of db, web, or say --all"
        );
    }

    #[test]
    fn maintenance_is_kept_until_it_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!in_maintenance(dir.path()));
        keep(dir.path(), true).unwrap();
        assert!(in_maintenance(dir.path()));
        keep(dir.path(), false).unwrap();
        keep(dir.path(), false).unwrap();
        assert!(!in_maintenance(dir.path()));
    }
}
