//! Sequence numbers of the IP authentication header.

use std::time::Duration;

use vrrp::wire::{AuthConfig, AuthError, Guard};

use crate::site::{Director, NOON, SECOND, WINDOW, ah, signed, to_group};

fn pair() -> (Director, Director) {
    let config = ah("s3cret");
    (Director::new(150, &config), Director::new(151, &config))
}

#[test]
fn adverts_are_heard_once() {
    let (mut sender, mut hearer) = pair();
    let octets = sender.send(SECOND);
    assert_eq!(hearer.hear(SECOND, sender.path, &octets), Ok(()));
    assert!(matches!(
        hearer.hear(2 * SECOND, sender.path, &octets),
        Err(AuthError::SequenceReplay { .. })
    ));
    let octets = sender.send(2 * SECOND);
    assert_eq!(hearer.hear(2 * SECOND, sender.path, &octets), Ok(()));
}

#[test]
fn a_peer_that_counts_anew_is_heard_after_a_silence() {
    let (mut sender, mut hearer) = pair();
    let octets = sender.send(SECOND);
    hearer.hear(SECOND, sender.path, &octets).unwrap();
    // As one that begins with 1.
    sender.guard = Guard::new(&ah("s3cret"));
    sender.noon = Duration::ZERO;
    let octets = sender.send(2 * SECOND);
    let heard = hearer.hear(2 * SECOND, sender.path, &octets);
    assert_eq!(
        heard,
        Err(AuthError::SequenceReplay {
            found: 2,
            last: 1_795_229_601
        })
    );
    let octets = sender.send(4 * SECOND);
    assert_eq!(hearer.hear(4 * SECOND, sender.path, &octets), Ok(()));
    let octets = sender.send(5 * SECOND);
    assert_eq!(hearer.hear(5 * SECOND, sender.path, &octets), Ok(()));
}

#[test]
fn a_process_without_memory_is_ahead_of_its_past() {
    let (mut sender, mut hearer) = pair();
    for second in 1..100 {
        let octets = sender.send(SECOND * second);
        hearer.hear(SECOND * second, sender.path, &octets).unwrap();
    }
    sender.guard = Guard::new(&ah("s3cret"));
    let octets = sender.send(SECOND * 100);
    assert_eq!(hearer.hear(SECOND * 100, sender.path, &octets), Ok(()));
}

#[test]
fn a_process_with_memory_goes_on_where_it_was() {
    let (mut sender, mut hearer) = pair();
    sender.noon = NOON + 9000 * SECOND;
    let octets = sender.send(SECOND);
    hearer.hear(SECOND, sender.path, &octets).unwrap();
    let snapshot = sender.guard.snapshot();
    sender.guard = Guard::new(&ah("s3cret"));
    sender.guard.restore(snapshot);
    sender.noon = NOON;
    let octets = sender.send(2 * SECOND);
    assert_eq!(hearer.hear(2 * SECOND, sender.path, &octets), Ok(()));
}

#[test]
fn a_process_with_an_old_memory_is_ahead_of_its_past() {
    let (mut sender, mut hearer) = pair();
    let restarts = 3;
    sender.send(Duration::ZERO);
    for restart in 0..restarts {
        let begin = SECOND * 30 * restart;
        let snapshot = sender.guard.snapshot();
        // Ten peers that are answered ten times a second, until it is killed.
        for packet in 0..30 * 100 {
            let at = begin + SECOND / 100 * packet;
            let octets = sender.send(at);
            hearer.hear(at, sender.path, &octets).unwrap();
        }
        sender.guard = Guard::new(&ah("s3cret"));
        sender.guard.restore(snapshot);
    }
    let at = SECOND * 30 * restarts;
    let octets = sender.send(at);
    assert_eq!(hearer.hear(at, sender.path, &octets), Ok(()));
}

#[test]
fn what_was_heard_is_counted_on_from() {
    let (mut one, mut two) = pair();
    one.noon = NOON + 9000 * SECOND;
    let octets = one.send(SECOND);
    two.hear(SECOND, one.path, &octets).unwrap();
    // A peer may keep one counter for all it hears.
    let octets = two.send(2 * SECOND);
    let sequence = u32::from_be_bytes(octets[28..32].try_into().unwrap());
    assert_eq!(u64::from(sequence), (one.noon + 2 * SECOND).as_secs());
}

#[test]
fn what_was_heard_from_one_who_counts_from_1_is_not() {
    let (mut one, mut two) = pair();
    one.noon = Duration::ZERO;
    let octets = one.send(SECOND);
    two.hear(SECOND, one.path, &octets).unwrap();
    let octets = two.send(2 * SECOND);
    let sequence = u32::from_be_bytes(octets[28..32].try_into().unwrap());
    assert_eq!(u64::from(sequence), (two.noon + 2 * SECOND).as_secs());
}

#[test]
fn a_clock_set_back_does_not_shut_a_peer_out() {
    let (mut sender, mut hearer) = pair();
    let octets = sender.send(SECOND);
    hearer.hear(SECOND, sender.path, &octets).unwrap();
    hearer.noon = NOON - 3600 * SECOND;
    sender.guard = Guard::new(&ah("s3cret"));
    sender.noon = Duration::ZERO;
    let octets = sender.send(5 * SECOND);
    assert_eq!(hearer.hear(5 * SECOND, sender.path, &octets), Ok(()));
}

#[test]
fn a_changed_packet_is_refused() {
    let (mut sender, mut hearer) = pair();
    let octets = sender.send(SECOND);
    // All that does not change on the way, up to the message, where the checksum would tell.
    for at in (0..octets.len()).filter(|at| ![0, 1, 2, 3, 6, 7, 9, 10, 11, 20, 21].contains(at)) {
        let mut changed = octets.clone();
        changed[at] ^= 1;
        let heard = hearer.hear(SECOND, sender.path, &changed);
        assert_eq!(heard, Err(AuthError::InvalidIcv), "octet {at}");
    }
    // What may change on the way.
    let mut changed = octets;
    changed[1] = 0;
    changed[6] = 0x40;
    assert_eq!(hearer.hear(SECOND, sender.path, &changed), Ok(()));
}

#[test]
fn the_carrier_must_be_the_configured_one() {
    let (mut with, _) = pair();
    for config in [AuthConfig::None, signed(WINDOW)] {
        let mut without = Director::new(151, &config);
        let heard = without.hear(SECOND, with.path, &with.send(SECOND));
        assert_eq!(heard.unwrap_err().classify(), "authtype_mismatch");
        let heard = with.hear(SECOND, without.path, &without.send(SECOND));
        assert_eq!(heard.unwrap_err().classify(), "authtype_mismatch");
        let path = to_group(151);
        assert!(
            !without
                .guard
                .seal_ah(NOON, &path, 255, &[], &mut Vec::new())
        );
    }
}
