//! A datagram every few milliseconds, and which of them came back.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt,
};

use super::now;
use crate::failure::{Attempt, Failure, Result};
use crate::net::Host;

const PORT: u16 = 7_007;

/// How long the last answers may be on their way.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// How soon a server notices that it is to stop.
const STOP_CHECK: Duration = Duration::from_millis(200);

/// Sends back what arrives at an address, whether the host has that address now or later.
pub struct Echo {
    stop: Arc<AtomicBool>,
}

impl Echo {
    /// Starts to answer at `address`.
    ///
    /// # Errors
    /// When the socket is refused.
    pub fn start(host: &Host, address: Ipv4Addr) -> Result<Self> {
        let opened = host.inside(move || {
            let socket = socket(
                AddressFamily::Inet,
                SockType::Datagram,
                SockFlag::SOCK_CLOEXEC,
                None,
            )?;
            setsockopt(&socket, sockopt::IpFreebind, &true)?;
            let at = SockaddrIn::from(SocketAddrV4::new(address, PORT));
            bind(socket.as_raw_fd(), &at)?;
            Ok::<_, Errno>(UdpSocket::from(socket))
        })?;
        let socket = opened.attempt(|| format!("answer at {address} on {}", host.name()))?;
        socket
            .set_read_timeout(Some(STOP_CHECK))
            .attempt(|| "set a timeout")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            let mut buffer = [0; 64];
            while !stopped.load(Ordering::SeqCst) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    // Where the address has just gone, the answer cannot leave.
                    let _ = socket.send_to(buffer.get(..length).unwrap_or_default(), from);
                }
            }
        });
        Ok(Self { stop })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Asks an [`Echo`] again and again.
pub struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Question>>,
}

#[derive(Debug, Clone, Copy)]
struct Question {
    asked: Duration,
    answered: bool,
}

/// What became of the questions.
#[derive(Debug, Clone)]
pub struct Answers {
    /// How many were asked.
    pub asked: usize,
    /// When each of those without an answer was asked.
    pub lost: Vec<Duration>,
}

impl Probe {
    /// Starts to ask, from `client`, one question every `every`.
    ///
    /// # Errors
    /// When the socket is refused.
    pub fn start(client: &Host, address: Ipv4Addr, every: Duration) -> Result<Self> {
        let to = SocketAddr::new(IpAddr::from(address), PORT);
        let opened = client.inside(move || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(to)?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(socket)
        })?;
        let socket = opened.attempt(|| format!("ask {to} from {}", client.name()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut questions = Vec::new();
            let start = Instant::now();
            let mut due = Duration::ZERO;
            while !stopped.load(Ordering::SeqCst) {
                let number = u64::try_from(questions.len()).unwrap_or(u64::MAX);
                questions.push(Question {
                    asked: now(),
                    answered: false,
                });
                // An unreachable director is a lost question, no matter how it is told.
                let _ = socket.send(&number.to_be_bytes());
                collect(&socket, &mut questions);
                // After a stall of the machine it goes on from there, not all at once.
                due = (due + every).max(start.elapsed());
                thread::sleep(due.saturating_sub(start.elapsed()));
            }
            let end = Instant::now();
            while end.elapsed() < LAST_ANSWERS && questions.iter().any(|one| !one.answered) {
                thread::sleep(every);
                collect(&socket, &mut questions);
            }
            questions
        });
        Ok(Self { stop, thread })
    }

    /// Ends it, and waits for the answers that are under way.
    ///
    /// # Errors
    /// When its thread panicked.
    pub fn stop(self) -> Result<Answers> {
        self.stop.store(true, Ordering::SeqCst);
        let questions = self
            .thread
            .join()
            .map_err(|_| Failure::said("the thread of the probe panicked"))?;
        let lost = questions.iter().filter(|one| !one.answered);
        Ok(Answers {
            asked: questions.len(),
            lost: lost.map(|one| one.asked).collect(),
        })
    }
}

/// Takes the answers that have arrived.
fn collect(socket: &UdpSocket, questions: &mut [Question]) {
    let mut number = [0; 8];
    // An error here is "nothing yet", or a message about a lost question.
    while let Ok(length) = socket.recv(&mut number) {
        let number = usize::try_from(u64::from_be_bytes(number)).unwrap_or(usize::MAX);
        if let Some(question) = questions.get_mut(number).filter(|_| length == 8) {
            question.answered = true;
        }
    }
}
