//! A worker is killed in the middle of 100,000 executions: how long a new one takes until all have their last outcome.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Setting;
use super::processes::{Started, say, stop_halfway};
use crate::functions::{DONE, FIRST_STEPS};
use crate::report::Entry;
use crate::store::{Store, start};
use crate::{Failure, Result};

/// Waits until so many have come.
pub(crate) async fn until(counter: &AtomicU64, count: u64) {
    while counter.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) fn measure(setting: &Setting) -> Result<Vec<Entry>> {
    let count = 100_000;
    let mut runs = Vec::new();
    for _ in 0..setting.runs(1) {
        let store = Store::new(&setting.folder)?;
        let mut first = Started::new("interrupt", &store.file(), count)?;
        first.says()?;
        first.kill()?;
        let begun = Instant::now();
        let mut second = Started::new("recover", &store.file(), count)?;
        let again: u64 = second.says()?.parse().map_err(|_| Failure::Wrong("a child said no number".into()))?;
        runs.push(begun.elapsed().as_secs_f64());
        second.ends()?;
        if again > 0 {
            return Err(Failure::Wrong(format!("{again} recorded steps ran again")));
        }
        store.prove(count, count * 3)?;
    }
    let entry = Entry::new("recovery_s", "s", runs);
    let reached = entry.value() <= 5.0;
    Ok(vec![entry.bar("≤ 5 s for 100,000, no recorded step again", reached)])
}

/// The process that is killed: all of its executions wait in their third step.
pub(crate) async fn interrupt(store: &Path, count: u64) -> Result<()> {
    stop_halfway(store, count).await
}

/// The process that takes over: says how many bodies of recorded steps ran again.
pub(crate) async fn recover(store: &Path, count: u64) -> Result<()> {
    let app = start(store).await?;
    until(&DONE, count).await;
    say(&FIRST_STEPS.load(Ordering::Relaxed).to_string())?;
    app.shutdown().await;
    Ok(())
}
