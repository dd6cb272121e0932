//! The figures on MongoDB: `bench-mongodb FIGURE COUNT` prints what it measured as JSON, and `bench` compares it.
//!
//! A binary of its own, as the driver's presence might change the other figures. Each figure is measured in turn with
//! the driver alone, on the same server, in the same run. The server is the one of the tests (`outlast-test-servers`).

mod bare;
#[path = "../checkout.rs"]
mod checkout;
mod checkpoint;
mod claim;
mod collection;
mod executions;
mod functions;
mod proof;
mod worker;

use std::future::Future;
use std::time::Duration;

use outlast_test_servers::Mongo;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

/// What stops a benchmark.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Outlast(#[from] outlast::Error),
    #[error("the bare driver: {0}")]
    Bare(#[from] mongodb::error::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A record that isn't there, a worker that said something else.
    #[error("{0}")]
    Wrong(String),
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn wrong(what: impl ToString) -> Failure {
    Failure::Wrong(what.to_string())
}

/// A task of the runtime's: where work is done by its threads, as in a server, and not by the one that waits.
pub(crate) async fn task<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(wrong)?
}

/// Since the machine was started, for all processes the same.
pub(crate) fn clock() -> Duration {
    since(ClockId::Monotonic)
}

/// What this process has computed, on all its threads.
pub(crate) fn computed() -> Duration {
    since(ClockId::ProcessCPUTime)
}

fn since(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (what, of) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let runtime = Runtime::new()?;
    if what == "worker" {
        return runtime.block_on(worker::work(&of));
    }
    let count: u64 = of.parse().map_err(|_| wrong("usage: bench-mongodb FIGURE COUNT"))?;
    let mongo = Mongo::start();
    let measured: Json = runtime.block_on(async {
        match what.as_str() {
            "checkpoint" => checkpoint::measure(&mongo, count).await,
            "executions" => executions::measure(&mongo, count).await,
            "claim" => claim::measure(&mongo, count).await,
            "collection" => collection::measure(&mongo, count).await,
            _ => Err(wrong(format!("no figure is called {what}"))),
        }
    })?;
    println!("{measured}");
    Ok(())
}
