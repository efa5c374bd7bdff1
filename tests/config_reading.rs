//! What configurations mean: the example of the documentation to the letter, and
//! properties of all others.

use std::collections::HashSet;
use std::fmt::Write;
use std::time::{Duration, Instant};

use lvsd::config::{self, Loaded, reference};
use lvsd::model::{
    CheckConfig, Config, Delivery, Family, Forward, Global, OnStop, Probe, Protocol, RealServer,
    ServiceId, Start, VirtualAddress, VirtualServer, VrrpCommon, VrrpInstance,
};
use proptest::prelude::*;
use vrrp::wire::{Advert, Path};

fn read(text: &str) -> Loaded {
    config::parse_toml("test.toml", text).unwrap_or_else(|error| panic!("{error}"))
}

/// The site of `tests/config/ok_site.toml`.
fn site() -> Config {
    let check = CheckConfig {
        probe: Probe::Tcp { connect_port: None },
        interval: Duration::from_secs(6),
        connect_timeout: Duration::from_secs(3),
        retries: 3,
        retry_delay: Duration::from_secs(3),
        start: Start::Up,
    };
    let real_server = |address: &str| RealServer {
        name: None,
        address: address.parse().expect("an address"),
        weight: 1,
        forward: Forward::Dr,
        upper_threshold: 0,
        lower_threshold: 0,
        checks: vec![check.clone()],
    };
    Config {
        global: Global {
            router_id: Some("lb01".to_owned()),
            ipvs_on_stop: OnStop::Remove,
            ..Global::default()
        },
        vrrp_instances: vec![VrrpInstance {
            virtual_addresses: vec![VirtualAddress::plain(
                "172.17.1.160".parse().expect("an address"),
                32,
            )],
            ..VrrpInstance::new("web".to_owned(), "eth0".to_owned(), 51, Family::Ipv4)
        }],
        vrrp: VrrpCommon::default(),
        virtual_servers: vec![VirtualServer {
            name: "web".to_owned(),
            service: ServiceId::Addr {
                protocol: Protocol::Tcp,
                address: "172.17.1.160:80".parse().expect("an address"),
            },
            scheduler: "rr".to_owned(),
            persistence_timeout: None,
            quorum: 1,
            real_servers: vec![
                real_server("172.17.1.152:80"),
                real_server("172.17.1.153:80"),
            ],
        }],
    }
}

#[test]
fn the_example_reads_as_it_is_meant() {
    let loaded = read(include_str!("config/ok_site.toml"));
    assert_eq!(loaded.config, site());
    assert_eq!(loaded.warnings, []);
}

#[test]
fn the_shipped_examples_have_no_findings() {
    let mut read = Vec::new();
    for entry in std::fs::read_dir("examples").expect("the examples") {
        let path = entry.expect("an example").path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let text = std::fs::read_to_string(&path).expect("an example");
            let loaded = config::parse_toml(&path.display().to_string(), &text);
            let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(loaded.warnings, [], "{}", path.display());
            read.push(path);
        }
    }
    assert!(read.len() >= 9, "{read:?}");
}

#[test]
fn the_configurations_in_the_documents_can_be_used() {
    for document in ["README.md", "docs/configuration.md"] {
        let text = std::fs::read_to_string(document).expect("a document");
        let blocks: Vec<_> = text.split("```toml\n").skip(1).collect();
        assert!(!blocks.is_empty(), "{document}");
        for block in blocks {
            let (toml, _) = block.split_once("```").expect("the end of the block");
            assert_eq!(read(toml).warnings, [], "{document}");
        }
    }
}

#[test]
fn the_directors_of_the_site_are_a_pair() {
    let of = |name| {
        config::load(std::path::Path::new(name))
            .expect("an example")
            .config
    };
    let a = of("examples/lvs-dr-a.toml");
    let mut b = of("examples/lvs-dr-b.toml");
    assert_eq!(
        (a.vrrp_instances[0].priority, b.vrrp_instances[0].priority),
        (100, 90)
    );
    b.vrrp_instances[0].priority = 100;
    b.global = a.global.clone();
    assert_eq!(a, b);
    assert_eq!(a.virtual_servers, site().virtual_servers);
}

#[test]
fn the_unicast_directors_are_a_pair() {
    let of = |name| {
        let text = std::fs::read_to_string(name).expect("an example");
        read(&text).config.vrrp_instances.remove(0)
    };
    let a = of("examples/unicast-a.toml");
    let b = of("examples/unicast-b.toml");
    for (one, other) in [(&a, &b), (&b, &a)] {
        let Delivery::Unicast { peers, .. } = &one.transport.mode else {
            panic!("not unicast");
        };
        let peers: Vec<_> = peers.iter().map(|peer| Some(peer.address)).collect();
        assert_eq!(peers, [other.transport.source]);
    }
    let alike = VrrpInstance {
        priority: 90,
        transport: b.transport.clone(),
        ..a
    };
    assert_eq!(alike, b);
}

