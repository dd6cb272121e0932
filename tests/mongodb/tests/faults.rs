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

use std::time::{SystemTime, UNIX_EPOCH};

const WORKER: &str = env!("CARGO_BIN_EXE_worker-on-mongodb");

/// One after the other: each has processes, and a server, of its own.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The seed of what is random: `OUTLAST_TEST_SEED`, or the time; printed.
fn seed() -> u64 {
    let given = std::env::var("OUTLAST_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    println!("OUTLAST_TEST_SEED={seed}");
    seed
}
