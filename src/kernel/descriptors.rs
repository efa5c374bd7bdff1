//! Descriptors on their way to another program image, and the signals that
//! must not be lost meanwhile.
//!
//! A descriptor that lies in a message on a socket survives `exec` without
//! anybody having to know its number (`SCM_RIGHTS`, unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::sys::signal::{SigSet, Signal};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// The most descriptors that travel at once.
pub const MOST: usize = 8;

/// A message of `bytes` and at most [`MOST`] descriptors, waiting in the socket
/// that is returned.
///
/// # Errors
///
/// When the kernel does not take it.
pub fn pack(bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<OwnedFd> {
    let (near, far) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors"));
    }
    let flags = SendFlags::NOSIGNAL;
    sendmsg(near, &[IoSlice::new(bytes)], &mut control, flags)?;
    Ok(far)
}

/// Takes what [`pack`] put into the socket, `most` bytes at most. Does not wait.
///
/// # Errors
///
/// When the socket is not one that holds such a message.
pub fn unpack(socket: BorrowedFd<'_>, most: usize) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; most];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        flags,
    )?;
    bytes.truncate(received.bytes);
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(these) = message {
            descriptors.extend(these);
        }
    }
    Ok((bytes, descriptors))
}

fn ours() -> SigSet {
    [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGUSR2,
    ]
    .into_iter()
    .collect()
}

/// Lets the signals of the supervisor wait, also beyond an `exec` of this thread.
///
/// # Errors
///
/// When the kernel does not allow it.
pub fn hold_signals() -> io::Result<()> {
    Ok(ours().thread_block()?)
}

/// Lets them come: those that were held come now.
///
/// # Errors
///
/// When the kernel does not allow it.
pub fn release_signals() -> io::Result<()> {
    Ok(ours().thread_unblock()?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn descriptors_wait_in_the_socket() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let socket = pack(b"one descriptor", &[far.as_fd()]).unwrap();
        drop(far);
        let (bytes, descriptors) = unpack(socket.as_fd(), 100).unwrap();
        assert_eq!(bytes, b"one descriptor");
        near.write_all(b"x").unwrap();
        let mut far = UnixStream::from(descriptors.into_iter().next().unwrap());
        let mut byte = [0];
        far.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn what_is_no_socket_gives_nothing() {
        let file = tempfile::tempfile().unwrap();
        unpack(file.as_fd(), 100).unwrap_err();
    }
}
