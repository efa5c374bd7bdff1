//! Every rule of the sync groups, told as what happens between directors.
//!
//! Director A has the higher priority, unless said otherwise, and each has two
//! instances in one group. Times are milliseconds from the start of the first.

mod net;

use net::*;
use vrrp::State::{Backup, Initialize, Master};
use vrrp::{Config, Effect, Input, Output, Reason, State};

const A: usize = 0;
const B: usize = 1;

fn two(priority: u8) -> Vec<Config> {
    vec![config(0, priority), config(1, priority)]
}

/// A is Master, and B has heard it.
fn settled(a: &[Config], b: &[Config]) -> Net {
    let mut net = Net::new();
    net.director(a);
    net.run(ms(300));
    net.director(b);
    net.run(ms(9_700));
    net.is(A, Master);
    net.is(B, Backup);
    net.start_log();
    net
}

/// What a director did, as slots and effects.
fn effects(net: &Net, director: usize) -> Vec<(u32, Effect)> {
    let of = net.log.iter().filter(|entry| entry.director == director);
    let effect = |entry: &Entry| match entry.output {
        Output::Instance { slot, effect } => Some((slot, effect)),
        Output::Group { .. } => None,
    };
    of.filter_map(effect).collect()
}

fn holders(net: &Net, slot: u32) -> usize {
    let instances = net.hosts.iter().filter_map(|host| host.get(slot));
    let holds = |i: &&vrrp::Instance| i.state() == Master || i.handing_over();
    instances.filter(holds).count()
}

