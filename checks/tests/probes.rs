//! Probes against real servers on the loopback interface.
//!
//! Timeouts here are short where the test waits for one, and far longer than
//! anything on loopback takes where it does not; upper bounds leave a margin
//! for a busy machine.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use checks::probe::{Prober, Timeouts};
use checks::{Detail, Failure, HttpSpec, IcmpSpec, Method, Outcome, Phase, Spec, Statuses};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);
const MARGIN: Duration = Duration::from_secs(5);

async fn probe(spec: &Spec, connect: Duration) -> Outcome {
    spec.validate().expect("a valid spec");
    Prober::default()
        .probe(spec, Timeouts::of(spec, connect))
        .await
}

fn failure(outcome: Outcome) -> Failure {
    outcome.expect_err("the probe should fail")
}

/// Asserts that a failure came by the deadline, not long before or after.
fn assert_timed_out(failure: &Failure, limit: Duration) {
    let elapsed = failure.elapsed;
    assert!(elapsed >= limit, "{elapsed:?} is before {limit:?}");
    assert!(elapsed < limit + MARGIN, "{elapsed:?} is late");
    assert!(!failure.local);
}

/// A server that hands each connection to `serve`.
async fn server<F, S>(address: &str, serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(address).await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Reads a request up to its blank line.
async fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(text).expect("a request in ASCII")
}

/// An HTTP server that answers every request with these bytes, and closes.
async fn answering(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = Arc::new(answer.into());
    server("127.0.0.1:0", move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            request(&mut stream).await;
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

async fn get(answer: impl Into<Vec<u8>>) -> Outcome {
    let target = answering(answer).await;
    probe(&Spec::Http(HttpSpec::get(target, "/")), LONG).await
}

/// An address where nobody listens: the port was free a moment ago, and its
/// holder keeps it bound without listening.
fn refusing(address: &str) -> (socket2::Socket, SocketAddr) {
    let address: SocketAddr = address.parse().expect("an address");
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&address.into()).expect("binds");
    let address = socket.local_addr().expect("an address");
    (socket, address.as_socket().expect("an IP address"))
}

/// A listener whose accept queue is full, so that the kernel drops what
/// arrives: the connections that fill it are to be kept.
fn dropping() -> (socket2::Socket, Vec<socket2::Socket>, SocketAddr) {
    let (listener, address) = refusing("127.0.0.1:0");
    listener.listen(0).expect("listens");
    let fill = || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.set_nonblocking(true).expect("set");
        let _ = socket.connect(&address.into());
        socket
    };
    // A queue of length 0 holds one connection; more make sure of it.
    let fillers = (0..4).map(|_| fill()).collect();
    (listener, fillers, address)
}

mod tcp {
    use super::*;

    #[tokio::test]
    async fn a_listening_server_is_well() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let target = server(address, |_| async {}).await;
            let report = probe(&Spec::tcp(target), LONG).await.expect("connects");
            assert_eq!(report.detail, Detail::Connected);
            assert!(report.elapsed < MARGIN);
        }
    }

    #[tokio::test]
    async fn a_timeout_may_be_endless() {
        let target = server("127.0.0.1:0", |_| async {}).await;
        let spec = Spec::tcp(target);
        probe(&spec, Duration::MAX).await.expect("connects");
    }

    #[tokio::test]
    async fn a_server_sees_an_ordinary_close() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let target = listener.local_addr().expect("an address");
        probe(&Spec::tcp(target), LONG).await.expect("connects");
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let read = stream.read(&mut [0; 16]).await;
        assert_eq!(read.expect("no reset"), 0);
    }

    #[tokio::test]
    async fn a_refused_connection_is_a_failure() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (_holder, target) = refusing(address);
            let failure = failure(probe(&Spec::tcp(target), LONG).await);
            assert_eq!(failure.phase, Phase::Connect);
            assert_eq!(failure.error, "connection refused");
            assert!(!failure.local);
            assert!(failure.elapsed < MARGIN);
        }
    }

    #[tokio::test]
    async fn dropped_packets_end_at_the_timeout() {
        let (_listener, _fillers, target) = dropping();
        let failure = failure(probe(&Spec::tcp(target), SHORT).await);
        assert_eq!(failure.phase, Phase::Connect);
        assert_eq!(failure.error, "no answer within 300ms");
        assert_timed_out(&failure, SHORT);
    }

    #[tokio::test]
    async fn what_we_may_not_do_is_local_trouble() {
        // Connecting to a broadcast address is refused by our own kernel.
        let target = "255.255.255.255:80".parse().expect("an address");
        let failure = failure(probe(&Spec::tcp(target), LONG).await);
        assert_eq!(failure.phase, Phase::Connect);
        // Without any route it is the network that is unreachable.
        if failure.error != "network is unreachable" {
            assert!(failure.local, "{failure}");
        }
    }
}

