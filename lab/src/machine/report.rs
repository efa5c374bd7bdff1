//! What a run prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::runner::Told;
use crate::job::Event;

/// Lines of each log that a failure shows.
const TAIL: usize = 40;

/// The report of one run.
pub(super) struct Report {
    directory: PathBuf,
    start: Instant,
    passed: usize,
    failed: Vec<String>,
}

impl Report {
    pub(super) fn new(directory: &Path, scenarios: usize) -> Self {
        println!(
            "{scenarios} scenario{}; logs and captures: {}",
            if scenarios == 1 { "" } else { "s" },
            directory.display()
        );
        Self {
            directory: directory.to_owned(),
            start: Instant::now(),
            passed: 0,
            failed: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, told: Told) {
        match told.event {
            Event::Ready { .. } | Event::Started { .. } | Event::Said { .. } => {}
            Event::Broken { failure } => println!("a guest could not go on: {failure}"),
            Event::Finished {
                name,
                failure,
                notes,
                seconds,
            } => {
                let word = if failure.is_some() { "FAILED" } else { "ok" };
                let mut line = format!("{word:<7} {name} ({seconds:.1} s)");
                for note in notes {
                    line.push_str("; ");
                    line.push_str(&note);
                }
                println!("{line}");
                match failure {
                    None => self.passed += 1,
                    Some(failure) => {
                        show(&failure, &told.directory.join(name.replace("::", ".")));
                        self.failed.push(name);
                    }
                }
            }
        }
    }

    /// Prints the closing lines; true when nothing failed.
    pub(super) fn close(&self) -> bool {
        println!();
        println!(
            "{:.0} s; logs and captures: {}",
            self.start.elapsed().as_secs_f64(),
            self.directory.display()
        );
        for name in &self.failed {
            println!("failed: {name}");
        }
        println!("{} passed, {} failed", self.passed, self.failed.len());
        self.failed.is_empty()
    }
}

/// Why a scenario failed, with the end of everything its daemons and captures said.
fn show(failure: &str, directory: &Path) {
    for line in failure.lines() {
        println!("        {line}");
    }
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let kind = path.extension().and_then(|kind| kind.to_str());
        if matches!(kind, Some("log" | "txt")) {
            show_end(&path);
        } else {
            println!("    -- {}", path.display());
        }
    }
}

fn show_end(path: &Path) {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let left_out = lines.len().saturating_sub(TAIL);
    println!(
        "    -- {} (last {} of {} lines)",
        path.display(),
        lines.len() - left_out,
        lines.len()
    );
    for line in lines.iter().skip(left_out) {
        println!("       {line}");
    }
}
