//! The advert thread: sockets, timers, and the engine between them.
//!
//! One raw socket per interface, family and carrier serves all its instances. Timers
//! are one timerfd, set to the engine's next deadline. Nothing here waits for
//! rtnetlink, scripts, or a full channel.
//!
//! What has to be cheap, for hundreds of instances at tenths of seconds: everything that
//! is due at one wake-up leaves in one system call per socket, messages are received by
//! the dozen, the timer is set only when it has to ring earlier, and a report is made
//! only when something changed or somebody asks.

mod post;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use mono::Mono;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender};
use tokio::task::{JoinHandle, LocalSet};
use vrrp::Cause;

use self::post::Post;
use super::engine::{Engine, Letter, Outside, Port};
use super::identify::Question;
use super::messages::{Key, Left, ToAddresses, ToAdverts, ToMain};
use crate::kernel::clock::{self, Timer};
use crate::kernel::ready;
use crate::kernel::vrrp_socket::{Batch, VrrpSocket};
use crate::worker::session::Heartbeat;

/// The thread shows at least this often that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// Without being asked it reports at least this often, for whoever has to resume.
const REPORT: Duration = Duration::from_secs(30);
/// And not more often than this, however much changes.
const REPORT_GAP: Duration = Duration::from_millis(50);
/// Deadlines this close together are met at one wake-up, the earlier ones late by this
/// much at most.
const GRAIN: Duration = Duration::from_micros(500);
/// Batches that hold more than a socket's queue can: the kernel gives it 2 MiB, and takes
/// more than 512 octets of them for the smallest packet.
const WHOLE_QUEUE: usize = 4096 / Batch::MESSAGES;

/// Starts the thread.
///
/// # Errors
///
/// When the thread, its runtime or its timer cannot be made.
pub fn spawn(
    commands: UnboundedReceiver<ToAdverts>,
    to_addresses: UnboundedSender<ToAddresses>,
    identify: Sender<Question>,
    heartbeat: Heartbeat,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("adverts".into())
        .spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                if let Err(error) = run(commands, to_addresses, identify, heartbeat).await {
                    tracing::error!(event = "adverts_failed", %error);
                }
            });
        })?;
    Ok(())
}

/// One way to one interface.
struct Ear {
    socket: AsyncFd<VrrpSocket>,
    interface: String,
    port: Port,
}

struct Open {
    ear: Rc<Ear>,
    groups: Vec<IpAddr>,
    /// Octets that the queue was asked to hold.
    room: u32,
    reader: Option<JoinHandle<()>>,
}

/// What the engine acts on.
struct Outer {
    sockets: BTreeMap<Port, Open>,
    post: Post,
    /// What the address thread is told when the adverts have left.
    later: Vec<ToAddresses>,
    to_addresses: UnboundedSender<ToAddresses>,
    identify: Sender<Question>,
    changed: bool,
    /// The set of sockets may not be the needed one.
    rewired: bool,
}

impl Outside for Outer {
    fn open(
        &mut self,
        port: Port,
        interface: &str,
        group: Option<IpAddr>,
        room: Option<u32>,
    ) -> Result<(), String> {
        self.rewired = true;
        let open = match self.sockets.get_mut(&port) {
            Some(open) => open,
            None => {
                let ear = Ear::open(port, interface).map_err(|error| error.to_string())?;
                self.sockets.entry(port).or_insert(Open {
                    ear: Rc::new(ear),
                    groups: Vec::new(),
                    room: 0,
                    reader: None,
                })
            }
        };
        if let Some(room) = room.filter(|room| *room > open.room) {
            let octets = usize::try_from(room).unwrap_or(usize::MAX);
            let set = open.ear.socket.get_ref().set_receive_queue(octets);
            set.map_err(|error| error.to_string())?;
            open.room = room;
        }
        if let Some(group) = group.filter(|group| !open.groups.contains(group)) {
            let joined = open.ear.socket.get_ref().join(group);
            joined.map_err(|error| error.to_string())?;
            open.groups.push(group);
        }
        Ok(())
    }

    fn rewired(&mut self) {
        self.rewired = true;
    }

    fn send(&mut self, letter: &Letter<'_>) {
        self.post.put(letter);
    }

    fn role(&mut self, key: &Key, holds: bool) {
        self.later.push(ToAddresses::Role(key.clone(), holds));
    }

    fn announce(&mut self, key: &Key, cause: Cause) {
        self.later.push(ToAddresses::Announce(key.clone(), cause));
    }

    fn pass(&mut self, message: ToMain) {
        self.later.push(ToAddresses::Pass(message));
    }

    fn stop(&mut self) {
        self.later.push(ToAddresses::Stop);
    }

    fn identify(&mut self, index: u32, from: IpAddr) {
        // A full queue means that others are asked about already.
        let _ = self.identify.try_send((index, from));
    }

