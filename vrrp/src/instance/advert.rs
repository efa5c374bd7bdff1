//! What an advert heard does to an instance.

use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;

use super::{Instance, RIVAL_ANNOUNCE_GAP};
use crate::config::clamp_interval;
use crate::timers::{master_down, skew};
use crate::{
    Advert, Cause, Config, Effect, OWNER_PRIORITY, Peer, Reason, Rejection, State, Surprise,
    Version, Via,
};

/// Answers to other Masters per advert interval, at most.
const ANSWERS_PER_INTERVAL: u32 = 10;

/// An advert that passed the checks.
#[derive(Clone, Copy)]
struct Heard {
    sender: Peer,
    interval: Duration,
    via: Via,
    /// Our address on the way it came.
    own: IpAddr,
}

impl Instance {
    pub(super) fn advert(
        &mut self,
        now: Mono,
        src: IpAddr,
        (via, own): (Via, IpAddr),
        advert: &Advert,
        out: &mut Vec<Effect>,
    ) {
        if self.state == State::Initialize && self.handing_until.is_none() {
            return;
        }
        if let Err(rejection) = self.check(src, own, advert) {
            out.push(Effect::Rejected(rejection));
            return;
        }
        let heard = Heard {
            sender: Peer {
                address: src,
                priority: advert.priority,
            },
            interval: clamp_interval(self.config.version, advert.interval),
            via,
            own,
        };
        if self.handing_until.is_some() {
            return self.advert_in_hand_over(now, heard, out);
        }
        let is_owner = self.config.is_owner();
        if is_owner && self.config.owner_ignore_adverts && self.state == State::Master {
            return;
        }
        if self.is_to_compare(src) && !same_set(&self.config.addresses, &advert.addresses) {
            out.push(Effect::Surprise(Surprise::AddressList));
        }
        if is_owner && advert.priority == OWNER_PRIORITY {
            out.push(Effect::Surprise(Surprise::SecondOwner));
        }
        match self.state {
            State::Master => self.advert_as_master(now, heard, out),
            State::Backup => self.advert_as_backup(now, heard),
            State::Initialize => {}
        }
    }

