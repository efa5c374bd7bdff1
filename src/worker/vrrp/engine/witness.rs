//! What others send that they should not: counted by kind, remembered by sender, and
//! said in words while it lasts. Pure.
//!
//! Whoever can forge a packet could fill memory and log, so both are bounded: so many
//! senders are remembered per instance, and so many lines logged per minute. Beyond
//! that everything is still counted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use mono::Mono;

use crate::status::{ComplaintReport, StrangerReport};

/// Kinds and senders remembered per instance.
const COMPLAINTS: usize = 16;
/// Lines logged per instance and [`LOG_PERIOD`].
const LOG_LINES: u32 = 16;
const LOG_PERIOD: Duration = Duration::from_secs(60);
/// A condition has ended when it did not show for this long, and three intervals.
const LASTS: Duration = Duration::from_secs(5);
/// Foreign virtual routers remembered in all.
const STRANGERS: usize = 64;

/// A bad or surprising advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting<'a> {
    /// Its kind, as the counters name it.
    pub kind: &'static str,
    /// Its sender.
    pub from: IpAddr,
    /// Its priority, if it could be read.
    pub priority: Option<u8>,
    /// The addresses it lists, if it could be read.
    pub addresses: &'a [IpAddr],
    /// The time between two adverts.
    pub interval: Duration,
}

#[derive(Debug)]
struct Complaint {
    report: ComplaintReport,
    kind: &'static str,
    /// The condition in words.
    verdict: String,
    priority: Option<u8>,
    /// Whether the condition lasts.
    standing: bool,
    /// Since when it does.
    since: Mono,
    /// Whether it went on after our answer.
    insists: bool,
}

impl Complaint {
    fn words(&self) -> String {
        let mut words = self.verdict.clone();
        if self.insists && self.kind == "lower_master" {
            words.push_str(": it does not hear us");
        }
        if let Some(mac) = &self.report.mac {
            words = format!("{words} (its hardware address is {mac})");
        }
        words
    }
}

/// The memory of one instance.
#[derive(Debug, Default)]
pub struct Witness {
    counters: BTreeMap<&'static str, u64>,
    complaints: Vec<Complaint>,
    /// Whose hardware address should be found out.
    unidentified: Option<IpAddr>,
    logged: u32,
    logged_from: Mono,
}

/// What is new about a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The condition stands since now, or it is another one than it seemed.
    pub is_new: bool,
    /// It may be logged.
    pub log: bool,
}

impl Witness {
    /// Takes over the counters of a predecessor, as far as `names` knows them.
    pub fn restore(&mut self, counters: &BTreeMap<String, u64>, names: &[&'static str]) {
        for name in names {
            if let Some(count) = counters.get(*name) {
                self.counters.insert(name, *count);
            }
        }
    }

    /// Counts one more.
    pub fn count(&mut self, name: &'static str) {
        let counter = self.counters.entry(name).or_default();
        *counter = counter.saturating_add(1);
    }

    /// Takes note of a bad or surprising advert. `words` gives the reason and the
    /// verdict; it is asked only when something is new.
    pub fn note(
        &mut self,
        now: Mono,
        sighting: Sighting<'_>,
        words: impl FnOnce() -> (String, String),
    ) -> Noted {
        let Sighting {
            kind,
            from,
            priority,
            interval,
            ..
        } = sighting;
        self.count(kind);
        let same = |one: &&mut Complaint| one.kind == kind && one.report.from == from;
        if let Some(known) = self.complaints.iter_mut().find(same) {
            known.report.count = known.report.count.saturating_add(1);
            known.report.last = now;
            if !known.standing {
                known.since = now;
                known.insists = false;
            }
            // Another advert of its own, after ours; not one that was on its way.
            let insists = now.since(known.since) >= interval * 3 / 4;
            let is_worse = insists && !known.insists;
            known.insists = insists;
            let is_new = !known.standing || known.priority != priority;
            if is_new {
                (known.report.detail, known.verdict) = words();
                known.priority = priority;
                known.standing = true;
            }
            let log = is_new && self.may_log(now);
            let is_new = is_new || is_worse;
            return Noted { is_new, log };
        }
        if self.complaints.len() >= COMPLAINTS {
            // What cannot be read makes room for what can: everybody can send rubbish.
            let rubbish = |one: &Complaint| priority.is_some() && one.priority.is_none();
            let ended = self.complaints.iter().position(|one| !one.standing);
            let victim = ended.or_else(|| self.complaints.iter().position(rubbish));
            let Some(victim) = victim else {
                return Noted {
                    is_new: false,
                    log: false,
                };
            };
            self.complaints.swap_remove(victim);
        }
        self.unidentified = Some(from);
        let (detail, verdict) = words();
        self.complaints.push(Complaint {
            report: ComplaintReport {
                kind: kind.to_owned(),
                from,
                mac: None,
                count: 1,
                last: now,
                detail,
            },
            kind,
            verdict,
            priority,
            standing: true,
            since: now,
            insists: false,
        });
        let log = self.may_log(now);
        Noted { is_new: true, log }
    }

    fn may_log(&mut self, now: Mono) -> bool {
        if now.since(self.logged_from) >= LOG_PERIOD {
            self.logged_from = now;
            self.logged = 0;
        }
        self.logged += 1;
        self.logged <= LOG_LINES
    }

    /// Who should be looked for, once.
    pub const fn take_unidentified(&mut self) -> Option<IpAddr> {
        self.unidentified.take()
    }

    /// The hardware address of a sender has been found out.
    pub fn learn_mac(&mut self, from: IpAddr, mac: &str) {
        for one in &mut self.complaints {
            if one.report.from == from {
                one.report.mac = Some(mac.to_owned());
            }
        }
    }

    /// Ends what has not shown for a while. Returns kind and sender of what has ended.
    pub fn sweep(&mut self, now: Mono, interval: Duration) -> Vec<(&'static str, IpAddr)> {
        let lasts = LASTS.max(interval.saturating_mul(3));
        let mut ended = Vec::new();
        for one in &mut self.complaints {
            if one.standing && now.since(one.report.last) > lasts {
                one.standing = false;
                ended.push((one.kind, one.report.from));
            }
        }
        ended
    }

    /// Whether [`Self::sweep`] may have anything to do.
    pub const fn is_quiet(&self) -> bool {
        self.complaints.is_empty()
    }

    /// What is wrong now, in words.
    pub fn verdicts(&self) -> impl Iterator<Item = String> {
        let standing = self.complaints.iter().filter(|one| one.standing);
        standing.map(Complaint::words)
    }

    /// By kind and sender, for reports.
    pub fn complaints(&self) -> Vec<ComplaintReport> {
        self.complaints
            .iter()
            .map(|one| one.report.clone())
            .collect()
    }

    /// The counters, for reports.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let counters = self.counters.iter();
        counters
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    }
}

