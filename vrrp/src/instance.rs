//! The state machine of one virtual router, RFC 9568 6.4 (v3) and RFC 3768 6.4 (v2).
//!
//! What the RFCs leave open, or where we do more than they ask:
//!
//! - A Master that hears a lower-ranking one answers with an advert at once (RFC 9568;
//!   in v2 too, it heals a split sooner), and announces the addresses: the rival may
//!   have been the last one heard by switches and hosts. It announces again
//!   [`RIVAL_ANNOUNCE_GAP`] later, when the rival has had time to let go, and never
//!   more often than that, however much is said. Answers to lower-ranking adverts are
//!   limited to ten per advert interval, so that two routers that cannot agree do not
//!   shout at the speed of the wire.
//! - An advert with other addresses than ours counts, and is reported.
//! - A Backup that becomes the owner by [`Input::Reconfigure`] takes over at once.
//! - A Master that wakes up late, by however much (a suspended virtual machine), sends
//!   its advert and goes on: if someone better has taken over, the answer ends it
//!   within a round trip. Adverts that waited in the socket meanwhile should be given
//!   first, see the crate's page.

use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;

use crate::{Advert, Config, Effect, Input, Peer, Reason, State};

mod advert;
mod reconfigure;
mod snapshot;

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

    /// Takes one input at the time `now` and appends what is to be done to `out`, in
    /// the order it is to be done.
    ///
    /// Total: any input in any state is fine. `now` must not run backwards; if it does,
    /// timers last longer.
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

    /// When to give [`Input::Timer`] next; `None`: not until something else has
    /// happened.
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

    /// Who is Master as far as we know: ourselves, or the sender of the last advert
    /// accepted. `None` when nobody was heard yet or in Initialize.
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
}
