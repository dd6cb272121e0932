//! Time and chance: the same on every replay.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use outlast::prelude::*;

use crate::{always_parking, app, until};

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[durable]
async fn draws() -> Result<()> {
    let drawn = format!(
        "{} {} {} {}",
        outlast::uuid(),
        outlast::random::<u64>(),
        outlast::random::<f64>(),
        outlast::now().as_millisecond()
    );
    SEEN.lock().unwrap().push(drawn);
    outlast::sleep("5ms").await?;
    SEEN.lock().unwrap().push(format!("{} {}", outlast::uuid(), outlast::now().as_millisecond()));
    outlast::sleep("5ms").await
}

#[tokio::test(flavor = "multi_thread")]
async fn time_and_chance_are_the_same_on_every_replay() {
    let app = always_parking().await;
    app.scope(async { draws().await }).await.unwrap();
    let mut seen = SEEN.lock().unwrap().clone();
    assert!(seen.len() > 3, "it was never replayed: {seen:?}");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2, "{seen:?}");
    app.shutdown().await;
}

#[durable]
async fn at_once() -> Result<i64> {
    Ok(outlast::now().as_millisecond())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_can_start_later() {
    let app = app().await;
    let begun = Instant::now();
    app.scope(async { at_once().after("200ms").await }).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
    app.shutdown().await;
}

#[durable]
async fn sleeps_long() -> Result<()> {
    outlast::sleep("30d").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_waits_holds_no_worker() {
    let app = app().await;
    let run = app.scope(async { sleeps_long().start().await }).await.unwrap();
    let waiting = until(&app, run.id(), "waiting").await;
    assert_eq!(waiting.claims(), 1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(until(&app, run.id(), "waiting").await.claims(), 1, "nobody looks at it before its time");
    app.shutdown().await;
}

#[durable]
async fn wrong_duration() -> Result<()> {
    outlast::sleep("soon").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_duration_is_an_error_that_says_how() {
    let app = app().await;
    let error = app.scope(async { wrong_duration().await }).await.unwrap_err();
    assert!(error.to_string().contains("1m30s"), "{error}");
    app.shutdown().await;
}
