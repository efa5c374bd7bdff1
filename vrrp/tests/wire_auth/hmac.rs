//! Keys, modes, and what is taken for a trailer.

use vrrp::wire::{AuthConfig, AuthError, Guard, HmacMode};

use crate::site::{Director, NOON, SECOND, WINDOW, hmac, signed, to_group};

#[test]
fn a_key_is_rotated_without_a_gap() {
    let keys = |ids: &[u8]| hmac(ids, HmacMode::Enforce, WINDOW);
    let mut sender = Director::new(150, &keys(&[1]));
    let mut hearer = Director::new(151, &keys(&[1]));
    let path = sender.path;
    let mut second = 0;
    let mut one_advert = |sender: &mut Director, hearer: &mut Director| {
        second += 1;
        let octets = sender.send(SECOND * second);
        hearer.hear(SECOND * second, path, &octets)
    };
    for (sends, hears) in [
        (&[1][..], &[1, 2][..]),
        (&[1, 2], &[1, 2]),
        (&[2, 1], &[1, 2]),
        (&[2, 1], &[2, 1]),
        (&[2], &[2]),
    ] {
        sender.guard.reconfigure(&keys(sends));
        hearer.guard.reconfigure(&keys(hears));
        assert_eq!(one_advert(&mut sender, &mut hearer), Ok(()));
    }
    hearer.guard.reconfigure(&keys(&[1]));
    assert_eq!(
        one_advert(&mut sender, &mut hearer),
        Err(AuthError::UnknownKey { id: 2 })
    );
}

#[test]
fn the_mode_says_what_is_demanded_and_whether_to_sign() {
    let in_mode = |mode| hmac(&[1], mode, WINDOW);
    for (mode, signs, demands) in [
        (HmacMode::Enforce, true, true),
        (HmacMode::Permissive, true, false),
        (HmacMode::ReceiveOnly, false, false),
    ] {
        let mut director = Director::new(150, &in_mode(mode));
        let length = director.send(SECOND).len();
        assert_eq!(length, if signs { 40 } else { 12 });

        let mut plain = Director::new(151, &AuthConfig::None);
        let octets = plain.send(SECOND);
        let heard = director.hear(SECOND, plain.path, &octets);
        assert_eq!(heard.is_err(), demands);
        assert_eq!(
            heard.err(),
            demands.then_some(AuthError::Missing),
            "{mode:?}"
        );

        // Signed with a wrong key is refused in every mode, and so is what looks like a trailer.
        let mut stranger = Director::new(151, &hmac(&[2], mode, WINDOW));
        stranger
            .guard
            .reconfigure(&hmac(&[2], HmacMode::Enforce, WINDOW));
        let octets = stranger.send(SECOND);
        let heard = director.hear(SECOND, stranger.path, &octets);
        assert_eq!(heard, Err(AuthError::UnknownKey { id: 2 }));
        for cut in [13, 39] {
            let heard = director.hear(SECOND, stranger.path, &octets[..cut]);
            assert_eq!(heard, Err(AuthError::Malformed));
        }
        let mut longer = octets.clone();
        longer.push(0);
        let heard = director.hear(SECOND, stranger.path, &longer);
        assert_eq!(heard, Err(AuthError::Malformed));
    }
}

#[test]
fn who_does_not_sign_hears_who_does() {
    let mut sender = Director::new(150, &signed(WINDOW));
    let mut hearer = Director::new(151, &AuthConfig::None);
    let octets = sender.send(SECOND);
    assert_eq!(hearer.hear(SECOND, sender.path, &octets), Ok(()));
}

#[test]
fn the_source_address_is_signed() {
    let mut sender = Director::new(150, &signed(WINDOW));
    let mut hearer = Director::new(151, &signed(WINDOW));
    let octets = sender.send(SECOND);
    let heard = hearer.hear(SECOND, to_group(149), &octets);
    assert_eq!(heard, Err(AuthError::InvalidHmac));
}

#[test]
fn what_is_not_accepted_may_come_again() {
    let mut sender = Director::new(150, &signed(WINDOW));
    let mut hearer = Director::new(151, &signed(WINDOW));
    let octets = sender.send(SECOND);
    for _ in 0..3 {
        assert_eq!(hearer.listen(SECOND, sender.path, &octets), Ok(()));
    }
    assert_eq!(hearer.hear(SECOND, sender.path, &octets), Ok(()));
    let again = hearer.hear(SECOND, sender.path, &octets);
    assert_eq!(again, Err(AuthError::Replay));
    // A commit without a message does nothing.
    hearer.guard.commit();
    let octets = sender.send(SECOND);
    assert_eq!(hearer.hear(SECOND, sender.path, &octets), Ok(()));
}

#[test]
fn a_restarted_process_goes_on() {
    let config = signed(WINDOW);
    let mut sender = Director::new(150, &config);
    let mut hearer = Director::new(151, &config);
    let path = sender.path;
    let first = sender.send(SECOND);
    hearer.hear(SECOND, path, &first).unwrap();
    for director in [&mut sender, &mut hearer] {
        let snapshot = serde_json::to_string(&director.guard.snapshot()).unwrap();
        director.guard = Guard::new(&config);
        director
            .guard
            .restore(serde_json::from_str(&snapshot).unwrap());
    }
    // Even if the clock stands still.
    let second = sender.send(SECOND);
    assert_eq!(
        hearer.hear(SECOND, path, &first),
        Err(AuthError::Replay),
        "it remembers"
    );
    assert_eq!(hearer.hear(SECOND, path, &second), Ok(()));
}

#[test]
fn secrets_are_not_shown() {
    let config = signed(WINDOW);
    let shown = format!("{config:?} {:?}", Guard::new(&config));
    assert!(shown.contains("HmacKey(1, ***)"), "{shown}");
    let config = crate::site::ah("s3cret");
    let shown = format!("{shown} {config:?} {:?}", Guard::new(&config));
    assert!(
        !shown.contains("1, 1") && !shown.contains("115, 51"),
        "{shown}"
    );
}

#[test]
fn the_distance_of_a_clock_is_known() {
    let mut sender = Director::new(150, &signed(WINDOW));
    let mut hearer = Director::new(151, &signed(WINDOW));
    assert_eq!(hearer.guard.clock_ahead_ms(sender.path.src), None);
    sender.noon = NOON - 2 * SECOND;
    let octets = sender.send(SECOND);
    hearer.hear(SECOND, sender.path, &octets).unwrap();
    assert_eq!(hearer.guard.clock_ahead_ms(sender.path.src), Some(-2000));
}
