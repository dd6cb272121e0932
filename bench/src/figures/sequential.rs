//! Steps one after the other: each waits for its own commit, so that bare commits of the same row are the limit.

use std::future::IntoFuture;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::Setting;
use crate::Result;
use crate::functions::{Order, sequence, take_times};
use crate::limit::Bare;
use crate::report::{Entry, percentile};
use crate::store::Store;

const STEPS: u64 = 1_000;
/// Steps of one execution; between two, as many bare commits.
const SLICE: u64 = 50;
/// A commit so short that the threads it takes to wake are most of the time.
const SHORT: f64 = 120.0;

pub(crate) fn measure(setting: &Setting) -> Result<Vec<Entry>> {
    let (mut medians, mut tails, mut limits) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..setting.runs(3) {
        let (ours, bare) = run(setting)?;
        medians.push(percentile(&ours, 0.5));
        tails.push(percentile(&ours, 0.99));
        limits.push(percentile(&bare, 0.5));
    }
    let limit = percentile(&limits, 0.5);
    let value = percentile(&medians, 0.5);
    let allowed = if limit < SHORT { limit + 30.0 } else { limit * 1.25 };
    let peer = setting.peers.measure("durare-full", "sequential", STEPS / 2, &setting.folder)?;
    let entry = Entry::new("sequential_step_us", "µs", medians)
        .limit(limit)
        .peer(peer)
        .bar(format!("≤ {allowed:.0} µs: {:.2} × a bare commit", value / limit), value <= allowed)
        .note(format!("p99 {:.0} µs; the peer is durare at synchronous=FULL", percentile(&tails, 0.5)));
    Ok(vec![entry])
}

/// A store's steps and bare commits in turn, in microseconds.
fn run(setting: &Setting) -> Result<(Vec<f64>, Vec<f64>)> {
    let store = Store::new(&setting.folder)?;
    let runtime = Runtime::new()?;
    let times = runtime.block_on(async {
        let app = store.start().await?;
        sequence(Order::number(0), SLICE).into_future().await?;
        take_times();
        let mut bare = Bare::like(&store.file(), &setting.folder)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for slice in 1..=STEPS / SLICE {
            sequence(Order::number(slice), SLICE).into_future().await?;
            ours.extend(take_times());
            theirs.extend(bare.commits(slice * SLICE, SLICE)?);
        }
        app.shutdown().await;
        Ok::<_, crate::Failure>((ours, theirs))
    })?;
    drop(runtime);
    store.prove(STEPS / SLICE + 1, STEPS + SLICE)?;
    let micros = |times: Vec<Duration>| times.into_iter().map(|time| time.as_secs_f64() * 1e6).collect();
    Ok((micros(times.0), micros(times.1)))
}