mod http {
    use super::*;

    #[tokio::test]
    async fn a_good_answer_is_well() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let report = get(answer).await.expect("a good answer");
        let detail = Detail::Http {
            status: 200,
            body: 5,
        };
        assert_eq!(report.detail, detail);
    }

    #[tokio::test]
    async fn bodies_of_every_framing_are_read() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let to_the_end = "HTTP/1.1 200 OK\r\n\r\nabcde";
        let old = "HTTP/1.0 200 OK\r\n\r\nabcde";
        let old_with_length = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nabcde";
        for answer in [chunked, to_the_end, old, old_with_length] {
            let report = get(answer).await.expect("a good answer");
            let detail = Detail::Http {
                status: 200,
                body: 5,
            };
            assert_eq!(report.detail, detail, "{answer}");
        }
    }

    #[tokio::test]
    async fn an_interim_answer_is_passed_over() {
        let answer = "HTTP/1.1 103 Early Hints\r\n\r\n\
                      HTTP/1.1 204 No Content\r\n\r\n";
        let detail = Detail::Http {
            status: 204,
            body: 0,
        };
        assert_eq!(get(answer).await.expect("a good answer").detail, detail);
    }

    /// What a server is sent for this spec.
    async fn request_of(change: impl FnOnce(&mut HttpSpec)) -> (SocketAddr, String, Outcome) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let target = listener.local_addr().expect("an address");
        let mut spec = HttpSpec::get(target, "/health?deep=1");
        change(&mut spec);
        let spec = Spec::Http(spec);
        let serve = async {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let text = request(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
            stream.write_all(answer).await.expect("answers");
            text
        };
        let (text, outcome) = tokio::join!(serve, probe(&spec, LONG));
        (target, text, outcome)
    }

    #[tokio::test]
    async fn the_request_is_as_documented() {
        let (target, text, _) = request_of(|_| ()).await;
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            text,
            format!(
                "GET /health?deep=1 HTTP/1.1\r\nhost: {target}\r\n\
                 user-agent: lvsd/{version}\r\nconnection: close\r\n\r\n"
            )
        );
        let (_, text, _) = request_of(|s| s.host = Some("www.example".into())).await;
        assert!(text.contains("\r\nhost: www.example\r\n"), "{text}");
    }

    #[tokio::test]
    async fn head_expects_no_body() {
        let (_, text, outcome) = request_of(|s| s.method = Method::Head).await;
        assert!(text.starts_with("HEAD /health?deep=1 HTTP/1.1\r\n"));
        let detail = Detail::Http {
            status: 200,
            body: 0,
        };
        assert_eq!(outcome.expect("a good answer").detail, detail);
    }

    #[tokio::test]
    async fn an_unwanted_status_is_a_failure() {
        let broken = "HTTP/1.1 500 Oh No\r\nContent-Length: 999999999\r\n\r\n";
        let failure = failure(get(broken).await);
        assert_eq!(failure.phase, Phase::Status);
        assert_eq!(failure.error, "status 500, expected 200-299");
        assert!(!failure.local);
    }

    #[tokio::test]
    async fn accepted_statuses_are_obeyed() {
        let target = answering("HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n").await;
        let mut spec = HttpSpec::get(target, "/");
        spec.statuses = Statuses(vec![
            "200".parse().expect("a code"),
            "301-302".parse().expect("a range"),
        ]);
        probe(&Spec::Http(spec), LONG).await.expect("accepted");
    }

    #[tokio::test]
    async fn a_refused_or_dropped_connection_is_a_failure() {
        let (_holder, target) = refusing("127.0.0.1:0");
        let spec = Spec::Http(HttpSpec::get(target, "/"));
        let refused = failure(probe(&spec, LONG).await);
        assert_eq!(refused.phase, Phase::Connect);
        assert_eq!(refused.error, "connection refused");
        let (_listener, _fillers, target) = dropping();
        let spec = Spec::Http(HttpSpec::get(target, "/"));
        let dropped = failure(probe(&spec, SHORT).await);
        assert_eq!(dropped.phase, Phase::Connect);
        assert_timed_out(&dropped, SHORT);
    }

    /// A server that answers with `head` and then does nothing.
    async fn hanging_after(head: &'static str) -> Spec {
        let target = server("127.0.0.1:0", move |mut stream| async move {
            request(&mut stream).await;
            let _ = stream.write_all(head.as_bytes()).await;
            std::future::pending::<()>().await;
        })
        .await;
        let mut spec = HttpSpec::get(target, "/");
        spec.timeout = Some(SHORT);
        Spec::Http(spec)
    }

    #[tokio::test]
    async fn silence_ends_at_the_deadline() {
        let failure = failure(probe(&hanging_after("").await, LONG).await);
        assert_eq!(failure.phase, Phase::Status);
        assert_eq!(failure.error, "no answer within 300ms");
        assert_timed_out(&failure, SHORT);
    }

    #[tokio::test]
    async fn a_hanging_body_ends_at_the_deadline() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc";
        let failure = failure(probe(&hanging_after(head).await, LONG).await);
        assert_eq!(failure.phase, Phase::Body);
        assert_eq!(failure.error, "not complete within 300ms (3 bytes came)");
        assert_timed_out(&failure, SHORT);
    }

    /// A server that sends `head` and then `drop` every 10 ms, for ever.
    async fn dripping(head: &'static str, drop: &'static str) -> Spec {
        let target = server("127.0.0.1:0", move |mut stream| async move {
            request(&mut stream).await;
            let _ = stream.write_all(head.as_bytes()).await;
            let mut tick = tokio::time::interval(Duration::from_millis(10));
            while stream.write_all(drop.as_bytes()).await.is_ok() {
                tick.tick().await;
            }
        })
        .await;
        let mut spec = HttpSpec::get(target, "/");
        spec.timeout = Some(SHORT);
        Spec::Http(spec)
    }

    #[tokio::test]
    async fn a_slow_drip_does_not_stretch_the_deadline() {
        let body = dripping("HTTP/1.1 200 OK\r\n\r\n", "x").await;
        let slow_body = failure(probe(&body, LONG).await);
        assert_eq!(slow_body.phase, Phase::Body);
        assert!(slow_body.error.starts_with("not complete within 300ms"));
        assert_timed_out(&slow_body, SHORT);

        let header = dripping("HTTP/1.1 200 OK\r\nx: ", "x").await;
        let slow_header = failure(probe(&header, LONG).await);
        assert_eq!(slow_header.phase, Phase::Status);
        assert_timed_out(&slow_header, SHORT);

        let interim = dripping("", "HTTP/1.1 100 Continue\r\n\r\n").await;
        let slow_interim = failure(probe(&interim, LONG).await);
        assert_eq!(slow_interim.phase, Phase::Status);
        assert_timed_out(&slow_interim, SHORT);
    }

    /// A server that sends `head` and then 1 GB, as fast as it can, counting
    /// what it gets rid of.
    async fn flooding(head: &'static str) -> (SocketAddr, Arc<AtomicU64>) {
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        let target = server("127.0.0.1:0", move |mut stream| {
            let count = Arc::clone(&count);
            async move {
                request(&mut stream).await;
                let _ = stream.write_all(head.as_bytes()).await;
                let block = [b'x'; 16 * 1024];
                while count.load(Ordering::Relaxed) < 1 << 30 {
                    match stream.write(&block).await {
                        Ok(n) => count.fetch_add(n as u64, Ordering::Relaxed),
                        Err(_) => break,
                    };
                }
            }
        })
        .await;
        (target, sent)
    }

    /// What the kernel may buffer of a flood beyond what the probe reads:
    /// tcp_wmem and tcp_rmem are 4 and 6 MiB at most by default.
    const KERNEL_BUFFERS: u64 = 64 << 20;

    #[tokio::test]
    async fn a_huge_body_is_a_failure_and_not_read() {
        let heads = [
            "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n",
        ];
        for head in heads {
            let (target, sent) = flooding(head).await;
            let failure = failure(probe(&Spec::Http(HttpSpec::get(target, "/")), LONG).await);
            assert_eq!(failure.phase, Phase::Body, "{head}");
            assert_eq!(failure.error, "body exceeds 1048576 bytes");
            assert!(sent.load(Ordering::Relaxed) < KERNEL_BUFFERS, "{head}");
        }
    }

    #[tokio::test]
    async fn the_body_limit_is_exact() {
        let answer = "HTTP/1.1 200 OK\r\n\r\nabcde";
        for (max, good) in [(4, false), (5, true)] {
            let mut spec = HttpSpec::get(answering(answer).await, "/");
            spec.max_body = max;
            let outcome = probe(&Spec::Http(spec), LONG).await;
            assert_eq!(outcome.is_ok(), good, "{max}");
        }
    }

    #[tokio::test]
    async fn a_huge_header_is_a_failure_and_not_read() {
        for head in ["HTTP/1.1 200 OK\r\nx: ", "HTTP/1.1 "] {
            let (target, sent) = flooding(head).await;
            let failure = failure(probe(&Spec::Http(HttpSpec::get(target, "/")), LONG).await);
            assert_eq!(failure.phase, Phase::Status);
            assert!(failure.error.starts_with("bad HTTP answer"), "{failure}");
            assert!(sent.load(Ordering::Relaxed) < KERNEL_BUFFERS);
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(1_000));
        assert_eq!(failure(get(many).await).phase, Phase::Status);
    }

    #[tokio::test]
    async fn garbage_is_a_failure() {
        let garbage: [&[u8]; 6] = [
            b"SSH-2.0-OpenSSH_9.2p1\r\n",
            b"\0\xff\xfe\r\n\r\n",
            b"HTTP/1.1 999999 What\r\n\r\n",
            b"HTTP/9.9 200 OK\r\n\r\n",
            b"200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        ];
        for answer in garbage {
            let failure = failure(get(answer).await);
            assert_eq!(failure.phase, Phase::Status, "{failure}");
            assert!(!failure.local);
            assert!(failure.error.starts_with("bad HTTP answer"), "{failure}");
        }
        let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
        assert_eq!(failure(get(chunk).await).phase, Phase::Body);
    }

    #[tokio::test]
    async fn an_early_close_is_a_failure() {
        let nothing = failure(get("").await);
        assert_eq!(nothing.phase, Phase::Status);
        assert_eq!(nothing.error, "connection closed without an answer");
        let half_header = failure(get("HTTP/1.1 200 OK\r\nContent-").await);
        assert_eq!(half_header.phase, Phase::Status);
        let half_body = failure(get("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await);
        assert_eq!(half_body.phase, Phase::Body);
        assert_eq!(
            half_body.error,
            "connection closed before the body was complete"
        );
        let target = server("127.0.0.1:0", |stream| async {
            // With a linger time of zero the close is a reset.
            let stream = socket2::Socket::from(stream.into_std().expect("a socket"));
            stream.set_linger(Some(Duration::ZERO)).expect("set");
        })
        .await;
        let reset = failure(probe(&Spec::Http(HttpSpec::get(target, "/")), LONG).await);
        assert!(!reset.local);
        // Whether the reset meets the request on its way or after it.
        assert!(
            matches!(reset.phase, Phase::Connect | Phase::Send | Phase::Status),
            "{reset}"
        );
    }
}

mod icmp {
    use super::*;

    fn ping(target: &str) -> Spec {
        Spec::Icmp(IcmpSpec::ping(target.parse().expect("an address")))
    }

    #[tokio::test]
    async fn loopback_answers() {
        for target in ["127.0.0.1", "::1"] {
            let report = probe(&ping(target), LONG).await.expect("a reply");
            assert_eq!(report.detail, Detail::Echo);
            assert!(report.elapsed < MARGIN);
        }
    }

    #[tokio::test]
    async fn every_payload_fits() {
        for payload in [0, IcmpSpec::MAX_PAYLOAD] {
            for target in ["127.0.0.1", "::1"] {
                let mut spec = IcmpSpec::ping(target.parse().expect("an address"));
                spec.payload = payload;
                probe(&Spec::Icmp(spec), LONG).await.expect("a reply");
            }
        }
    }

    #[tokio::test]
    async fn many_pings_share_a_socket() {
        let prober = Arc::new(Prober::default());
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..500 {
            let prober = Arc::clone(&prober);
            // Every address of 127/8 answers.
            let spec = ping(&format!("127.0.0.{}", i % 10 + 1));
            tasks.spawn(async move { prober.probe(&spec, Timeouts::of(&spec, LONG)).await });
        }
        for outcome in tasks.join_all().await {
            outcome.expect("a reply");
        }
    }

    #[tokio::test]
    async fn what_we_may_not_do_is_local_trouble() {
        let failure = failure(probe(&ping("127.255.255.255"), LONG).await);
        assert_eq!(failure.phase, Phase::Send);
        assert_eq!(failure.error, "permission denied");
        assert!(failure.local);
    }

    #[tokio::test]
    async fn an_absent_host_is_a_failure() {
        // Class E: no route to it, or nobody there.
        let begun = Instant::now();
        let failure = failure(probe(&ping("240.0.0.1"), SHORT).await);
        assert!(!failure.local, "{failure}");
        assert!(begun.elapsed() < SHORT + MARGIN);
    }
}
