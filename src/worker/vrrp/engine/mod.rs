//! The instances of this host: whom a packet is for, whose timer is next, and
//! what the cores' effects mean outside.
//!
//! No socket and no clock here: sending, address handling and reporting go
//! through [`Outside`], the time comes in.
//!
//! | room | what belongs there |
//! |---|---|
//! | [`ways`] | where adverts leave, where they are heard, whose are heeded |
//! | [`tracking`] | what tracked things do to an instance |
//! | [`damping`] | changes of a link that last for a moment only |
//! | [`witness`] | bad and surprising adverts: counters, senders, verdicts |
//! | `readiness` | whether an instance can run, and telling its core |
//! | `reload` | another configuration, and what a predecessor left |
//! | `traffic` | packets in, adverts out |
//! | `orders` | hand-over on request, maintenance, the end |
//! | `report` | the snapshot of all that |

mod damping;
mod orders;
mod readiness;
mod reload;
mod report;
#[cfg(test)]
mod tests;
mod tracking;
mod traffic;
mod ways;
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;
use vrrp::wire::{Advert, AuthConfig, Expect, GROUP_V4, GROUP_V6, Guard};
use vrrp::{Cause, Effect, Host, Input, Output, Reason, State, Via};

use self::damping::Damper;
use self::orders::Pending;
use self::tracking::{Assessment, Known};
pub use self::traffic::Letter;
pub use self::ways::Port;
use self::ways::{Interfaces, Ways};
use self::witness::{Strangers, Witness};
use super::messages::{Interface, Key, ToMain};
use crate::model::{self, Family, Measured, Subject, SyncGroup, VrrpInstance, What};
use crate::status::InstanceReport;

/// What the engine makes happen.
pub trait Outside {
    /// Make ready to send and to receive here, unless it is: `interface` is the name of
    /// the one with the port's index, `group` one to hear, `room` the octets that its
    /// queue is to hold.
    ///
    /// # Errors
    ///
    /// Why that cannot be, in words.
    fn open(
        &mut self,
        port: Port,
        interface: &str,
        group: Option<IpAddr>,
        room: Option<u32>,
    ) -> Result<(), String>;
    /// Other ports are needed than before: what is open without need is to be closed, so
    /// that it is made anew when its interface is.
    fn rewired(&mut self);
    /// Send this, soon, and before anything that is told later takes effect.
    fn send(&mut self, letter: &Letter<'_>);
    /// The instance holds its addresses, or does not.
    fn role(&mut self, key: &Key, holds: bool);
    /// Announce its addresses.
    fn announce(&mut self, key: &Key, cause: Cause);
    /// Say this when all that was told before has been done.
    fn pass(&mut self, message: ToMain);
    /// All is given up: remove every address.
    fn stop(&mut self);
    /// Find out the hardware address of who sends from this address on this interface.
    fn identify(&mut self, index: u32, from: IpAddr);
    /// Something changed: somebody may want a report.
    fn changed(&mut self);
    /// The wall clock, since 1970; only for signatures.
    fn wall(&self) -> Duration;
    /// How long the host has been up, suspended times included.
    fn uptime(&self) -> Duration;
}

/// After a socket could not be opened, this soon again.
const REOPEN: Duration = Duration::from_secs(1);
/// Heard rivals are told at most this often.
const RIVAL_NEWS: Duration = Duration::from_secs(1);

/// What an instance was told last about whether it can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    /// Nothing yet, or to stop.
    Nothing,
    /// That it can, with this address.
    Startup(IpAddr),
    /// That it cannot.
    Fault,
}

/// What a predecessor left of an instance.
struct Left {
    report: InstanceReport,
    alive_until: Mono,
}

impl Left {
    /// Whether surely nobody has missed it: it spoke at most an interval before its end.
    fn is_in_time(&self, slot: &Slot, now: Mono) -> bool {
        let interval = self.report.core.interval;
        let spare = match slot.model.down_timer_adverts {
            0 | 1 => interval / 2,
            adverts => interval.saturating_mul(u32::from(adverts) - 1),
        };
        now < self.alive_until + spare
    }
}

