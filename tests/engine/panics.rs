//! Panics in odd places: they stay with their execution, and the worker lives on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use outlast::ErrorKind;
use outlast::prelude::*;

use crate::{app, until};

/// Panics when it is dropped, and again with what that panic carries.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        std::panic::panic_any(Grenade);
    }
}

#[durable]
async fn throws() -> Result<u32> {
    std::panic::panic_any(Grenade)
}

#[step(retry(max_attempts = 2, initial = "1ms"))]
async fn throw() -> Result<u32> {
    std::panic::panic_any(Grenade)
}

#[transaction(retry(max_attempts = 2, initial = "1ms"))]
async fn throw_inside() -> Result<u32> {
    std::panic::panic_any(Grenade)
}

#[durable]
async fn has_throwers(inside: bool) -> Result<u32> {
    if inside { throw_inside().await } else { throw().await }
}

#[step]
async fn one() -> Result<u32> {
    Ok(1)
}

#[durable]
async fn quiet() -> Result<u32> {
    one().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_panic_carries_may_panic_too() {
    let app = app().await;
    for n in 0..4 {
        // On each lane, so that one that is gone shows.
        let id = format!("throws-{n}");
        app.scope(async { throws().id(&*id).start().await }).await.unwrap();
        until(&app, &id, "parked").await;
        for inside in [false, true] {
            let error = app.scope(async { has_throwers(inside).await }).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Exhausted, "{error:?}");
        }
    }
    for _ in 0..8 {
        assert_eq!(app.scope(async { quiet().await }).await.unwrap(), 1);
    }
    app.shutdown().await;
}

#[step(timeout = "20ms", retry(max_attempts = 2, initial = "1ms"))]
async fn holds_a_grenade() -> Result<u32> {
    let _held = Grenade;
    std::future::pending::<()>().await;
    Ok(1)
}

#[durable]
async fn has_a_holder() -> Result<u32> {
    holds_a_grenade().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destructor_may_panic_when_an_attempt_takes_too_long() {
    let app = app().await;
    let error = app.scope(async { has_a_holder().await }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exhausted, "{error:?}");
    app.shutdown().await;
}

/// Passes wake-ups on, and asks for the time when it is dropped.
struct Curious(Waker);

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

impl Drop for Curious {
    fn drop(&mut self) {
        // Outside the execution's poll this panics, which is no business of this test.
        let _ = std::panic::catch_unwind(outlast::now);
    }
}

/// Polls with a waker of its own, a new one each time.
struct Curiously<F>(F);

impl<F: Future + Unpin> Future for Curiously<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::new(Curious(cx.waker().clone())));
        Pin::new(&mut self.0).poll(&mut Context::from_waker(&waker))
    }
}

#[durable]
async fn polls_curiously() -> Result<u32> {
    let slow = Curiously(outlast::step("slow", async || {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok(1)
    }));
    let (slow, fast) = tokio::try_join!(slow, one())?;
    Ok(slow + fast)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waker_of_an_operation_may_ask_for_the_time_when_it_goes() {
    let app = app().await;
    let sum = tokio::time::timeout(Duration::from_secs(20), app.scope(async { polls_curiously().await }));
    assert_eq!(sum.await.expect("no lock is held over a waker's destructor").unwrap(), 2);
    app.shutdown().await;
}
