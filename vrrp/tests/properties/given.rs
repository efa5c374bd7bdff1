//! Whatever can be given, in one vocabulary for all properties.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mono::Mono;
use proptest::prelude::*;
use vrrp::{Advert, Auth, Config, Effect, Input, Instance, Version, Via};

#[derive(Clone, Debug)]
pub enum Given {
    Startup(u8),
    Shutdown,
    Fault,
    Release,
    Adjust(i32),
    Advert(u8, Via, Advert),
    Reconfigure(Config),
    Timer,
    /// The driver sleeps until the deadline and gives the timer.
    Deadline,
    /// Another process resumes from the snapshot.
    Resume(u8),
}

pub fn router(n: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, n).into()
}

pub fn versions() -> impl Strategy<Value = Version> {
    // Mostly one, so that adverts are often of the right one.
    prop_oneof![9 => Just(Version::V3), 1 => Just(Version::V2)]
}

pub fn spans() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_secs(1)),
        (0..100_000_u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_nanos),
        Just(Duration::MAX),
    ]
}

pub fn lists() -> impl Strategy<Value = Vec<IpAddr>> {
    proptest::collection::vec((0..3_u8).prop_map(router), 0..3)
}

pub fn configs() -> impl Strategy<Value = Config> {
    let numbers = (any::<u8>(), any::<u8>(), any::<u8>());
    let times = (spans(), spans(), spans());
    (numbers, versions(), times, any::<bool>(), lists()).prop_map(
        |((vrid, priority, down), version, times, preempt, addresses)| Config {
            advert_interval: times.0,
            preempt,
            preempt_delay: times.1,
            down_timer_adverts: down,
            addresses,
            announce_delay: times.2,
            ..Config::new(vrid, version, priority)
        },
    )
}

pub fn adverts() -> impl Strategy<Value = Advert> {
    (versions(), any::<u8>(), any::<u8>(), spans(), lists()).prop_map(
        |(version, vrid, priority, interval, addresses)| Advert {
            version,
            vrid,
            priority,
            interval,
            auth: Auth::None,
            addresses,
        },
    )
}

pub fn ways() -> impl Strategy<Value = Via> {
    prop_oneof![4 => Just(Via::Primary), 1 => Just(Via::Heartbeat)]
}

pub fn given() -> impl Strategy<Value = Given> {
    prop_oneof![
        2 => (0..4_u8).prop_map(Given::Startup),
        1 => Just(Given::Shutdown),
        1 => Just(Given::Fault),
        1 => Just(Given::Release),
        1 => any::<i32>().prop_map(Given::Adjust),
        1 => (-300..300).prop_map(Given::Adjust),
        5 => (0..4_u8, ways(), adverts()).prop_map(|(n, via, a)| Given::Advert(n, via, a)),
        2 => configs().prop_map(Given::Reconfigure),
        2 => Just(Given::Timer),
        5 => Just(Given::Deadline),
        1 => (0..4_u8).prop_map(Given::Resume),
    ]
}

impl Given {
    /// As the input it is; `None` for a resumption.
    pub fn input(&self) -> Option<Input<'_>> {
        Some(match self {
            Given::Startup(n) => Input::Startup { source: router(*n) },
            Given::Shutdown => Input::Shutdown,
            Given::Fault => Input::Fault,
            Given::Release => Input::Release,
            Given::Adjust(sum) => Input::Adjust(*sum),
            Given::Advert(n, via, advert) => Input::Advert {
                src: router(*n),
                via: *via,
                own: router(2),
                advert,
            },
            Given::Reconfigure(config) => Input::Reconfigure(config.clone()),
            Given::Timer | Given::Deadline => Input::Timer,
            Given::Resume(_) => return None,
        })
    }
}

/// Gives one input; returns whether it was the timer.
pub fn give(instance: &mut Instance, now: Mono, input: &Given, out: &mut Vec<Effect>) -> bool {
    if let Given::Resume(n) = input {
        let (config, snapshot) = (instance.config().clone(), instance.snapshot());
        *instance = Instance::resume(config, &snapshot, now, now, router(*n), out);
    } else if let Some(input) = input.input() {
        instance.step(now, input, out);
    }
    matches!(input, Given::Timer | Given::Deadline)
}
