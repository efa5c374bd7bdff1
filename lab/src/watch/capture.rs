//! Captures: a packet socket read by a thread in the host.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    recvmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::frame::{Advert, Frame};
use super::pcap::PcapFile;
use crate::failure::{Attempt, Failure, Result};
use crate::net::Host;

/// How soon a capture notices that it is to stop.
const STOP_CHECK_MS: i64 = 100;

/// No frame, and no datagram of netlink, is larger.
pub(super) const LARGEST_FRAME: usize = 1 << 16;

/// `PACKET_OUTGOING` of linux/if_packet.h.
const OUTGOING: u8 = 4;

/// What passes an interface, while it passes. Clones are the same capture.
#[derive(Clone)]
pub struct Capture {
    inner: Arc<Inner>,
}

struct Inner {
    title: String,
    file: PathBuf,
    text: PathBuf,
    frames: Mutex<Vec<Frame>>,
    more: Condvar,
    stop: AtomicBool,
    stopped: AtomicBool,
}

impl Capture {
    /// Starts to record; frames sent from now on are in it.
    pub(crate) fn start(host: &Host, interface: &str, directory: &Path) -> Result<Self> {
        let title = format!("{}.{interface}", host.name());
        let path = directory.join(format!("{title}.pcap"));
        let file = PcapFile::create(&path)?;
        let (socket, index) = open(host, interface)?;
        let capture = Self {
            inner: Arc::new(Inner {
                text: directory.join(format!("{title}.capture.txt")),
                title,
                file: path,
                frames: Mutex::default(),
                more: Condvar::new(),
                stop: AtomicBool::new(false),
                stopped: AtomicBool::new(false),
            }),
        };
        let inner = Arc::clone(&capture.inner);
        thread::spawn(move || inner.record(&socket, index, file));
        Ok(capture)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.inner
            .frames
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The capture file; complete once the capture is stopped.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.file
    }

    /// All frames so far.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        self.lock().clone()
    }

    /// All advertisements so far, with their times.
    #[must_use]
    pub fn adverts(&self) -> Vec<(Duration, Advert)> {
        self.lock()
            .iter()
            .filter_map(|frame| Some((frame.at, frame.advert()?)))
            .collect()
    }

    /// Waits for a frame at or after `since` that `wanted` accepts; it may be there already.
    ///
    /// # Errors
    /// When none has come after `limit`.
    pub fn wait(
        &self,
        limit: Duration,
        since: Duration,
        what: &str,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Frame> {
        let start = Instant::now();
        let mut frames = self.lock();
        let mut looked_at = 0;
        loop {
            for frame in frames.iter().skip(looked_at) {
                if frame.at >= since && wanted(frame) {
                    return Ok(frame.clone());
                }
            }
            looked_at = frames.len();
            let Some(left) = limit.checked_sub(start.elapsed()) else {
                return Err(Failure::Timeout {
                    what: format!("{what} at {}", self.inner.title),
                    waited: limit,
                    last: frames
                        .last()
                        .map_or("no frame at all".to_owned(), ToString::to_string),
                });
            };
            (frames, _) = self
                .inner
                .more
                .wait_timeout(frames, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the recording and completes the file.
    pub(crate) fn stop(&self) {
        self.inner.stop.store(true, Ordering::SeqCst);
        while !self.inner.stopped.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Writes the frames in words, beside the capture file.
    pub(crate) fn write_text(&self) {
        let lines: Vec<String> = self.lock().iter().map(ToString::to_string).collect();
        // It serves the report of a failure; that it cannot be written must not hide the failure.
        let _ = crate::failure::write(&self.inner.text, &(lines.join("\n") + "\n"));
    }
}

impl Inner {
    fn record(&self, socket: &OwnedFd, index: usize, mut file: PcapFile) {
        let mut buffer = vec![0; LARGEST_FRAME];
        while !self.stop.load(Ordering::SeqCst) {
            if let Some(frame) = receive(socket, index, &mut buffer) {
                // A full disk loses the file, not the scenario.
                let _ = file.add(&frame);
                self.frames
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(frame);
                self.more.notify_all();
            }
        }
        let _ = file.flush();
        self.stopped.store(true, Ordering::SeqCst);
    }
}

/// A packet socket for every interface of the host, and the index of the one that is meant.
pub(super) fn open(host: &Host, interface: &str) -> Result<(OwnedFd, usize)> {
    let name = interface.to_owned();
    let title = format!("{} of {}", interface, host.name());
    let opened = host.inside(move || {
        let index = if_nametoindex(name.as_str())?;
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20))?;
        let pause = TimeVal::milliseconds(STOP_CHECK_MS);
        setsockopt(&socket, sockopt::ReceiveTimeout, &pause)?;
        Ok::<_, Errno>((socket, usize::try_from(index).unwrap_or(usize::MAX)))
    })?;
    opened.attempt(|| format!("capture at {title}"))
}

/// The next frame of the interface; `None` when there is none yet or it was another interface's.
pub(super) fn receive(socket: &OwnedFd, index: usize, buffer: &mut [u8]) -> Option<Frame> {
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let (length, at, sent) = {
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<LinkAddr>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::empty(),
        )
        .ok()?;
        let link = message.address?;
        if link.ifindex() != index {
            return None;
        }
        let at = message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
            _ => None,
        })?;
        (message.bytes, at, link.pkttype() == OUTGOING)
    };
    Some(Frame {
        at,
        bytes: buffer.get(..length)?.to_vec(),
        sent,
    })
}
