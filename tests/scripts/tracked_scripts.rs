//! Tracked scripts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command as Process;
use std::time::Duration;

use lvsd::model::{Command, Measure, RunAs, TrackScript, Watch};

use crate::desk::{Desk, runs, until};

fn tracked(command: Command) -> TrackScript {
    TrackScript {
        command,
        interval: Duration::from_millis(50),
        timeout: Duration::from_secs(20),
        rise: 1,
        fall: 1,
        init_fail: false,
    }
}

#[tokio::test]
async fn results_in_a_row_change_the_state_and_the_last_line_says_why() {
    let mut desk = Desk::new();
    let command = desk.script(
        "check",
        "echo run >> $DIR/runs; test -e $DIR/good || { echo no good file >&2; exit 3; }",
    );
    desk.track(
        "check",
        Watch::Script(TrackScript {
            rise: 2,
            fall: 3,
            ..tracked(command)
        }),
    );
    desk.start(None);
    let first = desk.next_of("check").await;
    assert_eq!(
        first.value,
        Measure::Down,
        "the first result counts at once"
    );
    assert_eq!(first.detail, "exit status 3: no good file");
    fs::write(desk.path("good"), "").unwrap();
    let up = desk.next_of("check").await;
    assert_eq!(
        (up.value, up.detail.as_str()),
        (Measure::Up, "exit status 0")
    );
    let before = desk.text("runs").lines().count();
    fs::remove_file(desk.path("good")).unwrap();
    assert_eq!(desk.next_of("check").await.value, Measure::Down);
    let runs = desk.text("runs").lines().count() - before;
    assert!(runs >= 3, "down after {runs} failures");
}

