//! Masters that do not rank below us: of our priority, or owners like us.
//!
//! **Two ways.** Adverts of one router may come over the primary interface and over a
//! heartbeat interface. At equal priority the greater address is to stay Master, but the
//! addresses of the two ways may be ordered differently, and two answers to one question
//! could make both yield, or neither. So there is one judge at a time:
//!
//! - an advert over the primary way decides at once, by the primary addresses;
//! - one over the heartbeat decides only when both have been Master for so long that the
//!   primary way cannot decide any more: no advert of an equal was heard over it for
//!   three intervals (it is cut), or for six intervals the other has heard none of ours
//!   (it is cut one way, or it would have yielded).
//!
//! **Two owners** (RFC 9568, erratum 8298). Both have priority 255 and would never
//! yield to anybody. The one of lower address does, and counts as 254 until it is Master
//! again. If it goes on as Master, it does not hear us: after the time of two own
//! adverts and 1.2 times the longer interval we lower ourselves to 254 and leave the
//! addresses to it, until it falls silent.

use std::time::Duration;

use mono::Mono;

/// The priority of an owner that yields to another one.
pub(super) const YIELDING_OWNER: u8 = 254;

/// Rivals as Master. All times are deadlines, so that the past needs no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rivals {
    /// Whether we are an owner that has yielded to another.
    pub lowered: bool,
    tie: Option<Tie>,
    owner: Option<Owner>,
}

/// A Master of our priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tie {
    /// Until when the next advert of it belongs to the same quarrel.
    until: Mono,
    /// Until when it counts as heard on the primary way.
    primary_until: Mono,
    /// When the heartbeat may decide: without the primary way, and despite it.
    heartbeat_at: Mono,
    despite_primary_at: Mono,
}

/// A second owner of lower address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Owner {
    until: Mono,
    /// When we have waited long enough for it to yield.
    patience_at: Mono,
}

impl Rivals {
    /// Ends every quarrel.
    pub fn forget(&mut self) {
        self.tie = None;
        self.owner = None;
    }

    /// Takes note of an equal heard over the primary way, which is the judge.
    pub fn equal_on_primary(&mut self, now: Mono, interval: Duration) {
        self.tie(now, interval).primary_until = now + interval * 3;
    }

    /// Whether the heartbeat is the judge between an equal heard over it and us.
    pub fn heartbeat_decides(&mut self, now: Mono, interval: Duration) -> bool {
        let tie = self.tie(now, interval);
        let at = match now < tie.primary_until {
            true => tie.despite_primary_at,
            false => tie.heartbeat_at,
        };
        now >= at
    }

    fn tie(&mut self, now: Mono, interval: Duration) -> &mut Tie {
        let fresh = Tie {
            until: now,
            primary_until: now,
            heartbeat_at: now + interval * 3,
            despite_primary_at: now + interval * 6,
        };
        let same = self.tie.filter(|tie| now < tie.until).unwrap_or(fresh);
        self.tie.insert(Tie {
            until: now + interval * 3,
            ..same
        })
    }

    /// Whether a second owner that should yield to us has gone on for too long.
    pub fn owner_persists(&mut self, now: Mono, own: Duration, theirs: Duration) -> bool {
        let patience = own * 2 + own.max(theirs) * 6 / 5;
        let fresh = Owner {
            until: now,
            patience_at: now + patience,
        };
        let same = self.owner.filter(|o| now < o.until).unwrap_or(fresh);
        self.owner = Some(Owner {
            until: now + patience,
            ..same
        });
        now >= same.patience_at
    }

    pub fn relative(&self, rel: impl Fn(Mono) -> Mono) -> Self {
        Self {
            lowered: self.lowered,
            tie: self.tie.map(|tie| Tie {
                until: rel(tie.until),
                primary_until: rel(tie.primary_until),
                heartbeat_at: rel(tie.heartbeat_at),
                despite_primary_at: rel(tie.despite_primary_at),
            }),
            owner: self.owner.map(|owner| Owner {
                until: rel(owner.until),
                patience_at: rel(owner.patience_at),
            }),
        }
    }
}