    fn changed(&mut self) {
        self.changed = true;
    }

    fn wall(&self) -> Duration {
        let wall = clock::wall_now().duration_since(UNIX_EPOCH);
        wall.unwrap_or_default()
    }

    fn uptime(&self) -> Duration {
        clock::uptime()
    }
}

impl Outer {
    /// Sends what is to be sent, then tells the address thread: a new Master speaks
    /// before it takes the addresses.
    fn deliver(&mut self) {
        let Self { post, sockets, .. } = self;
        post.deliver(|port| sockets.get(&port).map(|open| open.ear.socket.get_ref()));
        for message in self.later.drain(..) {
            // The address thread ends only with the process.
            let _ = self.to_addresses.send(message);
        }
    }
}

struct Adverts {
    engine: RefCell<(Engine, Outer)>,
    batch: RefCell<Batch>,
    timer: AsyncFd<Timer>,
    clockwork: RefCell<Clockwork>,
    heartbeat: Heartbeat,
}

/// When what is due.
struct Clockwork {
    /// When the timer rings.
    armed: Mono,
    next_beat: Mono,
    next_report: Mono,
    /// The earliest time for a report of a change.
    report_from: Mono,
}

async fn run(
    mut commands: UnboundedReceiver<ToAdverts>,
    to_addresses: UnboundedSender<ToAddresses>,
    identify: Sender<Question>,
    heartbeat: Heartbeat,
) -> io::Result<()> {
    let outer = Outer {
        sockets: BTreeMap::new(),
        post: Post::default(),
        later: Vec::new(),
        to_addresses,
        identify,
        changed: false,
        rewired: false,
    };
    let adverts = Rc::new(Adverts {
        engine: RefCell::new((Engine::default(), outer)),
        batch: RefCell::new(Batch::new()),
        timer: ready::readable(Timer::new()?)?,
        clockwork: RefCell::new(Clockwork {
            armed: Mono::MAX,
            next_beat: Mono::ZERO,
            next_report: Mono::ZERO,
            report_from: Mono::ZERO,
        }),
        heartbeat,
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
                adverts.clockwork.borrow_mut().armed = Mono::MAX;
            }
            command = commands.recv() => match command {
                Some(command) => adverts.command(command),
                None => return Ok(()),
            },
        }
        Adverts::turn(&adverts);
    }
}

impl Adverts {
    /// Fires what is due and sets the timer to what comes next.
    fn turn(this: &Rc<Self>) {
        this.fire();
        let now = clock::monotonic_now();
        this.heartbeat.beat(now);
        let (engine, outer) = &mut *this.engine.borrow_mut();
        let mut clockwork = this.clockwork.borrow_mut();
        if clockwork.next_beat <= now {
            clockwork.next_beat = now + BEAT;
            engine.sweep(now, outer);
        }
        if clockwork.is_to_report(now, outer.changed) && engine.configured() {
            clockwork.next_report = now + REPORT;
            clockwork.report_from = now + REPORT_GAP;
            outer.changed = false;
            report(engine, outer, None);
        }
        outer.deliver();
        if std::mem::take(&mut outer.rewired) {
            Self::listen(this, engine, outer);
        }
        let deadline = clockwork.deadline(engine.deadline(), outer.changed);
        // A timer that rings early does no harm, and need not be set anew each time a
        // Backup hears its Master.
        if deadline < clockwork.armed {
            clockwork.armed = deadline;
            if let Err(error) = this.timer.get_ref().set(Some(deadline)) {
                tracing::error!(event = "timer_failed", %error);
            }
        }
    }

    /// Fires what is due. An advert that waits in a socket counts before a timer that it
    /// would have stopped: a director that was late must not fight for the address.
    fn fire(&self) {
        let hear_first = {
            let (engine, outer) = &mut *self.engine.borrow_mut();
            engine.fire(clock::monotonic_now(), false, outer)
        };
        if hear_first {
            self.hear_all();
            let (engine, outer) = &mut *self.engine.borrow_mut();
            engine.fire(clock::monotonic_now(), true, outer);
        }
    }

    fn hear_all(&self) {
        let ears: Vec<_> = {
            let (_, outer) = &*self.engine.borrow();
            let open = outer.sockets.values();
            open.map(|open| Rc::clone(&open.ear)).collect()
        };
        for ear in ears {
            for _ in 0..WHOLE_QUEUE {
                if self.hear(&ear) {
                    break;
                }
            }
        }
    }

    /// Hears a batch of what waits in a socket; true when nothing is left.
    fn hear(&self, ear: &Ear) -> bool {
        let batch = &mut *self.batch.borrow_mut();
        let received = match ear.socket.get_ref().recv_batch(batch) {
            Ok(received) => received,
            // The interface is down or gone: the monitor tells about it.
            Err(error) => {
                tracing::debug!(event = "receive_failed", interface = ear.interface, %error);
                return true;
            }
        };
        let (engine, outer) = &mut *self.engine.borrow_mut();
        let now = clock::monotonic_now();
        for heard in batch.iter() {
            match heard {
                Ok(heard) => engine.packet(now, ear.port, &heard, outer),
                Err(error) => {
                    engine.unreadable();
                    tracing::debug!(event = "bad_packet", interface = ear.interface, %error);
                }
            }
        }
        received < Batch::MESSAGES
    }