/// What a kind of bad advert means to whoever runs this director.
pub fn verdict(sighting: &Sighting<'_>, vrid: u8, reason: &str) -> String {
    let from = sighting.from;
    match sighting.kind {
        "lower_master" => format!(
            "{from} also claims VRID {vrid} (priority {})",
            sighting.priority.unwrap_or_default()
        ),
        "second_owner" => {
            format!("{from} says it owns the addresses of VRID {vrid} too (priority 255)")
        }
        "address_list" => {
            let addresses = sighting.addresses.iter().map(ToString::to_string);
            format!(
                "{from} uses VRID {vrid} for {}: another cluster, or configured otherwise",
                addresses.collect::<Vec<_>>().join(", ")
            )
        }
        "own_address" => format!(
            "adverts of VRID {vrid} come in from our own address {from}: a loop, or a second host with it"
        ),
        "auth_failure" => format!("wrong password from {from} for VRID {vrid}"),
        "interval_mismatch" | "version_mismatch" | "version" | "delivery" | "authtype_mismatch" => {
            format!("{from} is configured otherwise for VRID {vrid}: {reason}")
        }
        "ttl" => format!("an advert of VRID {vrid} from {from} has crossed a router: {reason}"),
        _ => format!("bad adverts of VRID {vrid} from {from}: {reason}"),
    }
}

/// Virtual routers that nobody configured here.
#[derive(Debug, Default)]
pub struct Strangers {
    known: BTreeMap<(u32, u8, u8), StrangerReport>,
}

impl Strangers {
    /// An advert for `vrid` of family number `family` on interface `index`. True if the
    /// sender or the virtual router is new.
    pub fn note(
        &mut self,
        now: Mono,
        (index, family, vrid): (u32, u8, u8),
        from: IpAddr,
        interface: impl FnOnce() -> String,
    ) -> bool {
        let place = (index, family, vrid);
        if let Some(known) = self.known.get_mut(&place) {
            let is_new = known.from != from && now.since(known.last) > LASTS;
            known.from = from;
            known.count = known.count.saturating_add(1);
            known.last = now;
            return is_new;
        }
        if self.known.len() >= STRANGERS {
            return false;
        }
        let report = StrangerReport {
            interface: interface(),
            family,
            virtual_router_id: vrid,
            from,
            count: 1,
            last: now,
        };
        self.known.insert(place, report);
        true
    }

    /// Forgets those that were not heard for ten minutes.
    pub fn sweep(&mut self, now: Mono) {
        let kept = Duration::from_secs(600);
        self.known.retain(|_, one| now.since(one.last) <= kept);
    }

