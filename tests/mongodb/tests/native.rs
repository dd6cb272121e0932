//! The ways out to MongoDB's driver: its database, and in a transaction its session.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mongodb::ClientSession;
use outlast::bson::Document;
use outlast::mongodb::{database, session};
use outlast::prelude::*;
use outlast::{Error, ErrorKind, IndexModel, IndexOptions};
use outlast_test_servers::Mongo;

async fn app(store: &str) -> outlast::Running {
    App::new().store(store).start().await.unwrap()
}

/// Sums what the transaction itself has written, too.
#[transaction]
async fn settle(cents: i64) -> Result<i64> {
    collection::<Document>("bookings").insert_one(doc! { "cents": cents }).await?;
    let bookings = database()?.collection::<Document>("bookings");
    let sum = session(async |session| {
        bookings.insert_one(doc! { "cents": 1_i64 }).session(&mut *session).await?;
        let stages = [doc! { "$group": { "_id": null, "cents": { "$sum": "$cents" } } }];
        let mut found = bookings.aggregate(stages).session(&mut *session).await?;
        Ok(found.next(session).await.transpose()?)
    });
    let sum = sum.await?.map_or(0, |sum| sum.get_i64("cents").unwrap());
    collection::<Document>("sums").insert_one(doc! { "cents": sum }).await?;
    if sum > 100 { Err(Error::terminal("too much")) } else { Ok(sum) }
}

