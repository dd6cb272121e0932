//! Workers in processes of their own, and a network and a server that fail: everything ends once, nothing is written twice
//! or by someone who has lost it, and work goes on by itself.
//!
//! `OUTLAST_TEST_SEED` sets the seed, `OUTLAST_LONG=1` asks for ten times as much.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

#[path = "../../programs/absence.rs"]
mod absence;
#[path = "faults/away.rs"]
mod away;
#[path = "faults/crowd.rs"]
mod crowd;
#[path = "../../programs/draws.rs"]
mod draws;
#[path = "../../programs/effects.rs"]
mod effects;
#[path = "../../programs/functions.rs"]
mod functions;
#[path = "faults/history.rs"]
mod history;
#[path = "faults/recorder.rs"]
mod recorder;
#[path = "../../programs/started.rs"]
mod started;

const WORKER: &str = env!("CARGO_BIN_EXE_worker-on-mongodb");

/// One after the other: each has processes, and a server, of its own.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
