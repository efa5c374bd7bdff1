//! Health checks: a pure state machine and scheduler, and tokio probes.