#[test]
fn every_key_is_read() {
    let config = read(include_str!("config/everything.toml")).config;
    let json = serde_json::to_string_pretty(&config).expect("JSON");
    let expected = "tests/config/everything.json";
    if std::env::var_os("LVSD_REGEN").is_some() {
        std::fs::write(expected, format!("{json}\n")).expect("write the expected file");
    }
    assert_eq!(
        json,
        std::fs::read_to_string(expected)
            .expect("the expected file")
            .trim_end()
    );
    assert_eq!(
        serde_json::from_str::<Config>(&json).expect("a configuration"),
        config
    );
}

/// What the schema has and no test reads would be untested.
#[test]
fn every_key_is_in_the_file_that_has_everything() {
    let text = include_str!("config/everything.toml");
    let words: HashSet<_> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    let reference = reference::markdown();
    let keys = reference.lines().filter_map(|line| {
        let (key, _) = line.strip_prefix("| `")?.split_once('`')?;
        Some(key)
    });
    // These two need files beside it.
    let elsewhere = ["secret_file", "password_file"];
    let missing: Vec<_> = keys
        .filter(|key| !words.contains(key) && !elsewhere.contains(key))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_part_takes_the_examples() {
    every_part_takes_it(&site());
    every_part_takes_it(&read(include_str!("config/everything.toml")).config);
}

#[test]
fn order_is_the_files_not_the_alphabets() {
    let server = |name: &str, port: u16| {
        format!("[virtual_server.{name}]\naddress = \"192.0.2.1:{port}\"\n")
    };
    let config = read(&format!(
        "{}{}{}",
        server("z", 1),
        server("a", 2),
        server("m", 3)
    ))
    .config;
    let names: Vec<_> = config
        .virtual_servers
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(names, ["z", "a", "m"]);
}

#[test]
fn a_password_is_not_shown_and_travels() {
    let config = read(include_str!("config/everything.toml")).config;
    let shown = format!("{config:?}");
    // The hexadecimal one would be shown as a list.
    for secret in [
        "12345678",
        "01234567",
        "thirty-three",
        "mail-password",
        "221, 238",
    ] {
        assert!(!shown.contains(secret), "{secret}");
    }
    let too_long = r#""123456789""#;
    assert!(serde_json::from_str::<lvsd::model::AuthPass>(too_long).is_err());
}

#[test]
fn the_kernel_and_the_checker_get_what_is_written() {
    let config = read(include_str!("config/everything.toml")).config;
    let web = &config.virtual_servers[0];
    let service = web.kernel_service();
    assert_eq!(
        (service.id, service.scheduler.as_str()),
        (web.service, "mh")
    );
    assert_eq!(service.timeout, 300);
    let first = web.real_servers[0].kernel_destination();
    assert_eq!(first.forward, ipvs_sys::Forward::Masquerade);
    assert_eq!(
        (first.weight, first.upper_threshold, first.lower_threshold),
        (10, 1000, 800)
    );

    let check = &web.real_servers[0].checks[0];
    let spec = check.spec(web.real_servers[0].address);
    assert_eq!(spec.validate(), Ok(()));
    assert_eq!(
        spec.total_timeout(check.connect_timeout),
        Duration::from_secs(4)
    );
    let checks::Spec::Http(http) = spec else {
        panic!("not http");
    };
    assert_eq!(
        http.connect.target,
        "192.0.2.10:8080".parse().expect("an address")
    );
    assert!(http.statuses.accepts(205) && !http.statuses.accepts(203));
    assert_eq!(check.policy().start, Start::Down);
}

/// The documentation holds the reference that the schema gives.
#[test]
fn the_documentation_has_the_reference() {
    let path = "docs/configuration.md";
    let text = std::fs::read_to_string(path).expect("the documentation");
    let text = with_block(&text, "reference", &reference::markdown());
    let text = with_block(&text, "keepalived", &reference::keepalived_markdown());
    if std::env::var_os("LVSD_REGEN").is_some() {
        std::fs::write(path, &text).expect("write the documentation");
    }
    assert_eq!(
        text,
        std::fs::read_to_string(path).expect("the documentation")
    );
}

/// `text` with what stands between the markers of `name` replaced.
fn with_block(text: &str, name: &str, block: &str) -> String {
    let begin = format!("<!-- {name}: generated -->\n");
    let end = format!("<!-- {name}: end -->");
    let (head, rest) = text.split_once(&begin).expect("the first marker");
    let (_, tail) = rest.split_once(&end).expect("the second marker");
    format!("{head}{begin}\n{}\n\n{end}{tail}", block.trim_end())
}

#[test]
fn ten_thousand_real_servers_are_read_quickly() {
    let mut text = String::new();
    for service in 0..1_000 {
        let (high, low) = (service / 250, service % 250);
        let _ = writeln!(text, "[virtual_server.s{service}]");
        let _ = writeln!(text, "address = \"10.{high}.{low}.1:80\"");
        let _ = writeln!(text, "check = [{{ type = \"tcp\" }}]");
        for server in 0..10 {
            let _ = writeln!(text, "[[virtual_server.s{service}.real_server]]");
            let _ = writeln!(text, "address = \"10.{high}.{low}.{}:80\"", server + 2);
        }
    }
    let begun = Instant::now();
    let config = read(&text).config;
    let took = begun.elapsed();
    println!(
        "{} bytes, 1,000 services of 10 real servers: {took:?}",
        text.len()
    );
    let count: usize = config
        .virtual_servers
        .iter()
        .map(|s| s.real_servers.len())
        .sum();
    assert_eq!(count, 10_000);
    // Milliseconds where nothing else runs; quadratic work would take minutes.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// Text out of the words of the language, in no order.
fn word_salad() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "[",
        "]",
        "[[",
        "]]",
        "=",
        "{",
        "}",
        ",",
        ".",
        "\n",
        "\"",
        "'",
        "#",
        "global",
        "web",
        "vrrp_instance",
        "virtual_server",
        "real_server",
        "check",
        "address",
        "type",
        "\"tcp\"",
        "\"http\"",
        "virtual_addresses",
        "\"192.0.2.1\"",
        "\"192.0.2.1:80\"",
        "interface",
        "priority",
        "100",
        "-1",
        "1e9",
        "1979-05-27",
        "true",
        "\"1s\"",
        "status",
        "\"é\"",
        "ü",
        "fwmark",
        "weight",
        "vrrp_defaults",
        "sync_group",
        "track_script",
        "track_file",
        "members",
        "[ \"web\" ]",
        "track",
        "notify",
        "command",
        "\"/bin/true\"",
        "virtual_router_id",
        "unicast_peers",
        "vmac",
        "authentication",
        "\"hmac\"",
        "keys",
        "secret",
        "virtual_routes",
        "\"default via 192.0.2.2 table 0x7\"",
        "virtual_rules",
        "\"from all table 100 priority 5\"",
        "static",
        "addresses",
        "\u{0}",
        "\u{1b}",
        "\r\n",
        "\t",
        "999999999999999999999999999999",
    ]);
    prop::collection::vec(words, 0..80).prop_map(|words| words.join(" "))
}

