//! `track` and `track_interfaces` of an instance or a group.

use std::collections::HashSet;

use super::super::findings::{Code, Findings};
use super::super::raw::{Span, Spanned, Value};
use super::super::schema::track as keys;
use super::super::section::{self, Section};
use super::{address, names, track};
use crate::model::{Tracking, Use, Weight};

/// What is tracked, and where it is written that something is with a weight.
#[derive(Default)]
pub(super) struct Read {
    pub(super) tracking: Tracking,
    pub(super) weighted: Vec<Span>,
}

/// Reads what an instance or a group tracks.
pub(super) fn read(
    section: &Section<'_>,
    trackers: &mut track::Reader,
    findings: &mut Findings,
) -> Read {
    let mut read = Read::default();
    let mut seen = HashSet::new();
    if let Some(raw) = section.free(&keys::TRACK_INTERFACES) {
        for item in section::list(keys::TRACK_INTERFACES.name, raw, findings) {
            let Some((used, span)) = interface(item, findings) else {
                continue;
            };
            twice(!seen.insert(used.name.clone()), &used.name, span, findings);
            read.note(&used, span);
            read.tracking.interfaces.push(used);
        }
    }
    seen.clear();
    if let Some(raw) = section.free(&keys::TRACK) {
        for item in section::list(keys::TRACK.name, raw, findings) {
            let Some((used, span)) = tracker(item, trackers, findings) else {
                continue;
            };
            twice(!seen.insert(used.name.clone()), &used.name, span, findings);
            read.note(&used, span);
            read.tracking.trackers.push(used);
        }
    }
    read
}

impl Read {
    fn note(&mut self, used: &Use, span: Span) {
        if used.weight.value != 0 {
            self.weighted.push(span);
        }
    }
}

fn twice(twice: bool, name: &str, span: Span, findings: &mut Findings) {
    if twice {
        findings.error(
            Code::Duplicate,
            span,
            format!("\"{name}\" is tracked twice"),
        );
    }
}

fn interface(raw: &Spanned<Value>, findings: &mut Findings) -> Option<(Use, Span)> {
    let (name, weight) = one(raw, findings)?;
    let used = Use {
        name: address::interface(keys::TRACK_INTERFACES.name, name, findings)?,
        weight: weight.or(Weight::default()),
    };
    Some((used, name.span))
}

fn tracker(
    raw: &Spanned<Value>,
    trackers: &mut track::Reader,
    findings: &mut Findings,
) -> Option<(Use, Span)> {
    let (name, weight) = one(raw, findings)?;
    let text = section::string("a tracker", name, findings)?;
    let Some(known) = trackers.known.get_mut(text) else {
        let all = trackers.known.keys().map(String::as_str);
        let mut sorted: Vec<_> = all.collect();
        sorted.sort_unstable();
        names::unknown(
            "track_script",
            text,
            sorted.into_iter(),
            name.span,
            findings,
        );
        return None;
    };
    known.used = true;
    let used = Use {
        name: text.to_owned(),
        weight: weight.or(known.weight),
    };
    Some((used, name.span))
}

/// A weight of which either part may be unsaid.
#[derive(Clone, Copy, Default)]
struct Part {
    value: Option<i16>,
    reverse: Option<bool>,
}

impl Part {
    fn or(self, weight: Weight) -> Weight {
        Weight {
            value: self.value.unwrap_or(weight.value),
            reverse: self.reverse.unwrap_or(weight.reverse),
        }
    }
}

/// A name, alone or in a table with a weight.
fn one<'t>(raw: &'t Spanned<Value>, findings: &mut Findings) -> Option<(&'t Spanned<Value>, Part)> {
    let Value::Table(table) = &raw.value else {
        return Some((raw, Part::default()));
    };
    let section = Section::open(table, raw.span, &keys::USE, findings);
    let value = section.get(&keys::USE_WEIGHT, findings);
    let part = Part {
        value: value.and_then(|value| i16::try_from(value).ok()),
        reverse: section.optional_flag(&keys::USE_REVERSE, findings),
    };
    Some((section.required(&keys::USE_NAME, findings)?, part))
}
