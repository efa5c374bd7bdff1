//! Two directors, two virtual routers with crossed roles, and what must be true of them.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::fault::{Fault, Which};
use crate::failure::{Failure, Result};
use crate::net::{Lab, Netem};
use crate::random::Random;
use crate::seat::{Lvsd, Vrrp};
use crate::site::{Directors, INTERFACE, Place};
use crate::watch::{eventually, now, steadily};

const INTERVAL: Duration = Duration::from_millis(100);

/// Priorities of each director in each virtual router: the first owns the first.
const PRIORITIES: [[u8; 2]; 2] = [[150, 100], [100, 150]];

/// What a reload takes off the higher priority; it stays the higher one.
const RELOADED: u8 = 10;

/// A killed process is back within this, on a machine with four worlds on one CPU.
const RESTART: Duration = Duration::from_secs(6);

/// How long nothing may change once all is settled.
const STEADY: Duration = Duration::from_millis(250);

/// What the directors of a cut network need to notice it, once the timers have run out.
const NOTICE: Duration = Duration::from_millis(1_500);

/// Run at every change of a state.
const NOTIFY: &str = "/run/lab/notify";

/// Is given the kind, the name, the state and the priority; keeps the states of each name.
const NOTIFY_SCRIPT: &str = "#!/bin/sh\necho \"$3\" >> \"/run/lab/told.$2\"\n";

/// Between two looks at the same: cheap, for four worlds look.
const LOOK_EVERY: Duration = Duration::from_millis(20);

struct Director {
    place: Place,
    lvsd: Lvsd,
    reloaded: bool,
    workers: usize,
}

/// A pair of directors on a network of their own.
pub(super) struct World {
    number: usize,
    directors: [Director; 2],
    history: Vec<String>,
    began: Instant,
}

/// What a world has to tell when it is over.
pub(super) struct Survived {
    /// How long each fault took to settle once it was over.
    pub(super) settling: Vec<Duration>,
}

fn address(instance: usize) -> IpAddr {
    [172, 17, 1, if instance == 0 { 160 } else { 161 }].into()
}

fn configuration(which: Which, reloaded: bool) -> String {
    let mut text = String::new();
    for (instance, priorities) in PRIORITIES.iter().enumerate() {
        let priority = priorities.get(which).copied().unwrap_or(1);
        let less = if reloaded && priority == 150 {
            RELOADED
        } else {
            0
        };
        let router = Vrrp {
            name: format!("vr{instance}"),
            vrid: if instance == 0 { 51 } else { 52 },
            addresses: vec![format!("{}/32", address(instance))],
            ..Vrrp::v3(priority - less, INTERVAL)
        };
        let router = router.with(&format!("notify = \"{NOTIFY}\""), "");
        text += &router.toml();
    }
    text + "[virtual_server.web]\naddress = \"172.17.1.160:80\"\nscheduler = \"rr\"\n\
            check = [{ type = \"icmp\", interval = \"1s\" }]\n\
            real_server = [{ address = \"172.17.1.150\" }, { address = \"172.17.1.151\" }]\n"
}

impl World {
    pub(super) fn build(lab: &mut Lab, number: usize) -> Result<Self> {
        let names = [format!("w{number}d1"), format!("w{number}d2")];
        let [first, second] = &names;
        let directors = Directors::on(lab, &format!("lan{number}"), [first, second])?;
        lab.capture(&directors.d2.host, INTERFACE)?;
        let start = |place: &Place, which| {
            place.host.script(NOTIFY, NOTIFY_SCRIPT)?;
            Ok::<_, Failure>(Director {
                lvsd: Lvsd::start(lab, &place.host, &configuration(which, false))?,
                place: place.clone(),
                reloaded: false,
                workers: 0,
            })
        };
        let mut world = Self {
            number,
            directors: [start(&directors.d1, 0)?, start(&directors.d2, 1)?],
            history: Vec::new(),
            began: Instant::now(),
        };
        world.settle(Duration::from_secs(20))?;
        for director in &mut world.directors {
            // They are started one after the other, and the pools' own comes last.
            eventually(RESTART, "all workers", || director.lvsd.state())?;
            director.workers = director.lvsd.service.children().len();
        }
        Ok(world)
    }

    /// Bears so many faults, one after the other.
    pub(super) fn suffer(&mut self, mut random: Random, faults: usize) -> Result<Survived> {
        let mut settling = Vec::new();
        let outcome = (0..faults).try_for_each(|count| {
            let fault = Fault::draw(&mut random);
            let meanwhile = (random.below(3) == 0).then(|| random.below(2));
            settling.push(self.bear(count, &fault, meanwhile)?);
            Ok::<_, Failure>(())
        });
        self.history.push(format!("{} faults", settling.len()));
        let shown = self.history.iter().rev().take(12).rev();
        let shown: Vec<&str> = shown.map(String::as_str).collect();
        outcome.map_err(|failure| {
            failure.during(format!(
                "world {} after\n  {}\n",
                self.number,
                shown.join("\n  ")
            ))
        })?;
        Ok(Survived { settling })
    }

