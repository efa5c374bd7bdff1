//! Making before breaking: the addresses are served until the successor speaks.

use crate::dsl::*;
use State::{Backup, Initialize, Master};

/// Shut down half an interval after its takeover.
fn stopping(setup: Setup) -> Scene {
    setup.master().at("0.5").shutdown()
}

/// Released then.
fn releasing(setup: Setup) -> Scene {
    setup.master().at("0.5").release()
}

#[test]
fn the_state_changes_at_once_and_the_addresses_stay() {
    let transition = change(Master, Initialize, Reason::Shutdown);
    let scene = stopping(v3(100)).does(&[sends(0), transition]);
    scene.hands_over(true);
    let transition = change(Master, Backup, Reason::Released);
    let scene = releasing(v3(100)).does(&[sends(0), transition]);
    scene.hands_over(true);
}

#[test]
fn the_first_advert_of_the_successor_ends_it() {
    for priority in [1, 99, 100, 255] {
        let scene = stopping(v3(100)).at("1.1").hears(advert(1, priority));
        let scene = scene.does(&[RemoveAddresses]).hands_over(false);
        scene.is(Initialize).next_never().timer().does(&[]);

        let scene = releasing(v3(100)).at("1.1").hears(advert(1, priority));
        let scene = scene.does(&[RemoveAddresses]).hands_over(false);
        scene.follows(1, priority).next("4.709375");
    }
}

#[test]
fn a_successor_is_given_time_to_put_the_addresses() {
    let overlapping = || v3(100).with(|c| c.hand_over_overlap = s("0.1"));
    for again in [false, true] {
        let scene = stopping(overlapping()).at("1.1").hears(advert(1, 99));
        let mut scene = scene.does(&[]).hands_over(true).next("1.2");
        if again {
            // It does not begin anew with every advert.
            scene = scene.at("1.15").hears(advert(1, 99)).does(&[]).next("1.2");
        }
        let scene = scene.due("1.2").does(&[RemoveAddresses]);
        scene.hands_over(false).is(Initialize).next_never();
    }
    let scene = releasing(overlapping()).at("1.1").hears(advert(1, 99));
    let scene = scene.does(&[]).follows(1, 99).next("1.2");
    let scene = scene.due("1.2").does(&[RemoveAddresses]);
    scene.is(Backup).next("4.709375");
    // Who says it again is in a hurry.
    let scene = stopping(overlapping()).at("1.1").hears(advert(1, 99));
    let scene = scene.shutdown().does(&[RemoveAddresses]);
    scene.hands_over(false).next_never();
    // A fault lets go at once.
    let scene = releasing(overlapping()).at("1.1").hears(advert(1, 99));
    let scene = scene.at("1.15").fault();
    scene.does(&[RemoveAddresses, change(Backup, Initialize, Reason::Fault)]);
}

#[test]
fn others_that_give_up_are_no_successors() {
    for scene in [stopping(v3(100)), releasing(v3(100))] {
        let scene = scene.at("0.6").hears(advert(1, 0)).does(&[]);
        // Nor is our own advert, or one that we do not understand.
        let scene = scene.hears(advert(10, 100)).hears(advert(1, 100).v2());
        scene.hands_over(true).next("1.74609375");
    }
}

#[test]
fn without_successor_it_ends_with_the_longest_skew_and_a_margin() {
    // 255/256 s + 0.25 s; in v2 that is so for any interval.
    for setup in [v3(100), v2(100), v2(100).interval("40")] {
        let scene = setup.interval_of("0.5", "1.74609375");
        scene.does(&[RemoveAddresses]).next_never();
    }
    // 102.4 ms * 255/256 + 25.6 ms would be 127.6 ms: at least 50 ms of margin.
    let scene = v3(100).interval("0.1").interval_of("0.05", "0.199609375");
    scene.does(&[RemoveAddresses]);
    let scene = v3(100).interval("0.01").interval_of("0.005", "0.064960937");
    scene.does(&[RemoveAddresses]);
    // 40 s * 255/256 + 250 ms
    let scene = v3(100).interval("40").interval_of("0.5", "40.59375");
    scene.does(&[RemoveAddresses]);
}

impl Setup {
    /// Shut down at the first time, and out of patience at the second.
    fn interval_of(self, from: &str, to: &str) -> Scene {
        self.master().at(from).shutdown().due(to)
    }
}

#[test]
fn a_released_master_without_successor_goes_on() {
    let scene = releasing(v3(100)).due("1.74609375");
    let scene = scene.does(&takes_over(100, Reason::NoSuccessor));
    // As any other: it does not leave lower ones alone any more.
    let scene = scene.hands_over(false).next("2.74609375");
    let scene = scene.at("2").hears(advert(1, 50)).is(Master);
    scene.hears(advert(2, 200)).is(Backup);
}

#[test]
fn a_successor_may_have_spoken_while_we_slept() {
    // Up to an interval late, nobody has waited for long enough to be sure of it.
    let scene = releasing(v3(100)).late("2.74609375").timer();
    scene.does(&takes_over(100, Reason::NoSuccessor));
    let scene = releasing(v3(100)).late("60").timer();
    let scene = scene.does(&[RemoveAddresses]).is(Backup);
    scene.hands_over(false).next("63.609375");
}

