//! Tracked files and processes.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command as Process};
use std::time::Duration;

use lvsd::model::{ArgumentsMatch, InitFile, Measure, Measured, TrackFile, TrackProcess, Watch};

use crate::desk::Desk;

fn file(desk: &Desk, path: &str, init: Option<InitFile>) -> Watch {
    let path = desk.path(path);
    Watch::File(TrackFile { path, init })
}

/// The next number of the tracker `file`, without waiting for a regular look.
async fn number(desk: &mut Desk, number: i32) -> Measured {
    let measured = desk.next_of("file");
    let measured = tokio::time::timeout(Duration::from_secs(4), measured).await;
    let measured = measured.expect("nobody noticed");
    assert_eq!(measured.value, Measure::Number(number), "{measured:?}");
    measured
}

#[tokio::test]
async fn a_file_is_followed_however_it_comes_and_goes() {
    let mut desk = Desk::new();
    let tracked = file(&desk, "a/b/file", None);
    desk.track("file", tracked);
    desk.start(None);
    assert_eq!(
        number(&mut desk, 0).await.detail,
        "there is no file: counts as 0"
    );
    // Its directories come one by one, or with the file in them.
    fs::create_dir(desk.path("a")).unwrap();
    fs::create_dir(desk.path("a/b")).unwrap();
    fs::write(desk.path("a/b/file"), "5\n").unwrap();
    number(&mut desk, 5).await;
    fs::write(desk.path("a/b/file"), " -7").unwrap();
    number(&mut desk, -7).await;
    fs::write(desk.path("a/b/new"), "8").unwrap();
    fs::rename(desk.path("a/b/new"), desk.path("a/b/file")).unwrap();
    number(&mut desk, 8).await;
    fs::write(desk.path("a/b/file"), "many").unwrap();
    let nonsense = number(&mut desk, 0).await;
    assert_eq!(nonsense.detail, "not a number: \"many\": counts as 0");
    fs::remove_dir_all(desk.path("a")).unwrap();
    fs::create_dir_all(desk.path("c/b")).unwrap();
    fs::write(desk.path("c/b/file"), "9").unwrap();
    fs::rename(desk.path("c"), desk.path("a")).unwrap();
    number(&mut desk, 9).await;
    // By another name of it.
    fs::write(desk.path("elsewhere"), "3").unwrap();
    fs::remove_file(desk.path("a/b/file")).unwrap();
    number(&mut desk, 0).await;
    symlink(desk.path("elsewhere"), desk.path("a/b/file")).unwrap();
    number(&mut desk, 3).await;
    fs::write(desk.path("elsewhere"), "4").unwrap();
    number(&mut desk, 4).await;
}

#[tokio::test]
async fn a_file_can_be_written_at_the_start_but_not_through_a_link() {
    let init = |value, overwrite| Some(InitFile { value, overwrite });
    for (before, init, after) in [
        (None, init(6, false), 6),
        (Some("2"), init(6, false), 2),
        (Some("2"), init(6, true), 6),
    ] {
        let mut desk = Desk::new();
        if let Some(before) = before {
            fs::write(desk.path("file"), before).unwrap();
        }
        let tracked = file(&desk, "file", init);
        desk.track("file", tracked);
        desk.start(None);
        number(&mut desk, after).await;
        // A successor lets it be.
        let left = desk.snapshot().await;
        desk.kill().await;
        fs::write(desk.path("file"), "11").unwrap();
        desk.start(Some(left));
        while desk.next_of("file").await.value != Measure::Number(11) {}
    }
    let mut desk = Desk::new();
    fs::write(desk.path("precious"), "1").unwrap();
    symlink("precious", desk.path("file")).unwrap();
    let tracked = file(&desk, "file", init(6, true));
    desk.track("file", tracked);
    desk.start(None);
    number(&mut desk, 1).await;
}

/// A process of a name that nobody else has.
struct Dummy {
    desk: std::path::PathBuf,
}

impl Dummy {
    fn new(desk: &Desk, name: &str) -> Self {
        let path = desk.path(name);
        fs::copy("/bin/sleep", &path).unwrap();
        Self { desk: path }
    }

    fn start(&self, argument: &str) -> Child {
        Process::new(&self.desk).arg(argument).spawn().unwrap()
    }
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn process(name: &str) -> TrackProcess {
    TrackProcess {
        process: name.into(),
        arguments: Vec::new(),
        arguments_match: ArgumentsMatch::Ignore,
        full_command: false,
        quorum: 2,
        quorum_max: Some(2),
        fork_delay: Duration::ZERO,
        terminate_delay: Duration::ZERO,
    }
}

#[tokio::test]
async fn processes_are_counted_as_they_come_and_go() {
    let mut desk = Desk::new();
    let name = format!("d{}", std::process::id());
    let dummy = Dummy::new(&desk, &name);
    let first = dummy.start("300");
    desk.track("p", Watch::Process(process(&name)));
    let exact = TrackProcess {
        arguments: vec!["301".into()],
        arguments_match: ArgumentsMatch::Exact,
        quorum: 1,
        ..process(&name)
    };
    desk.track("exact", Watch::Process(exact));
    desk.start(None);
    let down = desk.next_of("p").await;
    assert_eq!(
        (down.value, down.detail.as_str()),
        (Measure::Down, "1 of 2 to 2 processes")
    );
    let second = dummy.start("301");
    let up = desk.next_of("p").await;
    assert_eq!(
        (up.value, up.detail.as_str()),
        (Measure::Up, "2 of 2 to 2 processes")
    );
    let exact = desk.snapshot_with("the other one matches", |s| {
        s.trackers
            .iter()
            .any(|t| t.name == "exact" && t.value == Some(Measure::Up))
    });
    exact.await;
    let third = dummy.start("302");
    assert_eq!(desk.next_of("p").await.detail, "3 of 2 to 2 processes");
    end(third);
    assert_eq!(desk.next_of("p").await.value, Measure::Up);
    end(second);
    assert_eq!(desk.next_of("p").await.value, Measure::Down);
    end(first);
}

#[tokio::test]
async fn a_process_that_comes_back_in_time_was_never_away() {
    let mut desk = Desk::new();
    let name = format!("e{}", std::process::id());
    let dummy = Dummy::new(&desk, &name);
    let first = dummy.start("300");
    let tracked = TrackProcess {
        quorum: 1,
        terminate_delay: Duration::from_secs(2),
        ..process(&name)
    };
    desk.track("p", Watch::Process(tracked));
    desk.start(None);
    assert_eq!(desk.next_of("p").await.value, Measure::Up);
    end(first);
    desk.snapshot_with("it is missed", |s| s.trackers[0].detail.starts_with("0 of"))
        .await;
    let second = dummy.start("300");
    let found = |s: &lvsd::status::ScriptsSnapshot| s.trackers[0].detail.starts_with("1 of");
    let snapshot = desk.snapshot_with("it is back", found).await;
    assert_eq!(snapshot.trackers[0].value, Some(Measure::Up));
    assert_eq!(desk.measured.len(), 1, "{:?}", desk.measured);
    end(second);
    assert_eq!(desk.next_of("p").await.value, Measure::Down);
}
