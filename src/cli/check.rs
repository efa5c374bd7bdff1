//! `lvsd check FILE`: reads a configuration and says what is wrong with it.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, ConfigError, Diagnostic, Loaded, Severity, Style};
use crate::model::Config;

/// Exit status of a configuration with errors.
const REFUSED: u8 = 2;
/// Exit status when the result could not be written.
const UNWRITTEN: u8 = 1;

/// Checks `file` and writes the findings and a summary line to `out`.
///
/// The exit status is 0 if the file can be used, with warnings or without, and 2 if
/// not; 1 if `out` fails.
pub fn run(file: &Path, out: &mut impl Write, style: Style) -> ExitCode {
    show(file, config::load(file), out, style)
}

/// Writes what reading `file` gave, as [`run`] does.
pub fn show(
    file: &Path,
    read: Result<Loaded, ConfigError>,
    out: &mut impl Write,
    style: Style,
) -> ExitCode {
    let (diagnostics, config) = match read {
        Ok(loaded) => (loaded.warnings, Some(loaded.config)),
        Err(error) => (error.diagnostics, None),
    };
    let status = if config.is_some() { 0 } else { REFUSED };
    match report(file, &diagnostics, config.as_ref(), out, style) {
        Ok(()) => ExitCode::from(status),
        Err(_) => ExitCode::from(UNWRITTEN),
    }
}

fn report(
    file: &Path,
    diagnostics: &[Diagnostic],
    config: Option<&Config>,
    out: &mut impl Write,
    style: Style,
) -> io::Result<()> {
    if !diagnostics.is_empty() {
        writeln!(out, "{}", config::render_all(diagnostics, style))?;
    }
    writeln!(out, "{}: {}", file.display(), summary(diagnostics, config))?;
    out.flush()
}

/// "ok, 1 VRRP instance, ..." or "2 errors, 1 warning".
fn summary(diagnostics: &[Diagnostic], config: Option<&Config>) -> String {
    let of = |severity| {
        diagnostics
            .iter()
            .filter(|d| d.severity == severity)
            .count()
    };
    let mut parts = Vec::new();
    match config {
        Some(config) => {
            let pools = config.virtual_servers.iter();
            let real_servers = pools.map(|server| server.real_servers.len()).sum();
            parts.push("ok".to_owned());
            parts.push(counted(config.vrrp_instances.len(), "VRRP instance"));
            for (count, thing) in [
                (config.vrrp.sync_groups.len(), "sync group"),
                (config.vrrp.trackers.len(), "tracker"),
            ] {
                if count > 0 {
                    parts.push(counted(count, thing));
                }
            }
            parts.push(counted(config.virtual_servers.len(), "virtual server"));
            parts.push(counted(real_servers, "real server"));
        }
        None => parts.push(counted(of(Severity::Error), "error")),
    }
    if of(Severity::Warning) > 0 {
        parts.push(counted(of(Severity::Warning), "warning"));
    }
    parts.join(", ")
}

fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> (ExitCode, String) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("test.toml");
        std::fs::write(&file, text).unwrap();
        let mut out = Vec::new();
        let status = run(&file, &mut out, Style::Plain);
        let out = String::from_utf8(out).unwrap();
        (status, out.replace(dir.path().to_str().unwrap(), "DIR"))
    }

    #[test]
    fn a_good_file_is_summed_up() {
        let (status, out) = checked(include_str!("../../tests/config/ok_site.toml"));
        assert_eq!(status, ExitCode::SUCCESS);
        assert_eq!(
            out,
            "DIR/test.toml: ok, 1 VRRP instance, 1 virtual server, 2 real servers\n"
        );
    }

    #[test]
    fn warnings_do_not_fail() {
        let (status, out) = checked("");
        assert_eq!(status, ExitCode::SUCCESS);
        let last = out.lines().last().unwrap();
        assert!(out.starts_with("warning[suspicious]"), "{out}");
        assert!(last.ends_with("0 real servers, 1 warning"), "{last}");
    }

    #[test]
    fn errors_fail_and_are_counted() {
        let (status, out) = checked("[vrrp_instance.a]\nx = 1\n");
        assert_eq!(status, ExitCode::from(2));
        let last = out.lines().last().unwrap();
        assert_eq!(last, "DIR/test.toml: 4 errors");
    }

    #[test]
    fn a_writer_that_fails_is_not_a_success() {
        let mut full = [0_u8; 0];
        let mut out = full.as_mut_slice();
        let status = run(Path::new("missing.toml"), &mut out, Style::Plain);
        assert_eq!(status, ExitCode::from(1));
    }
}
