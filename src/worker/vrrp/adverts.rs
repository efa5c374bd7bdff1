//! The advert thread: sockets, timers, and the engine between them.
//!
//! One raw socket per interface and family serves all its instances. Timers
//! are one timerfd, set to the engine's next deadline. Nothing here waits for
//! rtnetlink, scripts, or a full channel.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use mono::Mono;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::{JoinHandle, LocalSet};

use super::engine::{Engine, Outside, group};
use super::messages::{Key, ToAddresses, ToAdverts};
use crate::kernel::SocketError;
use crate::kernel::clock::{self, Timer};
use crate::kernel::ready;
use crate::kernel::vrrp_socket::{BUFFER_LEN, RecvError, VrrpSocket};
use crate::model::Family;
use crate::worker::session::Heartbeat;

/// The thread shows at least this often that it lives, and reports its state
/// at least this often.
const BEAT: Duration = Duration::from_secs(1);
/// Packets handled before timers get their turn.
const BURST: usize = 32;

/// Starts the thread.
///
/// # Errors
///
/// When the thread, its runtime or its timer cannot be made.
pub fn spawn(
    commands: UnboundedReceiver<ToAdverts>,
    to_addresses: UnboundedSender<ToAddresses>,
    heartbeat: Heartbeat,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("adverts".into())
        .spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                if let Err(error) = run(commands, to_addresses, heartbeat).await {
                    tracing::error!(event = "adverts_failed", %error);
                }
            });
        })?;
    Ok(())
}

struct Socket {
    socket: Rc<AsyncFd<VrrpSocket>>,
    reader: Option<JoinHandle<()>>,
}

/// What the engine acts on.
struct Outer {
    sockets: BTreeMap<(u32, Family), Socket>,
    to_addresses: UnboundedSender<ToAddresses>,
    changed: bool,
    /// Sending fails for this reason; logged once.
    send_error: Option<SocketError>,
}

impl Outside for Outer {
    fn send(&mut self, index: u32, source: IpAddr, message: &[u8]) {
        let Some(socket) = self.socket(index, Family::of(source)) else {
            return;
        };
        let group = group(Family::of(source));
        let sent = socket.socket.get_ref().send(source, group, message);
        let error = sent.err();
        if let Some(error) = error
            .as_ref()
            .filter(|error| self.send_error.as_ref() != Some(error))
        {
            tracing::warn!(event = "advert_not_sent", interface = index, %error);
        }
        self.send_error = error;
    }

    fn role(&mut self, key: &Key, holds: bool) {
        self.tell(ToAddresses::Role(key.clone(), holds));
    }

    fn announce(&mut self, key: &Key) {
        self.tell(ToAddresses::Announce(key.clone()));
    }

    fn changed(&mut self) {
        self.changed = true;
    }
}

impl Outer {
    /// The socket for an interface and family, opened when it is needed.
    fn socket(&mut self, index: u32, family: Family) -> Option<&mut Socket> {
        match self.sockets.entry((index, family)) {
            Entry::Occupied(open) => Some(open.into_mut()),
            Entry::Vacant(seat) => {
                let opened = open(index, family);
                match opened {
                    Ok(socket) => Some(seat.insert(Socket {
                        socket: Rc::new(socket),
                        reader: None,
                    })),
                    Err(error) => {
                        tracing::error!(
                            event = "socket_failed", interface = index, %family, %error,
                        );
                        None
                    }
                }
            }
        }
    }

    fn tell(&self, message: ToAddresses) {
        // The address thread ends only with the process.
        let _ = self.to_addresses.send(message);
    }
}

struct Adverts {
    engine: RefCell<(Engine, Outer)>,
    buffer: RefCell<Vec<u8>>,
    timer: AsyncFd<Timer>,
    armed: RefCell<Mono>,
    heartbeat: Heartbeat,
    next_beat: RefCell<Mono>,
}

async fn run(
    mut commands: UnboundedReceiver<ToAdverts>,
    to_addresses: UnboundedSender<ToAddresses>,
    heartbeat: Heartbeat,
) -> io::Result<()> {
    let outer = Outer {
        sockets: BTreeMap::new(),
        to_addresses,
        changed: false,
        send_error: None,
    };
    let adverts = Rc::new(Adverts {
        engine: RefCell::new((Engine::default(), outer)),
        buffer: RefCell::new(vec![0; BUFFER_LEN]),
        timer: ready::readable(Timer::new()?)?,
        armed: RefCell::new(Mono::MAX),
        heartbeat,
        next_beat: RefCell::new(Mono::ZERO),
    });
    adverts.turn();
    loop {
        tokio::select! {
            biased;
            expired = adverts.timer.readable() => {
                let mut expired = expired?;
                adverts.timer.get_ref().take()?;
                expired.clear_ready();
                *adverts.armed.borrow_mut() = Mono::MAX;
            }
            command = commands.recv() => match command {
                Some(command) => Adverts::command(&adverts, command),
                None => return Ok(()),
            },
        }
        adverts.turn();
    }
}

