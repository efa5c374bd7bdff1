//! The ways of adverts.

use super::*;
use crate::model::Attachment;

#[test]
fn unicast_goes_to_each_peer_and_is_heard_from_them_only() {
    let setup = setup(&text(
        51,
        100,
        "check_unicast_source = true\nunicast_peers = [\"192.0.2.2\", \"192.0.2.3\"]",
    ));
    let mut bench = Bench::started(&setup);
    let model = &setup.instances[0];
    let path = |src: &str| Path {
        src: ip(src),
        dst: ip("192.0.2.1"),
    };
    let stranger = message(model, &path("192.0.2.4"), 200);
    bench.packet(100, port(7), &heard(&path("192.0.2.4"), &stranger));
    bench.hear(100, model, 200);
    let counters = bench.one().counters;
    assert_eq!(counters.get("advert_received"), None, "{counters:?}");
    assert_eq!(counters["delivery"], 1);
    bench.run(4_000);
    let log = bench.log.take();
    let adverts = [
        "send 7 192.0.2.1 to 192.0.2.2 vrid 51 prio 100",
        "send 7 192.0.2.1 to 192.0.2.3 vrid 51 prio 100",
    ];
    assert_eq!(log[log.len() - 4..][..2], adverts);
    let peer = message(model, &path("192.0.2.3"), 200);
    bench.packet(4_100, port(7), &heard(&path("192.0.2.3"), &peer));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn with_a_second_way_one_cut_cable_makes_no_second_master() {
    let setup = setup(&text(
        51,
        100,
        "[vrrp_instance.v51.heartbeat]\ninterface = \"eth1\"",
    ));
    let mut bench = Bench::started(&setup);
    let model = &setup.instances[0];
    assert_eq!(
        bench.one().heartbeat.unwrap().fault.as_deref(),
        Some("its state is not known yet")
    );
    bench.interface(0, "eth1", on(8, &["198.51.100.1"]));
    let path = to_group("198.51.100.2");
    let advert = message(model, &path, 200);
    for at in [1_000, 2_000, 3_000, 4_000, 5_000] {
        bench.packet(at, port(8), &heard(&path, &advert));
        bench.run(at + 500);
    }
    assert_eq!(bench.state(), State::Backup);
    let heartbeat = bench.one().heartbeat.unwrap();
    assert_eq!((heartbeat.fault, heartbeat.heard), (None, Some(ms(5_000))));
    let verdicts = bench.engine.report(ms(5_500)).instances.remove(0).verdicts;
    assert_eq!(verdicts, ["the master is heard by eth1 only, not by eth0"]);
    bench.log.take();
    bench.run(9_000);
    let log = bench.log.take();
    assert_eq!(
        log[..2],
        [
            "send 7 192.0.2.1 vrid 51 prio 100",
            "send 8 198.51.100.1 vrid 51 prio 100"
        ]
    );
    bench.interface(9_100, "eth1", down());
    assert_eq!(bench.state(), State::Master, "its loss is no fault");
    assert!(bench.one().heartbeat.unwrap().fault.is_some());
}

#[test]
fn what_two_ears_hear_counts_once() {
    let model = VrrpInstance {
        attachment: Attachment::Vmac {
            name: "vrrp.51".into(),
            mac: None,
            transmit_base: false,
            addresses_too: false,
        },
        ..instance(51, 100)
    };
    let mut bench = Bench::started(&of(vec![model.clone()]));
    assert_eq!(bench.one().waiting, ["vrrp.51: its state is not known yet"]);
    bench.interface(0, "vrrp.51", on(9, &[]));
    let path = to_group(PEER);
    let advert = message(&model, &path, 200);
    for at in [1_000, 2_000] {
        for index in [9, 7] {
            bench.packet(at, port(index), &heard(&path, &advert));
        }
    }
    assert_eq!(bench.one().counters["advert_received"], 2);
    // The other ear alone is heard as well.
    bench.packet(3_000, port(7), &heard(&path, &advert));
    assert_eq!(bench.one().counters["advert_received"], 3);
    bench.run(10_000);
    let log = bench.log.take();
    assert!(
        log.contains(&"send 9 192.0.2.1 vrid 51 prio 100".into()),
        "by the device, with the address below: {log:?}"
    );
}

#[test]
fn a_message_signed_by_the_peer_is_heard_and_an_unsigned_one_is_not() {
    let auth = "authentication = { type = \"hmac\", active_key = 1, keys = [\
                { id = 1, secret = \"0123456789abcdef0123456789abcdef\" }] }";
    let setup = setup(&text(51, 100, auth));
    let mut bench = Bench::started(&setup);
    let model = &setup.instances[0];
    bench.hear(100, model, 200);
    assert_eq!(bench.one().counters["auth_ext_missing"], 1);
    let path = to_group(PEER);
    let mut signed = message(model, &path, 200);
    let mut guard = vrrp::wire::Guard::new(&model.authentication.config());
    guard.seal(bench.log.wall(), model.version, 51, &path, &mut signed);
    bench.packet(200, port(7), &heard(&path, &signed));
    assert_eq!(bench.one().master, Some((ip(PEER), 200)));
    bench.packet(300, port(7), &heard(&path, &signed));
    assert_eq!(bench.one().counters["auth_ext_replay"], 1);
}
