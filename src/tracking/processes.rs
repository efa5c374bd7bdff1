//! Which processes a tracker counts, and whether there are enough.

use std::collections::BTreeSet;
use std::time::Duration;

use mono::Mono;

use crate::model::{ArgumentsMatch, TrackProcess};

/// The longest `comm` of the kernel, in octets.
const COMM: usize = 15;

/// What a process is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// `/proc/PID/comm`.
    pub comm: String,
    /// The words of `/proc/PID/cmdline`.
    pub words: Vec<String>,
}

/// Whether a tracker counts a process of these names.
#[must_use]
pub fn counts(tracker: &TrackProcess, names: &Names) -> bool {
    let Some((first, arguments)) = names.words.split_first() else {
        // A thread of the kernel, or a dying process: it has no command line.
        let plain = tracker.arguments_match == ArgumentsMatch::Ignore && !tracker.full_command;
        return plain && is_comm(&tracker.process, &names.comm);
    };
    let named = if tracker.full_command {
        *first == tracker.process
    } else {
        is_comm(&tracker.process, &names.comm)
    };
    named && arguments_match(tracker, arguments)
}

fn is_comm(name: &str, comm: &str) -> bool {
    let cut = name.get(..COMM).unwrap_or(name);
    cut == comm
}

fn arguments_match(tracker: &TrackProcess, arguments: &[String]) -> bool {
    let wanted = &tracker.arguments;
    match tracker.arguments_match {
        ArgumentsMatch::Ignore => true,
        ArgumentsMatch::Exact => arguments == wanted.as_slice(),
        ArgumentsMatch::Initial => arguments.starts_with(wanted),
        ArgumentsMatch::Partial => match wanted.split_last() {
            None => true,
            Some((last, before)) => {
                arguments.starts_with(before)
                    && arguments
                        .get(before.len())
                        .is_some_and(|argument| argument.starts_with(last.as_str()))
            }
        },
    }
}

/// The processes that one tracker counts.
#[derive(Clone, Debug)]
pub struct Count {
    tracker: TrackProcess,
    running: BTreeSet<u32>,
    up: Option<bool>,
    /// Since when the count speaks for the other state.
    other_since: Option<Mono>,
}

impl Count {
    /// None yet; `up` is the state that is known from before, if any.
    #[must_use]
    pub fn new(tracker: TrackProcess, up: Option<bool>) -> Self {
        Self {
            tracker,
            running: BTreeSet::new(),
            up,
            other_since: None,
        }
    }

    /// A process is called this now; a new one, or one that runs another program.
    pub fn named(&mut self, pid: u32, names: &Names) {
        if counts(&self.tracker, names) {
            self.running.insert(pid);
        } else {
            self.running.remove(&pid);
        }
    }

    /// A process has a child, which is called what it is called.
    pub fn forked(&mut self, parent: u32, child: u32) {
        if self.running.contains(&parent) {
            self.running.insert(child);
        }
    }

    /// A process has ended.
    pub fn gone(&mut self, pid: u32) {
        self.running.remove(&pid);
    }

    /// Begins anew, before a scan of all processes.
    pub fn clear(&mut self) {
        self.running.clear();
    }

    fn enough(&self) -> bool {
        let count = self.running.len();
        let bound = |bound: u32| usize::try_from(bound).unwrap_or(usize::MAX);
        let most = self.tracker.quorum_max.map_or(usize::MAX, bound);
        (bound(self.tracker.quorum)..=most).contains(&count)
    }

    /// Judges the count at this moment; the state, when it changed. The first judgement
    /// counts at once, later ones after their delay.
    pub fn judge(&mut self, now: Mono) -> Option<bool> {
        let enough = self.enough();
        if self.up == Some(enough) {
            self.other_since = None;
            return None;
        }
        if self.up.is_some() {
            let since = *self.other_since.get_or_insert(now);
            if now.since(since) < self.delay(enough) {
                return None;
            }
        }
        self.up = Some(enough);
        self.other_since = None;
        Some(enough)
    }

    fn delay(&self, to: bool) -> Duration {
        if to {
            self.tracker.fork_delay
        } else {
            self.tracker.terminate_delay
        }
    }

    /// The state that was judged last.
    #[must_use]
    pub const fn up(&self) -> Option<bool> {
        self.up
    }

