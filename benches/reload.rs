//! What a reload of 1,000 services of 10 real servers costs, stage by stage.
//!
//! `cargo bench --bench reload` prints the median of each stage. Compare runs
//! on one machine, side by side; the figures mean nothing across machines.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use lvsd::config::parse_toml;
use lvsd::director::{HealthMap, desired, wanted_checks};
use lvsd::model::Config;
use lvsd::reconcile::ipvs::diff;

const SERVICES: usize = 1_000;
const SERVERS: usize = 10;
const RUNS: usize = 15;

fn text(weight: u32) -> String {
    let mut text = String::new();
    for service in 0..SERVICES {
        let (third, fourth) = (service / 250, service % 250 + 1);
        let _ = write!(
            text,
            "[virtual_server.s{service}]\naddress = \"10.1.{third}.{fourth}:80\"\n\
             scheduler = \"rr\"\n\n[[virtual_server.s{service}.check]]\ntype = \"tcp\"\n\n"
        );
        for server in 0..SERVERS {
            let number = service * SERVERS + server;
            let (third, fourth) = (number / 250, number % 250 + 1);
            let weight = if number == 0 { weight } else { 1 };
            let _ = write!(
                text,
                "[[virtual_server.s{service}.real_server]]\n\
                 address = \"10.2.{third}.{fourth}:80\"\nweight = {weight}\n\n"
            );
        }
    }
    text
}

fn measure<T>(stage: &str, mut run: impl FnMut() -> T) {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            black_box(run());
            start.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "{stage:<40} {:>8.2} ms",
        times[RUNS / 2].as_secs_f64() * 1e3
    );
}

fn main() {
    let (before, after) = (text(1), text(2));
    let parse = |text: &str| parse_toml("big.toml", text).expect("valid").config;
    measure("parse and validate TOML", || parse(&after));
    let (before, after) = (parse(&before), parse(&after));
    measure("clone the model", || after.clone());
    measure("compare two models", || assert_ne!(before, after));
    measure("model to JSON", || {
        serde_json::to_vec(&after).expect("plain data")
    });
    let json = serde_json::to_vec(&after).expect("plain data");
    measure("model from JSON", || {
        serde_json::from_slice::<Config>(&json).expect("our own")
    });
    println!("{:<40} {:>8} KiB", "size of the JSON", json.len() / 1024);
    measure("wanted checks", || wanted_checks(&after.virtual_servers));
    let health = HealthMap::new();
    measure("desired table", || desired(&after.virtual_servers, &health));
    let (old, new) = (
        desired(&before.virtual_servers, &health),
        desired(&after.virtual_servers, &health),
    );
    let managed = old.keys().copied().collect();
    measure("difference of one weight", || {
        assert_eq!(diff(&new, &old, &managed).len(), 1);
    });
}
