//! Clocks that are wrong, drift, and are stepped: two directors must hear each other again soon.

use std::time::Duration;

use vrrp::wire::{AntiReplay, AuthError, Guard};

use crate::site::{Director, NOON, SECOND, WINDOW, signed};

const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(31_536_000);

fn pair(rule: AntiReplay) -> (Director, Director) {
    let config = signed(rule);
    (Director::new(150, &config), Director::new(151, &config))
}

/// One advert per second: how many of them were refused.
fn refused(
    sender: &mut Director,
    hearer: &mut Director,
    seconds: std::ops::Range<u32>,
) -> Vec<&'static str> {
    let mut refused = Vec::new();
    for second in seconds {
        let octets = sender.send(SECOND * second);
        // A moment on the wire.
        let arrival = SECOND * second + Duration::from_micros(300);
        if let Err(error) = hearer.hear(arrival, sender.path, &octets) {
            refused.push(error.classify());
        }
    }
    refused
}

const RULES: [AntiReplay; 2] = [WINDOW, AntiReplay::Monotonic];

/// A step, as a change of what a clock shows.
type Step = fn(Duration) -> Duration;

fn steps() -> [(&'static str, Step); 6] {
    [
        ("an hour forward", |noon| noon + HOUR),
        ("an hour back", |noon| noon - HOUR),
        ("four seconds back", |noon| noon - 4 * SECOND),
        ("two seconds back", |noon| noon - 2 * SECOND),
        ("ten years back", |noon| noon - 10 * YEAR),
        ("ten years forward", |noon| noon + 10 * YEAR),
    ]
}

#[test]
fn a_step_of_the_senders_clock_costs_two_adverts_at_most() {
    for rule in RULES {
        for (name, step) in steps() {
            let (mut sender, mut hearer) = pair(rule);
            assert!(refused(&mut sender, &mut hearer, 0..10).is_empty());
            sender.noon = step(sender.noon);
            let lost = refused(&mut sender, &mut hearer, 10..20);
            assert!(lost.len() <= 2, "{rule:?}, {name}: {lost:?}");
            // And putting it right again.
            sender.noon = NOON;
            let lost = refused(&mut sender, &mut hearer, 20..40);
            assert!(lost.len() <= 2, "{rule:?}, {name}, back: {lost:?}");
        }
    }
}

#[test]
fn a_step_of_the_receivers_clock_costs_two_adverts_at_most() {
    for rule in RULES {
        for (name, step) in steps() {
            let (mut sender, mut hearer) = pair(rule);
            assert!(refused(&mut sender, &mut hearer, 0..10).is_empty());
            hearer.noon = step(hearer.noon);
            let lost = refused(&mut sender, &mut hearer, 10..20);
            assert!(lost.len() <= 2, "{rule:?}, {name}: {lost:?}");
            hearer.noon = NOON;
            let lost = refused(&mut sender, &mut hearer, 20..40);
            assert!(lost.len() <= 2, "{rule:?}, {name}, back: {lost:?}");
        }
    }
}

#[test]
fn two_masters_with_clocks_apart_hear_each_other_at_the_third_advert() {
    for rule in RULES {
        let (mut one, mut two) = pair(rule);
        two.noon = NOON - HOUR;
        let to_two = refused(&mut one, &mut two, 0..10);
        let to_one = refused(&mut two, &mut one, 0..10);
        let expected: &[&str] = match rule {
            AntiReplay::Time(_) => &["auth_ext_stale"; 2],
            AntiReplay::Monotonic => &[],
        };
        assert_eq!((&to_one[..], &to_two[..]), (expected, expected));
    }
}

#[test]
fn a_process_that_forgot_what_it_sent_is_heard_at_the_third_advert() {
    for rule in RULES {
        let (mut sender, mut hearer) = pair(rule);
        refused(&mut sender, &mut hearer, 0..10);
        sender.guard = Guard::new(&signed(rule));
        sender.noon = NOON - HOUR;
        assert!(refused(&mut sender, &mut hearer, 10..20).len() <= 2);
    }
}

#[test]
fn clocks_may_drift_apart() {
    let (mut sender, mut hearer) = pair(WINDOW);
    for second in 0..3600 {
        sender.noon += Duration::from_millis(10);
        let lost = refused(&mut sender, &mut hearer, second..second + 1);
        assert!(lost.is_empty(), "{second}");
    }
    let ahead = hearer.guard.clock_ahead_ms(sender.path.src);
    assert_eq!(ahead.map(|ms| ms / 1000), Some(35));
}

#[test]
fn fast_adverts_are_heard_again_too() {
    let (mut sender, mut hearer) = pair(WINDOW);
    let interval = Duration::from_millis(10);
    let mut lost = 0;
    for turn in 0..100 {
        if turn == 50 {
            sender.noon -= HOUR;
        }
        let octets = sender.send(interval * turn);
        let arrival = interval * turn + Duration::from_micros(u64::from(turn * 37 % 500));
        lost += usize::from(hearer.hear(arrival, sender.path, &octets).is_err());
    }
    assert_eq!(lost, 2);
}

#[test]
fn many_messages_in_one_moment_are_all_new() {
    let (mut sender, mut hearer) = pair(AntiReplay::Monotonic);
    for _ in 0..1000 {
        let octets = sender.send(SECOND);
        assert_eq!(hearer.hear(SECOND, sender.path, &octets), Ok(()));
    }
}

/// Adverts of the seconds given, recorded.
fn recording(sender: &mut Director, seconds: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    seconds.map(|second| sender.send(SECOND * second)).collect()
}

#[test]
fn a_recording_is_refused_while_the_sender_is_heard() {
    for rule in RULES {
        let (mut sender, mut hearer) = pair(rule);
        let path = sender.path;
        let old = recording(&mut sender, 0..60);
        let mut accepted = 0;
        for (second, old) in (7200..).zip(&old) {
            let octets = sender.send(SECOND * second);
            assert_eq!(hearer.hear(SECOND * second, path, &octets), Ok(()));
            let replayed = SECOND * second + Duration::from_millis(500);
            accepted += u32::from(hearer.hear(replayed, path, old).is_ok());
        }
        assert_eq!(accepted, 0, "{rule:?}");
        // Nor all of it in one burst between two adverts, nor one message again and again.
        let later = SECOND * 7260;
        for old in &old {
            assert!(hearer.hear(later, path, old).is_err());
        }
        for _ in 0..10 {
            assert!(hearer.hear(later, path, &old[7]).is_err());
        }
    }
}

#[test]
fn single_messages_of_a_recording_are_refused_at_any_time() {
    for rule in RULES {
        let (mut sender, mut hearer) = pair(rule);
        let path = sender.path;
        let old = recording(&mut sender, 0..60);
        assert!(refused(&mut sender, &mut hearer, 7200..7203).is_empty());
        for hours in 3..50 {
            let error = hearer.hear(HOUR * hours, path, &old[7]).unwrap_err();
            assert!(
                matches!(error, AuthError::Stale { .. } | AuthError::Replay),
                "{error}"
            );
        }
    }
}

#[test]
fn the_log_says_whose_clock_is_where() {
    let (mut sender, mut hearer) = pair(WINDOW);
    sender.noon = NOON - HOUR;
    let octets = sender.send(SECOND);
    let error = hearer.hear(SECOND, sender.path, &octets).unwrap_err();
    assert_eq!(error.to_string(), "signed 3600 s behind our clock");
    sender.noon = NOON + HOUR;
    let octets = sender.send(SECOND);
    let error = hearer.hear(SECOND, sender.path, &octets).unwrap_err();
    assert_eq!(error.to_string(), "signed 3600 s ahead of our clock");
}
