//! Whatever comes in, in whatever order: no panic, no spinning, no state at odds with
//! its effects.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mono::Mono;
use proptest::prelude::*;
use vrrp::{Advert, Auth, Config, Effect, Input, Instance, State, Version, Via};

#[derive(Clone, Debug)]
enum Given {
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

fn router(n: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, n).into()
}

fn versions() -> impl Strategy<Value = Version> {
    // Mostly one, so that adverts are often of the right one.
    prop_oneof![9 => Just(Version::V3), 1 => Just(Version::V2)]
}

fn spans() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_secs(1)),
        (0..100_000_u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_nanos),
        Just(Duration::MAX),
    ]
}

fn lists() -> impl Strategy<Value = Vec<IpAddr>> {
    proptest::collection::vec((0..3_u8).prop_map(router), 0..3)
}

fn configs() -> impl Strategy<Value = Config> {
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

fn adverts() -> impl Strategy<Value = Advert> {
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

fn ways() -> impl Strategy<Value = Via> {
    prop_oneof![4 => Just(Via::Primary), 1 => Just(Via::Heartbeat)]
}

fn given() -> impl Strategy<Value = Given> {
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

/// Gives one input; returns whether it was the timer.
fn give(instance: &mut Instance, now: Mono, input: &Given, out: &mut Vec<Effect>) -> bool {
    let input = match input {
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
        Given::Resume(n) => {
            let (config, snapshot) = (instance.config().clone(), instance.snapshot());
            *instance = Instance::resume(config, &snapshot, now, now, router(*n), out);
            return false;
        }
    };
    let is_timer = matches!(input, Input::Timer);
    instance.step(now, input, out);
    is_timer
}

proptest! {
    #[test]
    fn any_input_in_any_state(
        config in configs(),
        inputs in proptest::collection::vec((spans(), given()), 1..60),
    ) {
        let mut instance = Instance::new(config);
        let mut now = Mono::ZERO;
        let mut holds = false;
        for (passed, input) in inputs {
            now = match (&input, instance.deadline()) {
                (Given::Deadline, Some(deadline)) => now.max(deadline),
                _ => now + passed.min(Duration::from_secs(100_000)),
            };
            // A new process begins in Initialize.
            let mut state = match input {
                Given::Resume(_) => State::Initialize,
                _ => instance.state(),
            };
            let mut out = Vec::new();
            let is_timer = give(&mut instance, now, &input, &mut out);
            for effect in &out {
                match *effect {
                    Effect::AddAddresses => holds = true,
                    Effect::RemoveAddresses => holds = false,
                    Effect::Transition { from, to, .. } => {
                        prop_assert_eq!(from, state);
                        prop_assert_ne!(from, to);
                        state = to;
                    }
                    Effect::Send { priority: 0 } => prop_assert_eq!(state, State::Master),
                    Effect::Send { priority } => {
                        prop_assert_eq!(priority, instance.priority());
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(state, instance.state(), "a state without its transition");
            let handing = instance.handing_over();
            prop_assert!(!handing || state != State::Master);
            let is_to_hold = handing || state == State::Master;
            prop_assert_eq!(holds, is_to_hold, "addresses at odds with the state");
            let is_out = state == State::Initialize && !handing;
            prop_assert_eq!(is_out, instance.deadline().is_none());
            prop_assert_eq!(is_out, instance.source().is_none());
            if is_timer && now < Mono::MAX {
                prop_assert!(instance.deadline().is_none_or(|t| t > now), "it would spin");
            }
        }
    }
}
