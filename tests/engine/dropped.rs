//! An app that is dropped without a shutdown: like a process that is killed, whatever handles are kept.

use std::time::Duration;

use outlast::prelude::*;
use outlast::{ErrorKind, Result, Running};

use crate::until;

#[durable]
async fn waits_for_go() -> Result<u8> {
    outlast::signal::<u8>("go").await
}

/// Nothing is parked, and nobody is taken for hung.
async fn holding_on(store: &str) -> Running {
    App::new().store(store).park_after("1h").hang_limit("1h").start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_is_kept_keeps_no_work() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("shop.db").display());
    let first = holding_on(&store).await;
    let kept = first.scope(async { waits_for_go().id("w").start().await.unwrap() }).await;
    until(&first, "w", "running").await;
    drop(first);
    let second = holding_on(&store).await;
    second.execution("w").signal("go", &7).await.unwrap();
    let result = tokio::time::timeout(Duration::from_secs(60), second.execution("w").result()).await;
    assert_eq!(result.expect("the second takes it over").unwrap(), 7);
    // The handle says that its app is gone.
    let said = tokio::time::timeout(Duration::from_secs(60), kept.result()).await.expect("an answer");
    assert_eq!(said.unwrap_err().kind(), ErrorKind::Unavailable);
    second.shutdown().await;
}
