//! A worker in a process of its own: `worker-program MODE… DIRECTORY`.
//!
//! `work` runs what others call until SIGTERM. `load SECONDS` also calls and runs as much as it can for so long, and
//! `lone SECONDS` makes one acknowledged call after the other, without being a worker; both say in a file `MODE-PID` what
//! they came to. `walk N` calls the same N executions as every other process does, and waits for them. `catalogue SECONDS`
//! makes and drops indexes and collections for so long, without being a worker, and says how often.

mod effects;
mod functions;
mod orphan;
mod place;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use outlast::bson::Document;
use outlast::prelude::*;
use outlast::{Error, IndexModel, IndexOptions, Running};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use effects::Effects;
use place::setting;

fn app(directory: &Path) -> App {
    App::new()
        .store(place::store(directory))
        .state(Effects::new(directory))
        .park_after("50ms")
        .max_crashes(setting("MAX_CRASHES", "20").parse().unwrap_or(20))
        .hang_limit(setting("HANG_LIMIT", "10s").as_str())
        .store_timeout(setting("STORE_TIMEOUT", "60s").as_str())
        .shutdown_grace(setting("GRACE", "10s").as_str())
}

fn report(directory: &Path, mode: &str, words: &serde_json::Value) -> Result<()> {
    // Whole or not at all: the test reads it while others still run.
    let file = directory.join(format!("{mode}-{}", std::process::id()));
    std::fs::write(file.with_extension("part"), words.to_string())?;
    Ok(std::fs::rename(file.with_extension("part"), file)?)
}

/// Executions of ten steps each, four at a time.
async fn load(directory: &Path, seconds: u64) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut executions = 0;
    while Instant::now() < until {
        let counts =
            tokio::try_join!(functions::count(10), functions::count(10), functions::count(10), functions::count(10))?;
        assert_eq!(counts, (10, 10, 10, 10));
        executions += 4;
    }
    report(directory, "load", &json!({ "executions": executions, "steps": executions * 10 }))
}

/// The time that each acknowledged call takes, in microseconds.
async fn lone(directory: &Path, seconds: u64) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut times = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        functions::count(0).after("1h").start().await?;
        times.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    report(directory, "lone", &json!(times))
}

async fn walk(directory: &Path, executions: usize) -> Result<()> {
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..executions {
        let label = format!("walk-{number}");
        calls.spawn(functions::walk(label.clone()).id(label));
    }
    let mut ended = 0;
    while let Some(result) = calls.join_next().await {
        result.map_err(|error| Error::terminal(error.to_string()))??;
        ended += 1;
    }
    report(directory, "walk", &json!(ended))
}

/// The indexes of `numbers` come and go, and so does the collection `passing`.
async fn catalogue(directory: &Path, seconds: u64) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let (numbers, passing) = (collection::<Document>("numbers"), collection::<Document>("passing"));
    let mut rounds = 0;
    while Instant::now() < until {
        numbers.create_index(IndexModel::builder().keys(doc! { "n": 1 }).build()).await?;
        passing.insert_many([doc! { "round": rounds, "part": 1 }, doc! { "round": rounds, "part": 2 }]).await?;
        let unique = IndexOptions::builder().unique(true).build();
        let model = IndexModel::builder().keys(doc! { "part": 1 }).options(unique).build();
        passing.create_index(model).await?;
        let taken = passing.insert_one(doc! { "part": 2 }).await;
        assert!(taken.is_err_and(|error| error.is_duplicate_key()), "the index is there at once");
        numbers.drop_index("n_1").await?;
        passing.drop().await?;
        rounds += 1;
    }
    numbers.create_index(IndexModel::builder().keys(doc! { "n": 1 }).build()).await?;
    report(directory, "catalogue", &json!(rounds))
}

async fn until(mut terminated: Signal, running: Running) -> Result<()> {
    terminated.recv().await;
    running.shutdown().await;
    Ok(())
}

#[outlast::main(worker_threads = 4)]
async fn main() -> Result<()> {
    orphan::end_with_the_test();
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    let directory = PathBuf::from(arguments.pop().unwrap_or_default());
    let number = |at: usize| arguments.get(at).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    // From the first moment on, it goes in order.
    let terminated = signal(SignalKind::terminate())?;
    match arguments.first().map(String::as_str) {
        Some("work") => until(terminated, app(&directory).start().await?).await,
        Some("load") => {
            let running = app(&directory).start().await?;
            load(&directory, number(1)).await?;
            running.shutdown().await;
            Ok(())
        }
        Some("lone") => {
            let running = app(&directory).caller_only().start().await?;
            lone(&directory, number(1)).await?;
            running.shutdown().await;
            Ok(())
        }
        Some("catalogue") => {
            let running = app(&directory).caller_only().start().await?;
            catalogue(&directory, number(1)).await?;
            running.shutdown().await;
            Ok(())
        }
        Some("walk") => {
            let running = app(&directory).start().await?;
            walk(&directory, usize::try_from(number(1)).unwrap_or(0)).await?;
            until(terminated, running).await
        }
        _ => Err(Error::terminal("usage: worker-program MODE… DIRECTORY")),
    }
}
