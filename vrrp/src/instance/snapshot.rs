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
    /// Our primary address; `None` in Initialize.
    pub source: Option<IpAddr>,
    /// Our priority.
    pub priority: u8,
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
}

impl Instance {
    /// The instance as it stands.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state,
            source: self.source,
            priority: self.config.priority,
            master: self.master(),
            since: self.since,
            reason: self.reason,
            deadline: self.deadline(),
            interval: self.learned.unwrap_or(self.config.advert_interval),
            last_advert: self.last_advert,
            preempt_at: self.preempt_at,
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
    ///   advert intervals have passed since its last advert. That one was sent at
    ///   `last_advert` or later, and at most one interval before `alive_until`. The
    ///   margin left is the Backups' skew time. When it is too late, it removes the
    ///   addresses, which may still be there, and starts afresh, as with
    ///   [`Input::Startup`](crate::Input::Startup).
    /// - A Backup resumes as Backup with a full master-down time (it may have missed
    ///   adverts while away, and taking over falsely is worse than taking over late)
    ///   and the Master, the interval and the running preempt delay it knew.
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
        let ours = snap.since.is_some_and(|since| since <= now);
        instance.last_advert = snap.last_advert.filter(|t| ours && *t <= now);
        match snap.state {
            State::Master if ours && instance.unnoticed(snap, alive_until, now) => {
                instance.source = Some(source);
                instance.become_master(now, Reason::Resumed, out);
                instance.since = snap.since;
            }
            State::Backup if ours && !instance.config.is_owner() => {
                instance.source = Some(source);
                let heard = snap.master.map(|master| (master, snap.interval));
                instance.become_backup(now, heard, Reason::Resumed, out);
                instance.since = snap.since;
                instance.preempt_at = snap.preempt_at;
            }
            State::Master if !instance.config.is_owner() => {
                out.push(Effect::RemoveAddresses);
                instance.startup(now, source, out);
            }
            _ => instance.startup(now, source, out),
        }
        instance
    }

    /// Whether no Backup can have missed the Master of `snap` yet.
    fn unnoticed(&self, snap: &Snapshot, alive_until: Mono, now: Mono) -> bool {
        let by_snapshot = self.last_advert.unwrap_or(Mono::ZERO);
        let by_life = alive_until.min(now) - snap.interval;
        let patience = snap
            .interval
            .saturating_mul(u32::from(self.config.down_timer_adverts));
        now < by_snapshot.max(by_life) + patience
    }
}
