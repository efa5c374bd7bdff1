//! RFC 9568 6.4.2: what a Backup makes of what it hears, preemption apart.

use crate::dsl::*;

#[test]
fn a_better_master_restarts_the_timer() {
    for (scene, heard) in [
        (v2(100).started(), advert(1, 200).v2()),
        (v3(100).started(), advert(1, 200)),
    ] {
        let scene = scene.at("1").hears(heard.clone()).does(&[]).follows(1, 200);
        let scene = scene.next("4.609375").at("2.25").hears(heard).does(&[]);
        scene
            .due("5.859375")
            .does(&takes_over(100, Reason::MasterDown));
    }
}

#[test]
fn an_equal_master_is_followed_whatever_its_address() {
    for other in [1, 20] {
        let scene = v3(100).started().at("1").hears(advert(other, 100));
        scene.does(&[]).follows(other, 100).next("4.609375");
    }
}

#[test]
fn an_advert_at_the_very_deadline_still_counts() {
    let scene = v3(100).started().at("3.609375").hears(advert(1, 200));
    scene.next("7.21875").timer().does(&[]);
}

#[test]
fn an_advert_read_late_still_counts() {
    // The process slept; the driver reads the socket before it gives the timer.
    let scene = v3(100).started().late("60").hears(advert(1, 200));
    scene.timer().does(&[]).next("63.609375");
}

#[test]
fn priority_zero_leaves_only_the_skew() {
    let v2 = v2(100)
        .interval("4")
        .started()
        .hears(advert(1, 200).v2().interval("4"));
    let v2 = v2.at("2").hears(advert(1, 0).v2().interval("4")).does(&[]);
    v2.due("2.609375")
        .does(&takes_over(100, Reason::MasterLeft));

    // In v3 the skew is that of the master's interval: 4 s * 156 / 256.
    let v3 = v3(100).started().hears(advert(1, 200).interval("4"));
    let v3 = v3.at("2").hears(advert(1, 0).interval("4")).does(&[]);
    v3.due("4.4375").does(&takes_over(100, Reason::MasterLeft));
}

#[test]
fn a_successor_heard_within_the_skew_is_followed() {
    let scene = v3(100).started().hears(advert(1, 200)).at("1");
    let scene = scene.hears(advert(1, 0)).next("1.609375").at("1.3");
    let scene = scene.hears(advert(2, 150)).follows(2, 150);
    scene
        .due("4.909375")
        .does(&takes_over(100, Reason::MasterDown));
}

#[test]
fn v3_learns_the_interval_of_its_master() {
    let scene = v3(100).started().hears(advert(1, 200).interval("0.1"));
    // 3 * 100 ms + 100 ms * 156 / 256
    let scene = scene.next("0.3609375").at("0.1");
    let scene = scene.hears(advert(1, 200).interval("10"));
    // Each advert teaches anew; as Master, our own interval is back.
    scene.due("36.19375").next("37.19375");
}

#[test]
fn v3_forgets_the_interval_of_a_master_it_replaced() {
    let scene = v3(100).master().hears(advert(1, 200).interval("10"));
    let scene = scene.next("36.09375").due("36.09375");
    let scene = scene.at("36.5").hears(advert(2, 200));
    scene.next("40.109375");
}

#[test]
fn an_interval_of_nothing_cannot_make_it_spin() {
    let scene = v3(100).started().hears(advert(1, 200).interval("0"));
    scene.next("0.03609375");
}

#[test]
fn a_timer_a_little_late_takes_over_at_once() {
    let scene = v3(100).started().late("4.609375").timer();
    scene
        .does(&takes_over(100, Reason::MasterDown))
        .next("5.609375");
}

#[test]
fn a_timer_very_late_listens_for_an_interval_once() {
    let scene = v3(100).started().late("1000").timer().does(&[]);
    let heard = scene.clone().at("1000.9").hears(advert(1, 200));
    heard.follows(1, 200).next("1004.509375");
    // A host that is always late is Master all the same.
    let scene = scene.next("1001").late("2000").timer();
    scene
        .does(&takes_over(100, Reason::MasterDown))
        .next("2001");
}

#[test]
fn priority_zero_again_and_again_postpones_nothing() {
    let mut scene = v3(100).started().hears(advert(1, 200));
    for tenths in 1..7 {
        scene = scene.at(&format!("0.{tenths}")).hears(advert(1, 0));
        scene = scene.does(&[]).next("0.709375");
    }
    scene
        .due("0.709375")
        .does(&takes_over(100, Reason::MasterLeft));
    // Nor does it when the timer would have come sooner anyway.
    let scene = v3(100).started().at("3.5").hears(advert(1, 0));
    scene.next("3.609375");
}
