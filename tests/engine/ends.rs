//! How executions end: cancellations, deadlines, and who comes first.

use std::time::{Duration, Instant};

use outlast::prelude::*;
use outlast::{ErrorKind, Result};

use crate::{Count, always_parking, app, until};

static TOO_EARLY: Count = Count::new();

#[step]
async fn too_early() -> Result<u32> {
    Ok(TOO_EARLY.add())
}

#[durable]
async fn begins_with_a_step() -> Result<u32> {
    too_early().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cancelled_before_its_time_never_runs_a_step() {
    let app = app().await;
    app.scope(async {
        let run = begins_with_a_step().after("1h").start().await.unwrap();
        run.signal("noise", &1).await.unwrap();
        run.cancel().await.unwrap();
        assert_eq!(run.result().await.unwrap_err().kind(), ErrorKind::Cancelled);
    })
    .await;
    assert_eq!(TOO_EARLY.get(), 0);
    app.shutdown().await;
}

static LONG: Count = Count::new();

#[step(timeout = "30s")]
async fn takes_long(millis: u64) -> Result<u64> {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    LONG.add();
    Ok(millis)
}

#[durable(timeout = "150ms")]
async fn is_overtaken() -> Result<u64> {
    takes_long(500).await?;
    takes_long(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_runs_at_the_deadline_still_reaches_its_record_and_nothing_comes_after() {
    let app = app().await;
    let error = app.scope(async { is_overtaken().id("overtaken").await }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let details = app.execution("overtaken").details().await.unwrap();
    let recorded: Vec<_> = details.operations().map(|(name, _, _, value)| (name.to_owned(), value)).collect();
    assert_eq!(recorded, [("takes_long".to_owned(), 500.into())]);
    assert_eq!((LONG.get(), details.status().name()), (1, "failed"));
    app.shutdown().await;
}

#[step]
async fn quick() -> Result<u8> {
    Ok(7)
}

/// The thread is held over the deadline, but by then all that the function needs has been recorded.
#[durable(timeout = "200ms")]
async fn returns_past_its_deadline() -> Result<u8> {
    let value = quick().await?;
    holds_the_thread();
    Ok(value)
}

/// Where the attribute doesn't look.
fn holds_the_thread() {
    std::thread::sleep(Duration::from_millis(600));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_that_came_before_the_deadline_wins() {
    let app = app().await;
    assert_eq!(app.scope(async { returns_past_its_deadline().await }).await.unwrap(), 7);
    app.shutdown().await;
}

#[durable(timeout = "1h")]
async fn waits_for_ever() -> Result<()> {
    outlast::signal::<()>("never").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_set_a_deadline_of_its_own_which_reaches_what_is_parked() {
    let app = always_parking().await;
    let begun = Instant::now();
    let error = app.scope(async { waits_for_ever().timeout("300ms").await }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    app.shutdown().await;
}

#[durable]
async fn guards_its_end() -> Result<()> {
    let _ = takes_forever().await;
    let _ = takes_forever().await;
    Ok(())
}

#[step(timeout = "100ms", retry(max_attempts = 1))]
async fn takes_forever() -> Result<()> {
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_can_be_neither_signalled_nor_cancelled() {
    let app = app().await;
    app.scope(async { quick_end().id("ended").await }).await.unwrap();
    let run = app.scope(async { quick_end().id("ended").start().await }).await.unwrap();
    assert_eq!(run.signal("late", &1).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(run.cancel().await.unwrap_err().kind(), ErrorKind::Conflict);
    let ended = app.execution("ended");
    assert_eq!(ended.signal("late", &1).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(ended.cancel("late").await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(!ended.resume().await.unwrap());
    app.shutdown().await;
}

#[durable]
async fn quick_end() -> Result<u8> {
    quick().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_flight_at_a_cancellation_gets_until_its_timeout() {
    let app = app().await;
    app.scope(async {
        let run = guards_its_end().id("guarded").start().await.unwrap();
        until(&app, "guarded", "running").await;
        run.cancel().await.unwrap();
        assert_eq!(run.result().await.unwrap_err().kind(), ErrorKind::Cancelled);
        let details = app.execution("guarded").details().await.unwrap();
        assert!(details.operations().count() <= 1, "the second never begins");
    })
    .await;
    app.shutdown().await;
}