impl Adverts {
    /// Fires what is due and sets the timer to what comes next.
    fn turn(&self) {
        self.hear_before_firing();
        let now = clock::monotonic_now();
        self.heartbeat.beat(now);
        let (engine, outer) = &mut *self.engine.borrow_mut();
        engine.fire(now, outer);
        let mut next_beat = self.next_beat.borrow_mut();
        if *next_beat <= now || outer.changed {
            *next_beat = now + BEAT;
            outer.changed = false;
            report(engine, outer, None);
        }
        let deadline = engine.deadline().unwrap_or(Mono::MAX).min(*next_beat);
        let mut armed = self.armed.borrow_mut();
        if *armed != deadline {
            *armed = deadline;
            if let Err(error) = self.timer.get_ref().set(Some(deadline)) {
                tracing::error!(event = "timer_failed", %error);
            }
        }
    }

    /// An advert that waits in a socket counts before the timer that it would
    /// have stopped: a director that was late must not fight for the address.
    fn hear_before_firing(&self) {
        let due = self.engine.borrow().0.deadline();
        if due.is_none_or(|due| due > clock::monotonic_now()) {
            return;
        }
        let sockets: Vec<_> = {
            let (_, outer) = &*self.engine.borrow();
            let sockets = outer.sockets.iter();
            sockets
                .map(|((index, _), open)| (*index, Rc::clone(&open.socket)))
                .collect()
        };
        for (index, socket) in sockets {
            self.drain(&socket, index);
        }
    }

    /// Hears what waits in a socket, [`BURST`] messages at most; true when
    /// nothing is left.
    fn drain(&self, socket: &AsyncFd<VrrpSocket>, index: u32) -> bool {
        let buffer = &mut *self.buffer.borrow_mut();
        let (engine, outer) = &mut *self.engine.borrow_mut();
        for _ in 0..BURST {
            match socket.get_ref().recv(buffer) {
                Ok(Some(received)) => {
                    engine.packet(clock::monotonic_now(), index, &received, outer);
                }
                Ok(None) => return true,
                Err(RecvError::Packet(error)) => {
                    tracing::debug!(event = "bad_packet", interface = index, %error);
                }
                // The interface is down or gone: the monitor tells about it.
                Err(RecvError::Socket(error)) => {
                    tracing::debug!(event = "receive_failed", interface = index, %error);
                    return true;
                }
            }
        }
        false
    }

    fn command(this: &Rc<Self>, command: ToAdverts) {
        let now = clock::monotonic_now();
        let (engine, outer) = &mut *this.engine.borrow_mut();
        match command {
            ToAdverts::Configure {
                id,
                instances,
                resume,
            } => {
                engine.configure(now, instances.clone(), resume, outer);
                outer.tell(ToAddresses::Configure { id, instances });
            }
            ToAdverts::Report(id) => report(engine, outer, id),
            ToAdverts::Interface(name, state) => engine.interface(now, name, state, outer),
            ToAdverts::Stop => {
                engine.stop(now, outer);
                outer.tell(ToAddresses::Stop);
            }
        }
        Self::listen(this, engine, outer);
    }

    /// Listens where there are instances, and nowhere else.
    fn listen(this: &Rc<Self>, engine: &Engine, outer: &mut Outer) {
        let places = engine.places();
        outer.sockets.retain(|place, socket| {
            let needed = places.contains(place);
            if let (false, Some(reader)) = (needed, &socket.reader) {
                reader.abort();
            }
            needed
        });
        for (index, family) in places {
            if let Some(open) = outer.socket(index, family)
                && open.reader.is_none()
            {
                let reader = read(Rc::clone(this), Rc::clone(&open.socket), index);
                open.reader = Some(tokio::task::spawn_local(reader));
            }
        }
    }
}

fn report(engine: &Engine, outer: &Outer, id: Option<u64>) {
    outer.tell(ToAddresses::Report {
        id,
        instances: engine.report(),
        worst_lateness: engine.worst_lateness(),
    });
}

fn open(index: u32, family: Family) -> Result<AsyncFd<VrrpSocket>, Box<dyn std::error::Error>> {
    let socket = VrrpSocket::open(index, family)?;
    socket.join(group(family))?;
    Ok(ready::readable(socket)?)
}

async fn read(adverts: Rc<Adverts>, socket: Rc<AsyncFd<VrrpSocket>>, index: u32) {
    while let Ok(mut ready) = socket.readable().await {
        if adverts.drain(&socket, index) {
            ready.clear_ready();
        }
        drop(ready);
        adverts.turn();
        tokio::task::yield_now().await;
    }
}
