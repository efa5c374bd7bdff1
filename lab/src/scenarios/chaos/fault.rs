//! What befalls a world.

use std::fmt;
use std::time::Duration;

use crate::net::Netem;
use crate::random::Random;

/// Which director.
pub(super) type Which = usize;

/// A fault, with all that chance decides about it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// SIGKILL for one process: 0 is the supervisor, then its workers in order of their names.
    Kill(Which, usize),
    /// SIGKILL for all processes.
    KillAll(Which),
    /// SIGSTOP for one process, SIGCONT later.
    Freeze(Which, usize, Duration),
    /// The cable is pulled, and put back.
    Unplug(Which, Duration),
    /// The link is set down by hand, and up again.
    LinkDown(Which, Duration),
    /// Frames vanish both ways, the carrier stays.
    Cut(Which, Duration),
    /// Nothing that is sent to it arrives.
    Deaf(Which, Duration),
    /// Nothing that it sends arrives.
    Mute(Which, Duration),
    /// Frames are lost, delayed, doubled, overtaken on their way from it.
    Weather(Which, Weather, Duration),
    /// A virtual address is removed by hand where it is held.
    RemoveAddress(usize),
    /// The IPVS table is emptied by hand.
    FlushTable(Which),
    /// The wall clock is set, by so many seconds.
    ClockStep(i64),
    /// Nothing but a reload.
    Reload(Which),
}

/// Bad conditions on a cable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Weather {
    /// 30 % loss.
    Loss,
    /// Every third frame twice.
    Duplicates,
    /// Delays that let frames overtake others.
    Disorder,
}

impl Weather {
    pub(super) fn netem(self) -> Netem {
        match self {
            Self::Loss => Netem {
                loss: 30.0,
                ..Netem::default()
            },
            Self::Duplicates => Netem {
                duplicate: 33.0,
                delay_ms: 1.0,
                ..Netem::default()
            },
            Self::Disorder => Netem {
                delay_ms: 60.0,
                jitter_ms: 50.0,
                reorder: 30.0,
                ..Netem::default()
            },
        }
    }
}

impl Fault {
    /// Chance decides.
    pub(super) fn draw(random: &mut Random) -> Self {
        let which = random.below(2);
        let process = random.below(4);
        // Long enough for a takeover to happen, and sometimes too short for it.
        let brief = Duration::from_millis(200 + 100 * random.below(8) as u64);
        let long = Duration::from_millis(500 + 500 * random.below(4) as u64);
        match random.below(20) {
            0..4 => Self::Kill(which, process),
            4 => Self::KillAll(which),
            5 | 6 => Self::Freeze(which, process, long),
            7 => Self::Unplug(which, brief),
            8 => Self::LinkDown(which, brief),
            9 => Self::Cut(which, brief),
            10 => Self::Deaf(which, brief),
            11 => Self::Mute(which, brief),
            12 => Self::Weather(which, Weather::Loss, long),
            13 => Self::Weather(which, Weather::Duplicates, brief),
            14 => Self::Weather(which, Weather::Disorder, long),
            15 | 16 => Self::RemoveAddress(random.below(2)),
            17 => Self::FlushTable(which),
            18 => Self::ClockStep([-7_200, -90, 90, 7_200][random.below(4)]),
            _ => Self::Reload(which),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = |which: &Which| {
            if *which == 0 {
                "the first"
            } else {
                "the second"
            }
        };
        match self {
            Self::Kill(which, process) => write!(out, "kill process {process} of {}", d(which)),
            Self::KillAll(which) => write!(out, "kill all processes of {}", d(which)),
            Self::Freeze(which, process, time) => {
                write!(out, "stop process {process} of {} for {time:?}", d(which))
            }
            Self::Unplug(which, time) => write!(out, "unplug {} for {time:?}", d(which)),
            Self::LinkDown(which, time) => write!(out, "link of {} down for {time:?}", d(which)),
            Self::Cut(which, time) => write!(out, "cut {} off for {time:?}", d(which)),
            Self::Deaf(which, time) => write!(out, "make {} deaf for {time:?}", d(which)),
            Self::Mute(which, time) => write!(out, "make {} mute for {time:?}", d(which)),
            Self::Weather(which, weather, time) => {
                write!(out, "{weather:?} from {} for {time:?}", d(which))
            }
            Self::RemoveAddress(instance) => write!(out, "remove address {instance} by hand"),
            Self::FlushTable(which) => write!(out, "empty the table of {}", d(which)),
            Self::ClockStep(seconds) => write!(out, "set the clock by {seconds} s"),
            Self::Reload(which) => write!(out, "reload {}", d(which)),
        }
    }
}
