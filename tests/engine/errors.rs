//! Errors: typed ones stay typed, faults come through `From`, retries stop where they should.

use std::time::{Duration, Instant};

use outlast::prelude::*;
use outlast::{Error, ErrorKind};

use crate::{Count, always_parking, app, until};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
enum Declined {
    #[error("declined with code {code}")]
    Card { code: u32 },
    #[error("the network is down")]
    Network,
    #[error("{0}")]
    Outlast(#[from] Error),
}

fn is_transient(error: &Declined) -> bool {
    matches!(error, Declined::Network)
}

static CHARGES: Count = Count::new();

#[step(retry(when = is_transient, initial = "1ms"))]
async fn charge(code: u32) -> Result<u32, Declined> {
    if CHARGES.add() < 3 { Err(Declined::Network) } else { Err(Declined::Card { code }) }
}

#[durable]
async fn typed() -> Result<u32, Declined> {
    let live = charge(51).await;
    outlast::sleep("5ms").await?;
    assert_eq!(live, Err(Declined::Card { code: 51 }), "the same after a replay");
    live
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_error_stays_typed_live_and_replayed() {
    let app = always_parking().await;
    assert_eq!(app.scope(async { typed().await }).await, Err(Declined::Card { code: 51 }));
    assert_eq!(CHARGES.get(), 3, "tried again while `when` said so, and not after");
    app.shutdown().await;
}

#[step(retry(max_attempts = 3, initial = "1ms"))]
async fn always_down() -> Result<(), Declined> {
    Err(Declined::Network)
}

#[durable]
async fn exhausts() -> Result<(), Declined> {
    always_down().await
}

#[tokio::test(flavor = "multi_thread")]
async fn exhausted_attempts_arrive_through_from() {
    let app = app().await;
    let Err(Declined::Outlast(error)) = app.scope(async { exhausts().await }).await else { panic!() };
    assert_eq!(error.kind(), ErrorKind::Exhausted);
    assert_eq!(error.messages().last().unwrap(), "the network is down", "{error:?}");
    app.shutdown().await;
}

static TERMINALS: Count = Count::new();

#[step(retry(initial = "1ms"))]
async fn terminal() -> Result<u8> {
    TERMINALS.add();
    "300".parse::<u8>().terminal()
}

#[durable]
async fn ends_at_once() -> Result<u8> {
    terminal().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_error_is_not_tried_again() {
    let app = app().await;
    let error = app.scope(async { ends_at_once().await }).await.unwrap_err();
    assert!(error.is_terminal());
    assert_eq!((TERMINALS.get(), error.kind()), (1, ErrorKind::Failed));
    app.shutdown().await;
}

static PATIENT: Count = Count::new();

#[step(retry(initial = "1ms"))]
async fn patient() -> Result<()> {
    if PATIENT.add() == 1 { Err(Error::new("busy")).retry_after("200ms") } else { Ok(()) }
}

#[durable]
async fn waits_as_told() -> Result<()> {
    patient().await
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_overrides_the_back_off() {
    let app = always_parking().await;
    let begun = Instant::now();
    app.scope(async { waits_as_told().await }).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(PATIENT.get(), 2);
    app.shutdown().await;
}

static PANICS: Count = Count::new();

#[step(retry(initial = "1ms"))]
async fn panics_once() -> Result<u32> {
    let n = PANICS.add();
    assert!(n > 1, "on purpose");
    Ok(n)
}

#[durable]
async fn survives_a_panic() -> Result<u32> {
    panics_once().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_step_is_a_failure_like_any_other() {
    let app = app().await;
    assert_eq!(app.scope(async { survives_a_panic().await }).await.unwrap(), 2);
    app.shutdown().await;
}

#[durable]
async fn panics_itself(n: u32) -> Result<u32> {
    assert!(n > 0, "on purpose");
    Ok(n)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_body_parks_it_and_the_worker_lives_on() {
    let app = app().await;
    let run = app.scope(async { panics_itself(0).start().await }).await.unwrap();
    let details = until(&app, run.id(), "parked").await;
    let reason = details.reason().unwrap();
    assert_eq!(reason.kind(), ErrorKind::Panicked);
    assert!(reason.to_string().contains("on purpose"), "{reason}");
    assert_eq!(app.scope(async { panics_itself(1).await }).await.unwrap(), 1);
    // What is parked can be cancelled without a replay.
    run.cancel().await.unwrap();
    assert_eq!(run.result().await.unwrap_err().kind(), ErrorKind::Cancelled);
    app.shutdown().await;
}

#[step(timeout = "20ms", retry(max_attempts = 2, initial = "1ms"))]
async fn hangs() -> Result<()> {
    std::future::pending::<()>().await;
    Ok(())
}

#[durable]
async fn gives_up() -> Result<()> {
    hangs().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_is_for_each_attempt() {
    let app = app().await;
    let error = app.scope(async { gives_up().await }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exhausted);
    assert!(error.messages().last().unwrap().contains("timeout"), "{error:?}");
    app.shutdown().await;
}

#[step]
async fn large(bytes: usize) -> Result<String> {
    Ok("x".repeat(bytes))
}

#[durable]
async fn carries(text: String, bytes: usize) -> Result<usize> {
    Ok(text.len() + large(bytes).await?.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_with_its_name_and_bytes() {
    let app = outlast::App::new().store("memory:").max_payload(10_000).start().await.unwrap();
    app.scope(async {
        assert_eq!(carries("x".repeat(5_000), 5_000).await.unwrap(), 10_000);
        let argument = carries("x".repeat(10_001), 1).await.unwrap_err();
        let result = carries(String::new(), 10_001).await.unwrap_err();
        for (error, name) in [(argument, "carries"), (result, "large")] {
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            let message = error.to_string();
            assert!(message.contains(name) && message.contains("10000"), "{message}");
        }
        let run = carries(String::new(), 0).start().await.unwrap();
        assert_eq!(run.signal("big", &"x".repeat(20_000)).await.unwrap_err().kind(), ErrorKind::TooLarge);
    })
    .await;
    app.shutdown().await;
}

#[durable]
async fn too_many() -> Result<u32> {
    for n in 0..20 {
        if let Err(error) = large(n).await {
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            return Ok(u32::try_from(n)?);
        }
    }
    Ok(20)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_has_a_bounded_record() {
    let app = outlast::App::new().store("memory:").max_operations(10).start().await.unwrap();
    assert_eq!(app.scope(async { too_many().await }).await.unwrap(), 10);
    app.shutdown().await;
}

#[step(retry(max_attempts = 1))]
async fn chained() -> Result<()> {
    let inner: Result<i32, _> = "x".parse::<i32>();
    inner.context("the configuration can't be read")?;
    Ok(())
}

#[durable]
async fn keeps_its_chain() -> Result<Vec<String>> {
    let live = chained().await.unwrap_err();
    outlast::sleep("5ms").await?;
    assert!(live.downcast_ref::<std::num::ParseIntError>().is_none(), "the function gets the record, live too");
    Ok(live.messages())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_keeps_its_chain() {
    let app = always_parking().await;
    let messages = app.scope(async { keeps_its_chain().await }).await.unwrap();
    assert_eq!(messages, ["the configuration can't be read", "invalid digit found in string"]);
    app.shutdown().await;
}