struct Slot {
    key: Key,
    model: VrrpInstance,
    auth: AuthConfig,
    guard: Guard,
    /// What we send, but for the priority.
    advert: Advert,
    expect: Expect,
    ways: Option<Ways>,
    given: Given,
    fault: Option<String>,
    waiting: Vec<String>,
    assessment: Assessment,
    since: Mono,
    reason: String,
    witness: Witness,
    left: Option<Left>,
    /// The state that was told last.
    told: Option<What>,
    /// Its removal is told in another word than its end.
    removed: bool,
    rival_told: Mono,
    /// By which port which sender was heard last.
    ear: Option<(IpAddr, Port, Mono)>,
    /// When the last good advert came, by way.
    heard: [Option<Mono>; 2],
    /// Who took the addresses that were given up.
    successor: Option<IpAddr>,
    /// The Master as it was reported last.
    master: Option<vrrp::Peer>,
}

struct GroupSlot {
    id: u32,
    config: SyncGroup,
    since: Mono,
    reason: String,
    /// The state that a predecessor left, until the group has one again.
    left: Option<State>,
}

/// Where the adverts of a family go.
pub const fn group(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(GROUP_V4),
        Family::Ipv6 => IpAddr::V6(GROUP_V6),
    }
}

/// The family that a report names by its number.
const fn family(number: u8) -> Family {
    if number == 6 {
        Family::Ipv6
    } else {
        Family::Ipv4
    }
}

/// All instances.
#[derive(Default)]
pub struct Engine {
    host: Host,
    slots: Vec<Option<Slot>>,
    by_key: BTreeMap<Key, u32>,
    /// Whom a packet is for, by port and vrid, and by which way it came.
    by_place: BTreeMap<(Port, u8), (u32, Via)>,
    groups: BTreeMap<String, GroupSlot>,
    next_group: u32,
    interfaces: Interfaces,
    damper: Damper,
    known: Known,
    strangers: Strangers,
    log_unknown: bool,
    /// When to try again to start the instances whose socket failed.
    reopen_at: Option<Mono>,
    /// When the director took up its work; none before the first configuration, when
    /// there is nothing to report.
    started: Option<Mono>,
    passive_until: Option<Mono>,
    maintenance: bool,
    /// Nothing starts any more.
    stopping: bool,
    /// And all has been given up.
    stopped: bool,
    pending: Vec<Pending>,
    /// The number of the last event.
    sequence: u64,
    /// Packets that were no adverts.
    unreadable: u64,
    outputs: Vec<Output>,
    message: Vec<u8>,
    packet: Vec<u8>,
    /// Longest lateness of a timer.
    worst_lateness: Duration,
}

impl Engine {
    /// The next moment at which [`Self::fire`] has something to do.
    pub fn deadline(&self) -> Option<Mono> {
        let all = [
            self.host.deadline(),
            self.reopen_at,
            self.damper.deadline(),
            self.passive_until,
        ];
        all.into_iter().flatten().min()
    }

    /// Whether [`Self::report`] says anything: not before the first
    /// configuration.
    pub const fn configured(&self) -> bool {
        self.started.is_some()
    }

    /// The ports by which there are instances to hear.
    pub fn ports(&self) -> BTreeSet<Port> {
        let mut ports: BTreeSet<Port> = self.by_place.keys().map(|(port, _)| *port).collect();
        let ways = self.slots.iter().flatten().filter_map(|s| s.ways.as_ref());
        ports.extend(
            ways.flat_map(|ways| {
                let second = ways.heartbeat.as_ref().and_then(|way| way.as_ref().ok());
                [Some(ways.primary.mouth), second.map(|way| way.mouth)]
            })
            .flatten(),
        );
        ports
    }

    /// An interface changed.
    pub fn interface(&mut self, now: Mono, name: &str, news: Interface, outside: &mut dyn Outside) {
        let patience = self.patience(name);
        if let Some(news) = self.damper.hear(now, name, news, patience) {
            self.interface_is(now, name, news, outside);
        }
    }

    /// How long a Backup on this interface may hear nothing before it takes its Master
    /// for dead, less an interval: a link must be known to be down before that.
    fn patience(&self, name: &str) -> Duration {
        let backups = self.slots().filter_map(|(id, slot)| {
            let core = self.host.get(id)?.snapshot();
            let is_here = slot.key.interface == name && core.state == State::Backup;
            let spare = u32::from(slot.model.down_timer_adverts).saturating_sub(1);
            is_here.then(|| core.interval.saturating_mul(spare))
        });
        backups.min().unwrap_or(Duration::MAX)
    }

    fn interface_is(&mut self, now: Mono, name: &str, news: Interface, outside: &mut dyn Outside) {
        let works = match news.trouble() {
            None => Ok(()),
            Some(reason) => Err(reason.to_owned()),
        };
        self.known.interface(name, works);
        self.interfaces.insert(name.to_owned(), news);
        self.refresh_all(now, outside);
        outside.changed();
    }

