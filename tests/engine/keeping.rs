//! What is kept and for how long: ids, keys, limits.

use std::sync::Mutex;
use std::time::Duration;

use outlast::prelude::*;
use outlast::{App, ErrorKind, Result};

use crate::{Count, app, until};

static RAN: Count = Count::new();

#[step]
async fn counts() -> Result<u32> {
    Ok(RAN.add())
}

#[durable]
async fn once(n: u32) -> Result<u32> {
    Ok(counts().await? + n)
}

static OLD: Count = Count::new();

#[step]
async fn grows_old() -> Result<u32> {
    Ok(OLD.add())
}

#[durable]
async fn old(n: u32) -> Result<u32> {
    Ok(grows_old().await? + n)
}

#[durable]
async fn asks_for_what_is_gone() -> Result<ErrorKind> {
    let error = old(1).id("old").await.unwrap_err();
    Ok(error.kind())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_which_only_the_digest_is_left_is_expired_and_never_run_again() {
    let app = App::new().store("memory:").retention("20ms", "1h").start().await.unwrap();
    app.scope(async {
        let run = old(1).id("old").start().await.unwrap();
        assert_eq!(run.result().await.unwrap(), 2);
        let expired = async || {
            for _ in 0..600 {
                match old(1).id("old").await {
                    Ok(value) => assert_eq!(value, 2, "the recorded result, as long as it is kept"),
                    Err(error) => return error,
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("it was never purged");
        };
        let error = expired().await;
        assert_eq!((error.kind(), error.execution()), (ErrorKind::Expired, Some("old")));
        let other = old(2).id("old").await.unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Expired, "whatever its arguments");
        assert!(other.to_string().contains("another call"), "{other}");
        assert_eq!(run.result().await.unwrap_err().kind(), ErrorKind::Expired);
        assert_eq!(run.signal("late", &1).await.unwrap_err().kind(), ErrorKind::Expired);
        assert_eq!(asks_for_what_is_gone().await.unwrap(), ErrorKind::Expired);
    })
    .await;
    assert_eq!(OLD.get(), 1);
    app.shutdown().await;
}

static KEYS: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[step]
async fn cut_off() -> Result<usize> {
    let tried = {
        let mut keys = KEYS.lock().unwrap();
        keys.push(outlast::idempotency_key());
        keys.len()
    };
    if tried == 1 {
        std::future::pending::<()>().await;
    }
    Ok(tried)
}

#[durable]
async fn is_cut_off() -> Result<usize> {
    cut_off().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("kept.db").display());
    let first = App::new().store(&store).start().await.unwrap();
    first.scope(async { is_cut_off().id("cut").start().await }).await.unwrap();
    while KEYS.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Stops like a process that is killed.
    drop(first);
    let second = App::new().store(&store).start().await.unwrap();
    assert_eq!(second.execution("cut").result().await.unwrap(), 2);
    let keys = KEYS.lock().unwrap().clone();
    assert_eq!(keys[0], keys[1]);
    second.shutdown().await;
}

static FROM_A_STEP: Count = Count::new();

#[step(retry(initial = "1ms"))]
async fn calls_from_a_step() -> Result<String> {
    let started = once(40).start().await?;
    if FROM_A_STEP.add() < 3 {
        return Err(outlast::Error::new("after the call"));
    }
    Ok(started.id().to_owned())
}

#[durable]
async fn has_a_step_that_calls() -> Result<String> {
    calls_from_a_step().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_made_in_a_step_is_the_same_one_over_its_attempts() {
    let app = app().await;
    let started = app.scope(async { has_a_step_that_calls().await }).await.unwrap();
    assert_eq!(FROM_A_STEP.get(), 3);
    let all = app.executions(outlast::Filter::default()).await.unwrap();
    assert_eq!(all.len(), 2, "the caller and one call: {all:?}");
    assert!(app.execution(started.as_str()).result().await.is_ok());
    app.shutdown().await;
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(rename = "_id")]
    id: i32,
    text: String,
}

#[durable]
async fn reads_too_much() -> Result<(ErrorKind, String)> {
    let pages = collection::<Page>("pages");
    for id in 0..4 {
        pages.insert_one(Page { id, text: "x".repeat(4_000) }).await?;
    }
    assert!(pages.find_one(doc! { "_id": 1 }).await?.is_some());
    let error = pages.find(doc! {}).await.unwrap_err();
    Ok((error.kind(), error.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_a_durable_body_count_against_the_payload_limit() {
    let app = App::new().store("memory:").max_payload(10_000).start().await.unwrap();
    let (kind, words) = app.scope(async { reads_too_much().await }).await.unwrap();
    assert_eq!(kind, ErrorKind::TooLarge);
    assert!(words.contains("10000"), "{words}");
    app.shutdown().await;
}

#[durable]
async fn uses_wrong_names() -> Result<Vec<String>> {
    let run = once(1).start().await?;
    Ok(vec![
        outlast::step("two words", async || Ok(1)).await.unwrap_err().to_string(),
        outlast::signal::<u8>("ä").await.unwrap_err().to_string(),
        outlast::signal::<u8>("").timeout("1s").await.unwrap_err().to_string(),
        run.signal("no\nway", &1).await.unwrap_err().to_string(),
        once(1).id("x".repeat(256)).await.unwrap_err().to_string(),
        once(1).id("a b").start().await.unwrap_err().to_string(),
        collection::<Page>("a$b").find(doc! {}).await.unwrap_err().to_string(),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_checked_wherever_they_come_in() {
    let app = app().await;
    let words = app.scope(async { uses_wrong_names().await }).await.unwrap();
    assert!(words.iter().all(|words| words.contains("1 to 255 letters")), "{words:#?}");
    let posted = app.execution("any").signal("a b", &1).await.unwrap_err();
    let called = app.call("once", serde_json::json!({ "n": 1 }), Some("a b")).await.unwrap_err();
    assert_eq!((posted.kind(), called.kind()), (ErrorKind::Invalid, ErrorKind::Invalid));
    app.shutdown().await;
}

#[step(at_most_once)]
async fn only_once() -> Result<()> {
    Ok(())
}

#[step]
async fn calls_it_inside() -> Result<ErrorKind> {
    Ok(only_once().await.unwrap_err().kind())
}

#[durable]
async fn nests_what_happens_once() -> Result<ErrorKind> {
    calls_it_inside().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_at_most_once_step_inside_a_step_is_an_error() {
    let app = app().await;
    let kind = app.scope(async { nests_what_happens_once().await }).await.unwrap();
    assert_eq!(kind, ErrorKind::Misplaced);
    app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_this_build_lacks_is_refused_with_its_feature() {
    let error = App::new().store("mongodb://localhost/shop").start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("feature `mongodb`"), "{error}");
}

static BEGUN: Count = Count::new();

#[step]
async fn never_ends_before(times: u32) -> Result<u32> {
    let begun = BEGUN.add();
    if begun <= times {
        std::future::pending::<()>().await;
    }
    Ok(begun)
}

#[durable]
async fn ends_its_workers(times: u32) -> Result<u32> {
    never_ends_before(times).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_its_workers_again_and_again_is_parked_until_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("deadly.db").display());
    let app = || App::new().store(&store).max_crashes(2);
    for life in 1..=2 {
        let worker = app().start().await.unwrap();
        if life == 1 {
            worker.scope(async { ends_its_workers(2).id("deadly").start().await }).await.unwrap();
        }
        while BEGUN.get() < life {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Stops like a process that is killed.
        drop(worker);
    }
    let worker = app().start().await.unwrap();
    let reason = until(&worker, "deadly", "parked").await.reason().unwrap();
    assert_eq!(reason.kind(), ErrorKind::Parked, "{reason}");
    assert_eq!(BEGUN.get(), 2);
    assert!(worker.execution("deadly").resume().await.unwrap());
    assert_eq!(worker.scope(async { ends_its_workers(2).id("deadly").await }).await.unwrap(), 3);
    worker.shutdown().await;
}
