//! Mail, to a small server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lvsd::model::{Mail, MailTls, Notify, Secret, What};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::desk::{Desk, PATIENCE, until};

/// What the server does with a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Takes,
    /// Says that it is not now.
    Busy,
    Refuses,
    /// Says nothing at all.
    Hangs,
}

/// A mail server, and all that it heard.
struct Server {
    port: u16,
    mood: Arc<Mutex<Mood>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            mood: Arc::new(Mutex::new(mood)),
            heard: Arc::default(),
        };
        let (mood, heard) = (Arc::clone(&server.mood), Arc::clone(&server.heard));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mood = *mood.lock().unwrap();
                tokio::spawn(serve(stream, mood, Arc::clone(&heard)));
            }
        });
        server
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().concat()
    }

    /// How many messages it took.
    fn taken(&self) -> usize {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|line| line.trim_end() == ".").count()
    }
}

async fn serve(stream: TcpStream, mood: Mood, heard: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let greeting: &[u8] = match mood {
        Mood::Hangs => b"",
        Mood::Busy => b"421 not now\r\n",
        Mood::Takes | Mood::Refuses => b"220 here\r\n",
    };
    let _ = write.write_all(greeting).await;
    let mut data = false;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        heard.lock().unwrap().push(line.clone());
        let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match (data, word.as_str()) {
            (true, _) if line == ".\r\n" => {
                data = false;
                "250 taken"
            }
            (true, _) => continue,
            (false, "EHLO") => "250-here\r\n250 AUTH PLAIN LOGIN",
            (false, "RCPT") if mood == Mood::Refuses => "550 nobody of that name",
            (false, "DATA") => {
                data = true;
                "354 go on"
            }
            (false, "QUIT") => "221 bye",
            (false, _) => "250 fine",
        };
        let _ = write.write_all(format!("{answer}\r\n").as_bytes()).await;
    }
}

fn mail(server: &Server) -> Mail {
    Mail {
        server: "127.0.0.1".into(),
        port: server.port,
        tls: MailTls::Opportunistic,
        login: None,
        from: "lvsd@example.com".into(),
        to: vec!["one@example.com".into(), "Two <two@example.com>".into()],
        helo_name: Some("lb01.example.com".into()),
        timeout: Duration::from_secs(20),
        no_faults: true,
    }
}

fn desk(mail: Mail) -> Desk {
    let mut desk = Desk::new();
    desk.instance(
        "web",
        Notify {
            mail: true,
            ..Notify::default()
        },
    );
    desk.instance("quiet", Notify::default());
    desk.config.global.router_id = Some("lb01".into());
    desk.config.global.notification.mail = Some(mail);
    desk
}

#[tokio::test]
async fn changes_are_mailed_to_those_who_want_to_know() {
    let server = Server::start(Mood::Takes).await;
    let mut desk = desk(mail(&server));
    desk.start(None);
    desk.tell_instance("quiet", What::Master);
    desk.tell_instance("web", What::Master);
    desk.tell_instance("web", What::Fault);
    desk.tell_instance("web", What::Backup);
    let snapshot = desk
        .snapshot_with("two are sent", |s| s.notify.mail.sent == 2)
        .await;
    assert!(snapshot.notify.mail.waiting.is_empty());
    let heard = server.heard();
    for line in [
        "EHLO lb01.example.com\r\n",
        "MAIL FROM:<lvsd@example.com>",
        "RCPT TO:<two@example.com>",
        "Subject: [lb01] VRRP Instance web - Entering MASTER state\r\n",
        "=> VRRP Instance is now owning VRRP VIPs <=\r\n",
        "Reason: a test\r\n",
        "Subject: [lb01] VRRP Instance web - Entering BACKUP state\r\n",
    ] {
        assert!(heard.contains(line), "{line} is not in {heard}");
    }
    assert!(
        !heard.contains("FAULT") && !heard.contains("quiet"),
        "{heard}"
    );
    // A stop waits for the last one.
    desk.tell_instance("web", What::Stop);
    desk.stop().await;
    assert!(server.heard().contains("web - Stopping\r\n"));
}

