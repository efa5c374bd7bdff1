//! What the readers find wrong, collected.

use std::collections::HashSet;

use super::diagnostic::{Diagnostic, Severity};
use super::raw::Span;
use super::source::{Sources, printable};
use super::surroundings::Surroundings;

/// How many findings are kept; beyond it they are counted only.
const KEPT: usize = 100;

/// The kind of a finding, stable for scripts and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The text is not of the language.
    Syntax,
    /// A key that no table, or not this one, has.
    UnknownKey,
    /// A key that must be there and is not.
    MissingKey,
    /// A string where a number is needed, and the like.
    WrongType,
    /// A value of the right type that does not read as what it should be.
    BadValue,
    /// Below or above the range.
    OutOfRange,
    /// The same thing twice.
    Duplicate,
    /// Two settings that cannot both be.
    Conflict,
    /// Known, and not done by this version.
    NotAvailable,
    /// Allowed, and without effect.
    NoEffect,
    /// Allowed, and probably not meant.
    Suspicious,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown-key",
            Self::MissingKey => "missing-key",
            Self::WrongType => "wrong-type",
            Self::BadValue => "bad-value",
            Self::OutOfRange => "out-of-range",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::NotAvailable => "not-available",
            Self::NoEffect => "no-effect",
            Self::Suspicious => "suspicious",
        }
    }
}

struct Finding {
    severity: Severity,
    code: Code,
    span: Span,
    message: String,
    help: Option<String>,
}

/// The findings of one run.
#[derive(Default)]
pub(super) struct Findings {
    /// What the configuration refers to outside of itself.
    pub(super) around: Surroundings,
    /// What was noted: many instances may take the same value from `[vrrp_defaults]`.
    noted: HashSet<(Span, String)>,
    kept: Vec<Finding>,
    errors: usize,
    dropped: usize,
}

impl Findings {
    /// None yet, about the file called `name`.
    pub(super) fn about(name: &str) -> Self {
        Self {
            around: Surroundings::of(name),
            ..Self::default()
        }
    }

    /// Notes an error.
    pub(super) fn error(&mut self, code: Code, span: Span, message: String) {
        self.note(Severity::Error, code, span, message, None);
    }

    /// Notes an error and what to do about it.
    pub(super) fn error_help(&mut self, code: Code, span: Span, message: String, help: String) {
        self.note(Severity::Error, code, span, message, Some(help));
    }

    /// Notes a warning and what to do about it.
    pub(super) fn warning(&mut self, code: Code, span: Span, message: String, help: String) {
        self.note(Severity::Warning, code, span, message, Some(help));
    }

    /// Whether there is an error.
    pub(super) fn failed(&self) -> bool {
        self.errors > 0
    }

    /// Whether further findings would be counted only.
    pub(super) fn full(&self) -> bool {
        self.kept.len() >= KEPT
    }

    fn note(
        &mut self,
        severity: Severity,
        code: Code,
        span: Span,
        message: String,
        help: Option<String>,
    ) {
        if !self.full() && !self.noted.insert((span, message.clone())) {
            return;
        }
        if severity == Severity::Error {
            self.errors = self.errors.saturating_add(1);
        }
        if self.full() {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.kept.push(Finding {
            severity,
            code,
            span,
            message,
            help,
        });
    }

    /// The findings in the order of the file, with the lines they are about.
    pub(super) fn into_diagnostics(self, sources: &Sources<'_>) -> Vec<Diagnostic> {
        let mut findings = self.kept;
        findings.sort_by_key(|finding| finding.span);
        let mut diagnostics: Vec<_> = findings
            .into_iter()
            .map(|finding| Diagnostic {
                severity: finding.severity,
                code: finding.code.name(),
                message: printable(&finding.message),
                file: sources.name(finding.span),
                location: Some(sources.locate(finding.span)),
                help: finding.help.as_deref().map(printable),
            })
            .collect();
        if self.dropped > 0 {
            diagnostics.push(Diagnostic {
                severity: if self.errors > 0 {
                    Severity::Error
                } else {
                    Severity::Warning
                },
                code: "more",
                message: format!("{} more not shown", self.dropped),
                file: sources.name(Span::default()),
                location: None,
                help: None,
            });
        }
        diagnostics
    }
}
