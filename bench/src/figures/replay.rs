//! A long record is replayed: outcomes per second, from the function's first poll until it has taken the last one.

use std::future::IntoFuture;
use std::path::Path;
use std::time::Instant;

use super::Setting;
use super::processes::{Started, say};
use crate::functions::{FIRST_STEPS, HALFWAY, Order, long, take_times};
use crate::report::Entry;
use crate::store::{Store, start};
use crate::{Failure, Result};

/// Outcomes of the record.
const STEPS: u64 = 10_000;

pub(crate) fn measure(setting: &Setting) -> Result<Vec<Entry>> {
    let (mut in_turn, mut at_once, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..setting.runs(3) {
        for (number, rates) in [(0, &mut in_turn), (1, &mut at_once)] {
            let store = Store::new(&setting.folder)?;
            let mut first = Started::new("record", &store.file(), number)?;
            first.says()?;
            first.ends()?;
            let mut second = Started::new("replay", &store.file(), number)?;
            let (micros, all) = numbers(&second.says()?)?;
            second.ends()?;
            rates.push(STEPS as f64 / micros * 1e6);
            whole.push(all / 1e3);
            store.prove(1, STEPS + 1)?;
        }
    }
    let entry = Entry::new("replay_records_per_s", "/s", in_turn);
    let reached = entry.value() >= 1_000_000.0;
    let entry = entry.bar("≥ 1,000,000 (one after the other)", reached);
    let whole =
        Entry::new("replay_whole_ms", "ms", whole).note("from the signal to the end: claim, reading, replay, commits");
    Ok(vec![entry, Entry::new("replay_joined_per_s", "/s", at_once), whole])
}

fn numbers(line: &str) -> Result<(f64, f64)> {
    let mut words = line.split(' ').map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(one)), Some(Ok(two))) => Ok((one, two)),
        _ => Err(Failure::Wrong(format!("a child said {line:?}"))),
    }
}

/// Makes the record, and leaves.
pub(crate) async fn record(store: &Path, at_once: u64) -> Result<()> {
    let app = start(store).await?;
    let called = long(Order::number(0), STEPS, at_once == 1).id("long");
    tokio::spawn(async move { called.into_future().await.map(drop) });
    super::recovery::until(&HALFWAY, 1).await;
    say("recorded")?;
    app.shutdown().await;
    Ok(())
}

/// Sends the signal that has it replayed: how long the function took to get through its record, and the whole, in
/// microseconds.
pub(crate) async fn replay(store: &Path) -> Result<()> {
    let app = start(store).await?;
    let begun = Instant::now();
    let execution = app.execution("long");
    execution.signal("go-on", &1_u64).await?;
    execution.result().await?;
    let whole = begun.elapsed();
    if FIRST_STEPS.load(std::sync::atomic::Ordering::Relaxed) > 0 {
        return Err(Failure::Wrong("a recorded step ran again".into()));
    }
    let way: f64 = take_times().iter().map(|time| time.as_secs_f64() * 1e6).sum();
    say(&format!("{way} {}", whole.as_secs_f64() * 1e6))?;
    app.shutdown().await;
    Ok(())
}
