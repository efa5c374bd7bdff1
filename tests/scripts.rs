//! The scripts worker as a process, with real programs; the test plays the supervisor.
//! Needs root, as the worker does.

#[path = "scripts/desk.rs"]
mod desk;
#[path = "scripts/files_and_processes.rs"]
mod files_and_processes;
#[path = "scripts/mailing.rs"]
mod mailing;
#[path = "scripts/notifying.rs"]
mod notifying;
#[path = "scripts/tracked_scripts.rs"]
mod tracked_scripts;