#[test]
fn all_become_master_in_one_step_and_the_group_after_them() {
    let mut net = Net::new();
    net.director(&two(200));
    assert_eq!(net.moves(), [(0, A, Backup, Reason::Startup)]);
    net.run(ms(5_000));
    let kinds: Vec<String> = net.log.iter().take(9).map(|e| kind(&e.output)).collect();
    let expected = [
        "0 send",
        "0 add",
        "0 announce",
        "0 transition",
        "1 send",
        "1 add",
        "1 announce",
        "1 transition",
        "group",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(net.moves(), [(3218, A, Master, Reason::MasterDown)]);
}

fn kind(output: &Output) -> String {
    let Output::Instance { slot, effect } = output else {
        return "group".to_owned();
    };
    let name = match effect {
        Effect::Send { .. } => "send",
        Effect::AddAddresses => "add",
        Effect::RemoveAddresses => "remove",
        Effect::Announce { .. } => "announce",
        Effect::Transition { .. } => "transition",
        _ => "other",
    };
    format!("{slot} {name}")
}

#[test]
fn a_crash_moves_all_at_the_first_timer() {
    let mut net = settled(&two(200), &two(100));
    // A new address is advertised at once: the beats of the links are now half an
    // interval apart.
    net.run(ms(500));
    net.step(A, 1, Input::Startup { source: address(9) });
    net.run(ms(1_000));
    net.start_log();
    net.asleep.push(A);
    net.run(ms(5_000));
    let moves = net.moves();
    assert_eq!(moves.len(), 1, "{moves:?}");
    assert!(matches!(moves[0], (_, B, Master, Reason::MasterDown)));
    net.is(B, Master);
}

#[test]
fn one_deaf_link_moves_nothing() {
    let mut net = settled(&two(200), &two(100));
    net.cut.push((A, 1));
    net.run(ms(100_000));
    assert_eq!(net.moves(), []);
    // But A is gone when it is gone on both.
    net.cut.push((A, 0));
    net.run(ms(5_000));
    assert_eq!(net.moves().len(), 1);
    net.is(B, Master);
}

#[test]
fn the_slowest_member_decides() {
    let slow = |priority| {
        let mut configs = two(priority);
        configs[0].advert_interval = ms(100);
        configs
    };
    let mut net = settled(&slow(200), &slow(100));
    net.asleep.push(A);
    // After 360 ms the first would go; the other waits until its Master was silent for
    // two intervals of a second.
    net.run(ms(1_000));
    assert_eq!(net.moves(), []);
    net.run(ms(1_100));
    assert_eq!(net.moves().len(), 1);
    net.is(B, Master);
    net.run(ms(60_000));
    assert_eq!(net.moves(), []);
}

#[test]
fn a_fault_of_one_takes_all_out_until_it_is_over() {
    let mut net = settled(&two(200), &two(100));
    net.step(A, 0, Input::Fault);
    let removed = |slot| (slot, Effect::RemoveAddresses);
    let said = |slot| (slot, Effect::Send { priority: 0 });
    let change = |slot, reason| {
        let (from, to) = (Master, Initialize);
        (slot, Effect::Transition { from, to, reason })
    };
    let expected = [
        said(0),
        removed(0),
        change(0, Reason::Fault),
        said(1),
        removed(1),
        change(1, Reason::Group),
    ];
    assert_eq!(effects(&net, A), expected);
    // B: 1 ms on the way, and a skew of 156/256 s.
    net.run(ms(2_000));
    let expected = [
        (10_000, A, Initialize, Reason::Fault),
        (10_610, B, Master, Reason::MasterLeft),
    ];
    assert_eq!(net.moves(), expected);
    // News of the healthy member change nothing.
    net.startup(A, 1);
    assert_eq!(net.moves(), []);
    net.startup(A, 0);
    net.run(ms(60_000));
    let moves = net.moves();
    let expected = [(A, Backup), (A, Master), (B, Backup)];
    let got: Vec<(usize, State)> = moves.iter().map(|(_, who, to, _)| (*who, *to)).collect();
    assert_eq!(got, expected);
    assert_eq!(moves[1].3, Reason::Preempting);
    assert_eq!(moves[2].3, Reason::HigherPriority);
}

#[test]
fn a_release_of_one_hands_all_over() {
    let mut net = settled(&two(200), &two(100));
    net.step(A, 1, Input::Release);
    net.is(A, Backup);
    for _ in 0..2_000 {
        net.run(ms(1));
        assert!(
            holders(&net, 0) > 0 && holders(&net, 1) > 0,
            "at {}",
            net.now
        );
    }
    // A millisecond on the way, and a skew of 156/256 s.
    let expected = [
        (10_000, A, Backup, Reason::Released),
        (10_610, B, Master, Reason::MasterLeft),
    ];
    assert_eq!(net.moves(), expected);
    assert_eq!((holders(&net, 0), holders(&net, 1)), (1, 1));
    // A ranks above B and leaves it alone ..
    net.run(ms(60_000));
    assert_eq!(net.moves(), []);
    // .. until B is gone.
    net.asleep.push(B);
    net.run(ms(5_000));
    net.is(A, Master);
}

#[test]
fn a_release_without_successor_is_undone_for_all() {
    let mut net = Net::new();
    let mut configs = two(200);
    // The window of the second is longer.
    configs[1].advert_interval = ms(2_000);
    net.director(&configs);
    net.run(ms(10_000));
    net.start_log();
    net.step(A, 0, Input::Release);
    for _ in 0..4_000 {
        net.run(ms(1));
        assert_eq!(
            (holders(&net, 0), holders(&net, 1)),
            (1, 1),
            "at {}",
            net.now
        );
    }
    let expected = [
        (10_000, A, Backup, Reason::Released),
        (12_242, A, Master, Reason::NoSuccessor),
    ];
    assert_eq!(net.moves(), expected);
}

#[test]
fn a_successor_for_one_only_leaves_the_other_without() {
    // What is not in one state cannot be in one group: B takes one, alone.
    let mut net = settled(&two(200), &[config(0, 100)]);
    net.step(A, 0, Input::Release);
    net.run(ms(5_000));
    assert_eq!((holders(&net, 0), holders(&net, 1)), (1, 0));
    net.is(A, Backup);
    net.run(ms(60_000));
    assert_eq!(holders(&net, 1), 0);
}

#[test]
fn a_shutdown_of_one_hands_all_over() {
    let mut net = settled(&two(200), &two(100));
    net.step(A, 0, Input::Shutdown);
    net.is(A, Initialize);
    // What the driver does next to all the others: it is their first time.
    net.step(A, 1, Input::Shutdown);
    for _ in 0..2_000 {
        net.run(ms(1));
        assert!(
            holders(&net, 0) > 0 && holders(&net, 1) > 0,
            "at {}",
            net.now
        );
    }
    let expected = [
        (10_000, A, Initialize, Reason::Shutdown),
        (10_610, B, Master, Reason::MasterLeft),
    ];
    assert_eq!(net.moves(), expected);
    assert!(!net.hosts[A].get(0).expect("an instance").handing_over());
}

#[test]
fn a_second_shutdown_ends_the_hand_over_of_its_slot() {
    let mut net = settled(&two(200), &two(100));
    net.step(A, 0, Input::Shutdown);
    net.step(A, 1, Input::Shutdown);
    assert_eq!((holders(&net, 0), holders(&net, 1)), (1, 1));
    net.step(A, 1, Input::Shutdown);
    assert_eq!((holders(&net, 0), holders(&net, 1)), (1, 0));
}

#[test]
fn called_back_during_the_hand_over() {
    let mut net = settled(&two(200), &two(100));
    net.step(A, 0, Input::Shutdown);
    net.startup(A, 0);
    net.is(A, Backup);
    net.run(ms(20_000));
    let states: Vec<_> = net
        .moves()
        .iter()
        .map(|(_, who, to, _)| (*who, *to))
        .collect();
    let expected = [
        (A, Initialize),
        (A, Backup),
        (B, Master),
        (A, Master),
        (B, Backup),
    ];
    assert_eq!(states, expected);
}

#[test]
fn a_member_added_takes_the_state_of_the_group() {
    let mut net = settled(&two(200), &two(100));
    let three = |priority| [two(priority), vec![config(2, priority)]].concat();
    // On the Backup first: nobody is Master of the new one, and nothing moves.
    let add = |net: &mut Net, who: usize, priority: u8| {
        let instance = vrrp::Instance::new(three(priority)[2].clone());
        net.hosts[who].insert(2, instance);
        net.group(who, &[0, 1, 2]);
    };
    add(&mut net, B, 100);
    net.run(ms(10_000));
    assert_eq!(net.moves(), [], "before its interface is known");
    net.startup(B, 2);
    net.run(ms(10_000));
    assert_eq!(net.moves(), [], "without a Master");
    net.is(B, Backup);
    // On the Master: at once.
    add(&mut net, A, 200);
    net.run(ms(10_000));
    net.startup(A, 2);
    net.is(A, Master);
    let transition = Effect::Transition {
        from: Initialize,
        to: Master,
        reason: Reason::Group,
    };
    assert!(effects(&net, A).contains(&(2, transition)));
    net.run(ms(10_000));
    assert_eq!(net.moves(), []);
    // From its first fault it counts as any other.
    net.step(A, 2, Input::Fault);
    net.run(ms(2_000));
    net.is(A, Initialize);
    net.is(B, Master);
}

#[test]
fn a_member_added_whose_interface_is_down_counts() {
    let mut net = settled(&two(200), &two(100));
    net.hosts[A].insert(2, vrrp::Instance::new(config(2, 200)));
    net.group(A, &[0, 1, 2]);
    net.step(A, 2, Input::Fault);
    net.is(A, Initialize);
}

#[test]
fn a_running_member_added_takes_the_state_of_the_group() {
    let mut net = settled(&two(200), &two(100));
    for (who, state) in [(A, Backup), (B, Master)] {
        net.hosts[who].insert(2, vrrp::Instance::new(config(2, 100)));
        net.startup(who, 2);
        if state == Master {
            net.run(ms(5_000));
        }
        assert_eq!(
            net.hosts[who].get(2).map(vrrp::Instance::state),
            Some(state)
        );
    }
    net.group(A, &[0, 1, 2]);
    net.is(A, Master);
    net.group(B, &[0, 1, 2]);
    net.is(B, Backup);
    assert_eq!(net.moves(), []);
}

#[test]
fn a_member_removed_goes_on_alone() {
    let mut net = settled(&two(200), &two(100));
    net.group(A, &[0]);
    assert_eq!(effects(&net, A), []);
    net.step(A, 0, Input::Fault);
    let alone = net.hosts[A].get(1).map(vrrp::Instance::state);
    assert_eq!((net.state(A), alone), (Some(Initialize), Some(Master)));
    // One that its group held starts.
    net.group(A, &[0, 1]);
    let held = net.hosts[A].get(1).map(vrrp::Instance::state);
    assert_eq!(held, Some(Initialize));
    net.group(A, &[0]);
    let free = net.hosts[A].get(1).map(vrrp::Instance::state);
    assert_eq!(free, Some(Backup));
}

#[test]
fn the_start_of_a_group_waits_for_all() {
    let mut net = Net::new();
    net.hosts.push(vrrp::Host::new());
    net.insert(A, &two(200));
    net.startup(A, 0);
    net.run(ms(60_000));
    net.is(A, Initialize);
    net.startup(A, 1);
    net.run(ms(5_000));
    let expected = [
        (60_000, A, Backup, Reason::Startup),
        (63_218, A, Master, Reason::MasterDown),
    ];
    assert_eq!(net.moves(), expected);
}

#[test]
fn a_restart_is_not_noticed() {
    let mut net = settled(&two(200), &two(100));
    let snapshots = [0, 1].map(|slot| net.hosts[A].get(slot).expect("there").snapshot());
    net.hosts[A] = vrrp::Host::new();
    net.insert(A, &two(200));
    net.run(ms(1_000));
    for (slot, snapshot) in (0..).zip(&snapshots) {
        net.resume(A, slot, snapshot, two(200)[slot as usize].clone());
        // Others are not known yet.
        assert_eq!(net.state(A), Some(Master));
        net.run(ms(300));
    }
    net.run(ms(10_000));
    net.is(A, Master);
    assert_eq!(net.moves(), [(11_000, A, Master, Reason::Resumed)]);
}

#[test]
fn a_restart_that_took_too_long_for_one_is_so_for_all() {
    let mut net = settled(&two(200), &two(100));
    let snapshots = [0, 1].map(|slot| net.hosts[A].get(slot).expect("there").snapshot());
    net.hosts[A] = vrrp::Host::new();
    net.insert(A, &two(200));
    net.run(ms(1_000));
    net.resume(A, 0, &snapshots[0], two(200)[0].clone());
    net.step(A, 1, Input::Fault);
    net.is(A, Initialize);
    net.run(ms(5_000));
    net.is(B, Master);
}

#[test]
fn a_backup_restarts_as_backup() {
    let mut net = settled(&two(200), &two(100));
    let snapshots = [0, 1].map(|slot| net.hosts[B].get(slot).expect("there").snapshot());
    net.hosts[B] = vrrp::Host::new();
    net.insert(B, &two(100));
    for (slot, snapshot) in (0..).zip(&snapshots) {
        net.resume(B, slot, snapshot, two(100)[slot as usize].clone());
    }
    net.is(B, Backup);
    net.run(ms(10_000));
    assert_eq!(net.moves(), [(10_000, B, Backup, Reason::Resumed)]);
}

#[test]
fn owners_wait_for_nobody_but_each_other() {
    let mut net = Net::new();
    net.director(&two(255));
    assert_eq!(net.moves().last(), Some(&(0, A, Master, Reason::Startup)));
    net.is(A, Master);

    // With a member that owns nothing, they wait until it has listened.
    let mut net = Net::new();
    net.director(&[config(0, 255), config(1, 100)]);
    net.is(A, Backup);
    net.run(ms(5_000));
    let expected = [
        (0, A, Backup, Reason::Startup),
        (2_609, A, Master, Reason::Owner),
    ];
    assert_eq!(net.moves(), expected);
}

#[test]
fn after_a_long_sleep_all_listen_and_say_nothing() {
    let mut net = settled(&two(200), &two(100));
    net.asleep.push(A);
    net.run(ms(60_000));
    net.is(B, Master);
    net.start_log();
    net.asleep.clear();
    net.run(ms(1_000));
    net.is(A, Backup);
    let is_silent = |(_, effect): &(u32, Effect)| !matches!(effect, Effect::Send { .. });
    assert!(effects(&net, A).iter().all(is_silent));
    net.run(ms(10_000));
    let states: Vec<_> = net
        .moves()
        .iter()
        .map(|(_, who, to, _)| (*who, *to))
        .collect();
    assert_eq!(states, [(A, Backup), (A, Master), (B, Backup)]);
}

#[test]
fn members_that_rank_differently_do_not_swing() {
    // By the first member B is to be Master, by the second A.
    let mut net = settled(&two(100), &[config(0, 150), config(1, 50)]);
    net.run(ms(100_000));
    assert_eq!(net.moves(), []);
}

#[test]
fn weights_on_all_members_move_the_group() {
    let mut net = settled(&two(200), &two(100));
    net.step(A, 0, Input::Adjust(-150));
    net.run(ms(20_000));
    assert_eq!(net.moves(), [], "one member cannot move the others");
    net.step(A, 1, Input::Adjust(-150));
    net.run(ms(20_000));
    net.is(B, Master);
    for slot in [0, 1] {
        net.step(A, slot, Input::Adjust(0));
    }
    net.run(ms(20_000));
    net.is(A, Master);
    assert_eq!(net.moves().len(), 4);
}

#[test]
fn what_yields_for_one_gives_the_others_up_in_words() {
    // C knows no groups, and ranks above A on the first link only.
    let mut net = settled(&two(100), &two(50));
    let c = net.hosts.len();
    net.hosts.push(vrrp::Host::new());
    net.hosts[c].insert(0, vrrp::Instance::new(config(0, 200)));
    net.startup(c, 0);
    net.run(ms(4_000));
    net.is(A, Backup);
    assert!(effects(&net, A).contains(&(1, Effect::Send { priority: 0 })));
}

#[test]
fn a_slot_without_instance_does_nothing() {
    let mut net = Net::new();
    net.hosts.push(vrrp::Host::new());
    net.startup(A, 5);
    net.group(A, &[1, 2]);
    assert_eq!(
        (net.state(A), net.hosts[A].deadline()),
        (Some(Initialize), None)
    );
    net.hosts[A].remove(9);
    assert!(net.log.is_empty());
}
