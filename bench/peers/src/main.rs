//! What the peers reach: `peers PEER WHAT NUMBER FOLDER` prints `{"value": …}`.
//!
//! `executions` is workflows per second: NUMBER of them, three steps each, started together and awaited. `sequential`
//! is the median of microseconds per step in one workflow of NUMBER steps. Each run has a fresh database in FOLDER,
//! and every result is looked at.

mod with_durare;
mod with_duroxide;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Executions,
    Sequential,
}

fn main() -> ExitCode {
    match measured() {
        Ok(value) => {
            println!("{}", serde_json::json!({ "value": value }));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measured() -> Result<f64> {
    const USAGE: &str = "usage: peers PEER WHAT NUMBER FOLDER";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [peer, what, number, folder] = arguments.as_slice() else { return Err(USAGE.into()) };
    let what = match what.as_str() {
        "executions" => What::Executions,
        "sequential" => What::Sequential,
        other => return Err(format!("no such measurement: {other} ({USAGE})").into()),
    };
    let number = number.parse().map_err(|_| format!("not a number: {number} ({USAGE})"))?;

    // Nobody is told anything, so that writing a log costs no peer its time.
    tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new())?;
    let folder = tempfile::tempdir_in(PathBuf::from(folder))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let value = runtime.block_on(run(peer, what, number, &folder.path().join("peer.db")))?;
    drop(runtime);
    folder.close()?;
    Ok(value)
}

async fn run(peer: &str, what: What, number: u64, file: &Path) -> Result<f64> {
    match peer {
        "durare-shipped" => with_durare::measure(with_durare::shipped(file).await?, what, number).await,
        "durare-full" => with_durare::measure(with_durare::full(file).await?, what, number).await,
        "duroxide" => with_duroxide::measure(file, what, number).await,
        other => Err(format!("no such peer: {other}").into()),
    }
}
