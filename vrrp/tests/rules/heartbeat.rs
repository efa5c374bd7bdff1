//! Adverts of one instance over a second interface.
//!
//! Over the heartbeat we are router 110, the others are 101 and so on.

use crate::dsl::*;
use State::{Backup, Master};

#[test]
fn either_way_keeps_a_backup_quiet() {
    let scene = v3(100).started().hears(advert(1, 200)).at("1");
    // The name of the Master stays the one of the primary way ..
    let scene = scene.hears_over(110, advert(101, 200));
    let scene = scene.does(&[]).follows(1, 200).next("4.609375");
    let scene = scene.at("2.9").hears_over(110, advert(101, 200));
    let scene = scene.follows(1, 200).next("6.509375");
    // .. until that has been dead for three intervals.
    let scene = scene.at("3").hears_over(110, advert(101, 200));
    let scene = scene.follows(101, 200).next("6.609375").at("4");
    let scene = scene.hears(advert(1, 200)).follows(1, 200);
    scene.due("7.609375").is(Master);
}

#[test]
fn our_own_adverts_are_dropped_on_either_way() {
    let scene = v3(100).master().at("0.5");
    let scene = scene.hears_over(110, advert(110, 200));
    let scene = scene.does(&[Rejected(Rejection::OwnAddress)]);
    let scene = scene.hears_over(110, advert(10, 200));
    scene.does(&[Rejected(Rejection::OwnAddress)]).is(Master);
}

#[test]
fn a_higher_priority_is_yielded_to_on_either_way() {
    let scene = v3(100).master().at("0.5");
    let scene = scene.hears_over(110, advert(101, 101));
    let scene = scene.does(&yields(Reason::HigherPriority));
    scene.follows(101, 101);
}

#[test]
fn a_lower_one_and_one_that_leaves_are_answered_on_either_way() {
    let scene = v3(100).master().due("1").due("2").at("2.5");
    let scene = scene.hears_over(110, advert(101, 99));
    let scene = scene.does(&[sends(100), ANNOUNCE_OVER, Surprise(LowerMaster)]);
    let scene = scene.at("2.7").hears_over(110, advert(101, 0));
    scene.does(&[sends(100)]);
}

#[test]
fn while_the_primary_way_may_decide_the_heartbeat_does_not() {
    // By the heartbeat the other is greater; by the primary way it is not known.
    let mut scene = v3(100).master();
    for at in ["0.5", "1.5", "2.5", "3.499999999"] {
        scene = scene.late(at).timer();
        scene = scene.hears_over(110, advert(120, 100)).is(Master);
    }
    // Three intervals without a word on the primary way: it is cut.
    let scene = scene.late("3.5").hears_over(110, advert(120, 100));
    scene.does(&yields(Reason::HigherAddress)).follows(120, 100);
}

#[test]
fn what_the_primary_way_says_holds() {
    // Greater by the primary way, smaller by the heartbeat.
    let scene = v3(100).master().at("0.1");
    let scene = scene.hears_over(110, advert(101, 100)).is(Master);
    scene.hears(advert(11, 100)).is(Backup);

    // Smaller by the primary way, greater by the heartbeat: for six intervals, in which
    // it should have heard us and yielded.
    let mut scene = v3(100).master();
    for at in ["0.5", "1.5", "2.5", "3.5", "4.5", "5.5", "6.499999999"] {
        scene = scene.late(at).timer().hears(advert(1, 100)).is(Master);
        scene = scene.hears_over(110, advert(120, 100)).is(Master);
    }
    let scene = scene.late("6.5").hears_over(110, advert(120, 100));
    scene.is(Backup);
}

#[test]
fn a_quarrel_that_ended_is_forgotten() {
    let scene = v3(100).master().at("0.5");
    let scene = scene.hears_over(110, advert(120, 100)).is(Master);
    let scene = scene.late("3").timer().late("3.6").timer();
    let scene = scene.hears_over(110, advert(120, 100)).is(Master);
    scene.late("6").hears_over(110, advert(120, 100)).is(Master);
}

#[test]
fn a_successor_may_speak_on_either_way() {
    let scene = v3(100).master().at("0.5").release();
    let scene = scene.at("1").hears_over(110, advert(101, 50));
    scene.does(&[RemoveAddresses]).follows(101, 50);
}
