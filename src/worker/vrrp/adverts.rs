//! The advert thread: sockets, timers, and the engine between them.
//!
//! One raw socket per interface and family serves all its instances. Timers
//! are one timerfd, set to the engine's next deadline. Nothing here waits for
//! rtnetlink, scripts, or a full channel.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use mono::Mono;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::{JoinHandle, LocalSet};

use super::engine::{Engine, Outside, group};
use super::messages::{Key, ToAddresses, ToAdverts, ToMain};
use crate::kernel::SocketError;
use crate::kernel::clock::{self, Timer};
use crate::kernel::ready;
use crate::kernel::vrrp_socket::{BUFFER_LEN, RecvError, VrrpSocket};
use crate::model::Family;
use crate::status::VrrpSnapshot;
use crate::worker::session::Heartbeat;

/// The thread shows at least this often that it lives, and reports its state
/// at least this often.
const BEAT: Duration = Duration::from_secs(1);
/// Packets handled before timers get their turn.
const BURST: usize = 32;
/// More than a socket's queue can hold: the kernel gives it 2 MiB, and takes
/// more than 512 octets of them for the smallest packet.
const WHOLE_QUEUE: usize = 4096;

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

/// The instances' way to one interface in one family.
struct Port {
    socket: AsyncFd<VrrpSocket>,
    interface: String,
    index: u32,
}

struct Open {
    port: Rc<Port>,
    reader: Option<JoinHandle<()>>,
    /// Sending fails for this reason; logged once.
    send_error: Option<SocketError>,
}

/// What the engine acts on.
struct Outer {
    sockets: BTreeMap<(u32, Family), Open>,
    to_addresses: UnboundedSender<ToAddresses>,
    changed: bool,
    /// There is a socket that nobody listens to yet.
    opened: bool,
    /// While a configuration is put in force: what the address thread is told
    /// after that configuration, to understand it.
    held_back: Option<Vec<ToAddresses>>,
}

impl Outside for Outer {
    fn open(&mut self, interface: &str, index: u32, family: Family) -> Result<(), String> {
        if self.sockets.contains_key(&(index, family)) {
            return Ok(());
        }
        let open = Open {
            port: Rc::new(open(interface, index, family).map_err(|error| error.to_string())?),
            reader: None,
            send_error: None,
        };
        self.sockets.insert((index, family), open);
        self.opened = true;
        Ok(())
    }