#[durable]
async fn settled(cents: i64) -> Result<i64> {
    settle(cents).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_does_is_part_of_the_transaction() {
    let mongo = Mongo::start();
    let app = app(&mongo.uri()).await;
    app.scope(async {
        assert_eq!(settled(20).await.unwrap(), 21);
        assert_eq!(settled(30).await.unwrap(), 52, "it saw its own writes and those before");
        assert_eq!(settled(500).await.unwrap_err().to_string(), "too much");
        assert_eq!(collection::<Document>("bookings").count_documents(doc! {}).await.unwrap(), 4, "undone together");
        assert_eq!(collection::<Document>("sums").count_documents(doc! {}).await.unwrap(), 2);
    })
    .await;
    app.shutdown().await;
}

static TRIED: AtomicU32 = AtomicU32::new(0);

#[transaction]
async fn taken_twice() -> Result<()> {
    TRIED.fetch_add(1, Ordering::SeqCst);
    let table = database()?.collection::<Document>("taken");
    collection::<Document>("beside").insert_one(doc! {}).await?;
    session(async |session| {
        table.insert_one(doc! { "_id": 1 }).session(&mut *session).await?;
        table.insert_one(doc! { "_id": 1 }).session(session).await?;
        Ok(())
    })
    .await
}

#[transaction]
async fn two_at_once() -> Result<()> {
    session(async |_| collection::<Document>("beside").insert_one(doc! {}).await.map(drop)).await
}

/// Says what an error was, since a fault is the execution's.
#[durable]
async fn kinds_in_transactions() -> Result<Vec<String>> {
    let taken = taken_twice().await.unwrap_err();
    let code = taken.code().unwrap_or_default();
    let both = two_at_once().await.unwrap_err();
    let here = database().err().map(|error| format!("{:?}", error.kind())).unwrap_or_default();
    Ok(vec![format!("{:?} {code}", taken.kind()), format!("{:?} {both}", both.kind()), here])
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_driver_are_errors_of_outlast() {
    let mongo = Mongo::start();
    let app = app(&mongo.uri()).await;
    app.scope(async {
        let kinds = kinds_in_transactions().await.unwrap();
        assert_eq!(kinds[0], "Conflict 11000");
        assert_eq!(TRIED.load(Ordering::SeqCst), 1, "no retry can mend it");
        assert!(kinds[1].starts_with("Misplaced") && kinds[1].contains("session"), "{kinds:?}");
        assert_eq!(kinds[2], "Misplaced", "a durable function's own body records nothing of it");
        assert_eq!(collection::<Document>("beside").count_documents(doc! {}).await.unwrap(), 0);
        // Outside executions and transactions.
        assert_eq!(database().unwrap().name(), mongo.name());
        let error = session(async |_| Ok(())).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Misplaced && error.to_string().contains("#[transaction]"), "{error}");
    })
    .await;
    app.shutdown().await;
}

/// Writes, and does what the session isn't lent for.
#[transaction]
async fn misused(how: &str) -> Result<()> {
    collection::<Document>("misused").insert_one(doc! {}).await?;
    session(async |given| match how {
        "nests" => session(async |_| Ok(())).await,
        "commits" => Ok(given.commit_transaction().await?),
        "aborts" => Ok(given.abort_transaction().await?),
        "aborts, begins" => {
            given.abort_transaction().await?;
            given.start_transaction().await?;
            written_anew(given).await
        }
        "commits, begins" => {
            given.commit_transaction().await?;
            given.start_transaction().await?;
            written_anew(given).await
        }
        "exchanges" => {
            *given = database()?.client().start_session().await?;
            given.start_transaction().await?;
            written_anew(given).await
        }
        how => panic!("{how}"),
    })
    .await
}

/// What a transaction would leave that isn't outlast's.
async fn written_anew(session: &mut ClientSession) -> Result<()> {
    let misused = database()?.collection::<Document>("misused");
    misused.insert_one(doc! { "anew": true }).session(session).await?;
    Ok(())
}

#[durable]
async fn misuses(how: String) -> Result<()> {
    misused(&how).await
}

#[transaction]
async fn cut_off() -> Result<()> {
    let table = database()?.collection::<Document>("misused");
    let writes = session(async |session| {
        table.insert_one(doc! { "anew": true }).session(&mut *session).await?;
        std::future::pending::<Result<()>>().await
    });
    let _ = tokio::time::timeout(Duration::from_millis(100), writes).await;
    Ok(())
}

#[durable]
async fn cuts_off() -> Result<()> {
    cut_off().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_misused_is_an_error_and_no_lost_write() {
    let mongo = Mongo::start();
    let app = app(&mongo.uri()).await;
    app.scope(async {
        let ends = ["aborts", "commits", "aborts, begins", "commits, begins", "exchanges"];
        for (how, says) in ends.map(|how| (how, "leave its end")).into_iter().chain([("nests", "in use")]) {
            let error = misuses(how.into()).await.unwrap_err();
            assert!(error.kind() == ErrorKind::Misplaced && error.to_string().contains(says), "{how}: {error:?}");
        }
        let error = cuts_off().await.unwrap_err();
        assert!(error.to_string().contains("dropped before its end"), "{error:?}");
        // Those of the commits, which nobody can take back.
        assert_eq!(collection::<Document>("misused").count_documents(doc! {}).await.unwrap(), 2);
        assert_eq!(collection::<Document>("misused").count_documents(doc! { "anew": true }).await.unwrap(), 0);
    })
    .await;
    app.shutdown().await;
}

static SWALLOWED: AtomicU32 = AtomicU32::new(0);

/// Goes on after an error of the driver, which undoes the transaction.
#[transaction]
async fn swallowed(then: &str) -> Result<()> {
    SWALLOWED.fetch_add(1, Ordering::SeqCst);
    let table = database()?.collection::<Document>("swallowed");
    session(async |session| {
        table.insert_one(doc! { "_id": 1 }).session(&mut *session).await?;
        let _ = table.insert_one(doc! { "_id": 1 }).session(&mut *session).await;
        if then == "writes" {
            table.insert_one(doc! { "_id": 2 }).session(&mut *session).await?;
        }
        Ok(())
    })
    .await?;
    if then == "collects" {
        collection::<Document>("swallowed").insert_one(doc! { "_id": 3 }).await?;
    }
    Ok(())
}

#[durable]
async fn swallows(then: String) -> Result<()> {
    swallowed(&then).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_the_body_of_a_session_swallows_is_soon_the_end() {
    let mongo = Mongo::start();
    let app = app(&mongo.uri()).await;
    app.scope(async {
        for then in ["writes", "collects", "returns"] {
            SWALLOWED.store(0, Ordering::SeqCst);
            let error = swallows(then.into()).await.unwrap_err();
            let says = error.to_string();
            assert!(
                error.kind() == ErrorKind::Failed && says.contains("give the driver's errors back"),
                "{then}: {error:?}"
            );
            assert_eq!(SWALLOWED.load(Ordering::SeqCst), 5, "{then}");
        }
        assert_eq!(collection::<Document>("swallowed").count_documents(doc! {}).await.unwrap(), 0);
    })
    .await;
    app.shutdown().await;
}

static HELD_UP: AtomicU32 = AtomicU32::new(0);

#[transaction]
async fn held_up() -> Result<()> {
    HELD_UP.fetch_add(1, Ordering::SeqCst);
    let table = database()?.collection::<Document>("held");
    session(async |session| {
        table.update_one(doc! { "_id": 1 }, doc! { "$inc": { "ours": 1 } }).session(session).await?;
        Ok(())
    })
    .await
}

#[durable(timeout = "3s")]
async fn in_the_way() -> Result<()> {
    held_up().await
}

#[durable]
async fn in_the_way_for_long() -> Result<()> {
    held_up().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_others_are_in_the_way_of_ends_with_its_execution() {
    let mongo = Mongo::start();
    let app = app(&mongo.uri()).await;
    app.scope(async {
        let database = database().unwrap();
        let table = database.collection::<Document>("held");
        table.insert_one(doc! { "_id": 1 }).await.unwrap();
        let mut theirs = database.client().start_session().await.unwrap();
        theirs.start_transaction().await.unwrap();
        table.update_one(doc! { "_id": 1 }, doc! { "$inc": { "theirs": 1 } }).session(&mut theirs).await.unwrap();
        let error = in_the_way().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        HELD_UP.store(0, Ordering::SeqCst);
        let cancelled = in_the_way_for_long().id("cancelled").start().await.unwrap();
        while HELD_UP.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        cancelled.cancel().await.unwrap();
        assert_eq!(cancelled.result().await.unwrap_err().kind(), ErrorKind::Cancelled);
        theirs.commit_transaction().await.unwrap();
        let kept = table.find_one(doc! {}).await.unwrap();
        assert_eq!(kept, Some(doc! { "_id": 1, "theirs": 1 }));
    })
    .await;
    app.shutdown().await;
}

#[transaction]
async fn with_session() -> Result<()> {
    session(async |_| Ok(())).await
}

#[step]
async fn with_database() -> Result<String> {
    Ok(database()?.name().to_owned())
}

#[durable]
async fn reaching_out() -> Result<Vec<String>> {
    let of = |error: Error| format!("{:?} {error}", error.kind());
    Ok(vec![
        with_session().await.map_or_else(of, |()| "a session".to_owned()),
        with_database().await.unwrap_or_else(of),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_embedded_store_there_is_no_driver() {
    let mongo = Mongo::start();
    let on_mongodb = app(&mongo.uri()).await;
    assert_eq!(on_mongodb.scope(async { reaching_out().await }).await.unwrap(), ["a session", mongo.name()]);
    on_mongodb.shutdown().await;
    let embedded = app("memory:").await;
    let said = embedded.scope(async { reaching_out().await }).await.unwrap();
    for (said, name) in said.iter().zip(["outlast::mongodb::session", "outlast::mongodb::database"]) {
        assert!(said.starts_with("Unsupported") && said.contains(name), "{said}");
    }
    embedded.shutdown().await;
}

#[test]
fn words_of_both_are_the_same() {
    let options = IndexOptions::builder().unique(true).build();
    let model = IndexModel::builder().keys(doc! { "a": 1 }).options(options).build();
    let theirs = mongodb::IndexModel::from(model.clone());
    assert_eq!(theirs.options.as_ref().and_then(|options| options.unique), Some(true));
    assert_eq!(IndexModel::from(theirs), model);
    let hint = mongodb::options::Hint::from(outlast::Hint::Name("a_1".into()));
    assert_eq!(hint, mongodb::options::Hint::Name("a_1".into()));
}
