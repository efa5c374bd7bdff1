//! The state machine of one virtual router, RFC 9568 6.4 (v3) and RFC 3768 6.4 (v2).
//!
//! What the RFCs leave open, or where we do more than they ask:
//!
//! - A Master that hears a lower-ranking one answers with an advert at once (RFC 9568;
//!   in v2 too, it heals a split sooner), and announces the addresses: the rival may
//!   have been the last one heard by switches and hosts. It announces again
//!   [`RIVAL_ANNOUNCE_GAP`] later, when the rival has had time to let go, and never
//!   more often than that, however much is said. Answers are limited to ten per advert
//!   interval, so that neither two routers that cannot agree nor a flood of forged
//!   adverts make us shout at the speed of the wire. An answer to priority 0 beyond that
//!   is not dropped but late, for Backups wait for it.
//! - As Backup, priority 0 only ever brings the takeover forward.
//! - An advert with other addresses than ours counts, and is reported.
//! - A Backup that becomes the owner by [`Input::Reconfigure`] takes over at once.
//! - A Master that wakes up so late that a Backup may have taken over (a suspended
//!   virtual machine, a starved processor) listens for one advert interval and its skew
//!   time before it rules by the usual rules again, unless
//!   [`timer_expired_backup`](Config::timer_expired_backup) is off. A Backup that wakes
//!   up more than an advert interval late listens for one interval more, once.
//! - `preempt_delay` runs from the first advert of a lower Master, also after startup, and
//!   begins anew once a better one was heard. When it is over, the master-down time still
//!   has to pass, in which that Master is no longer followed.
//! - A faulty owner is Master at once when it is well again, as the RFCs say; a new one
//!   likewise.
//! - As Master its own interval holds, whatever it learned as Backup.
//! - Making before breaking: see [`Input::Shutdown`], [`Input::Release`] and
//!   [`timers::hand_over`](crate::timers::hand_over).
//! - Two owners (priority 255), and adverts that come two ways: see `rivals`.

use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;

use crate::{Advert, Cause, Config, Effect, Input, Peer, Reason, State};

mod advert;
mod group;
mod leave;
mod reconfigure;
mod rivals;
mod snapshot;

use rivals::Rivals;
pub use snapshot::Snapshot;

/// The shortest time between two announcements caused by rival Masters.
pub const RIVAL_ANNOUNCE_GAP: Duration = Duration::from_secs(1);

/// One virtual router on one interface.
///
/// Plain data: no clock, no socket. Two instances that are equal behave alike from then
/// on; see [`Instance::relative`] for comparing them at different times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    config: Config,
    /// What tracking adds to the priority.
    adjust: i32,
    /// Whether a sync group decides when this instance becomes Master.
    grouped: bool,
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
    /// Until when `master` counts as heard on the primary way.
    primary_until: Mono,
    /// Why a Backup will become Master if its timer expires now.
    takeover: Reason,
    /// From when the Master counts as silent for the other members of a group.
    silent_at: Mono,
    /// Whether the Backup has already listened longer because its timer was late.
    listened: bool,
    /// Until when a Master of lower priority is tolerated, once one is heard.
    preempt_at: Option<Mono>,
    /// Whether we gave the addresses up and leave whoever took them alone.
    released: bool,
    /// Until when we serve the addresses we gave up, unless a successor is heard.
    handing_until: Option<Mono>,
    /// Until when we serve them beside the successor.
    overlap_until: Option<Mono>,
    /// The second announcement after becoming Master.
    announce_at: Option<Mono>,
    /// The announcement that follows up a rival.
    rival_announce_at: Option<Mono>,
    /// Until when rivals cause no announcement at once.
    announce_quiet_until: Mono,
    /// Until when others get no answer of their own.
    answer_quiet_until: Mono,
    /// When we last sent an advert.
    last_advert: Option<Mono>,
    /// From when a Backup may have missed us as Master.
    missed_at: Mono,
    rivals: Rivals,
    /// Whose address list was compared last, where that is done once.
    compared: Option<IpAddr>,
}

