//! RFC 9568 6.4.3: what a Master does on its own and about others.

use crate::dsl::*;
use State::Master;

#[test]
fn adverts_keep_their_beat() {
    let scene = v3(100).interval("0.01").master();
    let scene = scene.due("0.01").does(&[sends(100)]);
    // A timer a little late does not shift the ones after it.
    let scene = scene.late("0.0237").timer().does(&[sends(100)]);
    scene.due("0.03").does(&[sends(100)]).next("0.04");
}

#[test]
fn after_a_gap_nothing_is_made_up_for() {
    for late in ["2", "2.5", "1000"] {
        let scene = v3(100).master().late(late).timer().does(&[sends(100)]);
        let scene = scene.is(Master).timer().does(&[]);
        let next = format!("{:.1}", late.parse::<f64>().unwrap() + 1.0);
        scene.next(&next);
    }
}

#[test]
fn a_higher_priority_is_yielded_to() {
    for (scene, heard) in [
        (v2(100).master(), advert(1, 101).v2()),
        (v3(100).master(), advert(1, 101)),
        (v3(100).nopreempt().master(), advert(1, 255)),
    ] {
        let priority = heard.advert.priority;
        let scene = scene.at("0.25").hears(heard);
        scene
            .does(&yields(Reason::HigherPriority))
            .follows(1, priority)
            .next("3.859375");
    }
}

#[test]
fn yielding_waits_by_the_new_masters_interval() {
    let scene = v3(100)
        .master()
        .at("0.5")
        .hears(advert(1, 200).interval("0.1"));
    scene.next("0.8609375");
}

#[test]
fn yielding_drops_what_was_to_be_announced() {
    let scene = v3(100).announce_delay("2").master();
    let scene = scene.hears(advert(1, 90)).hears(advert(2, 200));
    scene.next("3.609375");
}

#[test]
fn at_equal_priority_the_higher_address_wins() {
    let scene = v3(100).master().at("0.5").hears(advert(11, 100));
    scene.does(&yields(Reason::HigherAddress)).follows(11, 100);

    let scene = v3(100).master().at("0.5").hears(advert(9, 100));
    scene
        .does(&[sends(100), Surprise(LowerMaster)])
        .is(Master)
        .follows(10, 100);
}

#[test]
fn addresses_compare_as_numbers() {
    // 192.0.2.9 < 192.0.2.10 < 192.0.2.100, unlike their texts.
    v3(100).master().hears(advert(9, 100)).is(Master);
    v3(100).master().hears(advert(100, 100)).is(State::Backup);
}

#[test]
fn a_lower_master_is_answered_at_once_and_announced_over() {
    for (scene, heard) in [
        (v2(100).master(), advert(1, 99).v2()),
        (v3(100).master(), advert(1, 99)),
    ] {
        // Well after the announcement on becoming Master.
        let scene = scene.due("1").due("2").at("2.5").hears(heard);
        let scene = scene.does(&[sends(100), Announce, Surprise(LowerMaster)]);
        // The beat starts anew, and when the rival has let go we announce again.
        scene.due("3.5").does(&[sends(100), Announce]).next("4.5");
    }
}

#[test]
fn a_rival_soon_after_the_takeover_waits_for_its_announcement() {
    let scene = v3(100).master().at("0.2").hears(advert(1, 99));
    let scene = scene.does(&[sends(100), Surprise(LowerMaster)]);
    scene.due("1").does(&[Announce]).next("1.2");
}

#[test]
fn a_babbling_rival_causes_no_flood() {
    let mut scene = v3(100).master();
    let (mut sent, mut announced) = (0, 0);
    for millis in 0..10_000 {
        scene = scene.late(&format!("{:.3}", f64::from(millis) / 1000.0));
        for input in 0..2 {
            scene = match input {
                0 => scene.hears(advert(1, 99)),
                _ => scene.timer(),
            };
            sent += scene.count(sends(100));
            announced += scene.count(Announce);
        }
    }
    assert_eq!(sent, 100, "ten answers an interval");
    assert_eq!(announced, 9, "one announcement a second after the first");
}

#[test]
fn the_last_rival_heard_is_announced_over_too() {
    let scene = v3(100).master().due("1").due("2");
    let scene = scene.at("2.5").hears(advert(1, 99));
    let scene = scene.at("3.49").hears(advert(1, 99));
    let scene = scene.does(&[sends(100), Surprise(LowerMaster)]);
    let scene = scene.due("3.5").does(&[Announce]);
    // Right after an announcement: not at once, but a second later.
    let scene = scene.at("3.6").hears(advert(1, 99));
    let scene = scene.does(&[sends(100), Surprise(LowerMaster)]);
    scene.due("4.5").does(&[Announce]).next("4.6");
}

#[test]
fn priority_zero_is_always_answered() {
    let scene = v3(100).master().due("1").due("2").at("2.5");
    let scene = scene.hears(advert(1, 0)).does(&[sends(100), Announce]);
    let scene = scene.at("2.501").hears(advert(2, 0)).does(&[sends(100)]);
    scene.is(Master).due("3.5").does(&[Announce]).due("3.501");
}

#[test]
fn a_master_back_from_a_long_sleep_asserts_itself_or_yields() {
    // Nobody was there: it goes on.
    let slept = v3(100).master().late("3600");
    slept.clone().timer().does(&[sends(100)]).is(Master);
    // Someone better took over and its adverts wait in the socket.
    let scene = slept.hears(advert(1, 150));
    scene
        .does(&yields(Reason::HigherPriority))
        .timer()
        .does(&[]);
}
