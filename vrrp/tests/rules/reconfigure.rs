//! A new configuration while running.

use crate::dsl::*;
use State::{Backup, Initialize, Master};

#[test]
fn nothing_changed_does_nothing() {
    for scene in [v3(100).started().at("1"), v3(100).master().at("0.5")] {
        let before = scene.instance.clone();
        let scene = scene.reconfigure(|_| {}).does(&[]);
        assert_eq!(scene.instance, before);
    }
}

#[test]
fn a_master_says_its_new_priority_at_once_and_stays() {
    let scene = v3(100).master().at("0.4");
    let scene = scene.reconfigure(|c| c.priority = 50).does(&[sends(50)]);
    let scene = scene.is(Master).follows(10, 50).next("1.4");
    // Until someone preempts it.
    let scene = scene.at("1").hears(advert(1, 60));
    scene
        .does(&yields(Reason::HigherPriority))
        .next("4.8046875");
}

#[test]
fn a_master_says_a_longer_interval_before_the_old_one_ends() {
    let scene = v3(100).master().at("0.4");
    let scene = scene.reconfigure(|c| c.advert_interval = s("10"));
    scene.does(&[sends(100)]).due("10.4").next("20.4");
}

#[test]
fn a_master_takes_up_new_addresses() {
    let scene = v3(100).announce_delay("5").master().at("0.4");
    let scene = scene.reconfigure(|c| c.addresses.push(vip(2)));
    let scene = scene.does(&[sends(100), AddAddresses, ANNOUNCE]).is(Master);
    let mut scene = scene.next("1.4");
    for beat in ["1.4", "2.4", "3.4", "4.4"] {
        scene = scene.due(beat).does(&[sends(100)]);
    }
    let scene = scene.due("5.4").does(&[sends(100), ANNOUNCE_AGAIN]);
    scene.next("6.4");
}

#[test]
fn another_order_of_addresses_moves_nothing() {
    let setup = v3(100).with(|c| c.addresses = vec![vip(1), vip(2)]);
    let scene = setup.master().at("0.4");
    scene
        .reconfigure(|c| c.addresses.reverse())
        .does(&[sends(100)]);
}

#[test]
fn what_only_concerns_a_backup_disturbs_no_master() {
    let scene = v3(100).master().at("0.4");
    let scene = scene.reconfigure(|c| {
        c.preempt = false;
        c.preempt_delay = s("5");
        c.down_timer_adverts = 5;
        c.announce_delay = s("5");
    });
    scene.does(&[]).next("1");
}

#[test]
fn a_backup_keeps_the_time_it_has_waited() {
    let scene = v3(100).started().hears(advert(1, 200)).at("3");
    // 56 / 256 s instead of 156 / 256 s of skew
    let scene = scene.reconfigure(|c| c.priority = 200).does(&[]);
    let scene = scene.next("3.21875");
    let scene = scene.reconfigure(|c| c.down_timer_adverts = 5);
    let scene = scene.next("5.21875");
    // Overdue under the new configuration: at once, not retroactively.
    let scene = scene.reconfigure(|c| c.down_timer_adverts = 2);
    let scene = scene.next("2.21875").timer();
    scene.does(&takes_over(200, Reason::MasterDown)).next("4");
}

#[test]
fn a_flapping_priority_cannot_put_off_the_takeover() {
    let mut scene = v3(100).started().hears(advert(1, 200));
    for tenths in 1..36 {
        scene = scene.at(&format!("{}.{}", tenths / 10, tenths % 10));
        scene = scene.reconfigure(|c| c.priority = 190 - c.priority);
    }
    scene.follows(1, 200).due("3.6484375");
}

#[test]
fn a_backup_in_its_skew_is_retimed_by_the_skew() {
    let scene = v3(100).started().hears(advert(1, 200)).at("1");
    let scene = scene.hears(advert(1, 0)).next("1.609375");
    scene.reconfigure(|c| c.priority = 228).next("1.109375");
}

#[test]
fn v3_keeps_the_interval_it_learned() {
    let scene = v3(100).started().hears(advert(1, 200).interval("2"));
    let scene = scene.next("7.21875");
    scene
        .reconfigure(|c| c.advert_interval = s("0.1"))
        .next("7.21875");
    // Nothing learned yet: ours counts.
    let scene = v3(100).started();
    scene
        .reconfigure(|c| c.advert_interval = s("0.1"))
        .next("0.3609375");
}

#[test]
fn v2_waits_by_its_own_new_interval() {
    let scene = v2(100).started().hears(advert(1, 200).v2()).at("1");
    let scene = scene.reconfigure(|c| c.advert_interval = s("2"));
    let scene = scene.next("6.609375").at("2");
    let scene = scene.hears(advert(1, 200).v2().interval("2"));
    scene.next("8.609375");
}

#[test]
fn a_backup_that_becomes_owner_takes_over() {
    let scene = v3(100).started().hears(advert(1, 200)).at("1");
    let scene = scene.reconfigure(|c| c.priority = 255);
    scene.does(&takes_over(255, Reason::Owner)).next("2");
}

#[test]
fn preempt_can_be_switched() {
    let scene = v3(100).nopreempt().started().hears(advert(1, 50));
    let scene = scene.at("1").reconfigure(|c| c.preempt = true);
    let scene = scene.hears(advert(1, 50)).next("3.609375");
    let scene = scene.at("2").reconfigure(|c| c.preempt = false);
    scene.hears(advert(1, 50)).next("5.609375");
}

#[test]
fn a_changed_preempt_delay_starts_over() {
    let scene = v3(100).preempt_delay("100").started();
    let scene = scene.hears(advert(1, 50)).at("1").hears(advert(1, 50));
    let scene = scene.reconfigure(|c| c.preempt_delay = s("0.5"));
    let scene = scene.hears(advert(1, 50)).next("4.609375");
    scene.at("1.5").hears(advert(1, 50)).next("4.609375");
}

#[test]
fn before_startup_it_is_only_taken_note_of() {
    let scene = v3(100).idle().reconfigure(|c| c.priority = 200);
    let scene = scene.does(&[]).is(Initialize).next_never();
    scene.startup().is(Backup).next("3.21875");
}

#[test]
fn values_out_of_range_are_clamped() {
    let scene = v3(100).idle().reconfigure(|c| {
        c.priority = 0;
        c.advert_interval = s("0");
        c.down_timer_adverts = 0;
    });
    // 10 ms + 10 ms * 255 / 256
    scene
        .startup()
        .due("0.019960937")
        .does(&takes_over(1, Reason::MasterDown));
}
