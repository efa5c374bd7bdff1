//! The state machine of one virtual router, RFC 9568 6.4 (v3) and RFC 3768 6.4 (v2).
//!
//! What the RFCs leave open, or where we do more than they ask:
//!
//! - A Master that hears a lower-ranking one answers with an advert at once
//!   (RFC 9568; in v2 too, it heals a split sooner), and announces the
//!   addresses: the rival may have been the last one heard by switches and
//!   hosts. It announces again [`RIVAL_ANNOUNCE_GAP`] later, when the rival has
//!   had time to let go, and never more often than that, however much is said.
//!   Answers to lower-ranking adverts are limited to ten per advert interval,
//!   so that two routers that cannot agree do not shout at the speed of the wire.
//! - An advert with other addresses than ours counts, and is reported.
//! - A Backup that becomes the owner by [`Input::Reconfigure`] takes over at once.
//! - A Master that wakes up late, by however much (a suspended virtual
//!   machine), sends its advert and goes on: if someone better has taken
//!   over, the answer ends it within a round trip. Adverts that waited in the
//!   socket meanwhile should be given first, see the crate's page.

use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;

use crate::config::clamp_interval;
use crate::timers::{master_down, skew};
use crate::{Advert, Config, Effect, Input, Peer, Reason, Rejection, State, Surprise, Version};

mod snapshot;

pub use snapshot::Snapshot;

/// The shortest time between two announcements caused by rival Masters.
pub const RIVAL_ANNOUNCE_GAP: Duration = Duration::from_secs(1);

/// Answers to lower-ranking Masters per advert interval, at most.
const ANSWERS_PER_INTERVAL: u32 = 10;

/// One virtual router on one interface.
///
/// Plain data: no clock, no socket. Two instances that are equal behave
/// alike from then on; see [`Instance::relative`] for comparing them at
/// different times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    config: Config,
    state: State,
    /// Our primary address; `None` only in Initialize.
    source: Option<IpAddr>,
    /// When and why the present state was entered.
    since: Option<Mono>,
    reason: Option<Reason>,
    /// Master-down timer of a Backup, advert timer of a Master.
    timer: Option<Mono>,
    /// The interval of the Master a Backup follows, where it is told (v3).
    learned: Option<Duration>,
    /// The Master a Backup last heard, followed or not.
    master: Option<Peer>,
    /// Why a Backup will become Master if its timer expires now.
    takeover: Reason,
    /// Until when a Master of lower priority is tolerated, once one is heard.
    preempt_at: Option<Mono>,
    /// The second announcement after becoming Master.
    announce_at: Option<Mono>,
    /// The announcement that follows up a rival.
    rival_announce_at: Option<Mono>,
    /// Until when rivals cause no announcement at once.
    announce_quiet_until: Mono,
    /// Until when lower-ranking Masters get no answer of their own.
    answer_quiet_until: Mono,
    /// When we last sent an advert.
    last_advert: Option<Mono>,
}

