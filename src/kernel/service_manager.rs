//! Telling the service manager how things stand (sd_notify(3)): a datagram to
//! the socket it names in the environment. Without one, nothing is told.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The environment variable that names the socket.
pub const SOCKET: &str = "NOTIFY_SOCKET";

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It serves.
    Ready,
    /// It is about to end.
    Stopping,
}

impl State {
    const fn text(self) -> &'static str {
        match self {
            State::Ready => "READY=1",
            State::Stopping => "STOPPING=1",
        }
    }
}

/// Tells it. Failing is only worth a line in the log.
pub fn tell(state: State) {
    if let Some(name) = std::env::var_os(SOCKET)
        && let Err(error) = send(&name, state.text())
    {
        tracing::warn!(event = "service_manager_not_told", state = state.text(), %error);
    }
}

fn send(name: &OsStr, text: &str) -> io::Result<()> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(text.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_names_are_reached() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let abstract_name = format!("lvsd-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        for (name, manager) in [
            (path.as_os_str().to_owned(), UnixDatagram::bind(&path)),
            (
                format!("@{abstract_name}").into(),
                UnixDatagram::bind_addr(&address),
            ),
        ] {
            let manager = manager.unwrap();
            send(&name, State::Ready.text()).unwrap();
            let mut text = [0; 64];
            let length = manager.recv(&mut text).unwrap();
            assert_eq!(&text[..length], b"READY=1");
        }
        send(OsStr::new("/nonexistent/notify"), "READY=1").unwrap_err();
    }
}
