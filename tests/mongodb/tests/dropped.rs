//! An app on MongoDB that is dropped without a shutdown: like a process that is killed, whatever handles are kept.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what went wrong by failing")]

use std::time::Duration;

use outlast::prelude::*;
use outlast::{ErrorKind, Running};
use outlast_test_servers::Mongo;

#[durable]
async fn waits_for_go() -> Result<u8> {
    outlast::signal::<u8>("go").await
}

/// Nothing is parked, and a lease lasts longer than any test.
async fn holding_on(store: &str) -> Running {
    App::new().store(store).park_after("1h").hang_limit("1h").start().await.unwrap()
}

async fn taken_over(mongo: &Mongo) {
    let second = holding_on(&mongo.uri()).await;
    second.execution("w").signal("go", &7).await.unwrap();
    let result = tokio::time::timeout(Duration::from_secs(60), second.execution("w").result()).await;
    assert_eq!(result.expect("the second takes it over").unwrap(), 7);
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_is_kept_keeps_no_work() {
    let mongo = Mongo::start();
    let first = holding_on(&mongo.uri()).await;
    let kept = first.scope(async { waits_for_go().id("w").start().await.unwrap() }).await;
    while first.execution("w").details().await.unwrap().status().name() != "running" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(first);
    taken_over(&mongo).await;
    let said = tokio::time::timeout(Duration::from_secs(60), kept.result()).await.expect("an answer");
    assert_eq!(said.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_dropped_gives_its_lease_up() {
    let mongo = Mongo::start();
    let first = holding_on(&mongo.uri()).await;
    first.scope(async { waits_for_go().id("w").start().await.unwrap() }).await;
    while first.execution("w").details().await.unwrap().status().name() != "running" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(first);
    taken_over(&mongo).await;
}