    fn bear(&mut self, count: usize, fault: &Fault, meanwhile: Option<Which>) -> Result<Duration> {
        let reload = meanwhile.map_or(String::new(), |which| format!(", reload {which} meanwhile"));
        self.history.push(format!(
            "{:8.3} s, {}: {count} {fault}{reload}",
            self.began.elapsed().as_secs_f64(),
            now().as_secs()
        ));
        self.strike(fault, meanwhile)?;
        let over = Instant::now();
        // A detection, the return of the one that was gone, and its preemption.
        let timers = Vrrp::v3(100, INTERVAL).master_down_time() * 3;
        self.settle(timers + RESTART)?;
        let took = over.elapsed();
        self.complete()?;
        Ok(took)
    }

    /// Does it, waits, and takes it back; a reload comes in the middle.
    fn strike(&mut self, fault: &Fault, meanwhile: Option<Which>) -> Result<()> {
        match fault {
            Fault::Kill(which, process) => {
                signal(self.process(*which, *process), Signal::SIGKILL);
                self.reload(meanwhile)
            }
            Fault::KillAll(which) => {
                for pid in self.director(*which).place.host.processes() {
                    signal(pid, Signal::SIGKILL);
                }
                self.reload(meanwhile)
            }
            Fault::Freeze(which, process, time) => {
                let pid = self.process(*which, *process);
                signal(pid, Signal::SIGSTOP);
                // Nobody answers a reload of a supervisor that stands still.
                let awake = meanwhile.filter(|other| other != which);
                let reloaded = self.reload(awake);
                thread::sleep(*time);
                signal(pid, Signal::SIGCONT);
                reloaded
            }
            Fault::RemoveAddress(instance) => self.remove_address(*instance, meanwhile),
            Fault::FlushTable(which) => {
                let host = &self.director(*which).place.host;
                host.run(["ipvsadm", "-C"])?;
                self.reload(meanwhile)
            }
            Fault::ClockStep(seconds) => {
                let stepped = i64::try_from(now().as_secs()).unwrap_or(i64::MAX) + seconds;
                let host = &self.director(0).place.host;
                host.run(["date", "-s", &format!("@{stepped}")])?;
                self.reload(meanwhile)
            }
            Fault::Reload(which) => {
                self.reload(Some(*which))?;
                self.reload(meanwhile)
            }
            Fault::Unplug(..)
            | Fault::LinkDown(..)
            | Fault::Cut(..)
            | Fault::Deaf(..)
            | Fault::Mute(..)
            | Fault::Weather(..) => self.disturb(fault, meanwhile),
        }
    }

    /// Faults of the network, which last.
    fn disturb(&mut self, fault: &Fault, meanwhile: Option<Which>) -> Result<()> {
        let nothing = Netem {
            loss: 100.0,
            ..Netem::default()
        };
        let place = |which: &Which| self.director(*which).place.clone();
        match fault {
            Fault::Unplug(which, time) => {
                let place = place(which);
                place.cable.pull()?;
                self.reload(meanwhile)?;
                thread::sleep(*time);
                // Without a carrier it is no part of any network.
                self.hold(1 - which, NOTICE)?;
                self.hold_none(*which, NOTICE)?;
                place.cable.mend()
            }
            Fault::LinkDown(which, time) => {
                let host = place(which).host;
                host.run(["ip", "link", "set", INTERFACE, "down"])?;
                self.reload(meanwhile)?;
                thread::sleep(*time);
                self.hold(1 - which, NOTICE)?;
                host.run(["ip", "link", "set", INTERFACE, "up"]).map(drop)
            }
            Fault::Cut(which, time) => {
                let place = place(which);
                place.cable.cut_silently()?;
                self.reload(meanwhile)?;
                thread::sleep(*time);
                // Each is a connected part of its own.
                self.hold(1 - which, NOTICE)?;
                self.hold(*which, NOTICE)?;
                place.cable.mend()
            }
            Fault::Deaf(which, time) => {
                let cable = place(which).cable;
                cable.netem_to_host(nothing)?;
                self.reload(meanwhile)?;
                thread::sleep(*time);
                cable.clear_netem_to_host()
            }
            Fault::Mute(which, time) => self.weather(*which, nothing, *time, meanwhile),
            Fault::Weather(which, weather, time) => {
                self.weather(*which, weather.netem(), *time, meanwhile)
            }
            _ => Ok(()),
        }
    }

    fn weather(
        &mut self,
        which: Which,
        netem: Netem,
        time: Duration,
        meanwhile: Option<Which>,
    ) -> Result<()> {
        let host = self.director(which).place.host.clone();
        host.netem(INTERFACE, netem)?;
        self.reload(meanwhile)?;
        thread::sleep(time);
        host.clear_netem(INTERFACE)
    }

