//! Many executions at once: ended per second, beside bare SQLite writing the same rows in the same groups.

use std::future::IntoFuture;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::Setting;
use crate::functions::{Order, book, checkout};
use crate::limit::Written;
use crate::report::{Entry, median};
use crate::store::Store;
use crate::{Failure, Result, groups};

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Three steps.
    Checkout,
    /// One transaction of two writes.
    Book,
}

impl Work {
    fn rows(self) -> u64 {
        match self {
            Self::Checkout => 3,
            Self::Book => 1,
        }
    }
}

/// Starts them together, and waits for all.
pub(crate) async fn run(work: Work, from: u64, count: u64) -> Result<Duration> {
    let orders: Vec<_> = (from..from + count).map(Order::number).collect();
    let begun = Instant::now();
    let mut all = JoinSet::new();
    for order in orders {
        match work {
            Work::Checkout => all.spawn(async move { checkout(order).into_future().await.map(drop) }),
            Work::Book => all.spawn(async move { book(order).into_future().await.map(drop) }),
        };
    }
    while let Some(done) = all.join_next().await {
        done.map_err(|error| Failure::Wrong(error.to_string()))??;
    }
    Ok(begun.elapsed())
}

/// Runs and limits in turn, each run on a store of its own that is looked through afterwards.
fn measure(setting: &Setting, work: Work, count: u64, runs: usize) -> Result<(Vec<f64>, Vec<f64>, u64)> {
    groups::count();
    let (mut ours, mut bare, mut made) = (Vec::new(), Vec::new(), 0);
    for _ in 0..runs {
        let store = Store::new(&setting.folder)?;
        let runtime = Runtime::new()?;
        let took = runtime.block_on(async {
            let app = store.start().await?;
            // What is done once in a process isn't measured.
            run(work, 1 << 40, 100).await?;
            groups::take();
            let took = run(work, 0, count).await?;
            made = groups::take();
            app.shutdown().await;
            Ok::<_, Failure>(took)
        })?;
        drop(runtime);
        store.prove(count + 100, (count + 100) * work.rows())?;
        let written = Written::read(&store.file())?;
        let limit = written.write(&setting.folder, made)?;
        ours.push(count as f64 / took.as_secs_f64());
        bare.push((count + 100) as f64 / limit.as_secs_f64());
    }
    Ok((ours, bare, made))
}

fn entry(name: &str, part: f64, measured: (Vec<f64>, Vec<f64>, u64), count: u64) -> Entry {
    let (ours, bare, made) = measured;
    // Each run against the limit measured right after it.
    let ratios: Vec<f64> = ours.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect();
    let ratio = median(&ratios);
    Entry::new(name, "/s", ours)
        .limit(median(&bare))
        .bar(format!("≥ {:.0} % of bare SQLite: {:.0} %", part * 100.0, ratio * 100.0), ratio >= part)
        .note(format!("{count} in {made} groups, each synced"))
}

pub(crate) fn executions(setting: &Setting) -> Result<Vec<Entry>> {
    let count = 10_000;
    let entry = entry("executions_per_s", 0.5, measure(setting, Work::Checkout, count, setting.runs(3))?, count);
    let number = if setting.full { count } else { 2_000 };
    let shipped = setting.peers.measure("durare-shipped", "executions", number, &setting.folder)?;
    let mut all = Vec::new();
    if let Some(shipped) = shipped {
        let times = entry.value() / shipped;
        all.push(
            Entry::new("executions_times_durare", "x", vec![times])
                .bar("≥ 40 × durare as shipped (synchronous=NORMAL)", times >= 40.0),
        );
    }
    for peer in ["durare-full", "duroxide"] {
        let other = setting.peers.measure(peer, "executions", number / 2, &setting.folder)?;
        all.extend(other.map(|value| Entry::new(format!("executions_per_s_of_{peer}"), "/s", vec![value])));
    }
    all.insert(0, entry.peer(shipped));
    Ok(all)
}

pub(crate) fn sustained(setting: &Setting) -> Result<Vec<Entry>> {
    let count = 100_000;
    let measured = measure(setting, Work::Checkout, count, setting.runs(1))?;
    Ok(vec![entry("executions_sustained_per_s", 0.45, measured, count)])
}

pub(crate) fn transactions(setting: &Setting) -> Result<Vec<Entry>> {
    let count = 10_000;
    let measured = measure(setting, Work::Book, count, setting.runs(3))?;
    Ok(vec![entry("transactions_per_s", 0.5, measured, count)])
}
