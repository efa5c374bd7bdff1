//! The priority that results from what is tracked.

use crate::dsl::*;
use State::{Backup, Master};

#[test]
fn weights_add_to_the_base_and_stay_in_range() {
    let scene = v3(100).started();
    assert_eq!(scene.instance.priority(), 100);
    for (sum, priority) in [(-30, 70), (-200, 1), (20, 120), (1000, 254), (0, 100)] {
        let scene = scene.clone().adjust(sum);
        assert_eq!(scene.instance.priority(), priority);
        assert_eq!(scene.instance.base_priority(), 100);
    }
    let owner = v3(255).started().adjust(-30).does(&[]);
    assert_eq!(owner.instance.priority(), 255);
}

#[test]
fn a_master_says_its_new_priority_at_once() {
    let scene = v3(100).master().at("0.4").adjust(-30);
    let scene = scene.does(&[sends(70)]).follows(10, 70).due("1.4");
    let scene = scene.does(&[sends(70)]).at("1.5");
    // Nothing to say.
    let scene = scene.adjust(-30).does(&[]);
    let scene = scene.hears(advert(1, 80));
    scene.does(&yields(Reason::HigherPriority));
}

#[test]
fn a_backup_keeps_the_time_it_has_waited() {
    let scene = v3(100).started().hears(advert(1, 200)).at("3");
    // 186 / 256 s instead of 156 / 256 s of skew
    let scene = scene.adjust(-30).does(&[]).next("3.7265625");
    let scene = scene.due("3.7265625");
    scene.does(&takes_over(70, Reason::MasterDown));
}

#[test]
fn a_backup_whose_priority_rises_preempts() {
    let scene = v3(100).started().hears(advert(1, 150)).at("1");
    let scene = scene.hears(advert(1, 150)).adjust(60);
    let scene = scene.at("2").hears(advert(1, 150)).next("4.375");
    let scene = scene.due("4.375").is(Master);
    scene.hears(advert(1, 150)).is(Master);
}

#[test]
fn a_backup_whose_priority_falls_follows() {
    let scene = v3(100).started().hears(advert(1, 90)).next("3.609375");
    let scene = scene.at("1").adjust(-30).hears(advert(1, 90));
    scene.is(Backup).follows(1, 90).next("4.7265625");
}

#[test]
fn weights_outlast_faults_and_configurations() {
    let scene = v3(100).started().adjust(-30).fault().startup();
    assert_eq!(scene.instance.priority(), 70);
    let scene = scene.reconfigure(|c| c.priority = 200);
    assert_eq!(scene.instance.priority(), 170);
    let scene = scene.reconfigure(|c| c.priority = 255);
    let scene = scene.does(&takes_over(255, Reason::Owner));
    let scene = scene.reconfigure(|c| c.priority = 100).does(&[sends(70)]);
    scene.is(Master);
}

#[test]
fn before_startup_a_weight_is_only_taken_note_of() {
    let scene = v3(100).idle().adjust(100).does(&[]).next_never();
    scene.startup().next("3.21875");
}
