//! Bad and surprising adverts, and what they mean.

use super::*;

#[test]
fn bad_adverts_are_counted_by_kind_and_touch_nothing() {
    let model = instance(51, 100);
    let mut bench = Bench::started(&of(vec![model.clone()]));
    let before = bench.engine.deadline();
    bench.log.take();
    let path = to_group(PEER);
    let message = message(&model, &path, 200);
    let near = Heard {
        ttl: 254,
        ..heard(&path, &message)
    };
    bench.packet(100, port(7), &near);
    let mut damaged = message.clone();
    damaged[2] ^= 1;
    bench.packet(100, port(7), &heard(&path, &damaged));
    bench.packet(100, port(7), &heard(&path, &[]));
    assert_eq!(bench.engine.deadline(), before);
    let report = bench.one();
    assert_eq!(
        (report.counters["ttl"], report.counters["checksum"]),
        (1, 1)
    );
    assert_eq!(report.counters.get("advert_received"), None);
    let complaint = &report.complaints[0];
    assert_eq!((complaint.kind.as_str(), complaint.from), ("ttl", ip(PEER)));
    assert_eq!(bench.log.take(), ["identify 7 192.0.2.2"]);
    bench.engine.sender(ip(PEER), "02:00:00:00:00:02");
    let mac = bench.one().complaints[0].mac.clone();
    assert_eq!(mac.as_deref(), Some("02:00:00:00:00:02"));
}

#[test]
fn a_rival_that_does_not_hear_us_is_named_until_it_is_gone() {
    let model = instance(51, 150);
    let mut bench = Bench::started(&of(vec![model.clone()]));
    bench.run(4_000);
    bench.log.events();
    bench.hear(4_000, &model, 100);
    assert_eq!(
        bench.one().verdicts,
        ["192.0.2.2 also claims VRID 51 (priority 100)"]
    );
    bench.run(4_500);
    let changes = bench.log.changes;
    bench.hear(5_000, &model, 100);
    assert_eq!(bench.log.changes, changes + 1, "worth a report");
    for second in 6..8 {
        bench.hear(second * 1_000, &model, 100);
        bench.run(second * 1_000 + 500);
    }
    assert_eq!(
        bench.one().verdicts,
        ["192.0.2.2 also claims VRID 51 (priority 100): it does not hear us"]
    );
    let events = bench.log.events();
    assert!(events.len() <= 4, "{events:?}");
    assert!(events.contains(&"v51 MASTER_RX_LOWER_PRI 150".into()));
    bench.engine.sweep(ms(20_000), &mut bench.log);
    assert!(bench.one().verdicts.is_empty());
}

#[test]
fn another_cluster_with_our_vrid_and_a_wrong_password_are_told_apart() {
    let password = |word: &str| {
        let auth = format!("version = 2\nauth_pass = \"{word}\"");
        setup(&text(51, 100, &auth)).instances.remove(0)
    };
    let model = password("secret");
    let mut bench = Bench::started(&of(vec![model.clone()]));
    bench.hear_from(100, "192.0.2.3", &password("other"), 200);
    let foreign = VrrpInstance {
        virtual_addresses: instance(99, 100).virtual_addresses,
        ..model
    };
    bench.hear_from(200, "192.0.2.9", &foreign, 100);
    assert_eq!(
        bench.one().verdicts,
        [
            "wrong password from 192.0.2.3 for VRID 51",
            "192.0.2.9 uses VRID 51 for 192.0.2.99: another cluster, or configured otherwise"
        ]
    );
}

#[test]
fn virtual_routers_that_nobody_configured_are_known() {
    let mut bench = Bench::started(&of(vec![instance(51, 100)]));
    bench.hear(100, &instance(77, 100), 100);
    bench.hear(200, &instance(77, 100), 100);
    let stranger = bench.report().strangers.remove(0);
    assert_eq!(
        (
            stranger.interface.as_str(),
            stranger.virtual_router_id,
            stranger.count
        ),
        ("eth0", 77, 2)
    );
    assert_eq!(stranger.from, ip(PEER));
    let path = to_group(PEER);
    for rubbish in [&[0x71, 99, 1][..], &[0x31], &[]] {
        bench.packet(300, port(7), &heard(&path, rubbish));
    }
    let report = bench.report();
    assert_eq!((report.strangers.len(), report.unreadable), (1, 3));
}

#[test]
fn a_flood_of_bad_packets_changes_the_report_a_few_times_only() {
    let model = instance(51, 100);
    let mut bench = Bench::started(&of(vec![model.clone()]));
    let changes = bench.log.changes;
    let path = to_group(PEER);
    let mut message = message(&model, &path, 200);
    for at in 0..1_000 {
        message[2] = message[2].wrapping_add(1);
        bench.packet(at / 10, port(7), &heard(&path, &message));
    }
    assert!(bench.log.changes - changes <= 8);
}