    /// For reports.
    pub fn report(&self) -> Vec<StrangerReport> {
        self.known.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1_000)
    }

    fn sighting(kind: &'static str, last: u8) -> Sighting<'static> {
        Sighting {
            kind,
            from: [192, 0, 2, last].into(),
            priority: Some(100),
            addresses: &[],
            interval: Duration::from_secs(1),
        }
    }

    fn note(witness: &mut Witness, now: Mono, sighting: Sighting<'_>) -> Noted {
        witness.note(now, sighting, || {
            let reason = "why".to_owned();
            let verdict = verdict(&sighting, 51, &reason);
            (reason, verdict)
        })
    }

    #[test]
    fn a_condition_is_news_once_and_ends_when_it_stops() {
        let mut witness = Witness::default();
        let rival = sighting("lower_master", 2);
        assert!(note(&mut witness, at(0), rival).log);
        assert!(!note(&mut witness, at(0), rival).is_new, "on its way");
        let said: Vec<_> = witness.verdicts().collect();
        assert_eq!(said, ["192.0.2.2 also claims VRID 51 (priority 100)"]);
        let worse = note(&mut witness, at(1), rival);
        assert!(worse.is_new && !worse.log, "it goes on after our answer");
        for second in 2..10 {
            assert!(!note(&mut witness, at(second), rival).is_new);
        }
        let said: Vec<_> = witness.verdicts().collect();
        let words = "192.0.2.2 also claims VRID 51 (priority 100): it does not hear us";
        assert_eq!(said, [words]);
        let interval = Duration::from_secs(1);
        assert!(witness.sweep(at(14), interval).is_empty());
        assert_eq!(
            witness.sweep(at(15), interval),
            [("lower_master", rival.from)]
        );
        assert_eq!(witness.verdicts().count(), 0);
        assert_eq!(witness.complaints()[0].count, 11, "still known");
        assert!(note(&mut witness, at(20), rival).log, "and news again");
        let other = Sighting {
            priority: Some(90),
            ..rival
        };
        assert!(note(&mut witness, at(20), other).is_new, "it changed");
    }

    #[test]
    fn a_flood_of_senders_fills_neither_memory_nor_log() {
        let mut witness = Witness::default();
        let mut logged = 0;
        for last in 0..=255 {
            logged += u32::from(note(&mut witness, at(1), sighting("checksum", last)).log);
        }
        assert_eq!(logged, LOG_LINES);
        assert_eq!(witness.complaints().len(), COMPLAINTS);
        assert_eq!(witness.counters()["checksum"], 256);
        witness.sweep(at(60), Duration::from_secs(1));
        assert!(note(&mut witness, at(62), sighting("ttl", 1)).log);
        assert_eq!(
            witness.complaints().len(),
            COMPLAINTS,
            "in place of an old one"
        );
    }

    #[test]
    fn rubbish_does_not_hide_a_rival() {
        let mut witness = Witness::default();
        for last in 0..100 {
            let rubbish = Sighting {
                priority: None,
                ..sighting("checksum", last)
            };
            note(&mut witness, at(1), rubbish);
        }
        assert!(note(&mut witness, at(1), sighting("lower_master", 200)).is_new);
        assert!(
            witness
                .verdicts()
                .any(|words| words.contains("192.0.2.200"))
        );
    }

    #[test]
    fn verdicts_name_the_sender_and_what_it_does() {
        let list = ["172.17.1.99".parse().unwrap()];
        let other = Sighting {
            kind: "address_list",
            from: "172.17.1.9".parse().unwrap(),
            priority: Some(100),
            addresses: &list,
            interval: Duration::from_secs(1),
        };
        let words =
            "172.17.1.9 uses VRID 51 for 172.17.1.99: another cluster, or configured otherwise";
        assert_eq!(verdict(&other, 51, ""), words);
        let mut witness = Witness::default();
        note(&mut witness, at(0), sighting("auth_failure", 2));
        witness.learn_mac([192, 0, 2, 2].into(), "02:00:00:00:00:02");
        assert_eq!(
            witness.verdicts().collect::<Vec<_>>(),
            [
                "wrong password from 192.0.2.2 for VRID 51 (its hardware address is 02:00:00:00:00:02)"
            ]
        );
    }

    #[test]
    fn strangers_are_bounded_and_forgotten() {
        let mut strangers = Strangers::default();
        let from = [192, 0, 2, 9].into();
        for vrid in 0..=255 {
            strangers.note(at(0), (2, 4, vrid), from, || "eth0".into());
        }
        assert_eq!(strangers.report().len(), STRANGERS);
        assert!(!strangers.note(at(1), (2, 4, 0), from, || unreachable!("known")));
        strangers.sweep(at(601));
        assert_eq!(strangers.report().len(), 1);
    }
}
