//! Framed JSON over a Unix stream socket: a 4-octet big-endian length, then
//! the document.
//!
//! Both ends are lvsd, yet a worker meets bytes from the network and could be
//! subverted, so frames are bounded and a bad one is an error, not a panic.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

/// The largest frame, in octets. A configuration of 37,000 real servers takes
/// about 20 MiB.
pub const MAX_FRAME: usize = 256 << 20;

/// What can go wrong on a channel.
#[derive(Debug, Error)]
pub enum Error {
    /// The socket failed.
    #[error("worker channel: {0}")]
    Io(#[from] io::Error),
    /// The peer announced a frame above [`MAX_FRAME`].
    #[error("worker channel: a frame of {0} octets is above the bound")]
    TooLong(usize),
    /// The frame is not a message of the protocol.
    #[error("worker channel: bad message: {0}")]
    Json(#[from] serde_json::Error),
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver {
    socket: OwnedReadHalf,
    buffer: Vec<u8>,
}

/// The sending end: never blocks, a task of the runtime writes.
#[derive(Clone, Debug)]
pub struct Sender {
    queue: mpsc::UnboundedSender<Item>,
}

#[derive(Debug)]
enum Item {
    Frame(Vec<u8>),
    Flush(oneshot::Sender<()>),
}

/// Splits a connected socket into both ends. Must be called inside a tokio
/// runtime, which then runs the writer.
pub fn split(socket: UnixStream) -> (Sender, Receiver) {
    let (read, write) = socket.into_split();
    let (queue, items) = mpsc::unbounded_channel();
    tokio::spawn(write_frames(write, items));
    let buffer = Vec::new();
    (
        Sender { queue },
        Receiver {
            socket: read,
            buffer,
        },
    )
}

async fn write_frames(mut socket: OwnedWriteHalf, mut items: mpsc::UnboundedReceiver<Item>) {
    while let Some(item) = items.recv().await {
        let frame = match item {
            Item::Frame(frame) => frame,
            Item::Flush(done) => {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
                continue;
            }
        };
        // A dead peer is noticed by the reader.
        if socket.write_all(&frame).await.is_err() {
            return;
        }
    }
}

impl Sender {
    /// Queues a message. A peer that has gone is noticed by the receiver.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] and [`Error::TooLong`] when the message cannot be a frame.
    pub fn send<T: Serialize>(&self, message: &T) -> Result<(), Error> {
        let mut frame = vec![0; 4];
        serde_json::to_writer(&mut frame, message)?;
        let length = frame.len() - 4;
        let header = u32::try_from(length).ok().filter(|_| length <= MAX_FRAME);
        let Some(header) = header else {
            return Err(Error::TooLong(length));
        };
        frame[..4].copy_from_slice(&header.to_be_bytes());
        // An error means that the writer has ended because the peer has gone.
        let _ = self.queue.send(Item::Frame(frame));
        Ok(())
    }

    /// Waits until all that was queued has been written, or the peer has gone.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Item::Flush(done)).is_ok() {
            // An error means that the writer has ended.
            let _ = written.await;
        }
    }
}

impl Receiver {
    /// The next message; `None` when the peer has closed between two frames.
    ///
    /// Not cancel safe: drive it from a task of its own.
    ///
    /// # Errors
    ///
    /// As [`enum@Error`] says; the channel is unusable afterwards.
    pub async fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let mut header = [0; 4];
        if let Err(error) = self.socket.read_exact(&mut header).await {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Ok(None),
                _ => Err(error.into()),
            };
        }
        let length = u32::from_be_bytes(header) as usize;
        if length > MAX_FRAME {
            return Err(Error::TooLong(length));
        }
        self.buffer.clear();
        // Grows with what arrives, not with what is announced.
        let limit = u64::from(u32::from_be_bytes(header));
        let read = (&mut self.socket)
            .take(limit)
            .read_to_end(&mut self.buffer)
            .await?;
        if read < length {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&self.buffer)?))
    }
}

/// Reads messages on a task of its own, so that waiting for one can be
/// cancelled. The queue ends when the peer closes or sends nonsense (which is
/// logged).
pub fn reader<T: DeserializeOwned + Send + 'static>(
    mut receiver: Receiver,
) -> mpsc::UnboundedReceiver<T> {
    let (queue, messages) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            match receiver.receive().await {
                Ok(Some(message)) => {
                    if queue.send(message).is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(event = "channel_error", %error);
                    return;
                }
            }
        }
    });
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_arrive_in_order_and_closing_ends_the_stream() {
        let (a, b) = UnixStream::pair().unwrap();
        let (sender, _keep) = split(a);
        let (_unused, receiver) = split(b);
        let mut messages = reader::<(u32, String)>(receiver);
        for n in 0..3 {
            sender.send(&(n, "x".repeat(100_000))).unwrap();
        }
        for n in 0..3 {
            assert_eq!(messages.recv().await.unwrap().0, n);
        }
        drop((sender, _keep));
        assert!(messages.recv().await.is_none());
    }

    #[tokio::test]
    async fn an_oversized_frame_is_refused_before_it_is_read() {
        let (mut a, b) = UnixStream::pair().unwrap();
        let (_sender, mut receiver) = split(b);
        a.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        let error = receiver.receive::<String>().await.unwrap_err();
        assert!(matches!(error, Error::TooLong(_)), "{error}");
    }

    #[tokio::test]
    async fn a_frame_cut_off_is_an_end() {
        let (mut a, b) = UnixStream::pair().unwrap();
        let (_sender, mut receiver) = split(b);
        a.write_all(&10_u32.to_be_bytes()).await.unwrap();
        a.write_all(b"\"abc").await.unwrap();
        drop(a);
        assert!(receiver.receive::<String>().await.unwrap().is_none());
    }
}