#[tokio::test]
async fn letters_wait_for_a_busy_server_and_survive_the_worker() {
    let server = Server::start(Mood::Busy).await;
    let mut desk = desk(mail(&server));
    desk.start(None);
    desk.tell_instance("web", What::Master);
    let failed = |s: &lvsd::status::ScriptsSnapshot| s.notify.mail.error.is_some();
    let left = desk.snapshot_with("it failed", failed).await;
    let error = left.notify.mail.error.clone().unwrap();
    assert!(
        error.contains("127.0.0.1") && error.contains("421"),
        "{error}"
    );
    assert_eq!(left.notify.mail.waiting.len(), 1);
    desk.kill().await;
    server.set(Mood::Takes);
    desk.start(Some(left));
    desk.tell_instance("web", What::Backup);
    desk.snapshot_with("both are sent", |s| s.notify.mail.sent == 2)
        .await;
    assert_eq!(server.taken(), 2);
}

#[tokio::test]
async fn it_is_tried_again() {
    let server = Server::start(Mood::Busy).await;
    let mut desk = desk(mail(&server));
    desk.start(None);
    desk.tell_instance("web", What::Master);
    desk.snapshot_with("it failed", |s| s.notify.mail.error.is_some())
        .await;
    server.set(Mood::Takes);
    let sent = desk
        .snapshot_with("it is sent", |s| s.notify.mail.sent == 1)
        .await;
    assert_eq!(sent.notify.mail.error, None);
}

#[tokio::test]
async fn a_letter_that_is_refused_is_given_up_and_the_next_goes() {
    let server = Server::start(Mood::Refuses).await;
    let mut desk = desk(mail(&server));
    desk.start(None);
    desk.tell_instance("web", What::Master);
    let lost = desk
        .snapshot_with("it is lost", |s| s.notify.mail.lost == 1)
        .await;
    let error = lost.notify.mail.error.unwrap();
    assert!(error.contains("nobody of that name"), "{error}");
    server.set(Mood::Takes);
    desk.tell_instance("web", What::Backup);
    desk.snapshot_with("the next is sent", |s| s.notify.mail.sent == 1)
        .await;
}

#[tokio::test]
async fn a_server_that_hangs_blocks_nobody_and_no_stop() {
    let server = Server::start(Mood::Hangs).await;
    let mut desk = desk(Mail {
        timeout: Duration::from_secs(600),
        ..mail(&server)
    });
    let told = desk.script("told", "echo told >> $DIR/log");
    desk.config.vrrp_instances[0].notify.any = Some(told);
    desk.start(None);
    desk.tell_instance("web", What::Master);
    desk.tell_instance("web", What::Backup);
    let log = desk.path("log");
    until("programs run", || log.exists()).await;
    let stopped = tokio::time::timeout(PATIENCE, desk.stop()).await;
    stopped.expect("it stops within a few seconds");
}

#[tokio::test]
async fn a_password_is_not_told_to_a_server_without_encryption() {
    let server = Server::start(Mood::Takes).await;
    let login = Some(("lvsd".into(), Secret("sesame".into())));
    for tls in [MailTls::Opportunistic, MailTls::Starttls] {
        let mut desk = desk(Mail {
            tls,
            login: login.clone(),
            ..mail(&server)
        });
        desk.start(None);
        desk.tell_instance("web", What::Master);
        let failed = |s: &lvsd::status::ScriptsSnapshot| s.notify.mail.error.is_some();
        let snapshot = desk.snapshot_with("it is not sent", failed).await;
        assert_eq!(snapshot.notify.mail.waiting.len(), 1);
    }
    assert!(!server.heard().contains("AUTH"), "{}", server.heard());
    assert_eq!(server.taken(), 0);
}
