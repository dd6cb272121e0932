//! The crash sweep of the embedded store, with the store in MongoDB: a real process is killed (`kill -9`) at every point of
//! the same journey, and at the points that only this store has.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

#[path = "../../sweep/journey.rs"]
mod journey;
#[path = "../../sweep/killed.rs"]
mod killed;
#[path = "sweep/database.rs"]
mod place;
#[path = "../../sweep/point.rs"]
mod point;
#[path = "../../programs/started.rs"]
mod started;
#[path = "sweep/sweeper.rs"]
mod sweeper;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sweep-on-mongodb");