    /// When to judge again though nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let since = self.other_since?;
        Some(since + self.delay(!self.up?))
    }

    /// The count in words: `3 of 2 processes`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let count = self.running.len();
        let quorum = self.tracker.quorum;
        let noun = if quorum == 1 { "process" } else { "processes" };
        match self.tracker.quorum_max {
            Some(most) => format!("{count} of {quorum} to {most} processes"),
            None => format!("{count} of {quorum} {noun}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracker() -> TrackProcess {
        TrackProcess {
            process: "nginx".into(),
            arguments: Vec::new(),
            arguments_match: ArgumentsMatch::Ignore,
            full_command: false,
            quorum: 2,
            quorum_max: Some(3),
            fork_delay: Duration::from_millis(100),
            terminate_delay: Duration::from_millis(300),
        }
    }

    fn names(comm: &str, words: &str) -> Names {
        Names {
            comm: comm.into(),
            words: words.split_whitespace().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn a_process_is_matched_by_name_command_and_arguments() {
        let plain = tracker();
        assert!(counts(&plain, &names("nginx", "/usr/sbin/nginx -g x")));
        assert!(counts(&plain, &names("nginx", "")));
        assert!(!counts(&plain, &names("nginx2", "nginx")));
        let long = TrackProcess {
            process: "a-very-long-program-name".into(),
            ..tracker()
        };
        assert!(counts(&long, &names("a-very-long-pro", "x")));
        let full = TrackProcess {
            process: "/usr/sbin/nginx".into(),
            full_command: true,
            ..tracker()
        };
        assert!(counts(&full, &names("other", "/usr/sbin/nginx")));
        assert!(!counts(&full, &names("nginx", "nginx")));
        assert!(!counts(&full, &names("nginx", "")));
        let matched = |how, wanted: &str, words| {
            let tracker = TrackProcess {
                arguments: wanted.split_whitespace().map(str::to_owned).collect(),
                arguments_match: how,
                ..tracker()
            };
            counts(&tracker, &names("nginx", words))
        };
        assert!(matched(ArgumentsMatch::Exact, "-a -b", "nginx -a -b"));
        assert!(!matched(ArgumentsMatch::Exact, "-a", "nginx -a -b"));
        assert!(matched(ArgumentsMatch::Exact, "", "nginx"));
        assert!(matched(ArgumentsMatch::Initial, "-a", "nginx -a -b"));
        assert!(!matched(ArgumentsMatch::Initial, "-b", "nginx -a -b"));
        assert!(matched(
            ArgumentsMatch::Partial,
            "-a --con",
            "nginx -a --conf x"
        ));
        assert!(!matched(
            ArgumentsMatch::Partial,
            "-a --con",
            "nginx -ab --conf"
        ));
        assert!(!matched(ArgumentsMatch::Partial, "-a", "nginx"));
    }

    #[test]
    fn forks_programs_and_ends_are_counted() {
        let mut count = Count::new(tracker(), None);
        count.named(1, &names("nginx", "nginx"));
        count.forked(1, 2);
        count.forked(7, 8);
        assert_eq!(count.in_words(), "2 of 2 to 3 processes");
        count.named(2, &names("sh", "sh"));
        assert_eq!(count.in_words(), "1 of 2 to 3 processes");
        count.gone(1);
        count.gone(1);
        assert_eq!(count.in_words(), "0 of 2 to 3 processes");
    }

    #[test]
    fn the_first_count_counts_at_once_and_later_ones_after_their_delay() {
        let at = Mono::from_millis;
        let mut count = Count::new(tracker(), None);
        assert_eq!(count.judge(at(1_000)), Some(false));
        count.named(1, &names("nginx", "nginx"));
        count.forked(1, 2);
        assert_eq!(
            (count.judge(at(1_000)), count.deadline()),
            (None, Some(at(1_100)))
        );
        // For a moment too few: it begins anew.
        count.gone(2);
        assert_eq!((count.judge(at(1_050)), count.deadline()), (None, None));
        count.forked(1, 2);
        assert_eq!(count.judge(at(1_060)), None);
        assert_eq!(count.judge(at(1_159)), None);
        assert_eq!(count.judge(at(1_160)), Some(true));
        // Too many are as bad as too few.
        count.forked(1, 3);
        count.forked(1, 4);
        assert_eq!(count.judge(at(2_000)), None);
        assert_eq!(count.deadline(), Some(at(2_300)));
        assert_eq!(count.judge(at(2_300)), Some(false));
    }
}
