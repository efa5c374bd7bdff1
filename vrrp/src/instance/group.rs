//! What [`Host`](crate::Host) needs to move the members of a sync group together.

use std::net::IpAddr;

use mono::Mono;

use super::Instance;
use crate::{Effect, Reason, State};

impl Instance {
    /// Whether a group decides from now on when this instance becomes Master: it then
    /// stays Backup when its timer expires, and [`Instance::wants_master`] says so.
    pub(crate) fn set_grouped(&mut self, grouped: bool) {
        self.grouped = grouped;
    }

    /// Why this Backup would be Master now if it were alone.
    pub(crate) fn wants_master(&self, now: Mono) -> Option<Reason> {
        let due = match self.handing_until {
            Some(until) => until,
            None => self.timer?,
        };
        (self.state == State::Backup && due <= now).then_some(self.takeover)
    }

    /// From when this Backup has nothing against becoming Master with its group.
    pub(crate) fn consents_at(&self) -> Mono {
        self.handing_until.unwrap_or(self.silent_at)
    }

    /// Becomes Master, because the group does.
    pub(crate) fn join_master(&mut self, now: Mono, reason: Reason, out: &mut Vec<Effect>) {
        if self.state != State::Master {
            self.become_master(now, reason, out);
        }
    }

    /// Begins as Master, because the group is.
    pub(crate) fn start_as_master(&mut self, now: Mono, source: IpAddr, out: &mut Vec<Effect>) {
        self.source = Some(source);
        self.become_master(now, Reason::Group, out);
    }

    /// Waits until `at`, at least, before it wants to be Master again. Addresses that
    /// are being handed over and that nobody took are served until then, if `keep`.
    pub(crate) fn hold(&mut self, now: Mono, at: Mono, keep: bool, out: &mut Vec<Effect>) {
        if self.handing_until.is_none() {
            self.timer = Some(at);
        } else if keep {
            self.handing_until = Some(at);
        } else {
            self.end_hand_over(out);
            self.takeover = Reason::MasterDown;
            self.wait(now);
        }
    }

    /// Falls back to Backup, because the group does for `reason`.
    pub(crate) fn join_backup(&mut self, now: Mono, reason: Reason, out: &mut Vec<Effect>) {
        if self.state != State::Master {
            return;
        }
        match reason {
            Reason::Released => self.release(now, out),
            // Saying good-bye would claim that we still were the Master.
            Reason::Late => self.step_down_late(now, out),
            _ => {
                out.push(Effect::Send { priority: 0 });
                out.push(Effect::RemoveAddresses);
                self.become_backup(now, None, Reason::Group, out);
                self.last_advert = Some(now);
            }
        }
    }

    /// Stops, because another member cannot run; in good order if that one was asked to.
    pub(crate) fn join_initialize(&mut self, now: Mono, reason: Reason, out: &mut Vec<Effect>) {
        match (self.state, reason) {
            (State::Initialize, _) => {}
            (_, Reason::Shutdown) => self.shutdown(now, Reason::Group, out),
            _ => self.fault(now, Reason::Group, out),
        }
    }
}
