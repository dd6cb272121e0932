//! Workers in processes of their own, told over standard input what to run.

use std::future::IntoFuture;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use outlast::App;
use tokio::task::JoinSet;

use crate::functions::{Order, checkout};
use crate::{Result, wrong};

/// A worker's process; killed when it is dropped.
pub(crate) struct Worker {
    child: Child,
    told: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts one on a store, and waits until it has begun.
    pub(crate) fn start(uri: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("worker").arg(uri).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let told = child.stdin.take();
        let says = child.stdout.take().ok_or_else(|| wrong("a worker without an output"))?;
        let mut worker = Self { child, told, says: BufReader::new(says) };
        worker.hear("begun")?;
        Ok(worker)
    }

    /// Tells it to run executions of these numbers.
    pub(crate) fn tell(&mut self, from: u64, count: u64) -> Result<()> {
        let told = self.told.as_mut().ok_or_else(|| wrong("a worker without an input"))?;
        writeln!(told, "{from} {count}")?;
        Ok(told.flush()?)
    }

    /// Waits until it says this.
    pub(crate) fn hear(&mut self, word: &str) -> Result<()> {
        let mut line = String::new();
        self.says.read_line(&mut line)?;
        if line.trim() == word { Ok(()) } else { Err(wrong(format!("a worker said {line:?} instead of {word}"))) }
    }

    /// Lets it end.
    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.told.take());
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(wrong(format!("a worker failed: {status}"))) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process itself: works on what is there, and runs what it is told, until its input ends.
pub(crate) async fn work(uri: &str) -> Result<()> {
    let app = App::new().store(uri).start().await?;
    say("begun")?;
    while let Some((from, count)) = tokio::task::spawn_blocking(next).await.map_err(wrong)?? {
        let mut all = JoinSet::new();
        for number in from..from + count {
            all.spawn(async move { checkout(Order::number(number)).into_future().await.map(drop) });
        }
        while let Some(done) = all.join_next().await {
            done.map_err(wrong)??;
        }
        say("done")?;
    }
    app.shutdown().await;
    Ok(())
}

/// Which executions to run next, if there is more to do.
fn next() -> Result<Option<(u64, u64)>> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let mut numbers = line.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (None, _) => Ok(None),
        (Some(Ok(from)), Some(Ok(count))) => Ok(Some((from, count))),
        _ => Err(wrong(format!("{line:?} isn't two numbers"))),
    }
}

/// Says a line at once.
fn say(word: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}")?;
    Ok(out.flush()?)
}