#[tokio::test]
async fn one_that_counts_as_failed_is_down_until_it_has_run() {
    let mut desk = Desk::new();
    let command = desk.script("slow", "while ! test -e $DIR/go; do sleep 0.05; done");
    let script = TrackScript {
        init_fail: true,
        ..tracked(command)
    };
    desk.track("slow", Watch::Script(script));
    desk.start(None);
    assert_eq!(desk.next_of("slow").await.value, Measure::Down);
    fs::write(desk.path("go"), "").unwrap();
    assert_eq!(desk.next_of("slow").await.value, Measure::Up);
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_cut_off_with_all_it_started() {
    let mut desk = Desk::new();
    let command = desk.script(
        "hang",
        "trap '' TERM; (trap '' TERM; echo $$ > $DIR/leader; exec sleep 500) & \
         echo $! > $DIR/child; echo about to hang; while :; do sleep 500; done",
    );
    let script = TrackScript {
        timeout: Duration::from_millis(700),
        ..tracked(command)
    };
    desk.track("hang", Watch::Script(script));
    desk.start(None);
    let down = desk.next_of("hang").await;
    assert_eq!(down.value, Measure::Down);
    assert_eq!(down.detail, "cut off after 700ms: about to hang");
    let first = desk.text("leader");
    assert!(runs(&desk.path("leader")) && runs(&desk.path("child")));
    let (leader, child) = (desk.path("leader"), desk.path("child"));
    let (old_leader, old_child) = (desk.path("old_leader"), desk.path("old_child"));
    fs::copy(leader, &old_leader).unwrap();
    fs::copy(child, &old_child).unwrap();
    until("they are killed", || {
        !runs(&old_leader) && !runs(&old_child)
    })
    .await;
    let snapshot = desk
        .snapshot_with("it is counted", |s| s.trackers[0].timeouts >= 2)
        .await;
    assert!(snapshot.trackers[0].runs >= 2);
    assert_ne!(desk.text("leader"), first, "it is run again");
    desk.stop().await;
    let leader = desk.path("leader");
    until("the last run ended with the worker", || !runs(&leader)).await;
}

#[tokio::test]
async fn a_program_runs_as_its_user_and_gets_nothing_of_ours() {
    let mut desk = Desk::new();
    let open = desk.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let command = desk.script(
        "who",
        "id > $DIR/open/id; env > $DIR/open/env; for fd in /proc/$$/fd/*; do readlink $fd; done > $DIR/open/fds; \
         pwd > $DIR/open/pwd; readlink /proc/self/fd/0 > $DIR/open/stdin; \
         ps -o pgid= -p $$ > $DIR/open/pgid; echo $$ > $DIR/open/pid; yes | head -c 3000000",
    );
    let user = RunAs {
        user: "nobody".into(),
        group: Some("daemon".into()),
    };
    desk.config.global.notification.script_user = Some(user);
    desk.track("who", Watch::Script(tracked(command)));
    desk.start(None);
    let up = desk.next_of("who").await;
    assert_eq!(up.detail, "exit status 0: y", "however much it says");
    let id = desk.text("open/id");
    assert!(
        id.starts_with("uid=65534(nobody) gid=1(daemon) groups=1(daemon)"),
        "{id}"
    );
    let env = desk.text("open/env");
    assert!(!env.contains("LVSD") && !env.contains("CARGO"), "{env}");
    assert!(
        env.contains("PATH=/usr/local/sbin:") && env.contains("USER=nobody"),
        "{env}"
    );
    let fds = desk.text("open/fds");
    for ours in ["socket:", "anon_inode:", "scripts.lock"] {
        assert!(!fds.contains(ours), "{fds}");
    }
    assert_eq!(desk.text("open/pwd"), "/\n");
    assert_eq!(desk.text("open/stdin"), "/dev/null\n");
    assert_eq!(desk.text("open/pgid").trim(), desk.text("open/pid").trim());
}

#[tokio::test]
async fn what_others_may_change_is_not_run_as_root() {
    let mut desk = Desk::new();
    desk.config.global.notification.script_security = true;
    let command = desk.script("check", "touch $DIR/has_run");
    let path = desk.path("check");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    desk.track("check", Watch::Script(tracked(command)));
    desk.start(None);
    let down = desk.next_of("check").await;
    assert_eq!(down.value, Measure::Down);
    let path = path.display();
    let why = format!("refused to run {path} as root: {path} is writable by everybody");
    assert_eq!(down.detail, why);
    assert!(!desk.path("has_run").exists());
    fs::set_permissions(desk.path("check"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(desk.next_of("check").await.value, Measure::Up);
}

#[tokio::test]
async fn text_without_an_interpreter_is_run_by_the_shell() {
    let mut desk = Desk::new();
    let mut command = desk.executable("text", "test \"$1 $2\" = 'two words here' && echo fine\n");
    command.words.extend(["two words".into(), "here".into()]);
    desk.track("text", Watch::Script(tracked(command)));
    let absent = Command {
        words: vec![desk.path("absent").display().to_string()],
        user: None,
        timeout: None,
    };
    desk.track("absent", Watch::Script(tracked(absent)));
    desk.start(None);
    assert_eq!(desk.next_of("text").await.detail, "exit status 0: fine");
    let snapshot = desk
        .snapshot_with("both", |s| s.trackers.iter().all(|t| t.runs > 0))
        .await;
    let absent = snapshot
        .trackers
        .iter()
        .find(|t| t.name == "absent")
        .unwrap();
    let error = format!(
        "cannot run {}: No such file or directory (os error 2)",
        desk.path("absent").display()
    );
    assert_eq!(
        (absent.value, &absent.detail),
        (Some(Measure::Down), &error)
    );
}

#[tokio::test]
async fn those_that_hang_keep_no_other_from_its_turn() {
    let mut desk = Desk::new();
    let hang = desk.script("hang", "sleep 300");
    let quick = desk.script("quick", "exit 0");
    for number in 0..80 {
        let mut script = tracked(hang.clone());
        script.timeout = Duration::from_secs(300);
        desk.track(&format!("hang{number}"), Watch::Script(script));
        let script = tracked(quick.clone());
        desk.track(&format!("quick{number}"), Watch::Script(script));
    }
    desk.start(None);
    desk.snapshot_with("all quick ones have run", |snapshot| {
        let mut quick = snapshot
            .trackers
            .iter()
            .filter(|t| t.name.starts_with("quick"));
        quick.all(|t| t.value == Some(Measure::Up))
    })
    .await;
}

#[tokio::test]
async fn a_successor_knows_the_results_and_counts_on() {
    let mut desk = Desk::new();
    let command = desk.script("check", "test -e $DIR/good");
    fs::write(desk.path("good"), "").unwrap();
    let script = TrackScript {
        fall: 1_000_000,
        ..tracked(command)
    };
    desk.track("check", Watch::Script(script));
    desk.start(None);
    desk.next_of("check").await;
    fs::remove_file(desk.path("good")).unwrap();
    let left = desk
        .snapshot_with("it failed", |s| s.trackers[0].streak >= 2)
        .await;
    desk.kill().await;
    desk.start(Some(left));
    let measured = desk.next_of("check").await;
    assert_eq!(measured.value, Measure::Up, "told anew, and still up");
    let after = desk
        .snapshot_with("it failed again", |s| s.trackers[0].streak >= 3)
        .await;
    assert_eq!(after.trackers[0].value, Some(Measure::Up));
}

#[tokio::test]
async fn a_reload_touches_only_what_it_changes() {
    let mut desk = Desk::new();
    let command = desk.script("long", "echo x >> $DIR/starts; sleep 300");
    let mut script = tracked(command);
    script.timeout = Duration::from_secs(300);
    desk.track("long", Watch::Script(script));
    desk.start(None);
    let starts = desk.path("starts");
    until("it runs", || starts.exists()).await;
    let quick = desk.script("quick", "exit 1");
    desk.track("quick", Watch::Script(tracked(quick)));
    desk.reload();
    assert_eq!(desk.next_of("quick").await.value, Measure::Down);
    assert_eq!(desk.text("starts"), "x\n");
    desk.config.vrrp.trackers.remove(0);
    desk.reload();
    let snapshot = desk
        .snapshot_with("it is gone", |s| s.trackers.len() == 1)
        .await;
    assert_eq!(snapshot.trackers[0].name, "quick");
}

#[test]
fn a_user_with_many_groups_gets_all_of_them() {
    let run = |words: &[&str]| {
        let mut process = Process::new(env!("CARGO_BIN_EXE_lvsd"));
        process.args(["run-as", "65534", "1", "1,2,3", "--"]);
        process.args(words).output().unwrap()
    };
    let output = run(&["/bin/sh", "-c", "id -u; id -G"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "65534\n1 2 3\n");
    let output = run(&["/no/such/program"]);
    assert_eq!(output.status.code(), Some(127));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "lvsd: cannot run /no/such/program: No such file or directory (os error 2)\n"
    );
}
