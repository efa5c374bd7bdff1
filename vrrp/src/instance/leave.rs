//! Giving the addresses up, at once or with a hand-over.

use mono::Mono;

use super::Instance;
use crate::timers::hand_over;
use crate::{Effect, Reason, State};

impl Instance {
    pub(super) fn shutdown(&mut self, now: Mono, reason: Reason, out: &mut Vec<Effect>) {
        match (self.state, self.handing_until) {
            (State::Initialize, Some(_)) => self.end_hand_over(out),
            (State::Initialize, None) => self.end_hand_over(out),
            (State::Backup, None) => self.fault(now, reason, out),
            (State::Backup, Some(until)) => {
                self.forget();
                self.handing_until = Some(until);
                self.transition(now, State::Initialize, reason, out);
            }
            (State::Master, _) => {
                self.give_up(now, out);
                self.transition(now, State::Initialize, reason, out);
            }
        }
    }

    pub(super) fn fault(&mut self, now: Mono, reason: Reason, out: &mut Vec<Effect>) {
        if self.state == State::Master {
            out.push(Effect::Send { priority: 0 });
            self.last_advert = Some(now);
        }
        if self.holds() {
            out.push(Effect::RemoveAddresses);
        }
        self.forget();
        self.rivals.lowered = false;
        self.source = None;
        if self.state != State::Initialize {
            self.transition(now, State::Initialize, reason, out);
        }
    }

    pub(super) fn release(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if self.state != State::Master {
            return;
        }
        self.give_up(now, out);
        self.released = true;
        self.takeover = Reason::NoSuccessor;
        self.transition(now, State::Backup, Reason::Released, out);
    }

    /// Says good-bye; the addresses stay for now.
    fn give_up(&mut self, now: Mono, out: &mut Vec<Effect>) {
        out.push(Effect::Send { priority: 0 });
        self.forget();
        self.rivals.lowered = false;
        self.last_advert = Some(now);
        self.handing_until =
            Some(now + hand_over(self.config.version, self.config.advert_interval));
    }

    /// The time for a successor to speak is over.
    pub(super) fn no_successor(&mut self, now: Mono, due: Mono, out: &mut Vec<Effect>) {
        match self.state {
            // There may have been one, and we slept.
            State::Backup if now.since(due) > self.interval() => {
                self.end_hand_over(out);
                self.takeover = Reason::MasterDown;
                self.wait(now);
            }
            State::Backup if !self.grouped => self.become_master(now, Reason::NoSuccessor, out),
            State::Backup => {}
            State::Initialize | State::Master => self.end_hand_over(out),
        }
    }

    /// Lets the addresses go.
    pub(super) fn end_hand_over(&mut self, out: &mut Vec<Effect>) {
        let waiting = self.handing_until.take().is_some();
        if self.overlap_until.take().is_some() || waiting {
            out.push(Effect::RemoveAddresses);
        }
        if self.state == State::Initialize {
            self.source = None;
        }
    }

    /// Whether the addresses are to be on the host.
    pub(super) fn holds(&self) -> bool {
        self.state == State::Master || self.handing_over()
    }
}