    fn send(&mut self, index: u32, source: IpAddr, message: &[u8]) {
        // Opened before the instance was started.
        let Some(open) = self.sockets.get_mut(&(index, Family::of(source))) else {
            return;
        };
        let group = group(Family::of(source));
        let sent = open.port.socket.get_ref().send(source, group, message);
        let error = sent.err();
        if let Some(error) = error
            .as_ref()
            .filter(|error| open.send_error.as_ref() != Some(error))
        {
            tracing::warn!(event = "advert_not_sent", interface = open.port.interface, %error);
        }
        open.send_error = error;
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
    fn tell(&mut self, message: ToAddresses) {
        match &mut self.held_back {
            Some(later) => later.push(message),
            // The address thread ends only with the process.
            None => drop(self.to_addresses.send(message)),
        }
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
        opened: false,
        held_back: None,
    };
    let adverts = Rc::new(Adverts {
        engine: RefCell::new((Engine::default(), outer)),
        buffer: RefCell::new(vec![0; BUFFER_LEN]),
        timer: ready::readable(Timer::new()?)?,
        armed: RefCell::new(Mono::MAX),
        heartbeat,
        next_beat: RefCell::new(Mono::ZERO),
    });
    Adverts::turn(&adverts);
    loop {
        tokio::select! {
            biased;
            expired = adverts.timer.readable() => {
                let mut expired = expired?;
                match adverts.timer.get_ref().take() {
                    // Set anew by a reader since it expired.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    taken => taken?,
                }
                expired.clear_ready();
                *adverts.armed.borrow_mut() = Mono::MAX;
            }
            command = commands.recv() => match command {
                Some(command) => Adverts::command(&adverts, command),
                None => return Ok(()),
            },
        }
        Adverts::turn(&adverts);
    }
}

impl Adverts {
    /// Fires what is due and sets the timer to what comes next.
    fn turn(this: &Rc<Self>) {
        this.hear_before_firing();
        let now = clock::monotonic_now();
        this.heartbeat.beat(now);
        let (engine, outer) = &mut *this.engine.borrow_mut();
        engine.fire(now, outer);
        if outer.opened {
            Self::listen(this, engine, outer);
        }
        let mut next_beat = this.next_beat.borrow_mut();
        if *next_beat <= now || outer.changed {
            *next_beat = now + BEAT;
            outer.changed = false;
            // An empty report would replace what the predecessor left.
            if engine.configured() {
                report(engine, outer, None);
            }
        }
        let deadline = engine.deadline().unwrap_or(Mono::MAX).min(*next_beat);
        let mut armed = this.armed.borrow_mut();
        if *armed != deadline {
            *armed = deadline;
            if let Err(error) = this.timer.get_ref().set(Some(deadline)) {
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
        let ports: Vec<_> = {
            let (_, outer) = &*self.engine.borrow();
            let open = outer.sockets.values();
            open.map(|open| Rc::clone(&open.port)).collect()
        };
        for port in ports {
            self.drain(&port, WHOLE_QUEUE);
        }
    }

    /// Hears what waits in a socket, `most` messages at most; true when
    /// nothing is left.
    fn drain(&self, port: &Port, most: usize) -> bool {
        let buffer = &mut *self.buffer.borrow_mut();
        let (engine, outer) = &mut *self.engine.borrow_mut();
        for _ in 0..most {
            match port.socket.get_ref().recv(buffer) {
                Ok(Some(received)) => {
                    engine.packet(clock::monotonic_now(), port.index, &received, outer);
                }
                Ok(None) => return true,
                Err(RecvError::Packet(error)) => {
                    tracing::debug!(event = "bad_packet", interface = port.interface, %error);
                }
                // The interface is down or gone: the monitor tells about it.
                Err(RecvError::Socket(error)) => {
                    tracing::debug!(event = "receive_failed", interface = port.interface, %error);
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
                setup,
                resume,
                held,
            } => {
                // A removed instance says so before its addresses go, and the
                // addresses of a changed one are there before they are announced.
                outer.held_back = Some(Vec::new());
                engine.configure(now, setup.instances.clone(), resume, outer);
                let later = outer.held_back.take().unwrap_or_default();
                outer.tell(ToAddresses::Configure { id, setup, held });
                later.into_iter().for_each(|message| outer.tell(message));
            }
            ToAdverts::Report(id) => report(engine, outer, id),
            ToAdverts::Interface(name, state) => engine.interface(now, name, state, outer),
            ToAdverts::Measured(_) => {}
            ToAdverts::Hold { id, .. } => {
                let outcome = Err("not understood yet".into());
                outer.tell(ToAddresses::Pass(ToMain::Done(id, outcome)));
            }
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
        outer.opened = false;
        outer.sockets.retain(|place, open| {
            let needed = places.contains(place);
            if let (false, Some(reader)) = (needed, &open.reader) {
                reader.abort();
            }
            needed
        });
        for open in outer.sockets.values_mut() {
            if open.reader.is_none() {
                let reader = read(Rc::clone(this), Rc::clone(&open.port));
                open.reader = Some(tokio::task::spawn_local(reader));
            }
        }
    }
}

fn report(engine: &Engine, outer: &mut Outer, id: Option<u64>) {
    let snapshot = VrrpSnapshot {
        taken: clock::monotonic_now(),
        instances: engine.report(),
        held: Vec::new(),
        address_error: None,
        repairs: 0,
        worst_lateness: engine.worst_lateness(),
    };
    outer.tell(ToAddresses::Report {
        id,
        snapshot: Box::new(snapshot),
    });
}

fn open(interface: &str, index: u32, family: Family) -> Result<Port, Box<dyn std::error::Error>> {
    let socket = VrrpSocket::open(index, family)?;
    socket.join(group(family))?;
    Ok(Port {
        socket: ready::readable(socket)?,
        interface: interface.to_owned(),
        index,
    })
}

async fn read(adverts: Rc<Adverts>, port: Rc<Port>) {
    while let Ok(mut ready) = port.socket.readable().await {
        if adverts.drain(&port, BURST) {
            ready.clear_ready();
        }
        drop(ready);
        Adverts::turn(&adverts);
        tokio::task::yield_now().await;
    }
}