impl Instance {
    /// A new instance, in Initialize until [`Input::Startup`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        let config = config.clamped();
        Self {
            adjust: 0,
            grouped: false,
            state: State::Initialize,
            source: None,
            since: None,
            reason: None,
            timer: None,
            learned: None,
            master: None,
            primary_until: Mono::ZERO,
            takeover: Reason::MasterDown,
            silent_at: Mono::ZERO,
            listened: false,
            preempt_at: None,
            released: false,
            handing_until: None,
            overlap_until: None,
            announce_at: None,
            rival_announce_at: None,
            announce_quiet_until: Mono::ZERO,
            answer_quiet_until: Mono::ZERO,
            last_advert: None,
            missed_at: Mono::ZERO,
            rivals: Rivals::default(),
            compared: None,
            config,
        }
    }

    /// Takes one input at the time `now` and appends what is to be done to `out`, in
    /// the order it is to be done.
    ///
    /// Total: any input in any state is fine. `now` must not run backwards; if it does,
    /// timers last longer.
    pub fn step(&mut self, now: Mono, input: Input<'_>, out: &mut Vec<Effect>) {
        match input {
            Input::Shutdown => return self.shutdown(now, Reason::Shutdown, out),
            Input::Fault => return self.fault(now, Reason::Fault, out),
            Input::Release => return self.release(now, out),
            _ => {}
        }
        if self.is_missed(now) {
            self.step_down_late(now, out);
        }
        match input {
            Input::Startup { source } => self.startup(now, source, out),
            Input::Advert {
                src,
                via,
                own,
                advert,
            } => self.advert(now, src, (via, own), advert, out),
            Input::Adjust(adjust) => self.adjust(now, adjust, out),
            Input::Reconfigure(config) => self.reconfigure(now, config, out),
            Input::Timer => self.timer(now, out),
            Input::Shutdown | Input::Fault | Input::Release => {}
        }
    }

    /// When to give [`Input::Timer`] next; `None`: not until something else has
    /// happened.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let announce = [self.announce_at, self.rival_announce_at];
        let all = announce
            .into_iter()
            .chain([self.timer, self.handing_until, self.overlap_until]);
        all.flatten().min()
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

    /// The effective priority: the base with what tracking adds, or 254 while an owner
    /// yields to a second one.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.priority_under(&self.config)
    }

    /// The configured priority.
    #[must_use]
    pub fn base_priority(&self) -> u8 {
        self.config.priority
    }

    /// Whether we have given the addresses up but still serve them: until the successor
    /// is heard, and for [`Config::hand_over_overlap`] beside it.
    ///
    /// The addresses are to be on the host while this is so or the state is Master. The
    /// driver goes on giving adverts and [`Input::Timer`]; the end shows as
    /// [`Effect::RemoveAddresses`], or as the return to Master.
    #[must_use]
    pub fn handing_over(&self) -> bool {
        self.handing_until.is_some() || self.overlap_until.is_some()
    }

    /// Whether we have given the addresses up and no successor was heard yet.
    #[must_use]
    pub fn awaits_successor(&self) -> bool {
        self.handing_until.is_some()
    }

    /// Our primary address, as given by [`Input::Startup`]; `None` in Initialize, except
    /// during a hand-over.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// Who is Master as far as we know: ourselves, or the sender of the last advert
    /// accepted. `None` when nobody was heard yet or in Initialize.
    #[must_use]
    pub fn master(&self) -> Option<Peer> {
        match self.state {
            State::Master => self.source.map(|address| Peer {
                address,
                priority: self.priority(),
            }),
            _ => self.master,
        }
    }

    /// The advert [`Effect::Send`] asks for: the present configuration with the
    /// priority of the effect.
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
    /// Instances with equal relative views take part in the election alike from now on.
    /// Deadlines that have passed are equal. What serves only status, and announcements
    /// to come, are left out: nothing else depends on them.
    #[must_use]
    pub fn relative(&self, now: Mono) -> Self {
        let rel = |t: Mono| Mono::ZERO + t.since(now);
        Self {
            since: None,
            reason: None,
            last_advert: None,
            announce_at: None,
            rival_announce_at: None,
            announce_quiet_until: Mono::ZERO,
            timer: self.timer.map(rel),
            primary_until: rel(self.primary_until),
            silent_at: rel(self.silent_at),
            preempt_at: self.preempt_at.map(rel),
            handing_until: self.handing_until.map(rel),
            overlap_until: self.overlap_until.map(rel),
            answer_quiet_until: rel(self.answer_quiet_until),
            missed_at: rel(self.missed_at),
            rivals: self.rivals.relative(rel),
            ..self.clone()
        }
    }

    fn startup(&mut self, now: Mono, source: IpAddr, out: &mut Vec<Effect>) {
        let moved = self.source.replace(source) != Some(source);
        match (self.state, self.handing_until) {
            // On the way out, and called back: as after a release.
            (State::Initialize, Some(_)) => {
                self.takeover = Reason::NoSuccessor;
                self.transition(now, State::Backup, Reason::Startup, out);
            }
            (State::Initialize, None) => {
                self.end_hand_over(out);
                self.source = Some(source);
                self.start(now, out);
            }
            (State::Master, _) if moved => self.send_advert(now, out),
            (State::Master | State::Backup, _) => {}
        }
    }

    fn start(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if self.config.is_owner() && !self.grouped {
            return self.become_master(now, Reason::Owner, out);
        }
        self.become_backup(now, None, Reason::Startup, out);
        if self.config.is_owner() {
            self.take_over_now(now, Reason::Owner);
        }
    }

    fn timer(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if self.overlap_until.is_some_and(|t| t <= now) {
            self.end_hand_over(out);
        }
        if let Some(due) = self.handing_until.filter(|t| *t <= now) {
            self.no_successor(now, due, out);
        } else if let Some(due) = self.timer.filter(|t| *t <= now) {
            match self.state {
                State::Backup => self.takeover_due(now, due, out),
                State::Master => self.advert_due(now, due, out),
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
        if second {
            self.announce(now, Cause::Again, out);
        } else if rival {
            self.announce(now, Cause::Rival, out);
        }
    }

    fn takeover_due(&mut self, now: Mono, due: Mono, out: &mut Vec<Effect>) {
        let interval = self.interval();
        if now.since(due) > interval && !self.listened {
            self.listened = true;
            self.timer = Some(now + interval);
            self.silent_at = now + interval;
        } else if !self.grouped {
            self.become_master(now, self.takeover, out);
        }
    }

    fn advert_due(&mut self, now: Mono, due: Mono, out: &mut Vec<Effect>) {
        if due == self.answer_quiet_until {
            // An answer that had to wait.
            self.answer_quiet_until = now + self.answer_gap();
        }
        self.send_advert(now, out);
        // From deadline to deadline, so that small delays do not add up; after a gap,
        // from now, so that nothing is made up for.
        let next = due + self.config.advert_interval;
        if next > now {
            self.timer = Some(next);
        }
    }

    /// Whether a Backup may have missed this Master by now.
    fn is_missed(&self, now: Mono) -> bool {
        let is_master = self.state == State::Master;
        is_master && self.config.timer_expired_backup && now >= self.missed_at
    }

    /// How long after an advert no Backup can have missed the next ones, if it waits for
    /// them at `interval`.
    ///
    /// The time without the skew, as that may be next to nothing. Where a Backup takes
    /// over after one missing advert that would be the time of our next one: half an
    /// interval more, for a timer is never quite on time.
    fn patience(&self, interval: Duration) -> Duration {
        let down = interval.saturating_mul(u32::from(self.config.down_timer_adverts));
        down.max(interval.saturating_mul(3) / 2)
    }

    /// Listens: a Master that lives speaks within an interval.
    fn step_down_late(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let interval = self.config.advert_interval;
        out.push(Effect::RemoveAddresses);
        self.become_backup(now, None, Reason::Late, out);
        self.silent_at = now + interval;
        self.timer = Some(self.silent_at + self.skew());
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
            None => self.wait(now),
        }
        self.transition(now, State::Backup, reason, out);
    }

    fn become_master(&mut self, now: Mono, reason: Reason, out: &mut Vec<Effect>) {
        self.forget();
        self.rivals.lowered = false;
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
        self.primary_until = Mono::ZERO;
        self.takeover = Reason::MasterDown;
        self.silent_at = Mono::ZERO;
        self.listened = false;
        self.preempt_at = None;
        self.released = false;
        self.handing_until = None;
        self.overlap_until = None;
        self.announce_at = None;
        self.rival_announce_at = None;
        self.announce_quiet_until = Mono::ZERO;
        self.answer_quiet_until = Mono::ZERO;
        self.missed_at = Mono::ZERO;
        self.rivals.forget();
        self.compared = None;
    }

    /// Makes the takeover due at once.
    fn take_over_now(&mut self, now: Mono, reason: Reason) {
        self.takeover = reason;
        self.timer = Some(now);
        self.silent_at = now;
    }

    fn send_advert(&mut self, now: Mono, out: &mut Vec<Effect>) {
        out.push(Effect::Send {
            priority: self.priority(),
        });
        let interval = self.config.advert_interval;
        self.last_advert = Some(now);
        self.timer = Some(now + interval);
        self.missed_at = now + self.patience(interval);
    }

    fn announce(&mut self, now: Mono, cause: Cause, out: &mut Vec<Effect>) {
        out.push(Effect::Announce { cause });
        self.announce_quiet_until = now + RIVAL_ANNOUNCE_GAP;
    }

    fn announce_twice(&mut self, now: Mono, out: &mut Vec<Effect>) {
        self.announce(now, Cause::Master, out);
        let delay = self.config.announce_delay;
        self.announce_at = (!delay.is_zero()).then(|| now + delay);
    }

    /// The advert interval in force: ours as Master, in v3 the Master's as Backup.
    fn interval(&self) -> Duration {
        self.learned.unwrap_or(self.config.advert_interval)
    }

    fn priority_under(&self, config: &Config) -> u8 {
        if self.rivals.lowered && config.is_owner() {
            return rivals::YIELDING_OWNER;
        }
        config.effective_priority(self.adjust)
    }
}
