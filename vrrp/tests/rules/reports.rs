//! Adverts that are dropped, and adverts that count but are reported.

use crate::dsl::*;
use State::{Backup, Master};

/// The scene before and after an advert that must leave no trace.
#[track_caller]
fn rejects(scene: Scene, heard: Heard, why: Rejection) {
    let before = scene.instance.clone();
    let scene = scene.hears(heard).does(&[Rejected(why)]);
    assert_eq!(scene.instance, before);
}

#[test]
fn v2_drops_another_interval() {
    let why = Rejection::IntervalMismatch { received: s("2") };
    let heard = || advert(1, 200).v2().interval("2");
    rejects(v2(100).started().at("1"), heard(), why);
    rejects(v2(100).master().at("0.5"), heard(), why);
    // Even when it says good-bye (RFC 3768 7.1 makes no exception).
    let leaving = advert(1, 0).v2().interval("2");
    rejects(v2(100).started().at("1"), leaving, why);
}

#[test]
fn v2_routers_that_disagree_on_the_interval_are_both_master() {
    let scene = v2(100).started().at("1");
    let scene = scene.hears(advert(1, 200).v2().interval("2"));
    scene.due("3.609375").is(Master);
}

#[test]
fn our_own_advert_is_dropped() {
    for priority in [0, 99, 100, 200] {
        let (backup, master) = (v3(100).started().at("1"), v3(100).master().at("0.5"));
        rejects(backup, advert(10, priority), Rejection::OwnAddress);
        rejects(master, advert(10, priority), Rejection::OwnAddress);
    }
}

#[test]
fn the_other_version_is_dropped() {
    let why = |received| Rejection::VersionMismatch { received };
    rejects(v3(100).started(), advert(1, 200).v2(), why(Version::V2));
    rejects(v2(100).master(), advert(1, 200), why(Version::V3));
}

#[test]
fn other_addresses_are_reported_and_count() {
    let backup = v3(100).started().at("1");
    for numbers in [&[2][..], &[], &[1, 2]] {
        let backup = backup.clone().hears(advert(1, 200).addresses(numbers));
        backup.does(&[Surprise(AddressList)]).next("4.609375");
    }
    let master = v3(100).master().hears(advert(1, 200).addresses(&[2]));
    let mut expected = vec![Surprise(AddressList)];
    expected.extend(yields(Reason::HigherPriority));
    master.does(&expected);
}

#[test]
fn the_order_of_addresses_does_not_matter() {
    let setup = v3(100).with(|c| c.addresses = vec![vip(1), vip(2), vip(3)]);
    let scene = setup.started().at("1");
    let scene = scene.hears(advert(1, 200).addresses(&[3, 1, 2]));
    scene.does(&[]).next("4.609375");
}

#[test]
fn a_list_may_be_compared_once_for_each_sender() {
    let setup = v3(100).with(|c| c.check_addresses = false);
    let scene = setup.started().at("1");
    let other = |from| advert(from, 200).addresses(&[2]);
    let scene = scene.hears(other(1)).does(&[Surprise(AddressList)]);
    let scene = scene.hears(other(1)).does(&[]);
    let scene = scene.hears(other(2)).does(&[Surprise(AddressList)]);
    let scene = scene.hears(advert(1, 200)).hears(other(1)).does(&[]);
    // With other addresses of our own, the question is a new one.
    let scene = scene.reconfigure(|c| c.addresses = vec![vip(3)]);
    scene.hears(other(1)).does(&[Surprise(AddressList)]);
}

#[test]
fn a_second_owner_is_reported() {
    // The higher address stays.
    let scene = v3(255).started().at("0.5").hears(advert(9, 255));
    scene
        .does(&[Surprise(SecondOwner), sends(255), Surprise(LowerMaster)])
        .is(Master);
    let scene = v3(255).started().at("0.5").hears(advert(11, 255));
    let [remove, transition] = yields(Reason::HigherAddress);
    let scene = scene
        .does(&[Surprise(SecondOwner), remove, transition])
        .is(Backup);
    // Also in Backup, and for us only: others have no business with it.
    let scene = scene.hears(advert(11, 255));
    scene.does(&[Surprise(SecondOwner)]).is(Backup);
    v3(254).started().hears(advert(11, 255)).does(&[]);
}

#[test]
fn names_for_counters_differ() {
    let mut names = vec![
        Rejection::OwnAddress.name(),
        Rejection::VersionMismatch {
            received: Version::V2,
        }
        .name(),
        Rejection::IntervalMismatch { received: s("1") }.name(),
        AddressList.name(),
        SecondOwner.name(),
        LowerMaster.name(),
    ];
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 6);
}
