//! The command line from outside: a real binary in a folder of its own, for each test.

// What helpers of tests meet is a failed test.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "cli/calls.rs"]
mod calls;
#[path = "cli/looking.rs"]
mod looking;
#[path = "cli/moving.rs"]
mod moving;
#[path = "cli/process.rs"]
mod process;
#[path = "cli/shop.rs"]
mod shop;
