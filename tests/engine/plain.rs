//! `plain()`: bodies alone, for unit tests of users; nothing is recorded and no app is needed.

use std::time::{Duration, Instant};

use outlast::prelude::*;
use outlast::{Error, ErrorKind, Result};

use crate::Count;

#[durable]
async fn sleeps_and_steps(n: u32) -> Result<(u32, bool)> {
    outlast::sleep("30d").await?;
    let doubled = doubles(n).await?;
    let inline = outlast::step("inline", async move || Ok(n + 1)).await?;
    let child = plain_child(inline).await?;
    Ok((doubled + child, outlast::idempotency_key().len() > 8))
}

#[step(retry(initial = "1h"))]
async fn doubles(n: u32) -> Result<u32> {
    Ok(2 * n)
}

#[durable]
async fn plain_child(n: u32) -> Result<u32> {
    doubles(n).await
}

#[tokio::test]
async fn a_plain_run_sleeps_not_and_records_nothing() {
    let begun = Instant::now();
    assert_eq!(sleeps_and_steps(5).plain().await.unwrap(), (10 + 12, true));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

static TRIED: Count = Count::new();

#[step]
async fn fails() -> Result<()> {
    TRIED.add();
    Err(Error::new("as it does"))
}

#[durable]
async fn passes_it_on() -> Result<()> {
    fails().await
}

#[tokio::test]
async fn a_plain_step_runs_once_and_its_error_is_the_users_own() {
    let error = passes_it_on().plain().await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.kind()), ("as it does", ErrorKind::Failed));
    assert_eq!(TRIED.get(), 1);
}

#[transaction]
async fn writes() -> Result<()> {
    Ok(())
}

#[durable]
async fn needs_a_store() -> Result<(ErrorKind, ErrorKind)> {
    let signal = outlast::signal::<u8>("any").await.unwrap_err();
    let transaction = writes().await.unwrap_err();
    Ok((signal.kind(), transaction.kind()))
}

#[tokio::test]
async fn what_needs_a_store_is_a_clear_error_in_a_plain_run() {
    let kinds = needs_a_store().plain().await.unwrap();
    assert_eq!(kinds, (ErrorKind::Misplaced, ErrorKind::Misplaced));
}
