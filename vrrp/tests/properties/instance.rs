//! One instance: no panic, no spinning, no state at odds with its effects.

use std::time::Duration;

use mono::Mono;
use proptest::prelude::*;
use vrrp::{Effect, Instance, State};

use crate::given::*;

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
