//! Every diagnostic of the configuration, as `lvsd check` shows it.
//!
//! Each `tests/config/NAME.toml` is checked and the output compared with
//! `NAME.expected`. `LVSD_REGEN=1 cargo test -p lvsd --test config_diagnostics` writes
//! the expected files anew; read the difference before committing it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lvsd::cli::check;
use lvsd::config::{self, ConfigError, Loaded, MAX_FILE_BYTES, Severity, Style};
use lvsd::model::Authentication;

fn cases() -> Vec<PathBuf> {
    let dir = Path::new("tests/config");
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("the directory of cases")
        .map(|entry| entry.expect("a case").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    files
}

/// The text alone: who may read the files of a checkout is another matter.
fn parsed(file: &Path) -> Result<Loaded, ConfigError> {
    let text = fs::read_to_string(file).expect("a case");
    config::parse_toml(&file.display().to_string(), &text)
}

fn checked(file: &Path) -> String {
    let mut out = Vec::new();
    let status = check::show(file, parsed(file), &mut out, Style::Plain);
    let out = String::from_utf8(out).expect("plain text");
    let status = if status == ExitCode::SUCCESS { 0 } else { 2 };
    format!("{out}exit {status}\n")
}

#[test]
fn every_file_gives_its_expected_diagnostics() {
    let regenerate = std::env::var_os("LVSD_REGEN").is_some();
    let mut wrong = Vec::new();
    for file in cases() {
        let got = checked(&file);
        let expected = file.with_extension("expected");
        if regenerate {
            fs::write(&expected, &got).expect("write the expected file");
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if got != wanted {
            wrong.push(format!("=== {}\n{got}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A code that no case shows would be untested.
#[test]
fn the_cases_show_every_code() {
    let shown: String = cases().iter().map(|file| checked(file)).collect();
    for code in [
        "syntax",
        "unknown-key",
        "missing-key",
        "wrong-type",
        "bad-value",
        "out-of-range",
        "duplicate",
        "conflict",
        "not-available",
        "no-effect",
        "suspicious",
    ] {
        assert!(shown.contains(&format!("[{code}]")), "no case shows {code}");
    }
}

#[test]
fn only_the_files_named_ok_are_without_findings() {
    for file in cases() {
        let name = file
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        let clean = parsed(&file).is_ok_and(|loaded| loaded.warnings.is_empty());
        assert_eq!(clean, name.starts_with("ok_"), "{name}");
    }
}

fn failure(path: &Path) -> String {
    let error = config::load(path).expect_err("not readable");
    assert_eq!(error.diagnostics.len(), 1);
    error.diagnostics[0].message.clone()
}

#[test]
fn what_is_not_a_readable_file_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);

    let message = failure(&at("missing.toml"));
    assert!(
        message.starts_with("cannot open the file: No such file"),
        "{message}"
    );

    fs::create_dir(at("directory.toml")).expect("a directory");
    assert_eq!(
        failure(&at("directory.toml")),
        "the file is a directory, not a regular file"
    );
    std::os::unix::fs::symlink("/dev/null", at("device.toml")).expect("a link");
    assert_eq!(
        failure(&at("device.toml")),
        "the file is a device, pipe or socket, not a regular file"
    );

    fs::write(at("latin1.toml"), b"[global]\nrouter_id = \"caf\xe9\"\n").expect("a file");
    assert_eq!(
        failure(&at("latin1.toml")),
        "the file is not UTF-8: byte 25 (line 2) belongs to no character"
    );

    let large = fs::File::create(at("large.toml")).expect("a file");
    large.set_len(MAX_FILE_BYTES + 1).expect("a hole");
    assert_eq!(failure(&at("large.toml")), "the file is larger than 64MiB");

    fs::write(at("keepalived.conf"), "vrrp_instance web {\n}\n").expect("a file");
    assert_eq!(
        failure(&at("keepalived.conf")),
        "keepalived.conf is not read by this version yet; write TOML"
    );
}

#[test]
fn a_flood_of_findings_is_cut_off() {
    let text: String = (0..1_000).map(|n| format!("key{n} = 1\n")).collect();
    let error = config::parse_toml("flood.toml", &text).expect_err("unknown keys");
    assert_eq!(error.diagnostics.len(), 101);
    let last = error.diagnostics.last().expect("a last one");
    assert_eq!(last.severity, Severity::Error);
    assert_eq!(last.message, "900 more not shown");
}

#[test]
fn what_a_file_says_cannot_steer_the_terminal() {
    let text = "\"\\u001b[2J\" = 1\n[vrrp_instance.\"a\\u0007\"]\n";
    let error = config::parse_toml("evil\u{1b}.toml", text).expect_err("unknown key");
    let shown = error.to_string();
    assert!(
        !shown.contains(|c: char| c.is_control() && c != '\n'),
        "{shown:?}"
    );
}

#[test]
fn a_long_line_is_shown_in_part() {
    let text = format!("x = \"{}\"; y\n", "a".repeat(100_000));
    let error = config::parse_toml("long.toml", &text).expect_err("a syntax error");
    let place = error.diagnostics[0].location.clone().expect("a place");
    assert!(place.text.chars().count() <= 120, "{}", place.text);
    assert!(place.offset + place.width <= place.text.chars().count().max(1));
    assert!(place.column > 100_000);
}

#[test]
fn colours_only_where_they_are_wanted() {
    let error = config::parse_toml("x.toml", "x = 1").expect_err("unknown key");
    let coloured = error.diagnostics[0].render(Style::Coloured);
    assert!(
        coloured.contains("\x1b[1;31merror[unknown-key]\x1b[0m"),
        "{coloured}"
    );
    assert!(!error.diagnostics[0].render(Style::Plain).contains('\x1b'));
    assert_eq!(Style::for_output(false), Style::Plain);
}

/// The warnings of a file `lvsd.toml` with this text, in a directory with these files,
/// each with its mode.
fn warnings_beside(text: &str, files: &[(&str, &str, u32)]) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().to_str().expect("a path");
    for (name, content, mode) in files.iter().chain(&[("lvsd.toml", text, 0o644)]) {
        let path = dir.path().join(name);
        fs::write(&path, content.replace("DIR", root)).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("a mode");
    }
    let loaded =
        config::load(&dir.path().join("lvsd.toml")).unwrap_or_else(|error| panic!("{error}"));
    loaded
        .warnings
        .iter()
        .map(|warning| warning.message.replace(root, "DIR"))
        .collect()
}

fn instance_with(line: &str) -> String {
    format!(
        "[vrrp_instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 1\n\
         virtual_addresses = [\"192.0.2.1\"]\n{line}\n"
    )
}

#[test]
fn secrets_that_everybody_can_read_are_warned_of() {
    let inline = instance_with(
        "authentication = { type = \"hmac\", keys = [{ id = 1, \
         secret = \"0123456789abcdef0123456789abcdef\" }] }",
    );
    assert_eq!(
        warnings_beside(&inline, &[]),
        ["everybody can read DIR/lvsd.toml, which holds this secret"]
    );
    let beside = instance_with(
        "authentication = { type = \"hmac\", keys = [{ id = 1, secret_file = \"key\" }] }",
    );
    let secret = "0123456789abcdef0123456789abcdef\n";
    assert_eq!(
        warnings_beside(&beside, &[("key", secret, 0o644)]),
        ["everybody can read DIR/key, which holds this secret"]
    );
    let none: [&str; 0] = [];
    assert_eq!(warnings_beside(&beside, &[("key", secret, 0o640)]), none);
}

#[test]
fn programs_that_cannot_run_are_warned_of() {
    let text = instance_with(
        "[vrrp_instance.web.notify]\n\
         master = \"DIR/missing now\"\n\
         backup = \"DIR/text\"\n\
         fault = \"DIR/open\"\n\
         stop = { command = \"DIR/open\", user = \"nobody\" }\n\
         any = \"DIR/good\"\n\
         [global]\nscript_security = true",
    );
    let files = [
        ("text", "", 0o644),
        ("open", "", 0o777),
        ("good", "", 0o755),
    ];
    let warnings = warnings_beside(&text, &files);
    let expected = [
        "there is no program DIR/missing",
        "DIR/text is not a program",
        "script_security keeps DIR/open from running as root",
    ];
    assert_eq!(warnings[..3], expected);
    // Who runs the tests owns the files: without root, `good` is not safe either.
    let root = rustix::process::geteuid().is_root();
    assert_eq!(warnings.len(), if root { 3 } else { 4 }, "{warnings:?}");
}

#[test]
fn files_with_secrets_are_read_and_never_shown() {
    let dir = tempfile::tempdir().expect("a directory");
    let name = dir.path().join("lvsd.toml").display().to_string();
    let secret = "correct horse battery staple etc.";
    fs::write(dir.path().join("key"), format!("{secret}\n")).expect("a file");
    fs::write(dir.path().join("password"), secret).expect("a file");
    let text = instance_with(
        "authentication = { type = \"hmac\", keys = [{ id = 1, secret_file = \"key\" }] }\n\
         [global.mail]\nserver = \"mail.example.com\"\ntls = \"tls\"\nuser = \"lvs\"\n\
         password_file = \"password\"\nfrom = \"a@example.com\"\nto = \"b@example.com\"",
    );
    let config = config::parse_toml(&name, &text)
        .expect("a configuration")
        .config;
    let Authentication::Hmac(hmac) = &config.vrrp_instances[0].authentication else {
        panic!("no hmac");
    };
    assert_eq!(hmac.keys[0].secret, secret.as_bytes());
    let mail = config.global.notification.mail.as_ref().expect("mail");
    assert_eq!((mail.port, mail.server.as_str()), (465, "mail.example.com"));
    let login = mail.login.as_ref().expect("a login");
    assert_eq!((login.0.as_str(), login.1.0.as_str()), ("lvs", secret));
    let shown = format!("{config:?}");
    assert!(!shown.contains("horse"), "{shown}");

    for (path, problem) in [
        (
            "missing",
            "cannot open the file: No such file or directory (os error 2)",
        ),
        (".", "the file is a directory, not a regular file"),
    ] {
        let text = text.replace("\"key\"", &format!("\"{path}\""));
        let error = config::parse_toml(&name, &text).expect_err("no secret");
        assert!(error.to_string().contains(problem), "{error}");
    }
}
