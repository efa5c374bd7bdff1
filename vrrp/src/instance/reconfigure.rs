//! A new configuration, or another priority, for a running instance.

use std::time::Duration;

use mono::Mono;

use super::Instance;
use super::advert::same_set;
use crate::{Config, Effect, Reason, State};

impl Instance {
    pub(super) fn reconfigure(&mut self, now: Mono, config: Config, out: &mut Vec<Effect>) {
        let before = self.takeover_time(&self.config);
        let old = std::mem::replace(&mut self.config, config.clamped());
        let addresses_differ = !same_set(&old.addresses, &self.config.addresses);
        self.compared = None;
        if ranks_otherwise(&old, &self.config) {
            self.released = false;
        }
        match self.state {
            State::Initialize => {}
            State::Backup if self.config.is_owner() && !old.is_owner() => {
                self.take_over_now(now, Reason::Owner);
                if !self.grouped {
                    self.become_master(now, Reason::Owner, out);
                }
            }
            State::Backup => {
                self.shift_timer(before);
                if old.preempt != self.config.preempt
                    || old.preempt_delay != self.config.preempt_delay
                {
                    self.preempt_at = None;
                }
            }
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

    pub(super) fn adjust(&mut self, now: Mono, adjust: i32, out: &mut Vec<Effect>) {
        let (priority, before) = (self.priority(), self.takeover_time(&self.config));
        self.adjust = adjust;
        if priority == self.priority() {
            return;
        }
        match self.state {
            State::Initialize => {}
            State::Backup => self.shift_timer(before),
            State::Master => self.send_advert(now, out),
        }
    }

    /// Moves the running timer by as much as its span has changed: time already waited
    /// counts, so that a priority that changes often (tracking) cannot put the takeover
    /// off forever.
    fn shift_timer(&mut self, before: Duration) {
        let after = self.takeover_time(&self.config);
        self.timer = self.timer.map(|t| t - before + after);
    }
}

/// Whether two configurations differ in who is to be Master: what an operator did before
/// that was about the old one.
fn ranks_otherwise(a: &Config, b: &Config) -> bool {
    a.priority != b.priority || a.preempt != b.preempt || a.preempt_delay != b.preempt_delay
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
