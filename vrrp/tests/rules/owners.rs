//! Two routers that both own the addresses (RFC 9568, erratum 8298).

use crate::dsl::*;
use State::{Backup, Master};

/// What an owner answers to another of lower address.
fn stays() -> [Effect; 3] {
    [Surprise(SecondOwner), sends(255), Surprise(LowerMaster)]
}

fn yields_to_owner(reason: Reason) -> [Effect; 3] {
    let [remove, transition] = yields(reason);
    [Surprise(SecondOwner), remove, transition]
}

#[test]
fn the_lower_address_yields_and_counts_as_254() {
    let scene = v3(255).started().at("0.5").hears(advert(11, 255));
    let scene = scene.does(&yields_to_owner(Reason::HigherAddress));
    assert_eq!(scene.instance.priority(), 254);
    // 3 s + 2/256 s
    let scene = scene.follows(11, 255).next("3.5078125");
    let scene = scene.at("3").hears(advert(11, 255)).next("6.0078125");
    // When the other falls silent, the conflict is over.
    let scene = scene.due("6.0078125");
    let scene = scene.does(&takes_over(255, Reason::MasterDown));
    assert_eq!(scene.instance.priority(), 255);
}

#[test]
fn an_owner_that_yielded_still_preempts_all_others() {
    let scene = v3(255).nopreempt().started();
    let scene = scene.hears(advert(11, 255)).at("1");
    let scene = scene.hears(advert(2, 200)).due("3.0078125");
    scene.does(&takes_over(255, Reason::Preempting));
}

#[test]
fn the_higher_address_waits_for_the_other_to_yield() {
    // 2 * 1 s + 1.2 * 1 s after the first
    let scene = v3(255).started().at("0.5").hears(advert(9, 255));
    let mut scene = scene.does(&stays());
    for at in ["1.3", "2.3", "3.3", "3.699999999"] {
        scene = scene.late(at).timer().hears(advert(9, 255)).is(Master);
    }
    let scene = scene.late("3.7").hears(advert(9, 255));
    let scene = scene.does(&yields_to_owner(Reason::SecondOwner));
    assert_eq!(scene.instance.priority(), 254);
    // It is left alone until it falls silent.
    let scene = scene.at("4.5").hears(advert(9, 255)).is(Backup);
    let scene = scene.due("7.5078125");
    scene.does(&takes_over(255, Reason::MasterDown));
}

#[test]
fn the_longer_interval_counts() {
    // 2 * 1 s + 1.2 * 2 s
    let other = || advert(9, 255).interval("2");
    let scene = v3(255).started().at("0.5").hears(other());
    let scene = scene.late("2.5").timer().hears(other()).is(Master);
    let scene = scene.late("4.899999999").timer().hears(other()).is(Master);
    scene.late("4.9").hears(other()).is(Backup);
}

#[test]
fn a_conflict_that_ended_is_forgotten() {
    let scene = v3(255).started().at("0.5").hears(advert(9, 255));
    // Its silence was as long as our patience.
    let scene = scene.late("1.5").timer().late("2.5").timer();
    let mut scene = scene.late("3.7").timer().hears(advert(9, 255));
    for at in ["4.7", "5.7", "6.7"] {
        scene = scene.late(at).timer().hears(advert(9, 255)).is(Master);
    }
    scene.late("6.9").hears(advert(9, 255)).is(Backup);
}

#[test]
fn an_owner_may_ignore_everybody() {
    let setup = v3(255).with(|c| c.owner_ignore_adverts = true);
    let scene = setup.started().at("0.5");
    let scene = scene.hears(advert(11, 255)).does(&[]);
    let scene = scene.hears(advert(9, 0)).does(&[]);
    let scene = scene.hears(advert(9, 100).addresses(&[7])).does(&[]);
    scene.is(Master).next("1");
    // For the others the switch means nothing.
    let setup = v3(254).with(|c| c.owner_ignore_adverts = true);
    setup.master().hears(advert(9, 255)).is(Backup);
}

#[test]
fn a_new_base_priority_ends_the_conflict() {
    let scene = v3(255).started().at("0.5").hears(advert(11, 255));
    let scene = scene.reconfigure(|c| c.priority = 100);
    assert_eq!(scene.instance.priority(), 100);
    let scene = scene.reconfigure(|c| c.priority = 255);
    scene.does(&takes_over(255, Reason::Owner));
}
