//! The session: does the job of the guest and tells the machine how it went.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::stories;
use crate::failure::{Failure, Result};
use crate::job::{Event, GUEST_DIR, Job, Task};
use crate::net::Lab;
use crate::scenarios::{self, Scenario};

/// Runs the session's job.
pub fn run() -> Result<()> {
    let directory = Path::new(GUEST_DIR);
    let job = Job::load(directory)?;
    let uptime = crate::failure::read(Path::new("/proc/uptime"))?;
    let seconds = uptime
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or_default();
    Event::Ready { seconds }.tell(directory)?;
    match &job.task {
        Task::Scenarios { names, at_once } => run_scenarios(&job, names, *at_once),
        Task::Demo => tell_failure(stories::demo(&mut Lab::new("demo", directory, &job)?)),
        Task::Shell => tell_failure(stories::shell(&mut Lab::new("shell", directory, &job)?)),
    }
}

fn tell_failure(outcome: Result<()>) -> Result<()> {
    if let Err(failure) = &outcome {
        Event::Broken {
            failure: failure.to_string(),
        }
        .tell(Path::new(GUEST_DIR))?;
    }
    outcome
}

fn run_scenarios(job: &Job, names: &[String], at_once: usize) -> Result<()> {
    let mut queue = Vec::new();
    for name in names.iter().rev() {
        let scenario = scenarios::find(name)
            .ok_or_else(|| Failure::said(format!("there is no scenario {name}")))?;
        queue.push(scenario);
    }
    let queue = Arc::new(Mutex::new(queue));
    let workers: Vec<_> = (0..at_once.max(1))
        .map(|_| {
            let (queue, job) = (Arc::clone(&queue), job.clone());
            thread::spawn(move || work(&queue, &job))
        })
        .collect();
    for worker in workers {
        worker
            .join()
            .map_err(|_| Failure::said("a worker of the session panicked"))??;
    }
    Ok(())
}

fn work(queue: &Mutex<Vec<&'static Scenario>>, job: &Job) -> Result<()> {
    let directory = Path::new(GUEST_DIR);
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(scenario) = next else {
            return Ok(());
        };
        let name = scenario.name.to_owned();
        Event::Started { name: name.clone() }.tell(directory)?;
        let start = Instant::now();
        let (outcome, notes) = run_one(scenario, job);
        Event::Finished {
            name,
            failure: outcome.err().map(|failure| failure.to_string()),
            notes,
            seconds: start.elapsed().as_secs_f64(),
        }
        .tell(directory)?;
    }
}

/// Runs a scenario on a thread of its own, so that neither a panic nor a hang takes the others.
fn run_one(scenario: &'static Scenario, job: &Job) -> (Result<()>, Vec<String>) {
    let (tell, hear) = mpsc::channel();
    let job = job.clone();
    let notes = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&notes);
    let thread = thread::spawn(move || {
        let outcome = Lab::new(scenario.name, Path::new(GUEST_DIR), &job).and_then(|mut lab| {
            lab.notes = taken;
            let outcome = (scenario.run)(&mut lab);
            lab.finish(outcome.is_err());
            outcome
        });
        // The receiver is gone only when the scenario was given up.
        let _ = tell.send(outcome);
    });
    let outcome = match hear.recv_timeout(scenario.limit) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => Err(too_long(scenario.limit)),
        Err(RecvTimeoutError::Disconnected) => Err(panicked(thread)),
    };
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (outcome, notes)
}

fn too_long(limit: Duration) -> Failure {
    Failure::said(format!("still running after {} s", limit.as_secs()))
}

fn panicked(thread: thread::JoinHandle<()>) -> Failure {
    let text = match thread.join() {
        Ok(()) => "no result".to_owned(),
        Err(payload) => payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_default(),
    };
    Failure::said(format!("the scenario panicked: {text}"))
}
