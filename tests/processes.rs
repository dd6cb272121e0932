//! Several processes on one file: nobody starves, everything ends once, what dies or goes is stood in for, and what was
//! counted before a death still counts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

#[path = "programs/absence.rs"]
mod absence;
#[path = "processes/away.rs"]
mod away;
#[path = "processes/catalogue.rs"]
mod catalogue;
#[path = "processes/chaos.rs"]
mod chaos;
#[path = "programs/draws.rs"]
mod draws;
#[path = "programs/effects.rs"]
mod effects;
#[path = "programs/embedded.rs"]
mod embedded;
#[path = "programs/functions.rs"]
mod functions;
#[path = "processes/restart.rs"]
mod restart;
#[path = "processes/sharing.rs"]
mod sharing;
#[path = "programs/started.rs"]
mod started;

const WORKER: &str = env!("CARGO_BIN_EXE_worker-program");
