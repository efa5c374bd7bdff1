//! The daemon under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Attempt, Failure, Result};

/// A binary to test instead of building one.
const VARIABLE: &str = "LVSD_BIN";

/// The path of the daemon: `LVSD_BIN` when that is set, else a fresh release build.
///
/// # Errors
/// When the build fails, or `LVSD_BIN` names no file.
pub fn daemon() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return std::fs::canonicalize(&path)
            .attempt(|| format!("find {VARIABLE} {}", path.display()));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--package", "lvsd"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .stderr(Stdio::inherit())
        .output()
        .attempt(|| "run cargo to build lvsd")?;
    crate::ensure!(output.status.success(), "lvsd does not build");
    executable(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| Failure::said("cargo built lvsd but named no executable"))
}

/// The last executable that cargo's messages name.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_the_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                        {\"reason\":\"compiler-artifact\",\"executable\":\"/t/lvsd\"}\n\
                        {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages), Some(PathBuf::from("/t/lvsd")));
    }
}