    /// The result of a tracker.
    pub fn measured(&mut self, now: Mono, result: Measured, outside: &mut dyn Outside) {
        if self.known.measured(result) {
            self.refresh_all(now, outside);
            outside.changed();
        }
    }

    /// The hardware address of who sent something bad.
    pub fn sender(&mut self, from: IpAddr, mac: &str) {
        for slot in self.slots.iter_mut().flatten() {
            slot.witness.learn_mac(from, mac);
        }
    }

    /// Does what is due. With `heard` false it stops, and returns true, at the first
    /// timer that an advert might have stopped which waits in a socket: call it again
    /// with `heard` true when all that waits has been given to [`Self::packet`].
    pub fn fire(&mut self, now: Mono, heard: bool, outside: &mut dyn Outside) -> bool {
        while let Some((name, news)) = self.damper.due(now) {
            self.interface_is(now, &name, news, outside);
        }
        if self.passive_until.is_some_and(|until| until <= now) {
            self.passive_until = None;
            tracing::info!(event = "startup_delay_over");
            self.refresh_all(now, outside);
            outside.changed();
        }
        if self.reopen_at.is_some_and(|at| at <= now) {
            self.reopen_at = None;
            self.refresh_all(now, outside);
            outside.changed();
        }
        // At most one round, so that packets get their turn.
        for _ in 0..self.slots.len() {
            let (Some(id), Some(due)) = (self.host.due(now), self.host.deadline()) else {
                break;
            };
            if !heard && self.could_be_stopped(id, now.since(due)) {
                return true;
            }
            self.worst_lateness = self.worst_lateness.max(now.since(due));
            self.step(now, id, Input::Timer, None, outside);
        }
        false
    }

    /// Whether an advert that was not heard yet might make a due timer void: that of a
    /// Master who is in time only makes it send one more.
    fn could_be_stopped(&self, id: u32, late: Duration) -> bool {
        let Some(core) = self.host.get(id) else {
            return false;
        };
        core.state() != State::Master || late > core.config().advert_interval / 2
    }

    /// Ends what did not show for a while. To be called about once a second.
    pub fn sweep(&mut self, now: Mono, outside: &mut dyn Outside) {
        self.strangers.sweep(now);
        for slot in self.slots.iter_mut().flatten() {
            if slot.witness.is_quiet() {
                continue;
            }
            for (kind, from) in slot.witness.sweep(now, slot.model.advert_interval) {
                tracing::info!(event = "bad_advert_over", instance = slot.model.name, kind, from = %from);
                outside.changed();
            }
        }
    }

    fn slots(&self) -> impl Iterator<Item = (u32, &Slot)> {
        (0..)
            .zip(&self.slots)
            .filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    fn slot(&self, id: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(id).ok()?)?.as_ref()
    }

