//! Processes that begin and die: how soon the first step has finished, how soon another process goes on.

use std::future::IntoFuture;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use outlast::App;
use tokio::runtime::Runtime;

use super::Setting;
use crate::functions::{HALFWAY, Order, STOPS, checkout, interrupted, sequence};
use crate::report::Entry;
use crate::store::{Store, start};
use crate::{Failure, Result};

/// A child of this binary, which ends with its parent's interest in it.
pub(crate) struct Started {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Started {
    pub(crate) fn new(what: &str, store: &Path, number: u64) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("child").arg(what).arg(store).arg(number.to_string()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let out = child.stdout.take().ok_or_else(|| Failure::Wrong("a child without an output".into()))?;
        Ok(Self { child, says: BufReader::new(out) })
    }

    /// Waits for its next line.
    pub(crate) fn says(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.says.read_line(&mut line)? == 0 {
            return Err(Failure::Wrong(format!("a child ended early: {:?}", self.child.wait()?)));
        }
        Ok(line.trim().to_owned())
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn ends(mut self) -> Result<()> {
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(Failure::Wrong(format!("a child failed: {status}"))) }
    }
}

/// Says a line at once, whatever standard output is.
pub(crate) fn say(word: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}")?;
    out.flush()?;
    Ok(())
}

/// A store with a thousand executions in it.
fn existing(setting: &Setting) -> Result<Store> {
    let store = Store::new(&setting.folder)?;
    Runtime::new()?.block_on(async {
        let app = store.start().await?;
        for number in 0..1_000 {
            checkout(Order::number(number)).into_future().await?;
        }
        app.shutdown().await;
        Ok::<_, Failure>(store)
    })
}

pub(crate) fn cold_start(setting: &Setting) -> Result<Vec<Entry>> {
    let store = existing(setting)?;
    let mut runs = Vec::new();
    for number in 0..setting.runs(10) as u64 {
        let begun = Instant::now();
        let mut child = Started::new("first-step", &store.file(), number)?;
        child.says()?;
        runs.push(begun.elapsed().as_secs_f64() * 1e3);
        child.ends()?;
    }
    let entry = Entry::new("cold_start_ms", "ms", runs);
    let reached = entry.value() <= 30.0;
    Ok(vec![entry.bar("≤ 30 ms", reached)])
}

/// Says when its first step has finished.
pub(crate) async fn first_step(store: &Path) -> Result<()> {
    let app = start(store).await?;
    sequence(Order::number(0), 1).into_future().await?;
    say("finished")?;
    app.shutdown().await;
    Ok(())
}

pub(crate) fn takeover(setting: &Setting) -> Result<Vec<Entry>> {
    let mut runs = Vec::new();
    for _ in 0..setting.runs(5) {
        let store = Store::new(&setting.folder)?;
        let mut first = Started::new("interrupt", &store.file(), 1)?;
        first.says()?;
        let mut second = Started::new("work", &store.file(), 0)?;
        second.says()?;
        std::thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        first.kill()?;
        second.says()?;
        runs.push(begun.elapsed().as_secs_f64() * 1e3);
        second.ends()?;
        store.prove(1, 3)?;
    }
    let entry = Entry::new("takeover_ms", "ms", runs);
    let reached = entry.value() <= 1_000.0;
    Ok(vec![entry.bar("≤ 1,000 ms", reached)])
}

/// A worker that says when it has begun, and when it has finished what another left.
pub(crate) async fn work(store: &Path) -> Result<()> {
    let app = start(store).await?;
    say("begun")?;
    super::recovery::until(&crate::functions::DONE, 1).await;
    say("finished")?;
    app.shutdown().await;
    Ok(())
}

/// Starts what stops half-way, and says so.
pub(crate) async fn stop_halfway(store: &Path, count: u64) -> Result<()> {
    STOPS.store(true, std::sync::atomic::Ordering::Relaxed);
    // All of them are to be half-way at once, which is more than a worker takes up by default.
    let app = App::new().store(format!("sqlite://{}", store.display())).max_running(count as usize + 1);
    let _app = app.start().await?;
    for number in 0..count {
        let order = Order::number(number);
        tokio::spawn(async move { interrupted(order).into_future().await.map(drop) });
    }
    super::recovery::until(&HALFWAY, count).await;
    say("halfway")?;
    std::future::pending::<()>().await;
    Ok(())
}
