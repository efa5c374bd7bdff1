//! What survives the process: an instance as others see it, and its return.

use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;
use serde::{Deserialize, Serialize};

use super::Instance;
use crate::{Config, Effect, Peer, Reason, State};

/// An instance at one moment, for status and for [`Instance::resume`].
///
/// Times are of the clock the instance was driven by, which must be one that all
/// processes of a host share until it boots again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// The state.
    pub state: State,
    /// Our primary address, see [`Instance::source`].
    pub source: Option<IpAddr>,
    /// Our effective priority.
    pub priority: u8,
    /// The configured priority.
    #[serde(default)]
    pub base_priority: u8,
    /// What tracking adds to it, before it is brought into range.
    #[serde(default)]
    pub adjust: i32,
    /// Who is Master as far as we know, see [`Instance::master`].
    pub master: Option<Peer>,
    /// When the state was entered; `None` before the first startup.
    pub since: Option<Mono>,
    /// Why the state was entered; `None` before the first startup.
    pub reason: Option<Reason>,
    /// The next deadline, if any.
    pub deadline: Option<Mono>,
    /// The advert interval in force: ours as Master, in v3 the Master's as Backup.
    pub interval: Duration,
    /// When we last sent an advert, if ever.
    pub last_advert: Option<Mono>,
    /// Until when a Master of lower priority is tolerated, once one was heard.
    pub preempt_at: Option<Mono>,
    /// Whether the addresses were given up by [`Input::Release`](crate::Input::Release)
    /// and whoever took them is left alone.
    #[serde(default)]
    pub released: bool,
    /// Until when addresses given up are served nevertheless, waiting for a successor.
    #[serde(default)]
    pub handing_until: Option<Mono>,
    /// Until when they are served beside the successor.
    #[serde(default)]
    pub overlap_until: Option<Mono>,
    /// Whether this is an owner that has yielded to another one.
    #[serde(default)]
    pub lowered: bool,
}

impl Instance {
    /// The instance as it stands.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state,
            source: self.source,
            priority: self.priority(),
            base_priority: self.base_priority(),
            adjust: self.adjust,
            master: self.master(),
            since: self.since,
            reason: self.reason,
            deadline: self.deadline(),
            interval: self.interval(),
            last_advert: self.last_advert,
            preempt_at: self.preempt_at,
            released: self.released,
            handing_until: self.handing_until,
            overlap_until: self.overlap_until,
            lowered: self.rivals.lowered,
        }
    }

    /// Takes up where another process stopped, at the time `now`, on a usable interface
    /// with the primary address `source`.
    ///
    /// `alive_until` is when that process was last known to keep its deadlines: the
    /// moment it was found dead if it was killed, its last sign of life if it hung. The
    /// snapshot may be older; the state it shows is taken to have lasted until then.
    ///
    /// - A Master resumes as Master, all its effects as on becoming one (advert first),
    ///   `since` kept, if no Backup can have noticed: if less than `down_timer_adverts`
    ///   advert intervals (one and a half if that is 1) have passed since its last
    ///   advert. That one was sent at
    ///   `last_advert` or later, and at most one interval before `alive_until`. The
    ///   margin left is the Backups' skew time. When it is too late, it removes the
    ///   addresses, which may still be there, and starts afresh, as with
    ///   [`Input::Startup`](crate::Input::Startup).
    /// - A Backup resumes as Backup with a full master-down time (it may have missed
    ///   adverts while away, and taking over falsely is worse than taking over late)
    ///   and the Master, the interval, the running preempt delay and the obligation to
    ///   leave its successor alone ([`Input::Release`](crate::Input::Release)) it knew;
    ///   so does an owner that was released or has yielded to another one.
    /// - A hand-over under way goes on, as a Backup's, while its time is not over: a
    ///   successor that was not heard meanwhile will be. One that had found its successor
    ///   ends.
    /// - What tracking adds to the priority is kept in any case.
    /// - Anything else, and a snapshot of before a reboot, starts afresh.
    pub fn resume(
        config: Config,
        snap: &Snapshot,
        alive_until: Mono,
        now: Mono,
        source: IpAddr,
        out: &mut Vec<Effect>,
    ) -> Self {
        let mut instance = Self::new(config);
        instance.take_up(snap, alive_until, now, source, out);
        instance
    }

    /// As [`Instance::resume`], for an instance that is new.
    pub(crate) fn take_up(
        &mut self,
        snap: &Snapshot,
        alive_until: Mono,
        now: Mono,
        source: IpAddr,
        out: &mut Vec<Effect>,
    ) {
        let ours = snap.since.is_some_and(|since| since <= now);
        self.last_advert = snap.last_advert.filter(|t| ours && *t <= now);
        self.adjust = snap.adjust;
        let may_go_on = ours && (snap.state == State::Backup || !self.grouped);
        if let Some(until) = snap.handing_until.filter(|t| may_go_on && now < *t) {
            return self.go_on_handing_over(snap, until, now, source, out);
        }
        if snap.handing_until.or(snap.overlap_until).is_some() {
            out.push(Effect::RemoveAddresses);
        }
        let yields = snap.released || snap.lowered;
        match snap.state {
            State::Master if ours && self.unnoticed(snap, alive_until, now) => {
                self.source = Some(source);
                self.become_master(now, Reason::Resumed, out);
                self.since = snap.since;
            }
            State::Backup if ours && (yields || !self.config.is_owner()) => {
                self.source = Some(source);
                self.rivals.lowered = snap.lowered;
                let heard = snap.master.map(|master| (master, snap.interval));
                self.become_backup(now, heard, Reason::Resumed, out);
                self.since = snap.since;
                self.preempt_at = snap.preempt_at;
                self.released = snap.released;
            }
            State::Master if self.grouped || !self.config.is_owner() => {
                out.push(Effect::RemoveAddresses);
                self.startup(now, source, out);
            }
            // When it starts is for its group to say.
            State::Initialize if self.grouped => {}
            _ => self.startup(now, source, out),
        }
    }

    /// Serves on what was given up, as a Backup that waits for its successor.
    fn go_on_handing_over(
        &mut self,
        snap: &Snapshot,
        until: Mono,
        now: Mono,
        source: IpAddr,
        out: &mut Vec<Effect>,
    ) {
        self.source = Some(source);
        self.handing_until = Some(until);
        self.takeover = Reason::NoSuccessor;
        self.released = snap.released;
        out.push(Effect::AddAddresses);
        self.transition(now, State::Backup, Reason::Resumed, out);
    }

    /// Whether no Backup can have missed the Master of `snap` yet.
    fn unnoticed(&self, snap: &Snapshot, alive_until: Mono, now: Mono) -> bool {
        let by_snapshot = self.last_advert.unwrap_or(Mono::ZERO);
        let by_life = alive_until.min(now) - snap.interval;
        now < by_snapshot.max(by_life) + self.patience(snap.interval)
    }
}
