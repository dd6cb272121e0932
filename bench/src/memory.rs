//! Counts live bytes of parked and of running executions, and allocations of a step: `bench-memory STORE`.

use std::alloc::System;
use std::future::IntoFuture;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use outlast::Error;
use outlast::prelude::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PARKED: u64 = 100_000;
const RUNNING: u64 = 10_000;
const STEPS: u64 = 10_000;

static ASLEEP: AtomicU64 = AtomicU64::new(0);

#[step]
async fn one(text: &str) -> Result<String> {
    Ok(text.to_owned())
}

#[durable]
async fn sleeper(number: u64) -> Result<u64> {
    ASLEEP.fetch_add(1, Ordering::Relaxed);
    outlast::sleep("30d").await?;
    Ok(number)
}

#[durable]
async fn steps(count: u64) -> Result<u64> {
    let text = "x".repeat(190);
    for _ in 0..count {
        one(&text).await?;
    }
    Ok(count)
}

/// Live bytes.
fn live() -> i64 {
    let stats = COUNTED.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

/// Starts many that sleep, and waits until nothing changes any more: how many bytes each takes.
async fn each(count: u64, from: u64) -> Result<f64> {
    let begun = ASLEEP.load(Ordering::Relaxed);
    let before = live();
    for batch in 0..count / 1_000 {
        let all = (0..1_000).map(|number| sleeper(from + batch * 1_000 + number).start().into_future());
        futures::future::try_join_all(all).await?;
    }
    while ASLEEP.load(Ordering::Relaxed) < begun + count {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut last = live();
    loop {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let now = live();
        if (now - last).abs() < 64 * 1024 {
            return Ok((now - before) as f64 / count as f64);
        }
        last = now;
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let file = std::env::args().nth(1).ok_or_else(|| Error::new("usage: bench-memory STORE"))?;
    let url = format!("sqlite://{file}");

    let app = App::new().store(&url).start().await?;
    steps(STEPS).await?;
    let region = Region::new(COUNTED);
    steps(STEPS).id("counted").await?;
    let change = region.change();
    app.shutdown().await;

    let app = App::new().store(&url).park_after("20ms").start().await?;
    each(2_000, 1 << 40).await?;
    let parked = each(PARKED, 0).await?;
    app.shutdown().await;

    let app = App::new().store(&url).park_after("1d").start().await?;
    each(1_000, 1 << 41).await?;
    let running = each(RUNNING, 1 << 42).await?;
    app.shutdown().await;

    let counted = serde_json::json!({
        "parked_bytes": parked,
        "running_bytes": running,
        "future_bytes": std::mem::size_of_val(&sleeper(0).plain()),
        "allocations_per_step": change.allocations as f64 / STEPS as f64,
        "bytes_per_step": change.bytes_allocated as f64 / STEPS as f64,
    });
    println!("{counted}");
    Ok(())
}
