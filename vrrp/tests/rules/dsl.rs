//! The words the tests are written in.
//!
//! Times are decimal seconds in strings (`"3.609375"`), counted from the start
//! of the scene. `at` refuses to pass over a deadline, so a test cannot skip
//! what the instance wanted to do; `late` is for passing it on purpose.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mono::Mono;
pub use vrrp::Effect::{self, AddAddresses, Rejected, RemoveAddresses, Surprise};
pub use vrrp::Surprise::{AddressList, LowerMaster, SecondOwner};
use vrrp::{Advert, Auth, Cause, Config, Instance, Snapshot};
pub use vrrp::{Input, Reason, Rejection, State, Version, Via};

/// The time "0" of every scene.
const START: Mono = Mono::from_millis(1_000_000);

/// Decimal seconds, at most nine decimals.
pub fn s(text: &str) -> Duration {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 9, "finer than a nanosecond: {text}");
    let nanos: u32 = format!("{fraction:0<9}").parse().unwrap();
    Duration::new(whole.parse().unwrap(), nanos)
}

/// `"t"` of a scene as the instance knows it.
pub fn mono(text: &str) -> Mono {
    START + s(text)
}

/// The router with this number, as an address. We are number 10.
pub fn router(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, number))
}

/// A virtual address.
pub fn vip(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, number))
}

pub fn sends(priority: u8) -> Effect {
    Effect::Send { priority }
}

pub fn change(from: State, to: State, reason: Reason) -> Effect {
    Effect::Transition { from, to, reason }
}

/// On becoming Master.
pub const ANNOUNCE: Effect = Effect::Announce {
    cause: Cause::Master,
};
/// For the second time.
pub const ANNOUNCE_AGAIN: Effect = Effect::Announce {
    cause: Cause::Again,
};
/// Over a rival.
pub const ANNOUNCE_OVER: Effect = Effect::Announce {
    cause: Cause::Rival,
};

/// Everything a Backup does on becoming Master, in order.
pub fn takes_over(priority: u8, reason: Reason) -> [Effect; 4] {
    let transition = change(State::Backup, State::Master, reason);
    [sends(priority), AddAddresses, ANNOUNCE, transition]
}

/// Everything a Master does on yielding, in order.
pub fn yields(reason: Reason) -> [Effect; 2] {
    let transition = change(State::Master, State::Backup, reason);
    [RemoveAddresses, transition]
}

/// A version 2 router of this priority: 1 s, preempting, one announcement.
pub fn v2(priority: u8) -> Setup {
    Setup::new(Version::V2, priority)
}

/// A version 3 router of this priority: 1 s, preempting, one announcement.
pub fn v3(priority: u8) -> Setup {
    Setup::new(Version::V3, priority)
}

#[derive(Clone)]
pub struct Setup(pub Config);

impl Setup {
    fn new(version: Version, priority: u8) -> Self {
        Self(Config {
            addresses: vec![vip(1)],
            ..Config::new(51, version, priority)
        })
    }

    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn interval(self, text: &str) -> Self {
        self.with(|c| c.advert_interval = s(text))
    }

    pub fn nopreempt(self) -> Self {
        self.with(|c| c.preempt = false)
    }

    pub fn preempt_delay(self, text: &str) -> Self {
        self.with(|c| c.preempt_delay = s(text))
    }

    pub fn announce_delay(self, text: &str) -> Self {
        self.with(|c| c.announce_delay = s(text))
    }

    /// Not started.
    pub fn idle(self) -> Scene {
        Scene {
            instance: Instance::new(self.0),
            now: START,
            effects: Vec::new(),
        }
    }

    /// Started at "0".
    pub fn started(self) -> Scene {
        self.idle().startup()
    }

    /// Become Master at "0", by silence.
    pub fn master(self) -> Scene {
        let interval = self.0.advert_interval;
        let before = vrrp::timers::master_down(&self.0, self.0.priority, interval);
        let mut scene = self.idle();
        scene.now = START - before;
        scene.startup().due("0")
    }

    /// Resumed from `snap` at the time `now`.
    pub fn resumed(self, snap: &Snapshot, alive_until: &str, now: &str) -> Scene {
        let mut effects = Vec::new();
        let (alive, now) = (mono(alive_until), mono(now));
        let instance = Instance::resume(self.0, snap, alive, now, router(10), &mut effects);
        Scene {
            instance,
            now,
            effects,
        }
    }
}

/// An advert in the making; from a version 3 router with 1 s unless said otherwise.
#[derive(Clone)]
pub struct Heard {
    pub src: IpAddr,
    pub advert: Advert,
}

