//! `[track_script.NAME]` and the other trackers.

use std::collections::HashMap;
use std::time::Duration;

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned};
use super::super::schema::{Key, TableKind, track as keys};
use super::super::section::{self, Section};
use super::{address, command, names, network};
use crate::model::{
    ArgumentsMatch, Command, InitFile, TrackFile, TrackPing, TrackProcess, TrackRoute, TrackScript,
    Tracker, VirtualServer, Watch, Weight,
};

/// The longest `comm` of a process, `TASK_COMM_LEN` of `linux/sched.h` without the zero.
const COMM_BYTES: usize = 15;

/// A tracker that has a table, good or not.
pub(super) struct Known {
    /// The weight of those who name none.
    pub(super) weight: Weight,
    /// Where it is.
    pub(super) span: Span,
    /// Whether an instance or a group tracks it.
    pub(super) used: bool,
}

/// Reads trackers, and remembers their names.
#[derive(Default)]
pub(super) struct Reader {
    /// The trackers read.
    pub(super) done: Vec<Tracker>,
    /// All by name.
    pub(super) known: HashMap<String, Known>,
}

impl Reader {
    /// Reads all trackers of the file.
    pub(super) fn read_all(
        &mut self,
        top: &Section<'_>,
        servers: &[VirtualServer],
        findings: &mut Findings,
    ) {
        for (key, kind) in keys::TABLES {
            for (name, section) in super::named(top, key, kind, findings) {
                self.read(name, &section, kind, servers, findings);
            }
        }
    }

    fn read(
        &mut self,
        name: &Spanned<String>,
        section: &Section<'_>,
        kind: &'static TableKind,
        servers: &[VirtualServer],
        findings: &mut Findings,
    ) {
        let file = kind.header == keys::FILE.header;
        let weight = if file {
            &keys::FILE_WEIGHT
        } else {
            &keys::WEIGHT
        };
        let weight = Weight {
            value: number(section, weight, findings),
            reverse: section.flag(&keys::REVERSE, findings),
        };
        let watch = match kind.header {
            header if header == keys::SCRIPT.header => script(section, findings),
            header if header == keys::FILE.header => track_file(section, findings),
            header if header == keys::PROCESS.header => process(section, findings),
            header if header == keys::PING.header => ping(section, findings),
            header if header == keys::ROUTE.header => route(section, findings),
            _ => virtual_server(name, section, servers, findings),
        };
        let known = Known {
            weight,
            span: name.span,
            used: false,
        };
        if self.known.insert(name.value.clone(), known).is_some() {
            let message = format!("another tracker is called \"{}\", too", name.value);
            let help = "trackers of all kinds are named in one list; choose another".to_owned();
            findings.error_help(Code::Duplicate, name.span, message, help);
        }
        if let Some(watch) = watch {
            self.done.push(Tracker {
                name: name.value.clone(),
                weight,
                watch,
            });
        }
    }

    /// Warns of trackers that nothing tracks.
    pub(super) fn warn_of_unused(&self, findings: &mut Findings) {
        for (name, known) in self.known.iter().filter(|(_, known)| !known.used) {
            findings.warning(
                Code::NoEffect,
                known.span,
                format!("nothing tracks \"{name}\""),
                "name it in `track` of an instance or a group, or remove it".to_owned(),
            );
        }
    }
}

/// A weight, whose range was checked.
pub(super) fn number(section: &Section<'_>, key: &Key<i32>, findings: &mut Findings) -> i16 {
    let value = section.get(key, findings).unwrap_or_default();
    i16::try_from(value).unwrap_or_default()
}

fn script(section: &Section<'_>, findings: &mut Findings) -> Option<Watch> {
    let interval = section.value(&keys::INTERVAL, findings);
    let timeout = timeout(section, interval, findings);
    let (rise, fall) = (
        section.value(&keys::RISE, findings),
        section.value(&keys::FALL, findings),
    );
    let init_fail = section.flag(&keys::INIT_FAIL, findings);
    let user = command::run_as(section, &keys::USER, findings);
    let raw = section.required(&keys::COMMAND, findings)?;
    Some(Watch::Script(TrackScript {
        command: Command {
            words: command::program(keys::COMMAND.name, raw, user.as_ref(), findings)?,
            user,
            timeout: None,
        },
        interval,
        timeout,
        rise,
        fall,
        init_fail,
    }))
}

fn timeout(section: &Section<'_>, interval: Duration, findings: &mut Findings) -> Duration {
    section.get(&keys::TIMEOUT, findings).unwrap_or(interval)
}

fn track_file(section: &Section<'_>, findings: &mut Findings) -> Option<Watch> {
    let overwrite = section.flag(&keys::OVERWRITE, findings);
    let init = section.get(&keys::INIT, findings);
    if overwrite && init.is_none() {
        let span = section.value_span(keys::OVERWRITE.name);
        let message = "overwrite has no effect without init".to_owned();
        findings.warning(Code::NoEffect, span, message, "remove it".to_owned());
    }
    let raw = section.required(&keys::PATH, findings)?;
    Some(Watch::File(TrackFile {
        path: command::path(&keys::PATH, raw, findings)?,
        init: init.map(|value| InitFile { value, overwrite }),
    }))
}

