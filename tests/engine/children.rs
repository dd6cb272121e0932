//! Children: what reaches them, and what doesn't.

use outlast::prelude::*;
use outlast::{ErrorKind, Result};

use crate::{always_parking, app, until};

#[durable]
async fn waits(name: String) -> Result<String> {
    outlast::signal::<()>("go").await?;
    Ok(name)
}

#[durable]
async fn drops_a_child(named: bool) -> Result<()> {
    let call = if named { waits("x".into()).id("joined") } else { waits("x".into()).id("made") };
    tokio::select! {
        done = call => { done?; }
        slept = outlast::sleep("100ms") => slept?,
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_child_ends_but_never_one_that_was_joined() {
    let app = always_parking().await;
    app.scope(async {
        let other = waits("x".into()).id("joined").start().await.unwrap();
        drops_a_child(true).await.unwrap();
        drops_a_child(false).await.unwrap();
        until(&app, "made", "cancelled").await;
        other.signal("go", &()).await.unwrap();
        assert_eq!(other.result().await.unwrap(), "x");
    })
    .await;
    app.shutdown().await;
}

#[durable]
async fn has_children() -> Result<()> {
    let (_, _) = tokio::try_join!(waits("a".into()).id("child-a"), waits("b".into()).id("child-b"))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_reaches_the_children() {
    let app = app().await;
    app.scope(async {
        let run = has_children().start().await.unwrap();
        until(&app, "child-b", "waiting").await;
        run.cancel().await.unwrap();
        assert_eq!(run.result().await.unwrap_err().kind(), ErrorKind::Cancelled);
        for child in ["child-a", "child-b"] {
            assert_eq!(app.execution(child).details().await.unwrap().status().name(), "cancelled");
        }
    })
    .await;
    app.shutdown().await;
}

#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
enum Refused {
    #[error("refused: {0}")]
    For(u32),
    #[error("{0}")]
    Outlast(#[from] outlast::Error),
}

#[durable]
async fn refuses(n: u32) -> Result<u32, Refused> {
    Err(Refused::For(n))
}

#[durable]
async fn asks_a_child() -> Result<u32, Refused> {
    let answer = refuses(7).await;
    outlast::sleep("5ms").await?;
    assert_eq!(answer, Err(Refused::For(7)));
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_childs_error_stays_typed() {
    let app = always_parking().await;
    assert_eq!(app.scope(async { asks_a_child().await }).await, Err(Refused::For(7)));
    app.shutdown().await;
}

#[durable]
async fn handles() -> Result<(String, String, String)> {
    let one = waits("one".into()).start().await?;
    let two = waits("two".into()).start().await?;
    let before = one.status().await?;
    one.signal("go", &()).await?;
    let first = one.result().await?;
    two.cancel().await?;
    let second = two.result().await.unwrap_err();
    outlast::sleep("5ms").await?;
    assert_eq!(second.kind(), ErrorKind::Cancelled);
    Ok((before.name().to_owned(), first, one.id().to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handles_methods_are_recorded_operations() {
    let app = always_parking().await;
    let (status, first, child) = app.scope(async { handles().id("parent").await }).await.unwrap();
    assert_eq!(first, "one");
    assert!(["running", "ready", "waiting"].contains(&status.as_str()), "{status}");
    let details = app.execution("parent").details().await.unwrap();
    assert_eq!(details.operations().filter(|(_, kind, ..)| kind.name() == "start").count(), 2);
    assert!(app.execution(child.as_str()).details().await.is_ok());
    app.shutdown().await;
}

#[durable]
async fn family(depth: u32) -> Result<u32> {
    if depth == 0 {
        return Ok(1);
    }
    let (a, b) = tokio::try_join!(Box::pin(family(depth - 1)), Box::pin(family(depth - 1)))?;
    Ok(a + b)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_may_call_itself() {
    let app = always_parking().await;
    assert_eq!(app.scope(async { family(5).await }).await.unwrap(), 32);
    app.shutdown().await;
}

#[durable]
async fn waits_for_itself(started: bool) -> Result<()> {
    let own = waits_for_itself(started).id("itself");
    if started { own.start().await?.result().await } else { own.await }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_ones_own_end_is_an_error() {
    for started in [false, true] {
        let app = always_parking().await;
        let waits = app.scope(async move { waits_for_itself(started).id("itself").await });
        let error = tokio::time::timeout(std::time::Duration::from_secs(60), waits).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        app.shutdown().await;
    }
}