#[test]
fn nothing_is_said_during_the_hand_over() {
    for scene in [stopping(v3(100)), releasing(v3(100))] {
        let scene = scene.at("0.7").adjust(-50).does(&[]);
        let scene = scene.hears(advert(1, 0)).does(&[]);
        let scene = scene.at("1.6").timer().does(&[]);
        let scene = scene.reconfigure(|c| c.priority = 120).does(&[]);
        scene.next("1.74609375");
    }
}

#[test]
fn a_released_instance_leaves_its_successor_alone() {
    let scene = releasing(v3(200)).at("1").hears(advert(1, 50));
    let mut scene = scene.follows(1, 50);
    for second in 2..10 {
        scene = scene.at(&second.to_string()).hears(advert(1, 50));
    }
    // Until nobody is Master any more ..
    let scene = scene.next("12.21875").due("12.21875");
    let scene = scene.does(&takes_over(200, Reason::MasterDown));
    // .. and from then on as before.
    let scene = scene.at("12.3").hears(advert(2, 250)).is(Backup);
    scene.hears(advert(1, 50)).next("15.51875");
}

#[test]
fn an_owner_can_be_released_too() {
    let setup = v3(255).with(|c| c.owner_ignore_adverts = true);
    let scene = setup.started().at("0.5").release().is(Backup);
    let scene = scene.at("1").hears(advert(1, 50));
    let scene = scene.does(&[RemoveAddresses]).follows(1, 50);
    let scene = scene.at("4").hears(advert(1, 50)).next("7.00390625");
    scene
        .due("7.00390625")
        .does(&takes_over(255, Reason::MasterDown));
}

#[test]
fn only_another_rank_ends_the_restraint() {
    let restrained = || releasing(v3(200)).at("1").hears(advert(1, 50));
    let scene = restrained().next("4.21875").reconfigure(|c| {
        c.advert_interval = s("2");
        c.announce_delay = s("3");
        c.addresses = vec![vip(7)];
    });
    let scene = scene.at("2").hears(advert(1, 50));
    scene.follows(1, 50).next("5.21875");

    let scene = restrained().reconfigure(|c| c.priority = 201);
    let scene = scene.at("2").hears(advert(1, 50)).due("4.21484375");
    scene.does(&takes_over(201, Reason::Preempting));
    let scene = restrained().reconfigure(|c| c.preempt_delay = s("1"));
    let scene = scene.at("2").hears(advert(1, 50));
    let scene = scene.at("3").hears(advert(1, 50)).due("5.21875");
    scene.does(&takes_over(200, Reason::Preempting));
    let scene = releasing(v3(200).nopreempt()).at("1").hears(advert(1, 50));
    let scene = scene.reconfigure(|c| c.preempt = true);
    let scene = scene.at("2").hears(advert(1, 50)).due("4.21875");
    scene.does(&takes_over(200, Reason::Preempting));
}

#[test]
fn only_a_master_has_something_to_release() {
    let backup = v3(100).started().at("1").release().does(&[]);
    backup.is(Backup).hears(advert(1, 50)).next("3.609375");
    v3(100).idle().release().does(&[]).next_never();
    // Once is enough.
    let scene = releasing(v3(100)).at("0.6").release().does(&[]);
    scene.next("1.74609375");
    let scene = stopping(v3(100)).at("0.6").release().does(&[]);
    scene.next("1.74609375");
}

#[test]
fn a_second_shutdown_ends_it() {
    let scene = stopping(v3(100)).at("0.6").shutdown();
    let scene = scene.does(&[RemoveAddresses]).hands_over(false);
    scene.next_never().shutdown().does(&[]);
}

#[test]
fn a_fault_ends_it() {
    let scene = stopping(v3(100)).at("0.6").fault();
    scene.does(&[RemoveAddresses]).next_never();
    let scene = releasing(v3(100)).at("0.6").fault();
    let transition = change(Backup, Initialize, Reason::Fault);
    scene.does(&[RemoveAddresses, transition]).next_never();
}

#[test]
fn shut_down_while_releasing_goes_on_handing_over() {
    let scene = releasing(v3(100)).at("0.6").shutdown();
    let scene = scene.does(&[change(Backup, Initialize, Reason::Shutdown)]);
    let scene = scene.hands_over(true).due("1.74609375");
    scene.does(&[RemoveAddresses]).is(Initialize);
}

#[test]
fn called_back_while_stopping_goes_on_as_after_a_release() {
    let scene = stopping(v3(100)).at("0.6").startup();
    let scene = scene.does(&[change(Initialize, Backup, Reason::Startup)]);
    let scene = scene.hands_over(true);
    let alone = scene.clone().due("1.74609375");
    alone.does(&takes_over(100, Reason::NoSuccessor));
    let followed = scene.at("1").hears(advert(1, 200));
    followed.does(&[RemoveAddresses]).next("4.609375");
}

#[test]
fn an_owner_configured_meanwhile_takes_over_at_once() {
    let scene = releasing(v3(100)).at("0.6");
    let scene = scene.reconfigure(|c| c.priority = 255);
    let scene = scene.does(&takes_over(255, Reason::Owner));
    scene.hands_over(false).next("1.6");
}
