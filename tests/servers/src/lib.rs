//! Servers for tests, and their faults: a MongoDB that a test may stop, kill and start again ([`Mongo`]), a proxy that
//! loses what it is told to lose ([`FaultProxy`]), a server that answers from a closure ([`ScriptedServer`]).
//!
//! What can't be started is a failure of the test with the server's log, never a skip. Nothing outlives the process of
//! the tests, however it ends: a guard watches it (`process`).

#![allow(clippy::panic, reason = "a test says what went wrong by failing")]

mod chance;
mod mongo;
mod port;
mod process;
mod proxy;
mod scripted;
mod wire;

pub use chance::Chance;
pub use mongo::Mongo;
pub use proxy::{Fault, FaultProxy, Rule, failure};
pub use scripted::ScriptedServer;
pub use wire::{Command, RawClient};

/// Bytes that nobody can foresee.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => bytes,
        Err(error) => panic!("no randomness: {error}"),
    }
}

/// A name that nobody else has.
fn random_name() -> String {
    format!("test-{:016x}", u64::from_le_bytes(random()))
}