    fn remove_address(&mut self, instance: usize, meanwhile: Option<Which>) -> Result<()> {
        let with_length = format!("{}/32", address(instance));
        // Its owner has it: all is settled before a fault.
        let host = &self.director(instance).place.host;
        host.run(["ip", "addr", "del", &with_length, "dev", INTERFACE])?;
        self.reload(meanwhile)
    }

    fn director(&self, which: Which) -> &Director {
        let [first, second] = &self.directors;
        if which == 0 { first } else { second }
    }

    /// The supervisor, or one of its workers.
    fn process(&self, which: Which, number: usize) -> Pid {
        let service = &self.director(which).lvsd.service;
        let mut children = service.children();
        children.sort_by(|left, right| left.1.cmp(&right.1));
        let mut all = vec![service.pid()];
        all.extend(children.into_iter().map(|(pid, _)| pid));
        let number = number % all.len();
        all.get(number).copied().unwrap_or_else(|| service.pid())
    }

    /// Another priority for the higher one. It may fail while there is a fault: once the director
    /// is whole again it has the file anyway, or the next reload brings it.
    fn reload(&mut self, which: Option<Which>) -> Result<()> {
        let Some(which) = which else { return Ok(()) };
        let [first, second] = &mut self.directors;
        let director = if which == 0 { first } else { second };
        director.reloaded = !director.reloaded;
        director
            .lvsd
            .configure(&configuration(which, director.reloaded))?;
        if let Err(failure) = director.lvsd.reload() {
            self.history.push(format!("    reload {which}: {failure}"));
        }
        Ok(())
    }

    /// Waits until each address is where it belongs and nowhere else, and stays there.
    fn settle(&self, limit: Duration) -> Result<()> {
        eventually(limit, "every address where it belongs", || {
            self.expect([[true, false], [false, true]])?;
            steadily(STEADY, || self.expect([[true, false], [false, true]]))
        })
    }

    /// Who holds the first address, and who holds the second.
    fn expect(&self, wanted: [[bool; 2]; 2]) -> Result<()> {
        for (instance, wanted) in wanted.into_iter().enumerate() {
            for (which, wanted) in wanted.into_iter().enumerate() {
                self.expect_one(which, instance, wanted)?;
            }
        }
        Ok(())
    }

    fn expect_one(&self, which: Which, instance: usize, wanted: bool) -> Result<()> {
        let host = &self.director(which).place.host;
        let address = address(instance);
        let all = host.addresses()?;
        let found = all.iter().filter(|(_, held)| *held == address);
        let found: Vec<&str> = found.map(|(interface, _)| interface.as_str()).collect();
        let right: &[&str] = if wanted { &[INTERFACE] } else { &[] };
        crate::ensure!(
            found == right,
            "{} has {address} on {found:?} instead of {right:?}",
            host.name()
        );
        Ok(())
    }

    /// One director holds everything.
    fn hold(&self, which: Which, limit: Duration) -> Result<()> {
        self.hold_all(which, true, limit)
    }

    /// One director holds nothing.
    fn hold_none(&self, which: Which, limit: Duration) -> Result<()> {
        self.hold_all(which, false, limit)
    }

    fn hold_all(&self, which: Which, wanted: bool, limit: Duration) -> Result<()> {
        let name = self.director(which).place.host.name();
        let what = format!("{name} to hold all or nothing: {wanted}");
        let start = Instant::now();
        loop {
            let outcome = (0..2).try_for_each(|one| self.expect_one(which, one, wanted));
            match outcome {
                Ok(()) => return Ok(()),
                Err(failure) if start.elapsed() > limit => return Err(failure.during(what)),
                Err(_) => thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// Every process is there again, and the status tells what the kernel does.
    fn complete(&self) -> Result<()> {
        for (which, director) in self.directors.iter().enumerate() {
            let host = director.place.host.name();
            eventually(RESTART, &format!("all of {host} to be in order"), || {
                let children = director.lvsd.service.children();
                crate::ensure!(
                    children.len() == director.workers,
                    "its workers are {children:?}"
                );
                let status = director.lvsd.status()?;
                for instance in 0..2 {
                    let state = status.pointer(&format!("/vrrp/{instance}/state"));
                    let wanted = if instance == which {
                        "MASTER"
                    } else {
                        "BACKUP"
                    };
                    crate::ensure!(
                        state.and_then(|state| state.as_str()) == Some(wanted),
                        "virtual router {instance} is {state:?} and should be {wanted}"
                    );
                    // Whatever was left out on the way, the last word is the truth.
                    let told = format!("/run/lab/told.vr{instance}");
                    let told = director.place.host.read(&told)?;
                    crate::ensure!(
                        told.lines().next_back() == Some(wanted),
                        "virtual router {instance} is {wanted}, and its script was told {:?}",
                        told.lines().rev().take(6).collect::<Vec<_>>()
                    );
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn signal(pid: Pid, signal: Signal) {
    // It may have ended by itself: that is then the fault.
    let _ = kill(pid, signal);
}
