//! Whatever a Master hears, as long as it is not outranked: it speaks at least once in
//! every interval, and never more often than its limit of answers allows.

use std::time::Duration;

use mono::Mono;
use proptest::prelude::*;
use vrrp::{Advert, Auth, Config, Effect, Input, Instance, State, Version, Via};

use crate::given::*;

/// In any span as long as an interval: ten answers and a regular advert.
const LIMIT: usize = 11;

#[derive(Clone, Debug)]
struct Noise {
    /// How long after the last one, in thousandths of an interval.
    after: u32,
    from: u8,
    via: Via,
    priority: u8,
    interval: Duration,
}

fn noise() -> impl Strategy<Value = Noise> {
    // Greater priorities would end the mastership; at the same one ours is the greatest
    // address.
    let priority = prop_oneof![3 => Just(0_u8), 1 => Just(100_u8), 1 => 0..=100_u8];
    let after = prop_oneof![4 => 0..20_u32, 1 => 0..1500_u32];
    (after, 0..4_u8, ways(), priority, spans()).prop_map(
        |(after, from, via, priority, interval)| Noise {
            after,
            from,
            via,
            priority,
            interval,
        },
    )
}

/// A Master under noise; the times it sent at.
fn adverts_sent(config: Config, noises: &[Noise]) -> Vec<Mono> {
    let interval = config.advert_interval;
    let version = config.version;
    let mut instance = Instance::new(config);
    let mut out = Vec::new();
    let mut sent = Vec::new();
    let own = router(10);
    instance.step(Mono::ZERO, Input::Startup { source: own }, &mut out);
    let mut now = instance.deadline().expect("a Backup waits");
    instance.step(now, Input::Timer, &mut out);
    sent.push(now);
    for noise in noises {
        let at = now + interval * noise.after / 1000;
        while let Some(due) = instance.deadline().filter(|due| *due <= at) {
            out.clear();
            instance.step(due, Input::Timer, &mut out);
            sent.extend(out.iter().filter_map(|e| is_advert(e).then_some(due)));
        }
        now = at;
        let advert = Advert {
            version,
            vrid: 51,
            priority: noise.priority,
            interval: noise.interval,
            auth: Auth::None,
            addresses: Vec::new(),
        };
        let input = Input::Advert {
            src: router(noise.from),
            via: noise.via,
            own,
            advert: &advert,
        };
        out.clear();
        instance.step(now, input, &mut out);
        sent.extend(out.iter().filter_map(|e| is_advert(e).then_some(now)));
    }
    assert_eq!(instance.state(), State::Master);
    assert!(instance.deadline().is_some_and(|due| due <= now + interval));
    sent
}

fn is_advert(effect: &Effect) -> bool {
    matches!(effect, Effect::Send { priority } if *priority != 0)
}

proptest! {
    #[test]
    fn it_speaks_once_an_interval_and_not_too_often(
        millis in prop_oneof![Just(10_u64), Just(1000), Just(40_950)],
        lower_prio_no_advert: bool,
        noises in proptest::collection::vec(noise(), 1..400),
    ) {
        let interval = Duration::from_millis(millis);
        let config = Config {
            advert_interval: interval,
            lower_prio_no_advert,
            ..Config::new(51, Version::V3, 100)
        };
        let sent = adverts_sent(config, &noises);
        for pair in sent.windows(2) {
            prop_assert!(pair[1].since(pair[0]) <= interval, "silent for too long");
        }
        for crowd in sent.windows(LIMIT + 1) {
            prop_assert!(crowd[LIMIT].since(crowd[0]) >= interval, "too many at {}", crowd[0]);
        }
    }
}
