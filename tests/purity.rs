//! The walls between the rooms.
//!
//! Imports point from I/O to pure code, never back. Cargo keeps that between
//! crates; between the modules of one crate nothing does, so this test reads
//! the sources. It parses them, looks at every path they name (in `use` trees
//! and in code, macro arguments included, `super` resolved) and holds it
//! against the list of what the room may not know. Test code is exempt.
//!
//! `clippy.toml` bans the same calls by resolved name, aliases included; this
//! test also sees types, modules and crates.

mod guard;

use guard::{Room, Wall};

/// Rooms without clock, socket, file, thread or chance.
///
/// Each has its place, the path its files begin with as modules, and what it
/// may not know besides what no pure room may.
const PURE: &[Room] = &[
    Room::new("mono/src", "crate", &["vrrp", "checks", "ipvs_sys"]),
    Room::new("vrrp/src", "crate", &["ipvs_sys", "checks", "lvsd"]),
    Room::new("ipvs-sys/src", "crate", &["vrrp", "checks", "lvsd"])
        // Runs bindgen; behind the feature `regen`, for developers.
        .except("regen.rs"),
    Room::new("checks/src/check.rs", "crate::check", CHECKS_IO),
    Room::new("checks/src/outcome.rs", "crate::outcome", CHECKS_IO),
    Room::new("checks/src/schedule.rs", "crate::schedule", CHECKS_IO),
    Room::new("checks/src/spec.rs", "crate::spec", CHECKS_IO),
    Room::new(
        "src/model",
        "crate::model",
        &[
            "crate::cli",
            "crate::config",
            "crate::director",
            "crate::kernel",
            "crate::reconcile",
            "crate::status",
            "crate::worker",
            "checks::Runner",
            "checks::probe",
            "checks::runner",
            "vrrp::instance",
        ],
    ),
    Room::new(
        "src/director",
        "crate::director",
        &[
            "crate::cli",
            "crate::config",
            "crate::kernel",
            "crate::status",
            "crate::worker",
            "checks::Runner",
            "checks::probe",
            "checks::runner",
            "vrrp",
        ],
    ),
    Room::new(
        "src/reconcile",
        "crate::reconcile",
        &[
            "crate::cli",
            "crate::config",
            "crate::director",
            "crate::kernel",
            "crate::model",
            "crate::status",
            "crate::worker",
            "checks",
            "vrrp",
        ],
    ),
    Room::new(
        "src/telling",
        "crate::telling",
        &[
            "crate::cli",
            "crate::config",
            "crate::director",
            "crate::kernel",
            "crate::status",
            "crate::worker",
            "checks",
            "vrrp",
        ],
    ),
    Room::new(
        "src/tracking",
        "crate::tracking",
        &[
            "crate::cli",
            "crate::config",
            "crate::director",
            "crate::kernel",
            "crate::status",
            "crate::worker",
            "checks",
            "vrrp",
        ],
    ),
];

const CHECKS_IO: &[&str] = &["crate::probe", "crate::runner", "vrrp", "ipvs_sys", "lvsd"];

/// Rooms that do I/O, and the rooms above them that they may not know.
const ROOMS: &[Room] = &[
    Room::new(
        "src/config",
        "crate::config",
        &[
            "crate::cli",
            "crate::director",
            "crate::kernel",
            "crate::reconcile",
            "crate::status",
            "crate::worker",
            "tokio",
        ],
    ),
    Room::new(
        "src/kernel",
        "crate::kernel",
        &["crate::cli", "crate::config", "crate::worker"],
    ),
];

#[test]
fn pure_rooms_know_neither_clock_nor_socket_nor_chance() {
    guard::assert_clean(PURE, Wall::Pure);
}

#[test]
fn rooms_do_not_know_the_rooms_above_them() {
    guard::assert_clean(ROOMS, Wall::Layers);
}

#[test]
fn main_composes_and_does_nothing_else() {
    let text = guard::read("src/main.rs");
    assert_eq!(guard::main_violations(&text), Vec::<String>::new());
}

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    for member in ["", "mono/", "ipvs-sys/", "vrrp/", "checks/", "lab/"] {
        let manifest = guard::read(&format!("{member}Cargo.toml"));
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{member}Cargo.toml does not inherit the lints of the workspace"
        );
    }
}

