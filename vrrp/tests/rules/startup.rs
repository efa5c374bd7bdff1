//! RFC 9568 6.4.1 and the ways in and out of the running states.

use crate::dsl::*;
use State::{Backup, Initialize, Master};

#[test]
fn nothing_happens_before_startup() {
    let idle = v3(100).idle().next_never();
    let idle = idle.timer().does(&[]).hears(advert(1, 200)).does(&[]);
    let idle = idle.shutdown().does(&[]).fault().does(&[]);
    idle.is(Initialize).next_never();
}

#[test]
fn v3_waits_three_intervals_and_its_skew() {
    // skew = (256 - 100) / 256 * 1 s = 0.609375 s
    v3(100)
        .started()
        .does(&[change(Initialize, Backup, Reason::Startup)])
        .due("3.609375")
        .does(&takes_over(100, Reason::MasterDown))
        .is(Master)
        .follows(10, 100);
}

#[test]
fn v3_skew_scales_with_the_interval() {
    v3(100).interval("0.1").started().due("0.3609375");
    // (256 - 101) / 256 * 10 ms is no whole number of nanoseconds
    v3(101).interval("0.01").started().due("0.036054687");
    v3(1).interval("40.95").started().due("163.640039062");
    v3(254).started().due("3.0078125");
}

#[test]
fn v2_skew_does_not_scale_with_the_interval() {
    v2(100).started().due("3.609375");
    v2(100).interval("5").started().due("15.609375");
    v2(1).interval("255").started().due("765.99609375");
}

#[test]
fn down_timer_adverts_replaces_the_three() {
    let with = |n| v3(100).with(|c| c.down_timer_adverts = n);
    with(1).started().due("1.609375");
    with(10).started().due("10.609375");
    with(0).started().due("1.609375");
}

#[test]
fn an_owner_is_master_at_once() {
    let owner = [
        sends(255),
        AddAddresses,
        ANNOUNCE,
        change(Initialize, Master, Reason::Owner),
    ];
    for setup in [v2(255), v3(255), v3(255).nopreempt()] {
        setup.started().does(&owner).next("1");
    }
}

#[test]
fn the_second_announcement_comes_after_its_delay() {
    v3(100)
        .announce_delay("2.5")
        .master()
        .due("1")
        .does(&[sends(100)])
        .due("2")
        .does(&[sends(100)])
        .due("2.5")
        .does(&[ANNOUNCE_AGAIN])
        .due("3")
        .does(&[sends(100)])
        .next("4");
}

#[test]
fn advert_and_announcement_due_together_go_in_this_order() {
    let scene = v3(100).announce_delay("1").master();
    scene.due("1").does(&[sends(100), ANNOUNCE_AGAIN]).next("2");
}

#[test]
fn a_master_gives_up_with_priority_zero() {
    for version in [v2(100), v3(100)] {
        let master = version.announce_delay("5").master().at("0.3");
        let stopped = master.clone().shutdown();
        let transition = change(Master, Initialize, Reason::Shutdown);
        stopped.does(&[sends(0), transition]);
        let faulty = master.fault();
        let transition = change(Master, Initialize, Reason::Fault);
        faulty
            .does(&[sends(0), RemoveAddresses, transition])
            .next_never();
    }
}

#[test]
fn a_backup_leaves_in_silence() {
    let backup = v3(100).started().at("1");
    let stopped = backup.clone().shutdown();
    stopped
        .does(&[change(Backup, Initialize, Reason::Shutdown)])
        .next_never();
    let faulty = backup.fault();
    faulty
        .does(&[change(Backup, Initialize, Reason::Fault)])
        .next_never();
}

#[test]
fn after_a_fault_a_full_wait_begins() {
    let faulty = v3(100).master().at("0.5").fault().late("7");
    faulty
        .startup()
        .does(&[change(Initialize, Backup, Reason::Startup)])
        .next("10.609375");
}

#[test]
fn after_a_fault_an_owner_is_master_again() {
    let faulty = v3(255).started().at("0.5").fault().late("7");
    faulty.startup().is(Master).next("8");
}

#[test]
fn what_was_learned_before_a_fault_is_forgotten() {
    let scene = v3(100).started().hears(advert(1, 200).interval("10"));
    let scene = scene.next("36.09375").fault().late("1").startup();
    assert_eq!(scene.instance.master(), None);
    scene.next("4.609375");
}

#[test]
fn a_new_primary_address_is_advertised_at_once() {
    let scene = v3(100).master().at("0.4");
    let scene = scene.startup().does(&[]).next("1");
    let scene = scene.step(Input::Startup { source: router(11) });
    let scene = scene.does(&[sends(100)]).next("1.4").follows(11, 100);
    // It is this address that counts from now on.
    let scene = scene.hears(advert(10, 100));
    scene.is(Master);

    let backup = v3(100).started().at("0.4");
    let backup = backup.step(Input::Startup { source: router(11) });
    backup.does(&[]).next("3.609375");
}
