//! Golden vectors: `golden/*.txt` hold inputs, and under each what the state machine
//! does and when it wants to be called next.
//!
//! The files are meant to be read, and compared with other implementations. Lines that
//! are not indented are input; indented ones are output, compared by this test, and
//! written anew with
//!
//! ```text
//! VRRP_GOLDEN=write cargo test -p vrrp --test golden
//! ```
//!
//! Times are seconds. The first line that is no comment is `config` with `key=value`
//! pairs; then every input is `@ TIME WHAT`, WHAT being one of `startup ADDRESS`,
//! `shutdown`, `fault`, `release`, `adjust SUM`, `timer`, `advert SOURCE key=value..`, `reconfigure key=value..`
//! (changes to the present configuration) and `resume ADDRESS alive=TIME` (the process
//! has died, and another takes over with its snapshot).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mono::Mono;
use vrrp::{Advert, Auth, Config, Effect, Input, Instance, Version, Via};

fn seconds(text: &str) -> Duration {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanos = format!("{fraction:0<9}").parse().expect("nanoseconds");
    Duration::new(whole.parse().expect("seconds"), nanos)
}

fn show(time: Mono) -> String {
    let since = time.since(Mono::ZERO);
    let text = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Applies `key=value` pairs.
fn configure(config: &mut Config, pairs: &str) {
    for pair in pairs.split_whitespace() {
        let (key, value) = pair.split_once('=').expect("key=value");
        match key {
            "version" => config.version = version(value),
            "priority" => config.priority = value.parse().expect("priority"),
            "interval" => config.advert_interval = seconds(value),
            "preempt" => config.preempt = value == "yes",
            "preempt_delay" => config.preempt_delay = seconds(value),
            "down_timer_adverts" => config.down_timer_adverts = value.parse().expect("number"),
            "announce_delay" => config.announce_delay = seconds(value),
            "addresses" => config.addresses = addresses(value),
            _ => panic!("unknown key {key}"),
        }
    }
}

fn version(text: &str) -> Version {
    match text {
        "v2" => Version::V2,
        "v3" => Version::V3,
        _ => panic!("unknown version {text}"),
    }
}

fn addresses(list: &str) -> Vec<std::net::IpAddr> {
    let parse = |text: &str| text.parse().expect("address");
    list.split(',')
        .filter(|t| !t.is_empty())
        .map(parse)
        .collect()
}

/// An advert as the instance itself would send it, with changes.
fn advert(instance: &Instance, pairs: &str) -> Advert {
    let mut config = instance.config().clone();
    configure(&mut config, pairs);
    Advert {
        version: config.version,
        vrid: config.vrid,
        priority: config.priority,
        interval: config.advert_interval,
        auth: Auth::None,
        addresses: config.addresses,
    }
}

fn line(effect: &Effect) -> String {
    let name = |json: serde_json::Value| json.as_str().unwrap_or_default().to_owned();
    match effect {
        Effect::Send { priority } => format!("send {priority}"),
        Effect::AddAddresses => "add_addresses".to_owned(),
        Effect::RemoveAddresses => "remove_addresses".to_owned(),
        Effect::Announce { cause } => {
            let cause = serde_json::to_value(cause).expect("a cause");
            format!("announce {}", name(cause))
        }
        Effect::Transition { from, to, reason } => {
            let reason = serde_json::to_value(reason).expect("a reason");
            format!("transition {from} -> {to}: {}", name(reason))
        }
        Effect::Rejected(why) => format!("rejected {}", why.name()),
        Effect::Surprise(what) => format!("surprise {}", what.name()),
    }
}

/// One input, done.
fn perform(instance: &mut Instance, now: Mono, what: &str, out: &mut Vec<Effect>) {
    let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
    let (first, pairs) = rest.split_once(' ').unwrap_or((rest, ""));
    let source = || first.parse().expect("address");
    match word {
        "startup" => instance.step(now, Input::Startup { source: source() }, out),
        "shutdown" => instance.step(now, Input::Shutdown, out),
        "fault" => instance.step(now, Input::Fault, out),
        "release" => instance.step(now, Input::Release, out),
        "adjust" => {
            let sum = rest.parse().expect("a number");
            instance.step(now, Input::Adjust(sum), out);
        }
        "timer" => instance.step(now, Input::Timer, out),
        "advert" => {
            let advert = &advert(instance, pairs);
            let src = source();
            let own = instance.source().unwrap_or(src);
            let via = Via::Primary;
            let input = Input::Advert {
                src,
                via,
                own,
                advert,
            };
            instance.step(now, input, out);
        }
        "reconfigure" => {
            let mut config = instance.config().clone();
            configure(&mut config, rest);
            instance.step(now, Input::Reconfigure(config), out);
        }
        "resume" => {
            let alive = pairs.strip_prefix("alive=").expect("alive=TIME");
            let alive = Mono::ZERO + seconds(alive);
            let config = instance.config().clone();
            let snapshot = instance.snapshot();
            *instance = Instance::resume(config, &snapshot, alive, now, source(), out);
        }
        _ => panic!("unknown input {word}"),
    }
}

/// The same file with the output it should have.
fn replay(text: &str) -> String {
    let mut instance = None;
    let mut written = String::new();
    for input in text.lines().filter(|l| !l.starts_with(' ')) {
        writeln!(written, "{input}").expect("to a string");
        if let Some(pairs) = input.strip_prefix("config ") {
            let mut config = Config::new(51, Version::V3, 100);
            configure(&mut config, pairs);
            instance = Some(Instance::new(config));
        }
        let Some((time, what)) = input.strip_prefix("@ ").and_then(|i| i.split_once(' ')) else {
            continue;
        };
        let instance = instance.as_mut().expect("config comes first");
        let mut out = Vec::new();
        perform(instance, Mono::ZERO + seconds(time), what, &mut out);
        for effect in &out {
            writeln!(written, "    {}", line(effect)).expect("to a string");
        }
        let next = instance.deadline().map_or("never".to_owned(), show);
        writeln!(written, "    next {next}").expect("to a string");
    }
    written
}

#[test]
fn golden_vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("tests/golden")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert!(files.len() >= 16, "only {} golden files", files.len());
    let mut stale = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a readable file");
        let now = replay(&text);
        if std::env::var("VRRP_GOLDEN").is_ok_and(|v| v == "write") {
            fs::write(&file, &now).expect("a writable file");
        } else if now != text {
            let differs = |(a, b): &(&str, &str)| a != b;
            let pair = text
                .lines()
                .zip(now.lines())
                .enumerate()
                .find(|(_, p)| differs(p));
            stale.push(format!("{}: first difference {pair:?}", file.display()));
        }
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}
