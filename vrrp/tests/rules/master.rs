//! RFC 9568 6.4.3: what a Master does on its own and about others.

use std::time::Duration;

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
        let setup = v3(100).with(|c| c.timer_expired_backup = false);
        let scene = setup.master().late(late).timer().does(&[sends(100)]);
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
        let scene = scene.does(&[sends(100), ANNOUNCE_OVER, Surprise(LowerMaster)]);
        // The beat starts anew, and when the rival has let go we announce again.
        scene
            .due("3.5")
            .does(&[sends(100), ANNOUNCE_OVER])
            .next("4.5");
    }
}

#[test]
fn a_rival_soon_after_the_takeover_waits_for_its_announcement() {
    let scene = v3(100).master().at("0.2").hears(advert(1, 99));
    let scene = scene.does(&[sends(100), Surprise(LowerMaster)]);
    scene.due("1").does(&[ANNOUNCE_OVER]).next("1.2");
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
            announced += scene.count(ANNOUNCE_OVER);
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
    let scene = scene.due("3.5").does(&[ANNOUNCE_OVER]);
    // Right after an announcement: not at once, but a second later.
    let scene = scene.at("3.6").hears(advert(1, 99));
    let scene = scene.does(&[sends(100), Surprise(LowerMaster)]);
    scene.due("4.5").does(&[ANNOUNCE_OVER]).next("4.6");
}

#[test]
fn priority_zero_is_always_answered_if_not_at_once() {
    let scene = v3(100).master().due("1").due("2").at("2.5");
    let scene = scene.hears(advert(1, 0)).does(&[sends(100), ANNOUNCE_OVER]);
    let scene = scene.at("2.501").hears(advert(2, 0)).does(&[]);
    let scene = scene.at("2.502").hears(advert(2, 0)).does(&[]);
    // The answer that waited counts against the limit as well.
    let scene = scene.due("2.6").does(&[sends(100)]);
    let scene = scene.at("2.601").hears(advert(1, 0)).does(&[]);
    let scene = scene.due("2.7").does(&[sends(100)]).is(Master);
    scene.due("3.5").does(&[ANNOUNCE_OVER]).due("3.7");
}

#[test]
fn lower_prio_no_advert_leaves_lower_ones_unanswered() {
    let setup = v3(100).with(|c| c.lower_prio_no_advert = true);
    let scene = setup.master().due("1").due("2").at("2.5");
    let scene = scene.hears(advert(1, 99));
    let scene = scene.does(&[ANNOUNCE_OVER, Surprise(LowerMaster)]);
    // Who gives up is answered even so: Backups would take over.
    let scene = scene.next("3").at("2.6").hears(advert(1, 0));
    scene.does(&[sends(100)]).is(Master);
}

#[test]
fn higher_prio_send_advert_says_one_more_before_yielding() {
    for (heard, reason) in [
        (advert(1, 101), Reason::HigherPriority),
        (advert(11, 100), Reason::HigherAddress),
    ] {
        let setup = v3(100).with(|c| c.higher_prio_send_advert = true);
        let [remove, transition] = yields(reason);
        let scene = setup.master().at("0.5").hears(heard);
        scene.does(&[sends(100), remove, transition]);
    }
}

#[test]
fn the_follow_up_over_a_rival_may_come_later() {
    let setup = v3(100).with(|c| c.lower_prio_announce_delay = s("2.2"));
    let scene = setup.master().due("1").due("2").at("2.5");
    let scene = scene.hears(advert(1, 99)).next("3.5").due("3.5");
    let scene = scene.due("4.5").does(&[sends(100)]);
    scene.due("4.7").does(&[ANNOUNCE_OVER]).next("5.5");
}

#[test]
fn a_master_back_from_a_long_sleep_listens_first() {
    // Until "3" nobody can have missed it.
    let slept = v3(100).master().late("2.999999999").timer();
    slept.does(&[sends(100)]).is(Master);
    let slept = v3(100).master().late("3").timer();
    let slept = slept.does(&yields(Reason::Late)).next("4.609375");
    // Somebody took over: the usual rules hold.
    let better = slept.clone().at("3.5").hears(advert(1, 150));
    better.next("7.109375").follows(1, 150);
    let lower = slept.clone().at("3.5").hears(advert(1, 50));
    let lower = lower.due("4.609375");
    lower.does(&takes_over(100, Reason::Preempting));
    // Nobody did.
    let alone = slept.due("4.609375");
    alone.does(&takes_over(100, Reason::MasterDown));

    // What waited in the socket comes first, and is heard as a Backup.
    let setup = v3(100).nopreempt();
    let scene = setup.master().late("60").hears(advert(1, 50));
    let scene = scene.does(&yields(Reason::Late)).follows(1, 50);
    scene.timer().does(&[]).next("63.609375");
    // What gives up does so at once.
    let scene = v3(100).master().late("60").fault();
    scene.is(State::Initialize);
}

#[test]
fn a_master_back_from_a_long_sleep_may_assert_itself() {
    // Nobody was there: it goes on.
    let setup = v3(100).with(|c| c.timer_expired_backup = false);
    let slept = setup.master().late("3600");
    slept.clone().timer().does(&[sends(100)]).is(Master);
    // Someone better took over and its adverts wait in the socket.
    let scene = slept.hears(advert(1, 150));
    scene
        .does(&yields(Reason::HigherPriority))
        .timer()
        .does(&[]);
}

#[test]
fn a_master_is_missed_only_after_its_own_next_advert() {
    // By the number of adverts after which Backups take over.
    for (adverts, missed) in [(1, "1.5"), (2, "2"), (3, "3")] {
        let master = || v3(100).with(|c| c.down_timer_adverts = adverts).master();
        let mut scene = master();
        for beat in 1..5 {
            scene = scene.due(&beat.to_string());
            scene = scene.does(&[sends(100)]).is(Master);
        }
        let just = s(missed) - Duration::from_nanos(1);
        let just = format!("{}.{:09}", just.as_secs(), just.subsec_nanos());
        let scene = master().late(&just).timer();
        scene.does(&[sends(100)]).is(Master);
        let scene = master().late(missed).timer();
        scene.does(&yields(Reason::Late));
    }
}