    fn check(&self, src: IpAddr, own: IpAddr, advert: &Advert) -> Result<(), Rejection> {
        let received = advert.interval;
        if src == own || self.source == Some(src) {
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

    fn is_to_compare(&mut self, src: IpAddr) -> bool {
        self.config.check_addresses || self.compared.replace(src) != Some(src)
    }

    /// The first who speaks is the successor.
    fn advert_in_hand_over(&mut self, now: Mono, heard: Heard, out: &mut Vec<Effect>) {
        if heard.sender.priority == 0 {
            return;
        }
        self.handing_until = None;
        self.overlap_until = Some(now + self.config.hand_over_overlap);
        if self.config.hand_over_overlap.is_zero() {
            self.end_hand_over(out);
        }
        if self.state == State::Backup {
            self.follow_heard(now, heard);
        }
    }

    /// RFC 9568 6.4.2.
    fn advert_as_backup(&mut self, now: Mono, heard: Heard) {
        let sender = heard.sender;
        if sender.priority == 0 {
            self.takeover = Reason::MasterLeft;
            let due = now + self.takeover_time(&self.config);
            self.timer = Some(self.timer.map_or(due, |t| t.min(due)));
            self.silent_at = self.silent_at.min(now);
        } else if sender.priority >= self.priority() {
            self.preempt_at = None;
            self.follow_heard(now, heard);
        } else if self.tolerates_lower(now) {
            self.follow_heard(now, heard);
        } else {
            self.master = Some(sender);
            self.silent_at = self.silent_at.min(now);
            if self.takeover == Reason::MasterDown {
                self.takeover = Reason::Preempting;
            }
        }
    }

    /// RFC 9568 6.4.3.
    fn advert_as_master(&mut self, now: Mono, heard: Heard, out: &mut Vec<Effect>) {
        if heard.sender.priority == 0 {
            self.answer(now, out);
            self.announce_over_rival(now, out);
        } else if let Some(reason) = self.outranked(now, heard) {
            self.yield_to(now, heard, reason, out);
        } else {
            if !self.config.lower_prio_no_advert && now >= self.answer_quiet_until {
                self.answer(now, out);
            }
            self.announce_over_rival(now, out);
            out.push(Effect::Surprise(Surprise::LowerMaster));
        }
    }

    /// Whether a Master is to yield to this one, and why.
    fn outranked(&mut self, now: Mono, heard: Heard) -> Option<Reason> {
        let (priority, own) = (heard.sender.priority, self.config.advert_interval);
        if priority != self.priority() {
            return (priority > self.priority()).then_some(Reason::HigherPriority);
        }
        let is_greater = heard.sender.address > heard.own;
        let longer = own.max(heard.interval);
        let yields = match heard.via {
            Via::Primary => {
                self.rivals.equal_on_primary(now, longer);
                is_greater
            }
            Via::Heartbeat => self.rivals.heartbeat_decides(now, longer) && is_greater,
        };
        if yields {
            return Some(Reason::HigherAddress);
        }
        let persists = priority == OWNER_PRIORITY
            && heard.via == Via::Primary
            && self.rivals.owner_persists(now, own, heard.interval);
        persists.then_some(Reason::SecondOwner)
    }

    fn yield_to(&mut self, now: Mono, heard: Heard, reason: Reason, out: &mut Vec<Effect>) {
        if self.config.higher_prio_send_advert {
            self.send_advert(now, out);
        }
        out.push(Effect::RemoveAddresses);
        self.rivals.lowered = self.config.is_owner();
        self.become_backup(now, Some((heard.sender, heard.interval)), reason, out);
        self.note_way(now, heard.via);
    }

    /// Says at once that we are Master, or as soon as the limit of answers allows.
    fn answer(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if now >= self.answer_quiet_until {
            self.answer_quiet_until = now + self.answer_gap();
            self.send_advert(now, out);
        } else {
            let at = self.answer_quiet_until;
            self.timer = self.timer.map(|t| t.min(at));
        }
    }

    pub(super) fn answer_gap(&self) -> Duration {
        self.config.advert_interval / ANSWERS_PER_INTERVAL
    }

    /// Whether a Master of lower priority is to be left alone for now.
    fn tolerates_lower(&mut self, now: Mono) -> bool {
        if self.released {
            return true;
        }
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

    /// Accepts the sender as Master. Over the heartbeat it has another address; while it
    /// is heard on the primary way, that one is its name.
    fn follow_heard(&mut self, now: Mono, heard: Heard) {
        let mut sender = heard.sender;
        if let Some(master) = self.master.filter(|_| now < self.primary_until)
            && heard.via == Via::Heartbeat
        {
            sender.address = master.address;
        }
        self.follow(now, sender, heard.interval);
        self.note_way(now, heard.via);
    }

    fn note_way(&mut self, now: Mono, via: Via) {
        if via == Via::Primary {
            self.primary_until = now + self.interval() * 3;
        }
    }

    /// Accepts `sender` as Master and restarts the master-down timer.
    pub(super) fn follow(&mut self, now: Mono, sender: Peer, interval: Duration) {
        self.master = Some(sender);
        // In v2 the interval has been checked to be ours.
        self.learned = match self.config.version {
            Version::V2 => None,
            Version::V3 => Some(clamp_interval(Version::V3, interval)),
        };
        self.takeover = Reason::MasterDown;
        self.wait(now);
    }

    /// Starts the master-down timer.
    pub(super) fn wait(&mut self, now: Mono) {
        self.listened = false;
        self.timer = Some(now + self.takeover_time(&self.config));
        let patience = self.config.down_timer_adverts.saturating_sub(1).max(1);
        let silence = self.interval().saturating_mul(u32::from(patience));
        self.silent_at = now + silence + self.skew();
    }

    pub(super) fn skew(&self) -> Duration {
        skew(self.config.version, self.priority(), self.interval())
    }

    /// The span of the timer that runs in Backup, under `config`.
    pub(super) fn takeover_time(&self, config: &Config) -> Duration {
        let interval = self.learned.unwrap_or(config.advert_interval);
        let priority = self.priority_under(config);
        match self.takeover {
            Reason::MasterLeft => skew(config.version, priority, interval),
            _ => master_down(config, priority, interval),
        }
    }

    /// Announces now unless that was just done, and in any case once more later; until
    /// then, that one serves every further rival.
    fn announce_over_rival(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if now >= self.announce_quiet_until {
            self.announce(now, Cause::Rival, out);
            let delay = self.config.lower_prio_announce_delay;
            self.rival_announce_at = Some(now + delay.max(RIVAL_ANNOUNCE_GAP));
        } else {
            self.rival_announce_at
                .get_or_insert(self.announce_quiet_until);
        }
    }
}

/// Whether two lists hold the same addresses, in whatever order.
pub(super) fn same_set(a: &[IpAddr], b: &[IpAddr]) -> bool {
    a == b || (a.len() == b.len() && a.iter().all(|x| b.contains(x)))
}
