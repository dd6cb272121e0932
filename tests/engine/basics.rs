//! One of everything: the first look.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use outlast::prelude::*;
use outlast::{Error, ErrorKind};

use crate::{Count, app};

#[step]
async fn double(n: &u32) -> Result<u32> {
    Ok(n * 2)
}

#[durable]
async fn sum(a: u32, b: u32) -> Result<u32> {
    let (a, b) = tokio::try_join!(double(&a), double(&b))?;
    Ok(a + b)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_gives_its_result() {
    let app = app().await;
    app.scope(async {
        assert_eq!(sum(1, 2).await.unwrap(), 6);
    })
    .await;
    app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_is_the_idempotency_key() {
    let app = app().await;
    app.scope(async {
        assert_eq!(sum(1, 2).id("one").await.unwrap(), 6);
        assert_eq!(sum(1, 2).id("one").await.unwrap(), 6);
        let error = sum(2, 2).id("one").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    })
    .await;
    app.shutdown().await;
}

static FLAKY: Count = Count::new();

#[step(retry(initial = "5ms", max_attempts = 4))]
async fn flaky() -> Result<u32> {
    let n = FLAKY.add();
    if n < 3 { Err(Error::new(format!("not yet: {n}"))) } else { Ok(n) }
}

#[durable]
async fn persistent() -> Result<u32> {
    flaky().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_step_is_tried_again() {
    let app = app().await;
    assert_eq!(app.scope(async { persistent().await }).await.unwrap(), 3);
    assert_eq!(FLAKY.get(), 3);
    app.shutdown().await;
}

#[durable]
async fn sleeper() -> Result<String> {
    let before = outlast::now();
    outlast::sleep("300ms").await?;
    Ok(format!("{}", outlast::now().duration_since(before).as_millis()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleep_takes_its_time_and_is_parked() {
    let app = app().await;
    let begun = Instant::now();
    let slept: u64 = app.scope(async { sleeper().await }).await.unwrap().parse().unwrap();
    assert!(slept >= 300, "{slept}");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    app.shutdown().await;
}

#[durable]
async fn asks() -> Result<Option<u32>> {
    let first = outlast::signal::<u32>("answer").timeout("10s").await?;
    let second = outlast::signal::<u32>("answer").timeout("20ms").await?;
    assert_eq!(second, None);
    Ok(first)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_arrives_once() {
    let app = app().await;
    app.scope(async {
        let run = asks().start().await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        run.signal("answer", &7).await.unwrap();
        assert_eq!(run.result().await.unwrap(), Some(7));
    })
    .await;
    app.shutdown().await;
}

#[durable]
async fn parent(n: u32) -> Result<u32> {
    let one = sum(n, n).await?;
    let handle = sum(one, 1).start().await?;
    let two = handle.result().await?;
    Ok(one + two)
}

#[tokio::test(flavor = "multi_thread")]
async fn children_give_their_results() {
    let app = app().await;
    assert_eq!(app.scope(async { parent(1).await }).await.unwrap(), 4 + 10);
    app.shutdown().await;
}

#[derive(Debug, Serialize, Deserialize)]
struct Stock {
    #[serde(rename = "_id")]
    id: String,
    count: i64,
}

#[transaction]
async fn reserve(id: &str, fail: bool) -> Result<i64> {
    let stock = collection::<Stock>("stock");
    stock.update_one(doc! { "_id": id }, doc! { "$inc": { "count": -1 } }).await?;
    let now = stock.find_one(doc! { "_id": id }).await?.map_or(0, |stock| stock.count);
    if fail {
        return Err(Error::terminal("changed its mind"));
    }
    Ok(now)
}

#[durable]
async fn reserving() -> Result<(i64, String)> {
    collection::<Stock>("stock").insert_one(Stock { id: "a".into(), count: 5 }).await?;
    let left = reserve("a", false).await?;
    let refused = reserve("a", true).await.unwrap_err();
    Ok((left, refused.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_keeps_or_undoes_its_writes() {
    let app = app().await;
    app.scope(async {
        assert_eq!(reserving().await.unwrap(), (4, "changed its mind".to_owned()));
        let stock = collection::<Stock>("stock").find_one(doc! { "_id": "a" }).await.unwrap().unwrap();
        assert_eq!(stock.count, 4);
    })
    .await;
    app.shutdown().await;
}

static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[step]
async fn slow(name: &str) -> Result<String> {
    LOG.lock().unwrap().push(format!("begin {name}"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    LOG.lock().unwrap().push(format!("end {name}"));
    Ok(name.to_owned())
}

#[durable]
async fn cancelled_midway() -> Result<()> {
    slow("one").await?;
    outlast::sleep("1h").await?;
    slow("never").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_cannot_be_caught() {
    let app = app().await;
    let app_details = async |id: &str| app.execution(id).details().await;
    app.scope(async {
        let run = cancelled_midway().start().await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
        run.cancel().await.unwrap();
        let error = run.result().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        let details = app_details(run.id()).await;
        assert_eq!(*LOG.lock().unwrap(), ["begin one", "end one"], "{details:#?}");
    })
    .await;
    app.shutdown().await;
}

#[durable(timeout = "100ms")]
async fn too_slow() -> Result<()> {
    outlast::sleep("1h").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_an_execution() {
    let app = app().await;
    let error = app.scope(async { too_slow().await }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    app.shutdown().await;
}

#[durable]
async fn not_durable() -> Result<()> {
    let _ = from_another_thread().await;
    Ok(())
}

/// Where the attribute doesn't look.
fn from_another_thread() -> tokio::sync::oneshot::Receiver<()> {
    let (send, receive) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        let _ = send.send(());
    });
    receive
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_durable_parks_the_execution() {
    let app = app().await;
    let error = app.scope(async { not_durable().await }).await.unwrap_err();
    assert!(error.messages().iter().any(|message| message.contains("not durable")), "{error:?}");
    app.shutdown().await;
}

#[durable]
async fn waits_for_another_task(milliseconds: u64) -> Result<()> {
    foreign(milliseconds).await;
    Ok(())
}

/// Where the attribute doesn't look.
async fn foreign(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_something_foreign_for_longer_than_it_is_kept_is_parked_too() {
    let app = App::new().store("memory:").park_after("100ms").start().await.unwrap();
    for milliseconds in [10, 1_000] {
        let ended = tokio::time::timeout(Duration::from_secs(20), async { waits_for_another_task(milliseconds).await });
        let error = app.scope(ended).await.expect("it is parked").unwrap_err();
        assert!(error.messages().iter().any(|message| message.contains("not durable")), "{error:?}");
    }
    app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_outside_an_execution_is_an_error() {
    let app = app().await;
    let error = app.scope(async { double(&1).await }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misplaced);
    assert_eq!(double(&4).plain().await.unwrap(), 8);
    assert_eq!(sum(1, 2).plain().await.unwrap(), 6);
    app.shutdown().await;
}

static LONG_BODIES: Count = Count::new();

#[step]
async fn long_the_first_time() -> Result<u32> {
    if LONG_BODIES.add() == 1 {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    Ok(LONG_BODIES.get())
}

#[durable]
async fn has_a_long_step() -> Result<u32> {
    long_the_first_time().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_that_is_given_up_lets_go_of_what_ran() {
    let directory = tempfile::tempdir().unwrap();
    let app = || App::new().store(format!("sqlite://{}", directory.path().join("store.db").display()));
    let first = app().shutdown_grace("1h").start().await.unwrap();
    let run = first.scope(async { has_a_long_step().id("long").start().await }).await.unwrap();
    while LONG_BODIES.get() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(run);
    assert!(tokio::time::timeout(Duration::from_millis(50), first.shutdown()).await.is_err());
    let second = app().start().await.unwrap();
    let done = tokio::time::timeout(Duration::from_secs(60), second.execution("long").result()).await;
    assert_eq!(done.expect("another worker takes it over").unwrap(), 2);
    second.shutdown().await;
}

static FIRST_MAY_END: Count = Count::new();
static LAST_MAY_END: Count = Count::new();

#[step]
async fn ends_when(last: bool) -> Result<bool> {
    let told = if last { &LAST_MAY_END } else { &FIRST_MAY_END };
    while told.get() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(last)
}

#[durable]
async fn ends_and_goes_on(last: bool) -> Result<u32> {
    ends_when(last).await?;
    double(&21).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_records_during_a_shutdown_goes_on_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("store.db").display());
    let app = |park_after| App::new().store(&url).park_after(park_after).shutdown_grace("1h").start();
    for park_after in ["0ms", "20ms"] {
        let first = app(park_after).await.unwrap();
        FIRST_MAY_END.0.store(0, std::sync::atomic::Ordering::SeqCst);
        LAST_MAY_END.0.store(0, std::sync::atomic::Ordering::SeqCst);
        let id = |last| format!("{park_after}-{last}");
        for last in [false, true] {
            first.scope(async { ends_and_goes_on(last).id(id(last)).start().await }).await.unwrap();
        }
        let going = tokio::spawn(first.shutdown());
        tokio::time::sleep(Duration::from_millis(50)).await;
        // One of them records while the other still holds the worker: its next step may not begin, so it looks idle.
        FIRST_MAY_END.add();
        tokio::time::sleep(Duration::from_millis(200)).await;
        LAST_MAY_END.add();
        going.await.unwrap();
        let second = app(park_after).await.unwrap();
        for last in [false, true] {
            let done = tokio::time::timeout(Duration::from_secs(30), second.execution(id(last)).result()).await;
            assert_eq!(done.expect("it was given back as due").unwrap(), 42, "{}", id(last));
        }
        second.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_never_waits_for_a_store_that_is_damaged() {
    use std::os::unix::fs::FileExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let app = || App::new().store(format!("sqlite://{}", path.display())).start();
    let first = app().await.unwrap();
    assert_eq!(first.scope(async { sum(1, 4).id("three").await }).await.unwrap(), 10);
    first.shutdown().await;
    let file = rusqlite::Connection::open(&path).unwrap();
    // One that is read first, one that is only written.
    for (name, id) in [("outlast_inbox_message", "three"), ("outlast_rows", "five")] {
        let mut page = file.prepare("SELECT rootpage FROM sqlite_master WHERE name = ?").unwrap();
        let page: i64 = page.query_row([name], |row| row.get(0)).unwrap();
        let damaged = directory.path().join(format!("{name}.db"));
        std::fs::copy(&path, &damaged).unwrap();
        let bytes = std::fs::File::options().write(true).open(&damaged).unwrap();
        bytes.write_all_at(&[0; 4096], u64::try_from(page - 1).unwrap() * 4096).unwrap();
        let app = App::new().store(format!("sqlite://{}", damaged.display())).store_timeout("500ms");
        let app = app.start().await.unwrap();
        let run = app.call("sum", serde_json::json!({ "a": 1, "b": 4 }), Some(id)).await;
        let waits = tokio::time::timeout(Duration::from_secs(30), async { run?.result().await }).await;
        assert_eq!(waits.expect("it is told").unwrap_err().kind(), ErrorKind::Damaged, "{name}");
        drop(app);
    }
}
