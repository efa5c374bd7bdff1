//! Programs and FIFOs that are told of events.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::time::Duration;

use lvsd::model::{Command, Fifo, Notify, RunAs, Subject, What};
use rustix::fs::OFlags;

use crate::desk::{Desk, runs, until};

/// Programs that write down that they ran.
fn notify(desk: &Desk) -> Notify {
    let own = |name: &str| Some(desk.script(name, &format!("echo {name} \"$@\" >> $DIR/log")));
    Notify {
        master: own("master"),
        backup: own("backup"),
        fault: own("fault"),
        stop: own("stop"),
        any: own("any"),
        ..Notify::default()
    }
}

async fn log_has(desk: &Desk, lines: &[&str]) {
    let deadline = tokio::time::Instant::now() + crate::desk::PATIENCE;
    loop {
        let log = desk.text("log");
        let in_time = tokio::time::Instant::now() < deadline;
        if log.lines().count() >= lines.len() || !in_time {
            assert_eq!(log.lines().collect::<Vec<_>>(), lines);
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn fifo(desk: &Desk, script: Option<Command>) -> Fifo {
    Fifo {
        path: desk.path("fifo"),
        owner: Some(RunAs {
            user: "nobody".into(),
            group: Some("daemon".into()),
        }),
        script,
    }
}

/// Reads what is in a FIFO, until it is `length` octets.
async fn read(desk: &Desk, length: usize) -> String {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = File::options()
        .read(true)
        .custom_flags(flags)
        .open(desk.path("fifo"))
        .unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    let deadline = tokio::time::Instant::now() + crate::desk::PATIENCE;
    while text.len() < length {
        match file.read(&mut buffer) {
            Ok(count) => text.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        assert!(tokio::time::Instant::now() < deadline, "read only {text:?}");
    }
    text
}

#[tokio::test]
async fn a_states_own_program_runs_first_and_then_the_one_for_all() {
    let mut desk = Desk::new();
    let notify = notify(&desk);
    desk.instance("web", notify.clone());
    desk.group("both", notify);
    desk.start(None);
    desk.tell_instance("web", What::Backup);
    log_has(&desk, &["backup", "any INSTANCE web BACKUP 100"]).await;
    desk.tell(Subject::Group("both".into()), What::Fault);
    let mut lines = vec![
        "backup",
        "any INSTANCE web BACKUP 100",
        "fault",
        "any GROUP both FAULT 0",
    ];
    log_has(&desk, &lines).await;
    // The worker is told again what it had taken in, and what is no change.
    desk.tell_instance("web", What::Backup);
    desk.tell_instance("web", What::Stop);
    lines.extend(["stop", "any INSTANCE web STOP 100"]);
    log_has(&desk, &lines).await;
    desk.stop().await;
}

#[tokio::test]
async fn a_newer_state_takes_the_place_of_one_that_waits_and_a_slow_one_blocks_nobody() {
    let mut desk = Desk::new();
    let slow = desk.script(
        "slow",
        "echo slow >> $DIR/log; while ! test -e $DIR/go; do sleep 0.05; done",
    );
    let quick = notify(&desk);
    desk.instance("quick", quick.clone());
    desk.instance(
        "slow",
        Notify {
            master: Some(slow),
            ..quick
        },
    );
    desk.start(None);
    desk.tell_instance("slow", What::Master);
    log_has(&desk, &["slow"]).await;
    desk.tell_instance("slow", What::Fault);
    desk.tell_instance("slow", What::Backup);
    desk.tell_instance("quick", What::Master);
    let mut lines = vec!["slow", "master", "any INSTANCE quick MASTER 100"];
    log_has(&desk, &lines).await;
    fs::write(desk.path("go"), "").unwrap();
    lines.extend(["backup", "any INSTANCE slow BACKUP 100"]);
    log_has(&desk, &lines).await;
    desk.stop().await;
    assert_eq!(desk.text("log").lines().count(), lines.len());
}

#[tokio::test]
async fn a_program_that_hangs_is_ended_and_counted() {
    let mut desk = Desk::new();
    let mut hang = desk.script("hang", "echo $$ > $DIR/pid; sleep 300");
    hang.timeout = Some(Duration::from_millis(300));
    let fail = desk.script("fail", "echo no way >&2; exit 4");
    let notify = Notify {
        master: Some(hang),
        backup: Some(fail),
        ..Notify::default()
    };
    desk.instance("web", notify);
    desk.start(None);
    desk.tell_instance("web", What::Master);
    desk.snapshot_with("it was ended", |s| s.notify.timeouts == 1)
        .await;
    assert!(!runs(&desk.path("pid")));
    desk.tell_instance("web", What::Backup);
    desk.snapshot_with("it failed", |s| s.notify.failed == 1)
        .await;
}

#[tokio::test]
async fn a_running_program_outlives_a_hand_over_and_what_waits_is_run_after_it() {
    let mut desk = Desk::new();
    let slow = desk.script(
        "slow",
        "echo $$ > $DIR/pid; while ! test -e $DIR/go; do sleep 0.05; done; \
         echo said; echo slow >> $DIR/log",
    );
    let notify = Notify {
        master: Some(slow),
        ..notify(&desk)
    };
    desk.instance("web", notify);
    desk.start(None);
    let master = desk.tell_instance("web", What::Master);
    let pid = desk.path("pid");
    until("it runs", || runs(&pid)).await;
    desk.snapshot_with("it is known", |s| s.notify.running.len() == 1)
        .await;
    desk.tell_instance("web", What::Backup);
    desk.snapshot_with("it waits", |s| s.told_until == 2).await;
    let left = desk.hand_over().await;
    assert!(runs(&pid));
    desk.start(Some(left));
    // The supervisor repeats what it does not know to have been taken in.
    desk.send(&lvsd::worker::protocol::ToWorker::Event(master));
    let snapshot = desk.snapshot().await;
    assert_eq!(snapshot.notify.running.len(), 1);
    assert_eq!(snapshot.notify.waiting.len(), 2);
    assert_eq!(desk.text("log"), "");
    fs::write(desk.path("go"), "").unwrap();
    log_has(&desk, &["slow", "backup", "any INSTANCE web BACKUP 100"]).await;
    desk.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_the_last_programs_but_not_for_ever() {
    let mut desk = Desk::new();
    let stop = desk.script("stop", "sleep 0.5; echo stopped >> $DIR/log");
    desk.instance(
        "web",
        Notify {
            stop: Some(stop),
            ..Notify::default()
        },
    );
    desk.start(None);
    desk.tell_instance("web", What::Stop);
    desk.stop().await;
    assert_eq!(desk.text("log"), "stopped\n");

    let mut desk = Desk::new();
    let stop = desk.script(
        "stop",
        "echo $$ > $DIR/pid; sleep 20; echo stopped >> $DIR/log",
    );
    desk.instance(
        "web",
        Notify {
            stop: Some(stop),
            ..Notify::default()
        },
    );
    desk.start(None);
    desk.tell_instance("web", What::Stop);
    desk.stop().await;
    assert_eq!(desk.text("log"), "");
    assert!(runs(&desk.path("pid")), "it is left running");
    let pid = desk.text("pid").trim().parse().unwrap();
    lvsd::kernel::process::signal_group(pid, rustix::process::Signal::KILL);
}

#[tokio::test]
async fn fifos_get_the_lines_at_once_and_belong_to_whom_they_should() {
    let mut desk = Desk::new();
    desk.instance(
        "web",
        Notify {
            priority_changes: true,
            ..Notify::default()
        },
    );
    desk.config.global.notification.vrrp_fifo = Some(fifo(&desk, None));
    desk.start(None);
    desk.snapshot().await;
    let found = fs::symlink_metadata(desk.path("fifo")).unwrap();
    assert!(found.file_type().is_fifo());
    assert_eq!(
        (found.uid(), found.gid(), found.mode() & 0o777),
        (65_534, 1, 0o600)
    );
    desk.tell_instance("web", What::Backup);
    desk.tell_instance("web", What::Master);
    desk.tell_instance("web", What::MasterPriority);
    desk.tell_instance("web", What::MasterRxLowerPri);
    desk.tell(Subject::Group("g".into()), What::Master);
    desk.tell_instance("web", What::Stop);
    let lines = "INSTANCE \"web\" BACKUP 100\nINSTANCE \"web\" MASTER 100\n\
        INSTANCE \"web\" MASTER_PRIORITY 100\nINSTANCE \"web\" MASTER_RX_LOWER_PRI 100\n\
        GROUP \"g\" MASTER 0\nINSTANCE \"web\" STOP 100\n";
    assert_eq!(read(&desk, lines.len()).await, lines);
    // Somebody removes it: it is made again.
    fs::remove_file(desk.path("fifo")).unwrap();
    desk.tell_instance("web", What::Backup);
    desk.snapshot_with("taken in", |s| s.told_until == 7).await;
    let line = "INSTANCE \"web\" BACKUP 100\n";
    assert_eq!(read(&desk, line.len()).await, line);
    desk.stop().await;
    assert!(!desk.path("fifo").exists(), "what we made is removed");
}

#[tokio::test]
async fn lines_that_nobody_reads_are_counted_and_block_nobody() {
    let mut desk = Desk::new();
    desk.instance("web", Notify::default());
    desk.config.global.notification.fifo = Some(fifo(&desk, None));
    desk.start(None);
    for _ in 0..2_000 {
        desk.tell_instance("web", What::Backup);
        desk.tell_instance("web", What::Master);
    }
    let snapshot = desk
        .snapshot_with("all are taken in", |s| s.told_until == 4_000)
        .await;
    let dropped = snapshot.notify.fifos[0].dropped;
    assert!((1..4_000).contains(&dropped), "{dropped}");
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut kept = Vec::new();
    let mut fifo = File::options()
        .read(true)
        .custom_flags(flags)
        .open(desk.path("fifo"))
        .unwrap();
    let _empty = fifo.read_to_end(&mut kept).unwrap_err();
    let kept = String::from_utf8(kept).unwrap();
    let whole = |line: &&str| line.starts_with("INSTANCE \"web\" ") && line.ends_with(" 100");
    assert_eq!(kept.lines().filter(whole).count() as u64 + dropped, 4_000);
    desk.tell_instance("web", What::Backup);
    let after = desk
        .snapshot_with("taken in", |s| s.told_until == 4_001)
        .await;
    assert_eq!(
        after.notify.fifos[0].dropped, dropped,
        "it takes lines again"
    );
}

#[tokio::test]
async fn a_fifos_reader_is_kept_running_and_misses_nothing() {
    let mut desk = Desk::new();
    let reader = desk.script("reader", "echo $$ > $DIR/pid; exec cat \"$1\" >> $DIR/log");
    desk.instance("web", Notify::default());
    desk.config.global.notification.fifo = Some(fifo(&desk, Some(reader)));
    desk.start(None);
    desk.tell_instance("web", What::Backup);
    log_has(&desk, &["INSTANCE \"web\" BACKUP 100"]).await;
    let left = desk.hand_over().await;
    // It comes to the end of the FIFO, or to more lines if the successor is quick.
    desk.start(Some(left));
    desk.tell_instance("web", What::Master);
    let mut lines = vec!["INSTANCE \"web\" BACKUP 100", "INSTANCE \"web\" MASTER 100"];
    log_has(&desk, &lines).await;
    let second = desk.text("pid");
    let pid = second.trim().parse().unwrap();
    lvsd::kernel::process::signal_group(pid, rustix::process::Signal::KILL);
    // A dying one may still take a line with it.
    let reader = desk.path("pid");
    until("it has gone", || !runs(&reader)).await;
    desk.tell_instance("web", What::Fault);
    lines.push("INSTANCE \"web\" FAULT 100");
    log_has(&desk, &lines).await;
    assert_ne!(desk.text("pid"), second, "it is started again");
    desk.stop().await;
    assert!(!runs(&desk.path("pid")), "it comes to the end of the FIFO");
}
