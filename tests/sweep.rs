//! The crash sweep: a real process is killed (`kill -9`) at every point of a journey that has every kind of operation, and
//! the journey ends as if nothing had been: a recorded step never runs again, a transaction happens once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

#[path = "programs/effects.rs"]
mod effects;
#[path = "programs/embedded.rs"]
mod embedded;
#[path = "programs/functions.rs"]
mod functions;
#[path = "sweep/journey.rs"]
mod journey;
#[path = "sweep/killed.rs"]
mod killed;
#[path = "sweep/file.rs"]
mod place;
#[path = "sweep/point.rs"]
mod point;
#[path = "programs/started.rs"]
mod started;
#[path = "sweep/stopped.rs"]
mod stopped;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sweep-program");