    fn slot_mut(&mut self, id: u32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(id).ok()?)?.as_mut()
    }

    /// One input for one instance; `heard` is the advert of [`Input::Advert`].
    fn step(
        &mut self,
        now: Mono,
        id: u32,
        input: Input<'_>,
        heard: Option<(IpAddr, &Advert)>,
        outside: &mut dyn Outside,
    ) {
        let waited = self.awaits_successor(id);
        let mut outputs = std::mem::take(&mut self.outputs);
        outputs.clear();
        self.host.step(now, id, input, &mut outputs);
        self.carry_out(now, &outputs, heard, outside);
        self.outputs = outputs;
        if waited
            && !self.awaits_successor(id)
            && let Some(slot) = self.slot_mut(id)
        {
            slot.successor = heard.map(|(src, _)| src);
        }
        if !self.pending.is_empty() || self.stopping {
            self.answer(outside);
        }
    }

    fn carry_out(
        &mut self,
        now: Mono,
        outputs: &[Output],
        heard: Option<(IpAddr, &Advert)>,
        outside: &mut dyn Outside,
    ) {
        for output in outputs {
            match *output {
                Output::Instance { slot, effect } => {
                    self.effect(now, slot, effect, heard, outside);
                }
                Output::Group { id, to, reason, .. } => {
                    self.group_moved(now, id, to, reason, outside);
                }
            }
        }
    }

    fn effect(
        &mut self,
        now: Mono,
        id: u32,
        effect: Effect,
        heard: Option<(IpAddr, &Advert)>,
        outside: &mut dyn Outside,
    ) {
        if let Effect::Send { priority } = effect {
            return self.send(id, priority, outside);
        }
        let core = self.host.get(id);
        let priority = core.map_or(0, vrrp::Instance::priority);
        let since = core.and_then(|core| core.snapshot().since);
        let holds = self.holds(id);
        let on_purpose = self.stopping || self.maintenance;
        let Some(slot) = self.slot_mut(id) else {
            return;
        };
        let what = match effect {
            Effect::Send { .. } => None,
            Effect::AddAddresses => {
                outside.role(&slot.key, true);
                None
            }
            Effect::RemoveAddresses => {
                outside.role(&slot.key, false);
                outside.changed();
                None
            }
            Effect::Announce { cause } => {
                outside.announce(&slot.key, cause);
                None
            }
            Effect::Transition { from, to, reason } => {
                let is_resumed = reason == Reason::Resumed;
                let since = since.filter(|_| is_resumed).unwrap_or(now);
                slot.transition(since, from, to, reason);
                // Also at the start, where nothing was held: what a
                // predecessor left is then taken away.
                if !holds {
                    outside.role(&slot.key, false);
                }
                outside.changed();
                slot.told = Some(state_word(to, reason, on_purpose));
                slot.told.filter(|_| !slot.removed)
            }
            Effect::Rejected(why) => {
                if slot.complain(now, why.name(), heard, || why.to_string()) {
                    outside.changed();
                }
                None
            }
            Effect::Surprise(why) => {
                if slot.complain(now, why.name(), heard, || why.to_string()) {
                    outside.changed();
                }
                let is_rival = why == vrrp::Surprise::LowerMaster;
                let is_news = is_rival && now.since(slot.rival_told) >= RIVAL_NEWS;
                is_news.then(|| {
                    slot.rival_told = now;
                    What::MasterRxLowerPri
                })
            }
        };
        if let Some(what) = what {
            let reason = match heard.filter(|_| what == What::MasterRxLowerPri) {
                Some((src, advert)) => format!("{src} (priority {})", advert.priority),
                None => slot.reason.clone(),
            };
            let subject = Subject::Instance(slot.model.name.clone());
            self.tell(now, subject, what, priority, reason, outside);
        }
    }

    /// Whether the addresses of an instance are to be here.
    fn holds(&self, id: u32) -> bool {
        let core = self.host.get(id);
        core.is_some_and(|core| core.state() == State::Master || core.handing_over())
    }

    fn group_moved(
        &mut self,
        now: Mono,
        id: u32,
        to: State,
        reason: Reason,
        outside: &mut dyn Outside,
    ) {
        let on_purpose = self.stopping || self.maintenance;
        let Some((name, group)) = self.groups.iter_mut().find(|(_, group)| group.id == id) else {
            return;
        };
        let is_resumed = group.left.take() == Some(to) && reason == Reason::Resumed;
        if !is_resumed {
            group.since = now;
        }
        group.reason = reason.to_string();
        let (subject, words) = (Subject::Group(name.clone()), group.reason.clone());
        tracing::info!(event = "group_transition", group = name, to = %to, reason = %reason);
        outside.changed();
        self.tell(
            now,
            subject,
            state_word(to, reason, on_purpose),
            0,
            words,
            outside,
        );
    }

    fn tell(
        &mut self,
        now: Mono,
        subject: Subject,
        what: What,
        priority: u8,
        reason: String,
        outside: &mut dyn Outside,
    ) {
        // Time keeps the order also from one process to the next.
        self.sequence = now.as_nanos().max(self.sequence.saturating_add(1));
        outside.pass(ToMain::Event(model::Event {
            sequence: self.sequence,
            subject,
            what,
            priority,
            reason,
        }));
    }
}

/// The word for a state that was entered for this reason, while everything is given up
/// on purpose or not.
const fn state_word(to: State, reason: Reason, on_purpose: bool) -> What {
    match (to, reason) {
        (State::Master, _) => What::Master,
        (State::Backup, _) => What::Backup,
        (State::Initialize, Reason::Shutdown) => What::Stop,
        (State::Initialize, _) if on_purpose => What::Stop,
        (State::Initialize, _) => What::Fault,
    }
}

impl Slot {
    fn transition(&mut self, since: Mono, from: State, to: State, reason: Reason) {
        self.since = since;
        self.reason = reason.to_string();
        match to {
            // It never ceased to be.
            State::Master if reason == Reason::Resumed => {}
            State::Master => self.witness.count("became_master"),
            _ if from == State::Master => self.witness.count("released_master"),
            _ => {}
        }
        tracing::info!(
            event = "transition", instance = self.model.name, from = %from, to = %to,
            reason = %reason, vrid = self.key.vrid, interface = self.key.interface,
        );
    }
}