/// What `clippy.toml` bans is banned where the code is pure.
#[test]
fn pure_code_is_declared_so_to_clippy() {
    let deny = "[deny(clippy::disallowed_methods, clippy::disallowed_types)]";
    for (file, count) in [
        ("mono/src/lib.rs", 1),
        ("vrrp/src/lib.rs", 1),
        ("ipvs-sys/src/lib.rs", 1),
        ("checks/src/lib.rs", 4),
        ("src/lib.rs", 5),
    ] {
        assert_eq!(guard::read(file).matches(deny).count(), count, "{file}");
    }
}

/// What a peer sends cannot make us panic where clippy denies what could.
#[test]
fn readers_of_foreign_bytes_are_declared_so_to_clippy() {
    for file in [
        "vrrp/src/lib.rs",
        "ipvs-sys/src/lib.rs",
        "checks/src/lib.rs",
        "src/kernel/mod.rs",
    ] {
        let text = guard::read(file);
        for lint in [
            "cast_possible_truncation",
            "expect_used",
            "indexing_slicing",
            "panic",
            "unwrap_used",
        ] {
            assert!(text.contains(&format!("clippy::{lint}")), "{file}: {lint}");
        }
    }
}

/// The guard is worth something only if it fails when it should.
mod planted {
    use super::guard::{self, Room, Wall};

    const ROOM: Room = Room::new("", "crate::director", &["crate::kernel", "vrrp"]);

    fn violations(source: &str) -> Vec<String> {
        guard::violations(source, "crate::director::pool", &ROOM, Wall::Pure)
    }

    #[test]
    fn every_way_to_name_a_forbidden_thing_is_found() {
        for (source, named) in [
            ("use tokio::sync::mpsc;", "tokio::sync::mpsc"),
            ("use std::time::Instant;", "std::time::Instant"),
            (
                "use std::{net::{IpAddr, TcpStream}, fmt};",
                "std::net::TcpStream",
            ),
            ("use std::net; fn f(s: net::UdpSocket) {}", "net::UdpSocket"),
            (
                "use std::time as t; fn f() { t::SystemTime::now(); }",
                "t::SystemTime::now",
            ),
            ("use std::fs::File as F;", "std::fs::File"),
            ("use std::time::*;", "std::time::*"),
            ("fn f() { std::fs::read(\"x\"); }", "std::fs::read"),
            (
                "fn f() { assert!(std::env::args().count() > 1); }",
                "std::env::args",
            ),
            ("fn f() -> u8 { rand::random() }", "rand::random"),
            ("use crate::kernel::Socket;", "crate::kernel::Socket"),
            ("use super::super::kernel;", "crate::kernel"),
            (
                "mod inner { use super::super::super::kernel as k; }",
                "crate::kernel",
            ),
            ("use vrrp::Instance;", "vrrp::Instance"),
            ("extern crate netlink_sys;", "netlink_sys"),
        ] {
            let found = violations(source);
            assert!(
                found.iter().any(|path| path == named),
                "{source}: {named} was not found, but {found:?}"
            );
        }
    }

    #[test]
    fn what_is_allowed_passes() {
        for source in [
            "use std::net::{IpAddr, SocketAddr}; use std::time::Duration; use mono::Mono;",
            "use super::pool::Pool; use self::vrrp::Pool; use crate::model::Config;",
            "#[cfg(test)] mod tests { use std::time::Instant; }",
            "#[cfg(test)] mod tests;",
            "/// As `std::time::Instant` would, but pure.\nfn f() {}",
        ] {
            assert_eq!(violations(source), Vec::<String>::new(), "{source}");
        }
    }

    #[test]
    fn a_main_that_does_something_is_found() {
        for source in [
            "fn main() { if lvsd::ready() { lvsd::run() } }",
            "fn main() { lvsd::run() } fn help() {}",
            "struct State; fn main() {}",
            "fn main() { let f = || 1; f(); }",
            "fn main() { for _ in 0..3 { lvsd::run() } }",
            "fn main() { println!(\"hello\") }",
        ] {
            assert_ne!(
                guard::main_violations(source),
                Vec::<String>::new(),
                "{source}"
            );
        }
        let composed = "use std::process::ExitCode; fn main() -> ExitCode { lvsd::cli::main() }";
        assert_eq!(guard::main_violations(composed), Vec::<String>::new());
    }
}
