//! A web server that misbehaves on demand.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::failure::{Attempt, Result};
use crate::net::Host;

/// What the server does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers with this status and a short body.
    Status(u16),
    /// Accepts the connection and never answers.
    Silent,
    /// Sends the head and half of the body, and then nothing.
    HangingBody,
    /// Sends the body octet by octet, one each time this long has passed.
    Drip(Duration),
    /// Sends a body of so many octets, as fast as it is taken.
    Huge(u64),
    /// Closes the connection without an answer.
    Close,
    /// Sends something that is not HTTP.
    Garbage,
}

/// A web server on port 80 of a host; how it behaves can change at any time.
#[derive(Clone)]
pub struct OddServer {
    behaviour: Arc<Mutex<Behaviour>>,
    requests: Arc<AtomicU64>,
}

impl OddServer {
    /// Starts the server on every address of the host.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(host: &Host, behaviour: Behaviour) -> Result<Self> {
        let server = Self {
            behaviour: Arc::new(Mutex::new(behaviour)),
            requests: Arc::default(),
        };
        let listener = host
            .inside(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)))?
            .attempt(|| format!("listen on port 80 of {}", host.name()))?;
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behaviour, requests) = (serving.behaviour(), Arc::clone(&serving.requests));
                thread::spawn(move || {
                    // The client gave up: that is what most behaviours are for.
                    let _ = answer(stream, &behaviour, &requests);
                });
            }
        });
        Ok(server)
    }

    /// Behaves so from the next connection on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self
            .behaviour
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// How many requests were read so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    fn behaviour(&self) -> Behaviour {
        self.behaviour
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn answer(mut stream: TcpStream, behaviour: &Behaviour, requests: &AtomicU64) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    read_head(&mut stream)?;
    requests.fetch_add(1, Ordering::SeqCst);
    match behaviour {
        Behaviour::Status(code) => {
            write!(
                stream,
                "HTTP/1.1 {code} So\r\nContent-Length: 3\r\nConnection: close\r\n\r\nodd"
            )
        }
        Behaviour::Silent => hold(&mut stream),
        Behaviour::HangingBody => {
            head(&mut stream, 100)?;
            stream.write_all(&[b'x'; 50])?;
            hold(&mut stream)
        }
        Behaviour::Drip(pause) => {
            head(&mut stream, 1_000)?;
            for _ in 0..1_000 {
                stream.write_all(b"x")?;
                thread::sleep(*pause);
            }
            Ok(())
        }
        Behaviour::Huge(size) => {
            head(&mut stream, *size)?;
            let block = vec![b'x'; 65_536];
            let mut left = *size;
            while left > 0 {
                let part = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
                stream.write_all(&block[..part])?;
                left -= part as u64;
            }
            Ok(())
        }
        Behaviour::Close => Ok(()),
        Behaviour::Garbage => stream.write_all(b"\x16\x03\x01 no web server\r\n\r\n"),
    }
}

fn head(stream: &mut TcpStream, length: u64) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
}

/// Reads up to the empty line that ends the head of a request.
fn read_head(stream: &mut TcpStream) -> io::Result<()> {
    let mut seen = Vec::new();
    let mut block = [0; 1_024];
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut block)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => seen.extend_from_slice(block.get(..length).unwrap_or_default()),
        }
    }
    Ok(())
}

/// Keeps the connection open until the client closes it.
fn hold(stream: &mut TcpStream) -> io::Result<()> {
    let mut block = [0; 1_024];
    while stream.read(&mut block)? > 0 {}
    Ok(())
}
