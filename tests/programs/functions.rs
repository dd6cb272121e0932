//! Durable functions that run in processes of their own. The tests have them too, but only to call them: no test's own
//! process is a worker of a file.

use std::time::Duration;

use outlast::prelude::*;
use outlast::{Error, ErrorKind};

use crate::effects::Effects;

fn note(label: &str) -> Result<()> {
    Ok(outlast::state::<Effects>().note(label)?)
}

/// Waits for a word of the test, to all processes or to this one.
async fn told(word: &str) {
    let effects = outlast::state::<Effects>();
    let own = format!("{word}-{}", std::process::id());
    while !effects.is_told(word) && !effects.is_told(&own) {
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// Runs until the test says `go`; gives the process in which it came to its end.
#[step]
async fn hold(label: &str) -> Result<u32> {
    note(&format!("{label}-hold"))?;
    told("go").await;
    note(&format!("{label}-held"))?;
    Ok(std::process::id())
}

#[step]
async fn finish(label: &str) -> Result<()> {
    note(&format!("{label}-finish"))
}

#[durable]
pub(crate) async fn held(label: String) -> Result<u32> {
    let process = hold(&label).await?;
    finish(&label).await?;
    Ok(process)
}

/// Without an end if it begins before the test says `enough`, over at once if it begins later.
#[step]
async fn run_on() -> Result<()> {
    if outlast::state::<Effects>().is_told("enough") {
        return Ok(());
    }
    // Having begun, it never looks again.
    loop {
        note("lap")?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[durable]
pub(crate) async fn laps() -> Result<()> {
    run_on().await
}

#[step(retry(max_attempts = 4, initial = "1s", factor = 1.0))]
async fn fragile() -> Result<()> {
    note("fragile")?;
    Err(Error::new("broken"))
}

/// Fails in the end: its four attempts are counted over all processes.
#[durable]
pub(crate) async fn breaks() -> Result<String> {
    let error = fragile().await.err().ok_or_else(|| Error::terminal("it can't succeed"))?;
    assert_eq!(error.kind(), ErrorKind::Exhausted);
    Ok(error.to_string())
}

#[step(retry(max_attempts = 3, initial = "300ms", factor = 1.0, limit = "2s"))]
async fn impatient() -> Result<()> {
    note("impatient")?;
    Err(Error::new("not yet"))
}

/// Fails in the end for its attempts, not for its time: that in which no worker was up doesn't count.
#[durable]
pub(crate) async fn waits() -> Result<String> {
    let error = impatient().await.err().ok_or_else(|| Error::terminal("it can't succeed"))?;
    Ok(error.to_string())
}

#[step(at_most_once)]
async fn pay() -> Result<u32> {
    note("pay")?;
    Ok(1)
}

/// Whether it was paid, as far as one can know.
#[durable]
pub(crate) async fn payment() -> Result<String> {
    match pay().await {
        Ok(times) => Ok(format!("paid {times}")),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok("interrupted".to_owned()),
        Err(error) => Err(error),
    }
}

#[step]
async fn add(sum: u64) -> Result<u64> {
    Ok(sum + 1)
}

/// So many steps, one after the other.
#[durable]
pub(crate) async fn count(steps: u64) -> Result<u64> {
    let mut sum = 0;
    while sum < steps {
        sum = add(sum).await?;
    }
    Ok(sum)
}

#[step]
async fn tick(label: &str) -> Result<()> {
    note(label)
}

/// Three steps with an effect each.
#[durable]
pub(crate) async fn walk(label: String) -> Result<String> {
    for step in 0..3 {
        tick(&format!("{label}-{step}")).await?;
    }
    Ok(label)
}

#[step]
async fn pace(label: &str) -> Result<()> {
    note(label)?;
    tokio::time::sleep(Duration::from_millis(40)).await;
    Ok(())
}

/// Six steps that take their time.
#[durable]
pub(crate) async fn stroll(label: String) -> Result<String> {
    for step in 0..6 {
        pace(&format!("{label}-{step}")).await?;
    }
    Ok(label)
}

#[step]
async fn poison() -> Result<()> {
    note("poison")?;
    if outlast::state::<Effects>().is_told("antidote") { Ok(()) } else { std::process::abort() }
}

/// Kills every worker that takes it up.
#[durable]
pub(crate) async fn deadly() -> Result<()> {
    poison().await
}