impl Instance {
    /// A new instance, in Initialize until [`Input::Startup`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        let config = config.clamped();
        Self {
            state: State::Initialize,
            source: None,
            since: None,
            reason: None,
            timer: None,
            learned: None,
            master: None,
            takeover: Reason::MasterDown,
            preempt_at: None,
            announce_at: None,
            rival_announce_at: None,
            announce_quiet_until: Mono::ZERO,
            answer_quiet_until: Mono::ZERO,
            last_advert: None,
            config,
        }
    }

    /// Takes one input at the time `now` and appends what is to be done to
    /// `out`, in the order it is to be done.
    ///
    /// Total: any input in any state is fine. `now` must not run backwards;
    /// if it does, timers last longer.
    pub fn step(&mut self, now: Mono, input: Input<'_>, out: &mut Vec<Effect>) {
        match input {
            Input::Startup { source } => self.startup(now, source, out),
            Input::Shutdown => self.leave(now, Reason::Shutdown, out),
            Input::Fault => self.leave(now, Reason::Fault, out),
            Input::Advert { src, advert } => self.advert(now, src, advert, out),
            Input::Reconfigure(config) => self.reconfigure(now, config, out),
            Input::Timer => self.timer(now, out),
        }
    }

    /// When to give [`Input::Timer`] next; `None`: not until something else
    /// has happened.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        [self.timer, self.announce_at, self.rival_announce_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The present configuration, every value in its range.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Our primary address, as given by [`Input::Startup`]; `None` in Initialize.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// Who is Master as far as we know: ourselves, or the sender of the last
    /// advert accepted. `None` when nobody was heard yet or in Initialize.
    #[must_use]
    pub fn master(&self) -> Option<Peer> {
        match self.state {
            State::Master => self.source.map(|address| Peer {
                address,
                priority: self.config.priority,
            }),
            _ => self.master,
        }
    }

    /// The advert [`Effect::Send`] asks for: the present configuration with
    /// the priority of the effect.
    #[must_use]
    pub fn to_advert(&self, priority: u8) -> Advert {
        Advert {
            version: self.config.version,
            vrid: self.config.vrid,
            priority,
            interval: self.config.advert_interval,
            auth: self.config.auth,
            addresses: self.config.addresses.clone(),
        }
    }

    /// The same instance with `now` as the epoch of its times, for model checking.
    ///
    /// Instances with equal relative views take part in the election alike from
    /// now on. Deadlines that have passed are equal. What serves
    /// only status, and announcements to come, are left out: nothing else depends on them.
    #[must_use]
    pub fn relative(&self, now: Mono) -> Self {
        let rel = |t: Option<Mono>| t.map(|t| Mono::ZERO + t.since(now));
        Self {
            since: None,
            reason: None,
            last_advert: None,
            announce_at: None,
            rival_announce_at: None,
            announce_quiet_until: Mono::ZERO,
            timer: rel(self.timer),
            preempt_at: rel(self.preempt_at),
            answer_quiet_until: Mono::ZERO + self.answer_quiet_until.since(now),
            ..self.clone()
        }
    }

    fn startup(&mut self, now: Mono, source: IpAddr, out: &mut Vec<Effect>) {
        let moved = self.source.replace(source) != Some(source);
        match self.state {
            State::Initialize if self.config.is_owner() => {
                self.become_master(now, Reason::Owner, out);
            }
            State::Initialize => self.become_backup(now, None, Reason::Startup, out),
            State::Master if moved => self.send_advert(now, out),
            State::Master | State::Backup => {}
        }
    }

    fn leave(&mut self, now: Mono, reason: Reason, out: &mut Vec<Effect>) {
        if self.state == State::Initialize {
            return;
        }
        if self.state == State::Master {
            out.push(Effect::Send { priority: 0 });
            out.push(Effect::RemoveAddresses);
            self.last_advert = Some(now);
        }
        self.forget();
        self.source = None;
        self.transition(now, State::Initialize, reason, out);
    }

    fn timer(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if let Some(due) = self.timer.filter(|t| *t <= now) {
            match self.state {
                State::Backup => self.become_master(now, self.takeover, out),
                State::Master => {
                    self.send_advert(now, out);
                    // From deadline to deadline, so that small delays do not
                    // add up; after a gap, from now, so that nothing is made up for.
                    let next = due + self.config.advert_interval;
                    if next > now {
                        self.timer = Some(next);
                    }
                }
                State::Initialize => {}
            }
        }
        let is_due = |t: Option<Mono>| t.is_some_and(|t| t <= now);
        let (second, rival) = (is_due(self.announce_at), is_due(self.rival_announce_at));
        if second {
            self.announce_at = None;
        }
        if rival {
            self.rival_announce_at = None;
        }
        if second || rival {
            self.announce(now, out);
        }
    }

    fn advert(&mut self, now: Mono, src: IpAddr, advert: &Advert, out: &mut Vec<Effect>) {
        if self.state == State::Initialize {
            return;
        }
        if let Err(rejection) = self.check(src, advert) {
            out.push(Effect::Rejected(rejection));
            return;
        }
        if !same_set(&self.config.addresses, &advert.addresses) {
            out.push(Effect::Surprise(Surprise::AddressList));
        }
        if self.config.is_owner() && advert.priority == self.config.priority {
            out.push(Effect::Surprise(Surprise::SecondOwner));
        }
        let sender = Peer {
            address: src,
            priority: advert.priority,
        };
        match self.state {
            State::Master => self.advert_as_master(now, sender, advert.interval, out),
            State::Backup => self.advert_as_backup(now, sender, advert.interval),
            State::Initialize => {}
        }
    }

    fn check(&self, src: IpAddr, advert: &Advert) -> Result<(), Rejection> {
        let received = advert.interval;
        if self.source == Some(src) {
            Err(Rejection::OwnAddress)
        } else if advert.version != self.config.version {
            Err(Rejection::VersionMismatch {
                received: advert.version,
            })
        } else if self.config.version == Version::V2 && received != self.config.advert_interval {
            Err(Rejection::IntervalMismatch { received })
        } else {
            Ok(())
        }
    }

    /// RFC 9568 6.4.2, (420) to (475).
    fn advert_as_backup(&mut self, now: Mono, sender: Peer, interval: Duration) {
        if sender.priority == 0 {
            self.takeover = Reason::MasterLeft;
            self.timer = Some(now + self.takeover_time(&self.config));
        } else if sender.priority >= self.config.priority {
            self.preempt_at = None;
            self.follow(now, sender, interval);
        } else if self.tolerates_lower(now) {
            self.follow(now, sender, interval);
        } else {
            self.master = Some(sender);
            if self.takeover == Reason::MasterDown {
                self.takeover = Reason::Preempting;
            }
        }
    }

    /// RFC 9568 6.4.3, (700) to (765).
    fn advert_as_master(
        &mut self,
        now: Mono,
        sender: Peer,
        interval: Duration,
        out: &mut Vec<Effect>,
    ) {
        let own = self.config.priority;
        if sender.priority == 0 {
            self.send_advert(now, out);
            self.announce_over_rival(now, out);
        } else if sender.priority > own {
            self.yield_to(now, sender, interval, Reason::HigherPriority, out);
        } else if sender.priority == own && Some(sender.address) > self.source {
            self.yield_to(now, sender, interval, Reason::HigherAddress, out);
        } else {
            if now >= self.answer_quiet_until {
                self.answer_quiet_until = now + self.config.advert_interval / ANSWERS_PER_INTERVAL;
                self.send_advert(now, out);
            }
            self.announce_over_rival(now, out);
            out.push(Effect::Surprise(Surprise::LowerMaster));
        }
    }

    fn yield_to(
        &mut self,
        now: Mono,
        sender: Peer,
        interval: Duration,
        reason: Reason,
        out: &mut Vec<Effect>,
    ) {
        out.push(Effect::RemoveAddresses);
        self.become_backup(now, Some((sender, interval)), reason, out);
    }

    /// Whether a Master of lower priority is to be left alone for now.
    fn tolerates_lower(&mut self, now: Mono) -> bool {
        if self.config.is_owner() {
            return false;
        }
        if !self.config.preempt {
            return true;
        }
        let delay = self.config.preempt_delay;
        let until = *self.preempt_at.get_or_insert(now + delay);
        now < until
    }

    /// Accepts `sender` as Master and restarts the master-down timer.
    fn follow(&mut self, now: Mono, sender: Peer, interval: Duration) {
        self.master = Some(sender);
        // In v2 the interval has been checked to be ours.
        self.learned = match self.config.version {
            Version::V2 => None,
            Version::V3 => Some(clamp_interval(Version::V3, interval)),
        };
        self.takeover = Reason::MasterDown;
        self.timer = Some(now + self.takeover_time(&self.config));
    }

    /// The span of the timer that runs in Backup, under `config`.
    fn takeover_time(&self, config: &Config) -> Duration {
        let interval = self.learned.unwrap_or(config.advert_interval);
        match self.takeover {
            Reason::MasterLeft => skew(config.version, config.priority, interval),
            _ => master_down(config, interval),
        }
    }

    fn become_backup(
        &mut self,
        now: Mono,
        heard: Option<(Peer, Duration)>,
        reason: Reason,
        out: &mut Vec<Effect>,
    ) {
        self.forget();
        match heard {
            Some((sender, interval)) => self.follow(now, sender, interval),
            None => self.timer = Some(now + self.takeover_time(&self.config)),
        }
        self.transition(now, State::Backup, reason, out);
    }

    fn become_master(&mut self, now: Mono, reason: Reason, out: &mut Vec<Effect>) {
        self.forget();
        self.send_advert(now, out);
        out.push(Effect::AddAddresses);
        self.announce_twice(now, out);
        self.transition(now, State::Master, reason, out);
    }

    fn transition(&mut self, now: Mono, to: State, reason: Reason, out: &mut Vec<Effect>) {
        let from = std::mem::replace(&mut self.state, to);
        self.since = Some(now);
        self.reason = Some(reason);
        out.push(Effect::Transition { from, to, reason });
    }

    /// Clears what belongs to the state that is being left.
    fn forget(&mut self) {
        self.timer = None;
        self.master = None;
        self.learned = None;
        self.takeover = Reason::MasterDown;
        self.preempt_at = None;
        self.announce_at = None;
        self.rival_announce_at = None;
        self.announce_quiet_until = Mono::ZERO;
        self.answer_quiet_until = Mono::ZERO;
    }

    fn send_advert(&mut self, now: Mono, out: &mut Vec<Effect>) {
        out.push(Effect::Send {
            priority: self.config.priority,
        });
        self.last_advert = Some(now);
        self.timer = Some(now + self.config.advert_interval);
    }

    fn announce(&mut self, now: Mono, out: &mut Vec<Effect>) {
        out.push(Effect::Announce);
        self.announce_quiet_until = now + RIVAL_ANNOUNCE_GAP;
    }

    fn announce_twice(&mut self, now: Mono, out: &mut Vec<Effect>) {
        self.announce(now, out);
        let delay = self.config.announce_delay;
        self.announce_at = (!delay.is_zero()).then(|| now + delay);
    }

    /// Announces now unless that was just done, and in any case once more when
    /// the gap is over; until then, that one serves every further rival.
    fn announce_over_rival(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if now >= self.announce_quiet_until {
            self.announce(now, out);
        }
        self.rival_announce_at = Some(self.announce_quiet_until);
    }

    fn reconfigure(&mut self, now: Mono, config: Config, out: &mut Vec<Effect>) {
        let old = std::mem::replace(&mut self.config, config.clamped());
        let addresses_differ = !same_set(&old.addresses, &self.config.addresses);
        match self.state {
            State::Initialize => {}
            State::Backup if self.config.is_owner() => {
                self.become_master(now, Reason::Owner, out);
            }
            State::Backup => self.reconfigure_backup(&old),
            State::Master => {
                // At once: Backups must learn a longer interval before the old one ends.
                if says_otherwise(&old, &self.config) {
                    self.send_advert(now, out);
                }
                if addresses_differ {
                    out.push(Effect::AddAddresses);
                    self.announce_twice(now, out);
                }
            }
        }
    }

    /// Moves the running timer by as much as its span has changed: time
    /// already waited counts, so that a priority that changes often (tracking)
    /// cannot put the takeover off forever.
    fn reconfigure_backup(&mut self, old: &Config) {
        let (before, after) = (self.takeover_time(old), self.takeover_time(&self.config));
        self.timer = self.timer.map(|t| t - before + after);
        if old.preempt != self.config.preempt || old.preempt_delay != self.config.preempt_delay {
            self.preempt_at = None;
        }
    }
}

/// Whether two configurations make different adverts.
fn says_otherwise(a: &Config, b: &Config) -> bool {
    a.priority != b.priority
        || a.advert_interval != b.advert_interval
        || a.version != b.version
        || a.vrid != b.vrid
        || a.auth != b.auth
        || a.addresses != b.addresses
}

/// Whether two lists hold the same addresses, in whatever order.
fn same_set(a: &[IpAddr], b: &[IpAddr]) -> bool {
    a == b || (a.len() == b.len() && a.iter().all(|x| b.contains(x)))
}
