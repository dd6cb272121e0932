//! The parent process: starts a worker, kills it half-way with `kill -9`, starts it again.
//!
//! It takes no part in the work. What it knows of it, it reads from the worker's output and from the store.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use outlast::{Error, Result, collection};
use tokio::runtime::Runtime;

use crate::checkout::Stock;
use crate::progress::Progress;
use crate::purchases::Purchase;
use crate::snapshot::Snapshot;
use crate::worker::app;

/// A worker that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be done.
pub(crate) struct Plan<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) all: bool,
    pub(crate) purchases: &'a [Purchase],
    /// The first worker is killed when so many receipts are there.
    pub(crate) kill_after: usize,
}

/// What happened.
pub(crate) struct Story {
    pub(crate) first: u32,
    pub(crate) second: u32,
    /// Receipts that the first worker had given out.
    pub(crate) receipts: usize,
    /// Checkouts that were begun and had not ended.
    pub(crate) under_way: usize,
}

/// Runs the whole story.
pub(crate) fn run(runtime: &Runtime, plan: &Plan<'_>) -> Result<Story> {
    runtime.block_on(fill_stock(plan.folder))?;
    let mut progress = Progress::new(plan.purchases.len());
    let mut done = BTreeSet::new();

    let mut worker = Worker::start(plan, 1)?;
    while done.len() < plan.kill_after {
        let Some(id) = worker.receipt()? else {
            return Err(Error::new(format!("the worker ended by itself ({})", worker.ended()?)));
        };
        done.insert(id);
        progress.reached(done.len());
    }
    let first = worker.process.id();
    done.extend(worker.kill()?);

    let snapshot = runtime.block_on(Snapshot::take(plan.folder, plan.purchases))?;
    snapshot.save(plan.folder)?;
    let under_way = snapshot.under_way;
    progress.tell(&format!(
        "kill -9: worker {first} is dead after {} receipts, with {under_way} checkouts under way",
        done.len()
    ));
    if under_way == 0 {
        return Err(Error::new("the worker had nothing under way when it was killed: choose another --kill-after"));
    }
    if let Some(lost) = done.difference(&snapshot.ended).next() {
        return Err(Error::new(format!("the receipt of {lost} had been given out, and the store has lost it")));
    }

    let receipts = done.len();
    let mut worker = Worker::start(plan, 2)?;
    let second = worker.process.id();
    progress.tell(&format!("worker {second} goes on"));
    while let Some(id) = worker.receipt()? {
        done.insert(id);
        progress.reached(done.len());
    }
    let ended = worker.ended()?;
    progress.end();
    if !ended.success() {
        return Err(Error::new(format!("the second worker failed ({ended})")));
    }
    Ok(Story { first, second, receipts, under_way })
}

/// One document that every purchase changes.
async fn fill_stock(folder: &Path) -> Result<()> {
    let running = app(folder)?.caller_only().start().await?;
    let stock = Stock { id: "records".to_owned(), units: 0, movements: 0 };
    collection::<Stock>("stock").insert_one(stock).await?;
    running.shutdown().await;
    Ok(())
}

/// A worker process, and what it says.
struct Worker {
    process: Child,
    receipts: Receiver<String>,
}

impl Worker {
    fn start(plan: &Plan<'_>, number: u32) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--dir").arg(plan.folder).arg("--worker").arg(number.to_string());
        if plan.all {
            command.arg("--all");
        }
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let (sender, receipts) = channel();
        if let Some(output) = process.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self { process, receipts })
    }

    /// The id of the next purchase with a receipt; none once the worker has closed its output.
    fn receipt(&mut self) -> Result<Option<String>> {
        match self.receipts.recv_timeout(PATIENCE) {
            Ok(id) => Ok(Some(id)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                Err(Error::new(format!("the worker has said nothing for {} seconds", PATIENCE.as_secs())))
            }
        }
    }

    /// SIGKILL: no destructor runs, nothing is flushed. Gives what it had said before.
    fn kill(mut self) -> Result<Vec<String>> {
        self.process.kill()?;
        let status = self.process.wait()?;
        #[cfg(unix)]
        if std::os::unix::process::ExitStatusExt::signal(&status) != Some(9) {
            return Err(Error::new(format!("the worker ended before it was killed ({status})")));
        }
        #[cfg(not(unix))]
        let _ = status;
        Ok(self.receipts.iter().collect())
    }

    fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.process.wait()?)
    }
}

impl Drop for Worker {
    /// No worker outlives its parent's failure.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