/// An advert of `priority` from the router with this number.
pub fn advert(from: u8, priority: u8) -> Heard {
    Heard {
        src: router(from),
        advert: Advert {
            version: Version::V3,
            vrid: 51,
            priority,
            interval: s("1"),
            auth: Auth::None,
            addresses: vec![vip(1)],
        },
    }
}

impl Heard {
    pub fn v2(mut self) -> Self {
        self.advert.version = Version::V2;
        self
    }

    pub fn interval(mut self, text: &str) -> Self {
        self.advert.interval = s(text);
        self
    }

    pub fn addresses(mut self, numbers: &[u8]) -> Self {
        self.advert.addresses = numbers.iter().map(|n| vip(*n)).collect();
        self
    }
}

/// An instance, the time, and what its last step asked for.
#[derive(Clone)]
pub struct Scene {
    pub instance: Instance,
    now: Mono,
    effects: Vec<Effect>,
}

impl Scene {
    /// Time passes until `text`, with nothing due before.
    #[track_caller]
    pub fn at(self, text: &str) -> Self {
        if let Some(deadline) = self.instance.deadline() {
            assert!(deadline >= mono(text), "due already at {}", ago(deadline));
        }
        self.late(text)
    }

    /// Time passes until `text`, whatever was due.
    pub fn late(mut self, text: &str) -> Self {
        self.now = mono(text);
        self
    }

    /// The next deadline is exactly `text`; nothing happens a nanosecond before,
    /// and the timer fires.
    #[track_caller]
    pub fn due(mut self, text: &str) -> Self {
        self = self.next(text);
        self.now = mono(text) - Duration::from_nanos(1);
        self = self.timer().does(&[]);
        self.now = mono(text);
        self.timer()
    }

    /// The next deadline is exactly `text`.
    #[track_caller]
    pub fn next(self, text: &str) -> Self {
        assert_eq!(
            self.instance.deadline().map(ago).as_deref(),
            Some(ago(mono(text)).as_str()),
            "next deadline"
        );
        self
    }

    /// There is nothing to wait for.
    #[track_caller]
    pub fn next_never(self) -> Self {
        assert_eq!(self.instance.deadline(), None);
        self
    }

    /// The last step asked for exactly this, in this order.
    #[track_caller]
    pub fn does(self, expected: &[Effect]) -> Self {
        assert_eq!(self.effects, expected, "at {}", ago(self.now));
        self
    }

    /// How often the last step asked for this.
    pub fn count(&self, effect: Effect) -> usize {
        self.effects.iter().filter(|e| **e == effect).count()
    }

    #[track_caller]
    pub fn is(self, state: State) -> Self {
        assert_eq!(self.instance.state(), state);
        self
    }

    /// The master known is this router, with this priority.
    #[track_caller]
    pub fn follows(self, number: u8, priority: u8) -> Self {
        let master = self.instance.master().map(|m| (m.address, m.priority));
        assert_eq!(master, Some((router(number), priority)));
        self
    }

    pub fn step(mut self, input: Input<'_>) -> Self {
        self.effects.clear();
        self.instance.step(self.now, input, &mut self.effects);
        self
    }

    pub fn startup(self) -> Self {
        self.step(Input::Startup { source: router(10) })
    }

    pub fn shutdown(self) -> Self {
        self.step(Input::Shutdown)
    }

    pub fn fault(self) -> Self {
        self.step(Input::Fault)
    }

    pub fn release(self) -> Self {
        self.step(Input::Release)
    }

    pub fn adjust(self, sum: i32) -> Self {
        self.step(Input::Adjust(sum))
    }

    /// An advert that comes over the heartbeat, where our address is router `own`.
    #[expect(clippy::needless_pass_by_value, reason = "tests read better")]
    pub fn hears_over(self, own: u8, heard: Heard) -> Self {
        self.step(Input::Advert {
            src: heard.src,
            via: Via::Heartbeat,
            own: router(own),
            advert: &heard.advert,
        })
    }

    /// Whether the addresses given up are still served.
    #[track_caller]
    pub fn hands_over(self, yes: bool) -> Self {
        assert_eq!(self.instance.handing_over(), yes);
        self
    }

    pub fn timer(self) -> Self {
        self.step(Input::Timer)
    }

    #[expect(clippy::needless_pass_by_value, reason = "tests read better")]
    pub fn hears(self, heard: Heard) -> Self {
        self.step(Input::Advert {
            src: heard.src,
            via: Via::Primary,
            own: router(10),
            advert: &heard.advert,
        })
    }

    /// The present configuration with a change.
    pub fn reconfigure(self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.instance.config().clone();
        change(&mut config);
        self.step(Input::Reconfigure(config))
    }
}

/// A time as the scenes write it.
fn ago(t: Mono) -> String {
    let d = t.since(START);
    format!("{}.{:09}", d.as_secs(), d.subsec_nanos())
}