/// The example with some of its bytes' characters replaced, cut out or doubled.
fn damaged_example() -> impl Strategy<Value = String> {
    let example: Vec<char> = include_str!("config/everything.toml").chars().collect();
    let length = example.len();
    let edits = prop::collection::vec((0..length, any::<char>(), 0..3_u8), 1..6);
    edits.prop_map(move |edits| {
        let mut text = example.clone();
        for (at, character, kind) in edits {
            let at = at % text.len();
            match kind {
                0 => text[at] = character,
                1 => drop(text.remove(at)),
                _ => text.insert(at, character),
            }
        }
        text.into_iter().collect()
    })
}

/// What is accepted fits the parts: nothing is clamped, refused or too long.
fn every_part_takes_it(config: &Config) {
    for instance in &config.vrrp_instances {
        assert_eq!(instance.core().clamped(), instance.core());
        let path = match instance.family {
            Family::Ipv4 => ("192.0.2.9", "224.0.0.18"),
            Family::Ipv6 => ("fe80::9", "ff02::12"),
        };
        let path = Path {
            src: path.0.parse().expect("an address"),
            dst: path.1.parse().expect("an address"),
        };
        let mut message = Vec::new();
        let sent = instance
            .advert()
            .encode(&path, instance.checksum(), &mut message);
        assert_eq!(sent, Ok(()));
        let heard = Advert::decode(&message, &path, &instance.expect());
        assert_eq!(heard, Ok(instance.advert()));
    }
    for real_server in config.virtual_servers.iter().flat_map(|s| &s.real_servers) {
        for check in &real_server.checks {
            assert_eq!(check.spec(real_server.address).validate(), Ok(()));
        }
    }
}

fn check_any(text: &str) {
    match config::parse_toml("any.toml", text) {
        Ok(loaded) => {
            let json = serde_json::to_string(&loaded.config).expect("JSON");
            let back: Config = serde_json::from_str(&json).expect("a configuration");
            assert_eq!(back, loaded.config);
            every_part_takes_it(&loaded.config);
        }
        Err(error) => {
            assert!(
                error
                    .diagnostics
                    .iter()
                    .any(|d| d.severity == config::Severity::Error)
            );
            let lines = text.split('\n').count();
            for place in error.diagnostics.iter().filter_map(|d| d.location.as_ref()) {
                assert!((1..=lines).contains(&place.line), "{place:?}");
                assert!(place.width >= 1 && place.column > place.offset, "{place:?}");
            }
            assert!(!error.to_string().is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        check_any(&text);
    }

    #[test]
    fn word_salad_is_read_or_refused(text in word_salad()) {
        check_any(&text);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(text in damaged_example()) {
        check_any(&text);
    }
}

#[test]
fn deep_nesting_is_refused_not_a_crash() {
    for open in ["[", "{a=", "[{a="] {
        let text = format!("x = {}", open.repeat(100_000));
        assert!(config::parse_toml("deep.toml", &text).is_err());
    }
    let dotted = vec!["a"; 100_000].join(".");
    for text in [
        format!("{dotted} = 1"),
        format!("[{dotted}]"),
        format!("[[{dotted}]]"),
    ] {
        assert!(config::parse_toml("deep.toml", &text).is_err());
    }
}
