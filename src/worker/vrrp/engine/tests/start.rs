//! Taking no part right after the start.

use super::*;

fn delayed(startup: u64, boot: u64) -> Setup {
    Setup {
        global: Global {
            startup_delay: Duration::from_secs(startup),
            delay_after_boot: Duration::from_secs(boot),
            ..Global::default()
        },
        ..of(vec![instance(51, 255)])
    }
}

#[test]
fn instances_are_passive_until_the_delay_is_over_also_if_it_is_reloaded_meanwhile() {
    let mut bench = Bench::started(&delayed(10, 0));
    let state = |bench: &Bench| (bench.state(), bench.one().waiting);
    let waiting = (
        State::Initialize,
        vec!["the delay after the start".to_owned()],
    );
    assert_eq!(state(&bench), waiting);
    assert_eq!(
        bench.log.take(),
        ["release 51"],
        "what may be left is given up"
    );
    bench.configure(5_000, &delayed(10, 0));
    bench.interface(5_000, "eth0", usable());
    assert_eq!(state(&bench), waiting);
    assert_eq!(bench.report().passive_until, Some(ms(10_000)));
    bench.run(10_000);
    assert_eq!(state(&bench), (State::Master, vec![]));
    bench.configure(11_000, &delayed(60, 0));
    assert_eq!(bench.state(), State::Master, "it is over for good");
    assert_eq!(bench.report().passive_until, None);
}

#[test]
fn after_a_boot_the_longer_delay_counts() {
    for (uptime, until) in [(0, Some(30_000)), (25, Some(10_000)), (300, Some(10_000))] {
        let mut bench = Bench::default();
        bench.log.uptime = Duration::from_secs(uptime);
        bench.configure(0, &delayed(10, 30));
        assert_eq!(
            bench.report().passive_until,
            until.map(ms),
            "up for {uptime} s"
        );
    }
}

#[test]
fn a_reload_may_shorten_the_delay() {
    let mut bench = Bench::started(&delayed(10, 0));
    bench.configure(2_000, &delayed(0, 0));
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn a_successor_neither_waits_again_nor_forgets_to() {
    let setup = delayed(10, 0);
    let mut bench = Bench::started(&setup);
    for (at, state) in [(4_000, State::Initialize), (12_000, State::Master)] {
        bench.run(at);
        let left = Predecessor {
            snapshot: bench.report(),
            alive_until: ms(at),
        };
        let mut successor = Bench::default();
        successor
            .engine
            .configure(ms(at), &setup, Some(left), &mut successor.log);
        successor.interface(at, "eth0", usable());
        assert_eq!(successor.state(), state, "at {at}");
    }
}
