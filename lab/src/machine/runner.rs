//! Which scenario runs where and when, and running them.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use super::boot::Boot;
use super::report::Report;
use crate::failure::{Failure, Result};
use crate::job::{Event, Ground, Task};
use crate::scenarios::{self, Need, Scenario};

/// Scenarios that run together in one guest: they mostly wait.
const AT_ONCE: usize = 3;

/// What a boot may take besides its scenarios.
const BOOT_LIMIT: Duration = Duration::from_secs(30);

/// Which scenarios, and how.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Only those whose name contains this.
    pub filter: Option<String>,
    /// Guests at a time.
    pub jobs: usize,
    /// Run those that can run on either ground on the running kernel.
    pub native: bool,
}

/// A boot and what it is to run.
struct Plan {
    ground: Ground,
    scenarios: Vec<&'static Scenario>,
    at_once: usize,
}

/// Something to report: which scenario's directory, and what happened.
pub(super) struct Told {
    pub(super) directory: PathBuf,
    pub(super) event: Event,
}

/// Runs the chosen scenarios and reports on standard output; true when all passed.
///
/// # Errors
/// When nothing matches, or the lab itself cannot run.
pub fn test(choice: &Choice, daemon: Option<&Path>) -> Result<bool> {
    let chosen: Vec<&Scenario> = scenarios::all()
        .filter(|scenario| choice.takes(scenario))
        .collect();
    if chosen.is_empty() {
        println!("0 passed, 0 failed");
        return Err(Failure::said(format!(
            "no scenario's name contains {:?}; `cargo lab test --list` shows them",
            choice.filter.as_deref().unwrap_or_default()
        )));
    }
    let directory = super::run_directory()?;
    let mut report = Report::new(&directory, chosen.len());
    let (alone, together): (Vec<_>, Vec<_>) = chosen.iter().partition(|scenario| scenario.alone);
    let plans = choice.plans(&together, choice.jobs.max(1), AT_ONCE);
    run(
        plans,
        choice.jobs.max(1),
        &directory.join("together"),
        daemon,
        &mut report,
    );
    let plans = choice.plans(&alone, 1, 1);
    run(plans, 1, &directory.join("alone"), daemon, &mut report);
    Ok(report.close())
}

impl Choice {
    fn takes(&self, scenario: &Scenario) -> bool {
        self.filter
            .as_deref()
            .is_none_or(|part| scenario.name.contains(part))
    }

    fn ground(&self, need: Need) -> Ground {
        match need {
            Need::Uml => Ground::Uml,
            Need::Native => Ground::Native,
            Need::Fast if geteuid().is_root() => Ground::Native,
            Need::Any if self.native => Ground::Native,
            Need::Any | Need::Fast => Ground::Uml,
        }
    }

    /// Deals the scenarios of each ground to at most `boots` guests.
    fn plans(&self, scenarios: &[&'static Scenario], boots: usize, at_once: usize) -> Vec<Plan> {
        let mut plans = Vec::new();
        for ground in [Ground::Uml, Ground::Native] {
            let mine: Vec<_> = scenarios
                .iter()
                .copied()
                .filter(|scenario| self.ground(scenario.need) == ground)
                .collect();
            let hands = boots.min(mine.len().div_ceil(at_once));
            for hand in 0..hands {
                plans.push(Plan {
                    ground,
                    scenarios: mine.iter().copied().skip(hand).step_by(hands).collect(),
                    at_once,
                });
            }
        }
        plans
    }
}

impl Plan {
    fn limit(&self) -> Duration {
        let sum: Duration = self.scenarios.iter().map(|scenario| scenario.limit).sum();
        sum + BOOT_LIMIT
    }
}

fn run(
    plans: Vec<Plan>,
    jobs: usize,
    directory: &Path,
    daemon: Option<&Path>,
    report: &mut Report,
) {
    let (tell, hear) = mpsc::channel::<Told>();
    let plans: Vec<(usize, Plan)> = plans.into_iter().enumerate().collect();
    let queue = std::sync::Mutex::new(plans);
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (tell, queue) = (tell.clone(), &queue);
            scope.spawn(move || {
                loop {
                    let next = queue
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .pop();
                    let Some((number, plan)) = next else {
                        return;
                    };
                    run_boot(&plan, &directory.join(number.to_string()), daemon, &tell);
                }
            });
        }
        drop(tell);
        for told in hear {
            report.take(told);
        }
    });
}

/// Boots a guest for a plan and passes on what it tells; whatever it does not answer for failed.
fn run_boot(plan: &Plan, directory: &Path, daemon: Option<&Path>, tell: &Sender<Told>) {
    let mut open: Vec<&str> = plan
        .scenarios
        .iter()
        .map(|scenario| scenario.name)
        .collect();
    let mut pass_on = |event: Event| {
        if let Event::Finished { name, .. } = &event {
            open.retain(|open| open != name);
        }
        // The report listens until every boot is done.
        let _ = tell.send(Told {
            directory: directory.to_owned(),
            event,
        });
    };
    let task = Task::Scenarios {
        names: plan
            .scenarios
            .iter()
            .map(|scenario| scenario.name.to_owned())
            .collect(),
        at_once: plan.at_once,
    };
    let why = match Boot::start(directory, plan.ground, task, daemon) {
        Err(failure) => failure.to_string(),
        Ok(mut boot) => follow(&mut boot, plan.limit(), &mut pass_on),
    };
    for name in std::mem::take(&mut open) {
        let _ = tell.send(Told {
            directory: directory.to_owned(),
            event: Event::Finished {
                name: name.to_owned(),
                failure: Some(why.clone()),
                notes: Vec::new(),
                seconds: 0.0,
            },
        });
    }
}

/// Passes on the events of a guest until it ends; says how it ended.
fn follow(boot: &mut Boot, limit: Duration, pass_on: &mut dyn FnMut(Event)) -> String {
    let start = Instant::now();
    let mut broken = None;
    loop {
        let ended = boot.ended();
        for event in boot.events() {
            if let Event::Broken { failure } = &event {
                broken = Some(failure.clone());
            }
            pass_on(event);
        }
        if ended {
            let console = boot.directory.join("console.log");
            return broken.unwrap_or_else(|| {
                format!(
                    "the guest ended before the scenario did; see {}",
                    console.display()
                )
            });
        }
        if start.elapsed() > limit {
            boot.kill();
            return format!("the guest was ended after {} s", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    }
}
