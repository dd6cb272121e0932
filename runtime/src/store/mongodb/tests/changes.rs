//! What others do is heard of, and what doesn't concern a handle isn't.

use std::time::Instant;

use super::wakeups::pause_after;
use super::*;
use crate::store::Write;
use crate::store::conformance::case::{Case, call, id, request, signal, step, succeeded};

/// Two handles on one database that look for changes only rarely by themselves.
async fn two() -> ((Case, Arc<MongoStore>), (Case, Arc<MongoStore>)) {
    let database = server::new_database();
    let patient = || MongoOptions { poll: Duration::from_secs(60), lease: Duration::from_secs(60), ..hasty(&database) };
    let both = (case_on(patient()).await, case_on(patient()).await);
    // Their streams open beside.
    tokio::time::sleep(Duration::from_millis(500)).await;
    both
}

/// How long until a handle hears of what is done.
async fn heard<T>(store: &MongoStore, what: impl Future<Output = T>) -> Option<Duration> {
    let mut changes = store.changes();
    changes.mark_unchanged();
    let begun = Instant::now();
    what.await;
    let heard = tokio::time::timeout(Duration::from_millis(1500), changes.changed()).await;
    heard.is_ok().then(|| begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_hears_what_concerns_it() {
    let ((case, store), (other, others)) = two().await;
    let claimed = case.owned("mine").await.unwrap();
    store.wakeups(request(&case.worker, 1)).await.unwrap();
    assert!(heard(&store, others.post(id("mine"), signal("m", "rating"))).await.is_some(), "mail for its owner");
    assert!(heard(&store, others.post(id("mine"), signal("n", "rating"))).await.is_some(), "and more of it");
    assert!(heard(&store, others.create(call("due", 1))).await.is_some(), "something due");
    let foreign = NewExecution { function: "foreign".into(), ..call("foreign", 2) };
    assert_eq!(heard(&store, others.create(foreign)).await, None, "a function that it doesn't have");
    let theirs = other.owned_call(call("theirs", 3)).await.unwrap();
    assert_eq!(heard(&store, other.must(&theirs, step("one", 1))).await, None, "others' rows");
    assert_eq!(heard(&store, others.post(id("theirs"), signal("m", "rating"))).await, None, "others' mail");
    assert_eq!(heard(&store, other.must(&theirs, Write::End(succeeded(1)))).await, None, "ends nobody waits for");
    let theirs = other.owned_call(call("awaited", 4)).await.unwrap();
    store.finished(vec![id("awaited")]).await.unwrap();
    assert!(heard(&store, other.must(&theirs, Write::End(succeeded(1)))).await.is_some(), "an end that is awaited");
    case.must(&claimed, step("one", 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_awaited_is_told_of_by_name() {
    let ((_, store), (other, _)) = two().await;
    let one = other.owned_call(call("one", 1)).await.unwrap();
    other.owned_call(call("two", 2)).await.unwrap();
    assert_eq!(store.told_ends(), None, "nobody knows what was before");
    store.finished(vec![id("one"), id("two")]).await.unwrap();
    assert_eq!(store.told_ends(), Some(vec![]));
    assert!(heard(&store, other.must(&one, Write::End(succeeded(1)))).await.is_some());
    assert_eq!(store.told_ends(), Some(vec![id("one")]));
    assert_eq!(store.told_ends(), Some(vec![]), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_told_of_when_its_watchers_know() {
    let ((_, store), (other, others)) = two().await;
    let child = other.owned_call(call("child", 1)).await.unwrap();
    let update = |change: Document| others.shared.tables.executions.update_one(doc! { "_id": "child" }, change);
    update(doc! { "$set": { "tell": true } }).await.unwrap();
    store.finished(vec![id("child")]).await.unwrap();
    heard(&store, other.must(&child, Write::End(succeeded(1)))).await;
    assert_eq!(store.finished(vec![id("child")]).await.unwrap().len(), 0, "its watchers haven't been told");
    store.told_ends();
    assert!(heard(&store, async { update(doc! { "$unset": { "tell": "" } }).await.unwrap() }).await.is_some());
    assert_eq!(store.told_ends(), Some(vec![id("child")]));
    assert_eq!(store.finished(vec![id("child")]).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_is_opened_anew() {
    let proxy = proxy::Proxy::start(&server::address()).await;
    let database = server::new_database();
    let options = MongoOptions { poll: Duration::from_millis(200), uri: proxy.uri(), ..hasty(&database) };
    let store = MongoStore::open(options).await.unwrap();
    let (_, others) = case_on(hasty(&database)).await;
    proxy.set_down(true);
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.set_down(false);
    // What happened meanwhile is looked for; then it hears again.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(heard(&store, others.create(call("a", 1))).await.is_some());
}

#[test]
fn a_wait_that_is_cut_short_is_soon_begun_again_and_a_broken_stream_isnt() {
    assert!(pause_after(0) < Duration::from_millis(10), "the first time");
    assert!((1..40).all(|times| pause_after(times) >= pause_after(times - 1)), "never sooner than before");
    assert_eq!(pause_after(40), Duration::from_millis(500), "and no longer");
}