    fn command(&self, command: ToAdverts) {
        let now = clock::monotonic_now();
        let (engine, outer) = &mut *self.engine.borrow_mut();
        match command {
            ToAdverts::Configure { id, setup, left } => {
                let held = left.as_ref().map(|left| Left {
                    held: left.snapshot.held.clone(),
                    installed: left.snapshot.installed.clone(),
                });
                let before = outer.later.len();
                engine.configure(now, &setup, left.map(|left| *left), outer);
                // A removed instance says so before its addresses go, and the
                // addresses of a changed one are there before they are announced.
                let configure = ToAddresses::Configure {
                    id,
                    setup,
                    held: held.unwrap_or_default(),
                };
                outer.later.insert(before, configure);
                outer.rewired = true;
            }
            ToAdverts::Report(id) => report(engine, outer, id),
            ToAdverts::Interface(name, state) => engine.interface(now, &name, state, outer),
            ToAdverts::Measured(measured) => engine.measured(now, measured, outer),
            ToAdverts::Sender { from, mac } => engine.sender(from, &mac),
            ToAdverts::Hold { id, order } => engine.order(now, id, &order, outer),
            ToAdverts::Stop => engine.stop(now, outer),
        }
    }

    /// Listens where there are instances, and nowhere else.
    fn listen(this: &Rc<Self>, engine: &Engine, outer: &mut Outer) {
        let ports = engine.ports();
        outer.sockets.retain(|port, open| {
            let needed = ports.contains(port);
            if let (false, Some(reader)) = (needed, &open.reader) {
                reader.abort();
            }
            needed
        });
        for open in outer.sockets.values_mut() {
            if open.reader.is_none() {
                let reader = read(Rc::clone(this), Rc::clone(&open.ear));
                open.reader = Some(tokio::task::spawn_local(reader));
            }
        }
    }
}

impl Clockwork {
    fn is_to_report(&self, now: Mono, changed: bool) -> bool {
        self.next_report <= now || changed && self.report_from <= now
    }

    /// When to wake up next: on the grain of time, so that one wake-up serves many.
    fn deadline(&self, engine: Option<Mono>, changed: bool) -> Mono {
        let report = changed.then_some(self.report_from);
        let own = [
            Some(self.next_beat),
            Some(self.next_report),
            report,
            engine.map(coarse),
        ];
        own.into_iter().flatten().min().unwrap_or(Mono::MAX)
    }
}

fn coarse(deadline: Mono) -> Mono {
    let grain = u64::try_from(GRAIN.as_nanos()).unwrap_or(1);
    Mono::from_nanos(deadline.as_nanos().div_ceil(grain).saturating_mul(grain))
}

fn report(engine: &Engine, outer: &mut Outer, id: Option<u64>) {
    let snapshot = Box::new(engine.report(clock::monotonic_now()));
    outer.later.push(ToAddresses::Report { id, snapshot });
}

impl Ear {
    fn open(port: Port, interface: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let socket = VrrpSocket::open_for(port.index, port.family, port.carrier)?;
        Ok(Self {
            socket: ready::readable(socket)?,
            interface: interface.to_owned(),
            port,
        })
    }
}

async fn read(adverts: Rc<Adverts>, ear: Rc<Ear>) {
    while let Ok(mut ready) = ear.socket.readable().await {
        if adverts.hear(&ear) {
            ready.clear_ready();
        }
        drop(ready);
        Adverts::turn(&adverts);
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wake_ups_are_late_by_less_than_the_grain_and_never_early() {
        for nanos in [1, 499_999, 500_000, 500_001, 12_345_678] {
            let deadline = Mono::from_nanos(nanos);
            assert!(coarse(deadline) >= deadline);
            assert!(coarse(deadline).since(deadline) < GRAIN);
        }
    }

    #[test]
    fn changes_are_reported_at_once_but_not_all_the_time() {
        let at = Mono::from_millis;
        let clockwork = Clockwork {
            armed: Mono::MAX,
            next_beat: at(1_000),
            next_report: at(30_000),
            report_from: at(150),
        };
        assert!(!clockwork.is_to_report(at(149), true));
        assert_eq!(clockwork.deadline(None, true), at(150));
        assert!(clockwork.is_to_report(at(150), true));
        assert!(!clockwork.is_to_report(at(29_999), false));
        assert!(clockwork.is_to_report(at(30_000), false));
        assert_eq!(clockwork.deadline(Some(at(70)), false), at(70));
    }
}
