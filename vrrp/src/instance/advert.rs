//! What an advert heard does to an instance.

use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;

use super::Instance;
use crate::config::clamp_interval;
use crate::timers::{master_down, skew};
use crate::{Advert, Config, Effect, Peer, Reason, Rejection, State, Surprise, Version};

/// Answers to lower-ranking Masters per advert interval, at most.
const ANSWERS_PER_INTERVAL: u32 = 10;

impl Instance {
    pub(super) fn advert(
        &mut self,
        now: Mono,
        src: IpAddr,
        advert: &Advert,
        out: &mut Vec<Effect>,
    ) {
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

    /// RFC 9568 6.4.2.
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

    /// RFC 9568 6.4.3.
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
    pub(super) fn follow(&mut self, now: Mono, sender: Peer, interval: Duration) {
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
    pub(super) fn takeover_time(&self, config: &Config) -> Duration {
        let interval = self.learned.unwrap_or(config.advert_interval);
        match self.takeover {
            Reason::MasterLeft => skew(config.version, config.priority, interval),
            _ => master_down(config, interval),
        }
    }

    /// Announces now unless that was just done, and in any case once more when the gap
    /// is over; until then, that one serves every further rival.
    fn announce_over_rival(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if now >= self.announce_quiet_until {
            self.announce(now, out);
        }
        self.rival_announce_at = Some(self.announce_quiet_until);
    }
}

/// Whether two lists hold the same addresses, in whatever order.
pub(super) fn same_set(a: &[IpAddr], b: &[IpAddr]) -> bool {
    a == b || (a.len() == b.len() && a.iter().all(|x| b.contains(x)))
}
