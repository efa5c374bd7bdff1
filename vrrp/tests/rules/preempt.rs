//! Masters of lower priority: preempting them, leaving them alone, or waiting.

use crate::dsl::*;

#[test]
fn a_lower_master_does_not_stop_the_timer() {
    for (scene, heard) in [
        (v2(100).started(), advert(1, 99).v2()),
        (v3(100).started(), advert(1, 99)),
    ] {
        let scene = scene.at("1").hears(heard.clone()).does(&[]).follows(1, 99);
        let scene = scene.next("3.609375").at("3.6").hears(heard).does(&[]);
        scene
            .due("3.609375")
            .does(&takes_over(100, Reason::Preempting));
    }
}

#[test]
fn a_lower_master_teaches_no_interval() {
    let scene = v3(100).started().at("1");
    let scene = scene.hears(advert(1, 99).interval("10"));
    scene.next("3.609375");
}

#[test]
fn nopreempt_follows_a_lower_master() {
    let scene = v3(100).nopreempt().started().at("1");
    let scene = scene.hears(advert(1, 1)).does(&[]).follows(1, 1);
    let scene = scene.next("4.609375").at("4").hears(advert(1, 1));
    // But not into its grave.
    scene
        .due("7.609375")
        .does(&takes_over(100, Reason::MasterDown));
}

#[test]
fn nopreempt_does_not_bind_an_owner() {
    // Only a second owner of a higher address makes an owner Backup.
    let scene = v3(255).nopreempt().started().hears(advert(11, 255));
    // It then counts as 254.
    let scene = scene.is(State::Backup).next("3.0078125").at("2");
    let scene = scene.hears(advert(1, 253));
    scene
        .due("3.0078125")
        .does(&takes_over(255, Reason::Preempting));
}

#[test]
fn preempt_delay_runs_from_the_first_lower_advert() {
    let scene = v3(100).preempt_delay("2.5").started().at("1");
    let scene = scene.hears(advert(1, 99)).next("4.609375");
    let scene = scene.at("2").hears(advert(1, 99)).next("5.609375");
    let scene = scene.at("3").hears(advert(1, 99)).next("6.609375");
    // "3.5" is when the delay is over: from then on the timer runs.
    let scene = scene.at("3.499999999").hears(advert(1, 99));
    let scene = scene.next("7.109374999");
    let scene = scene.at("3.5").hears(advert(1, 99)).next("7.109374999");
    let scene = scene.at("6.5").hears(advert(1, 99));
    scene
        .due("7.109374999")
        .does(&takes_over(100, Reason::Preempting));
}

#[test]
fn a_better_master_resets_the_preempt_delay() {
    let scene = v3(100).preempt_delay("5").started().at("1");
    let scene = scene.hears(advert(1, 99)).at("4").hears(advert(2, 200));
    // The delay of 5 s from "1" would be over by now.
    let scene = scene.at("7").hears(advert(1, 99)).next("10.609375");
    let scene = scene.at("10").hears(advert(1, 99)).next("13.609375");
    scene.at("12").hears(advert(1, 99)).next("13.609375");
}

#[test]
fn preempt_delay_does_not_delay_a_failover() {
    let scene = v3(100).preempt_delay("1000").started().at("1");
    let scene = scene.hears(advert(1, 99)).at("2").hears(advert(1, 0));
    scene
        .due("2.609375")
        .does(&takes_over(100, Reason::MasterLeft));
    v3(100).preempt_delay("1000").started().due("3.609375");
}

#[test]
fn each_mastership_starts_a_new_preempt_delay() {
    let scene = v3(100).preempt_delay("3").started().at("1");
    let scene = scene.hears(advert(1, 99)).next("4.609375");
    let scene = scene.due("4.609375").at("5").hears(advert(2, 200));
    // Back in Backup; the first delay (until "4") is forgotten.
    let scene = scene.at("6").hears(advert(1, 99)).next("9.609375");
    scene.at("8.9").hears(advert(1, 99)).next("12.509375");
}

#[test]
fn a_lower_advert_after_priority_zero_does_not_stop_the_skew() {
    let scene = v3(100).started().hears(advert(1, 200)).at("1");
    let scene = scene.hears(advert(1, 0)).at("1.2").hears(advert(2, 50));
    scene
        .due("1.609375")
        .does(&takes_over(100, Reason::MasterLeft));
}