fn process(section: &Section<'_>, findings: &mut Findings) -> Option<Watch> {
    let full_command = section.flag(&keys::FULL_COMMAND, findings);
    let delay = section.value(&keys::DELAY, findings);
    let fork_delay = section.get(&keys::FORK_DELAY, findings).unwrap_or(delay);
    let terminate_delay = section.get(&keys::TERMINATE_DELAY, findings);
    let (quorum, quorum_max) = quorum(section, findings);
    let (arguments, arguments_match) = arguments(section, findings);
    let raw = section.required(&keys::PROCESS_NAME, findings)?;
    let process = section::string(keys::PROCESS_NAME.name, raw, findings)?;
    if process.is_empty() || process.contains('\0') {
        findings.error(Code::BadValue, raw.span, "process has no name".to_owned());
        return None;
    }
    if !full_command && (process.len() > COMM_BYTES || process.contains('/')) {
        let message = format!("\"{process}\" is no name that the kernel gives to a process");
        let help = "write its file name, the first 15 bytes of it, or full_command = true";
        findings.error_help(Code::BadValue, raw.span, message, help.to_owned());
        return None;
    }
    Some(Watch::Process(TrackProcess {
        process: process.to_owned(),
        arguments,
        arguments_match,
        full_command,
        quorum,
        quorum_max,
        fork_delay,
        terminate_delay: terminate_delay.unwrap_or(delay),
    }))
}

fn quorum(section: &Section<'_>, findings: &mut Findings) -> (u32, Option<u32>) {
    let quorum = section.value(&keys::QUORUM, findings);
    let quorum_max = section.get(&keys::QUORUM_MAX, findings);
    if quorum_max.is_some_and(|most| most < quorum) {
        let span = section.value_span(keys::QUORUM_MAX.name);
        let message = format!("quorum_max is below the quorum of {quorum}");
        findings.error(Code::Conflict, span, message);
    }
    (quorum, quorum_max)
}

fn arguments(section: &Section<'_>, findings: &mut Findings) -> (Vec<String>, ArgumentsMatch) {
    let wanted = section.choice(&keys::ARGUMENTS_MATCH, findings);
    let Some(raw) = section.free(&keys::ARGUMENTS) else {
        if wanted.is_some() {
            let span = section.value_span(keys::ARGUMENTS_MATCH.name);
            let message = "arguments_match has no effect without arguments".to_owned();
            let help = "add arguments; [] means none".to_owned();
            findings.warning(Code::NoEffect, span, message, help);
        }
        return (Vec::new(), ArgumentsMatch::Ignore);
    };
    let words = command::words(keys::ARGUMENTS.name, raw, findings);
    let wanted = wanted.unwrap_or(ArgumentsMatch::Exact);
    (words.unwrap_or_default(), wanted)
}

fn ping(section: &Section<'_>, findings: &mut Findings) -> Option<Watch> {
    let interval = section.value(&keys::INTERVAL, findings);
    let timeout = timeout(section, interval, findings);
    let (rise, fall) = (
        section.value(&keys::PING_RISE, findings),
        section.value(&keys::PING_FALL, findings),
    );
    let raw = section.required(&keys::TARGET, findings)?;
    Some(Watch::Ping(TrackPing {
        target: address::host(raw, findings)?,
        interval,
        timeout,
        rise,
        fall,
    }))
}

fn route(section: &Section<'_>, findings: &mut Findings) -> Option<Watch> {
    let via = section
        .free(&keys::ROUTE_VIA)
        .and_then(|raw| address::host(raw, findings));
    let dev = address::optional_interface(section, &keys::ROUTE_DEV, findings);
    let table = network::table(section, &keys::ROUTE_TABLE, findings);
    let raw = section.required(&keys::ROUTE_TO, findings)?;
    let family = via.map(crate::model::Family::of);
    Some(Watch::Route(TrackRoute {
        to: network::prefix(keys::ROUTE_TO.name, raw, family, findings)?,
        table,
        via,
        dev,
    }))
}

fn virtual_server(
    name: &Spanned<String>,
    section: &Section<'_>,
    servers: &[VirtualServer],
    findings: &mut Findings,
) -> Option<Watch> {
    let (server, span) = match section.free(&keys::SERVER_NAME) {
        Some(raw) => {
            let text = section::string(keys::SERVER_NAME.name, raw, findings)?;
            (text, raw.span)
        }
        None => (name.value.as_str(), name.span),
    };
    let all = || servers.iter().map(|server| server.name.as_str());
    if !all().any(|known| known == server) {
        names::unknown("virtual_server", server, all(), span, findings);
        return None;
    }
    Some(Watch::VirtualServer(server.to_owned()))
}
