//! What durable functions do, seen from outside: one app on a store in memory for each test.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, clippy::large_futures, clippy::many_single_char_names)]
#![allow(clippy::trivially_copy_pass_by_ref, clippy::wildcard_imports)]

#[path = "engine/basics.rs"]
mod basics;
#[path = "engine/children.rs"]
mod children;
#[path = "engine/dropped.rs"]
mod dropped;
#[path = "engine/ends.rs"]
mod ends;
#[path = "engine/errors.rs"]
mod errors;
#[path = "engine/keeping.rs"]
mod keeping;
#[path = "engine/misplaced.rs"]
mod misplaced;
#[path = "engine/panics.rs"]
mod panics;
#[path = "engine/plain.rs"]
mod plain;
#[path = "engine/steps.rs"]
mod steps;
#[path = "engine/time.rs"]
mod time;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use outlast::{App, Running};

async fn app() -> Running {
    App::new().store("memory:").park_after("50ms").start().await.unwrap()
}

/// An app that parks whatever waits, at once: everything is replayed all the time.
async fn always_parking() -> Running {
    App::new().store("memory:").park_after("0ms").start().await.unwrap()
}

/// Counts what happens in a test.
struct Count(AtomicU32);

impl Count {
    const fn new() -> Self {
        Self(AtomicU32::new(0))
    }
    fn add(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
    fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Waits until an execution has this status; a minute is for ever.
async fn until(app: &Running, id: &str, status: &str) -> outlast::Execution {
    for _ in 0..6_000 {
        match app.execution(id).details().await {
            Ok(details) if details.status().name() == status => return details,
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} never was {status}");
}
