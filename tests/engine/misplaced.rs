//! Operations where they can't work: clear errors, never an unrecorded run.

use outlast::prelude::*;
use outlast::{Error, ErrorKind, Result};

use crate::{Count, app};

static RAN: Count = Count::new();

#[step]
async fn counted() -> Result<u32> {
    Ok(RAN.add())
}

/// Where the attribute doesn't look.
fn spawned() -> tokio::task::JoinHandle<Result<u32>> {
    tokio::spawn(async { counted().await })
}

#[step]
async fn spawns() -> Result<String> {
    let error = spawned().await?.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misplaced);
    Ok(error.to_string())
}

#[durable]
async fn calls_in_a_task() -> Result<String> {
    spawns().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_in_a_spawned_task_is_an_error() {
    let app = app().await;
    let message = app.scope(async { calls_in_a_task().await }).await.unwrap();
    assert!(message.contains("spawned task"), "{message}");
    assert_eq!(RAN.get(), 0);
    app.shutdown().await;
}

#[transaction]
async fn sleeps_inside() -> Result<Vec<String>> {
    let sleep = outlast::sleep("1s").await.unwrap_err();
    let signal = outlast::signal::<u8>("x").await.unwrap_err();
    let step = counted().await.unwrap_err();
    let child = child().await.unwrap_err();
    for error in [&sleep, &signal, &step, &child] {
        assert_eq!(error.kind(), ErrorKind::Misplaced);
    }
    Ok(vec![sleep.to_string(), signal.to_string(), step.to_string(), child.to_string()])
}

#[durable]
async fn child() -> Result<()> {
    Ok(())
}

#[transaction]
async fn waits_inside() -> Result<()> {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    Ok(())
}

#[step]
async fn transacts_inside() -> Result<String> {
    Ok(waits_inside().await.unwrap_err().to_string())
}

#[durable]
async fn misplaces() -> Result<Vec<String>> {
    let mut messages = sleeps_inside().await?;
    let waited: Error = waits_inside().await.unwrap_err();
    assert_eq!(waited.kind(), ErrorKind::Misplaced);
    messages.push(waited.to_string());
    messages.push(transacts_inside().await?);
    Ok(messages)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_into_a_transaction_is_an_error() {
    let app = app().await;
    let messages = app.scope(async { misplaces().await }).await.unwrap();
    assert_eq!(messages.len(), 6);
    assert!(messages[4].contains("in a step"), "{messages:?}");
    assert!(messages[5].contains("inside the step"), "{messages:?}");
    app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_outside_an_execution_are_errors() {
    let app = app().await;
    app.scope(async {
        for error in [
            counted().await.unwrap_err(),
            outlast::sleep("1s").await.unwrap_err(),
            outlast::signal::<u8>("x").await.unwrap_err(),
            sleeps_inside().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Misplaced, "{error}");
        }
    })
    .await;
    assert_eq!(RAN.get(), 0);
    app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_apps_in_one_process_want_a_scope() {
    let (one, two) = (app().await, app().await);
    let error = child().await.unwrap_err();
    assert!(error.to_string().contains("scope"), "{error}");
    one.scope(async { child().id("a").await }).await.unwrap();
    assert!(two.execution("a").details().await.is_err());
    one.shutdown().await;
    two.shutdown().await;
}
