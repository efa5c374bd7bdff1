//! A process dies and another takes its instance up.

use vrrp::Snapshot;

use crate::dsl::*;
use State::{Backup, Initialize, Master};

fn snapshot(scene: &Scene) -> Snapshot {
    let text = serde_json::to_string(&scene.instance.snapshot()).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn resumes_as_master(priority: u8) -> [Effect; 4] {
    let transition = change(Initialize, Master, Reason::Resumed);
    [sends(priority), AddAddresses, ANNOUNCE, transition]
}

/// A Master of old: its addresses may still be there.
fn starts_afresh() -> [Effect; 2] {
    let transition = change(Initialize, Backup, Reason::Startup);
    [RemoveAddresses, transition]
}

#[test]
fn a_snapshot_shows_what_status_needs() {
    let snap = snapshot(&v3(100).announce_delay("5").master().due("1").at("1.5"));
    assert_eq!(snap.state, Master);
    assert_eq!(snap.reason, Some(Reason::MasterDown));
    assert_eq!(snap.since, Some(mono("0")));
    assert_eq!(snap.last_advert, Some(mono("1")));
    assert_eq!(snap.deadline, Some(mono("2")));
    assert_eq!(snap.master.map(|m| m.address), Some(router(10)));
    assert_eq!((snap.source, snap.priority), (Some(router(10)), 100));

    let scene = v3(100).started().hears(advert(1, 200).interval("2"));
    let snap = snapshot(&scene);
    assert_eq!(snap.state, Backup);
    assert_eq!(snap.reason, Some(Reason::Startup));
    assert_eq!(snap.master.map(|m| m.priority), Some(200));
    assert_eq!(snap.interval, s("2"));
    assert_eq!(snap.deadline, Some(mono("7.21875")));
    assert_eq!(snap.last_advert, None);
}

#[test]
fn a_master_resumes_before_anyone_noticed() {
    let snap = snapshot(&v3(100).master().due("1").at("1.5"));
    // Last advert at "1": three intervals later is the limit.
    let early = v3(100).resumed(&snap, "1.5", "3.999999999");
    let early = early.does(&resumes_as_master(100)).next("4.999999999");
    assert_eq!(early.instance.snapshot().since, Some(mono("0")));
    let late = v3(100).resumed(&snap, "1.5", "4");
    late.does(&starts_afresh()).next("7.609375");
}

#[test]
fn an_old_snapshot_is_as_good_if_the_process_lived_on() {
    let snap = snapshot(&v3(100).master());
    // Alive until "100", so its last advert was at "99" or later.
    v3(100)
        .resumed(&snap, "100", "101.999999999")
        .does(&resumes_as_master(100));
    v3(100).resumed(&snap, "100", "102").is(Backup);
    // Nobody can be known to live in the future.
    v3(100).resumed(&snap, "100", "50").is(Master);
}

#[test]
fn what_counts_is_the_interval_the_peers_know() {
    let snap = snapshot(&v3(100).interval("0.1").master());
    let slower = v3(100).interval("10");
    slower.clone().resumed(&snap, "0", "0.299999999").is(Master);
    slower.resumed(&snap, "0", "0.3").is(Backup);
}

#[test]
fn a_master_that_is_missed_early_can_be_resumed_too() {
    let setup = || v3(100).with(|c| c.down_timer_adverts = 1);
    let snap = snapshot(&setup().master());
    setup().resumed(&snap, "0", "1.4").is(Master);
    setup().resumed(&snap, "0", "1.5").is(Backup);
    // Its last advert may have been an interval ago when it died.
    setup().resumed(&snap, "100", "100.4").is(Master);
    setup().resumed(&snap, "100", "100.5").is(Backup);
}

#[test]
fn a_resumed_master_takes_up_a_new_configuration() {
    let snap = snapshot(&v3(100).master());
    let scene = v3(50).announce_delay("5").resumed(&snap, "0", "0.5");
    let scene = scene.does(&resumes_as_master(50)).next("1.5");
    scene.hears(advert(1, 60)).is(Backup);
}

#[test]
fn an_owner_is_master_either_way() {
    let snap = snapshot(&v3(255).started());
    let scene = v3(255).resumed(&snap, "0", "0.5");
    scene.does(&resumes_as_master(255));
    let scene = v3(255).resumed(&snap, "0", "50").is(Master);
    assert_eq!(scene.instance.snapshot().reason, Some(Reason::Owner));
    let snap = snapshot(&v3(100).started());
    v3(255).resumed(&snap, "0", "0.5").is(Master);
}

#[test]
fn a_backup_resumes_with_a_full_wait() {
    let scene = v3(100).started().hears(advert(1, 200).interval("2"));
    let snap = snapshot(&scene);
    let scene = v3(100).resumed(&snap, "0", "7");
    let scene = scene.does(&[change(Initialize, Backup, Reason::Resumed)]);
    let scene = scene.follows(1, 200).next("14.21875");
    assert_eq!(scene.instance.snapshot().since, Some(mono("0")));

    let nobody = snapshot(&v3(100).started());
    v3(100).resumed(&nobody, "0", "1").next("4.609375");
}

#[test]
fn a_running_preempt_delay_goes_on() {
    let setup = v3(100).preempt_delay("5");
    let snap = snapshot(&setup.clone().started().hears(advert(1, 50)));
    let scene = setup.resumed(&snap, "1", "2").next("5.609375");
    let scene = scene.at("4").hears(advert(1, 50)).next("7.609375");
    scene.at("5").hears(advert(1, 50)).next("7.609375");
}

#[test]
fn a_stopped_instance_starts_afresh() {
    let stopped = snapshot(&v3(100).started().shutdown());
    let never = snapshot(&v3(100).idle());
    for snap in [stopped, never] {
        v3(100)
            .resumed(&snap, "0", "0")
            .does(&[change(Initialize, Backup, Reason::Startup)]);
    }
}

/// Given up at "0", which is over at "1.24609375".
fn giving_up() -> [Snapshot; 2] {
    [
        snapshot(&v3(100).master().shutdown()),
        snapshot(&v3(100).master().release()),
    ]
}

#[test]
fn a_hand_over_goes_on() {
    for snap in giving_up() {
        let scene = v3(100).resumed(&snap, "0", "0.5").hands_over(true);
        let scene = scene.does(&[AddAddresses, change(Initialize, Backup, Reason::Resumed)]);
        let alone = scene.clone().due("1.24609375");
        alone.does(&takes_over(100, Reason::NoSuccessor));
        let taken = scene.at("1").hears(advert(1, 50));
        let taken = taken.does(&[RemoveAddresses]).follows(1, 50);
        // Only who was released leaves its successor alone.
        let due = if snap.released {
            "5.109375"
        } else {
            "4.609375"
        };
        taken.at("1.5").hears(advert(1, 50)).next(due);
    }
}

#[test]
fn a_hand_over_that_is_over_is_not_resumed() {
    let [stopping, releasing] = giving_up();
    let scene = v3(100).resumed(&stopping, "0", "1.24609375");
    scene.does(&starts_afresh());
    let scene = v3(100).resumed(&releasing, "0", "1.24609375");
    let scene = scene.does(&[RemoveAddresses, change(Initialize, Backup, Reason::Resumed)]);
    // Its successor is left alone still.
    let scene = scene.at("2").hears(advert(1, 50));
    scene.next("5.609375").follows(1, 50);
    // Nor is one that has found its successor.
    let setup = v3(100).with(|c| c.hand_over_overlap = s("0.5"));
    let found = setup.clone().master().release().at("0.3");
    let found = snapshot(&found.hears(advert(1, 50)));
    let scene = setup.resumed(&found, "0.3", "0.4").hands_over(false);
    scene.does(&[RemoveAddresses, change(Initialize, Backup, Reason::Resumed)]);
}

#[test]
fn an_owner_that_has_yielded_does_not_contest_again() {
    let snap = snapshot(&v3(255).started().at("0.5").hears(advert(11, 255)));
    let scene = v3(255).resumed(&snap, "1", "1");
    let scene = scene.does(&[change(Initialize, Backup, Reason::Resumed)]);
    assert_eq!(scene.instance.priority(), 254);
    let scene = scene.follows(11, 255).due("4.0078125");
    let scene = scene.does(&takes_over(255, Reason::MasterDown));
    assert_eq!(scene.instance.priority(), 255);
    // As no owner it is what it is configured to be.
    let scene = v3(100).resumed(&snap, "1", "1").next("4.609375");
    assert_eq!(scene.instance.priority(), 100);
}

#[test]
fn the_weights_are_kept() {
    let scene = v3(100).started().adjust(-30);
    let snap = snapshot(&scene);
    assert_eq!(
        (snap.priority, snap.base_priority, snap.adjust),
        (70, 100, -30)
    );
    // Under another base as well.
    let scene = v3(200).resumed(&snap, "0", "0.5");
    assert_eq!(scene.instance.priority(), 170);
}

#[test]
fn a_snapshot_of_before_a_reboot_starts_afresh() {
    // The clock began anew, so that the snapshot lies in the future.
    let setup = v3(100).with(|c| c.timer_expired_backup = false);
    let snap = snapshot(&setup.master().late("50").timer());
    let earlier = Snapshot {
        since: Some(mono("40")),
        ..snap
    };
    let scene = v3(100).resumed(&earlier, "50", "3");
    scene.does(&starts_afresh());
}
