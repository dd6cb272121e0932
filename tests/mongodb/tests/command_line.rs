//! The command line on a store in MongoDB: who only looks makes nothing, and a store moves there and goes on.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use outlast::bson::Document;
use outlast::prelude::*;
use outlast::{IndexModel, IndexOptions};
use outlast_test_servers::Mongo;

/// The program has a function with secrets.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn command(store: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mongodb-shop"));
    command.args(arguments).env("OUTLAST_STORE", store).env("OUTLAST_KEY", KEY).env_remove("RUST_LOG");
    command
}

/// Runs the program on a store: its exit code, and all that it said.
fn run(store: &str, arguments: &[&str]) -> (i32, String) {
    let output = command(store, arguments).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code().unwrap(), said)
}

async fn collections(mongo: &Mongo) -> Vec<String> {
    mongo.database().await.list_collection_names().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_looks_makes_nothing() {
    let mongo = Mongo::start();
    for arguments in [&["ls"][..], &["show", "x"], &["doctor"], &["cancel", "x"], &["export", "/nowhere/x"]] {
        let (code, said) = run(&mongo.uri(), arguments);
        assert_ne!(code, 0, "{arguments:?}: {said}");
        assert!(said.contains("there is no store"), "{arguments:?}: {said}");
        assert_eq!(collections(&mongo).await, [""; 0], "{arguments:?}");
    }
    let roles = format!("role: \"readWrite\", db: \"{}\"", mongo.name());
    // Lines are wrapped where they are full.
    let unwrapped = |said: String| said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unwrapped(run(&mongo.uri(), &["doctor"]).1).contains(&roles), "also before there is a store");

    assert_eq!(run(&mongo.uri(), &["call", "double", "21", "--id", "d"]), (0, "42\n".into()));
    let executions = mongo.database().await.collection::<Document>("outlast.executions");
    executions.drop_index("tell").await.unwrap();
    let (code, said) = run(&mongo.uri(), &["doctor"]);
    assert_eq!(code, 0, "{said}");
    assert!(unwrapped(said).contains(&roles));
    assert!(run(&mongo.uri(), &["ls"]).1.contains("double"));
    assert_eq!(run(&mongo.uri(), &["show", "d"]).0, 0);
    assert!(!executions.list_index_names().await.unwrap().contains(&"tell".to_owned()), "indexes are serve's business");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_ends_where_its_store_was_dropped() {
    let mongo = Mongo::start();
    let serve = command(&mongo.uri(), &["serve"]).stderr(Stdio::piped()).spawn().unwrap();
    let workers = mongo.database().await.collection::<Document>("outlast.workers");
    while workers.find_one(doc! {}).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    mongo.database().await.drop().await.unwrap();
    let ended = tokio::task::spawn_blocking(|| serve.wait_with_output().unwrap());
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(75), "to be started again: {said}");
    assert!(said.contains("is another one than this process opened"), "{said}");
}

static CHARGED: AtomicU32 = AtomicU32::new(0);

#[step]
async fn charge(cents: i64) -> Result<i64> {
    CHARGED.fetch_add(1, Ordering::SeqCst);
    outlast::shared::<i64>("tills", "main").update(move |till| *till += cents).await?;
    Ok(cents)
}

#[transaction]
async fn book(cents: i64, rating: u8) -> Result<i64> {
    collection::<Document>("bookings").insert_one(doc! { "cents": cents, "rating": i32::from(rating) }).await?;
    Ok(cents)
}

#[durable]
async fn checkout(cents: i64) -> Result<i64> {
    let charged = charge(cents).await?;
    let rating = outlast::signal::<u8>("rating").await?;
    book(charged, rating).await
}

async fn started(store: &str) -> outlast::Running {
    App::new().store(store).park_after("10ms").start().await.unwrap()
}

/// An unfinished execution, a finished one, documents with an index, a shared value.
async fn fill(store: &str) {
    let app = started(store).await;
    app.scope(async {
        let unique = IndexOptions::builder().unique(true).build();
        let index = IndexModel::builder().keys(doc! { "rating": 1 }).options(unique).build();
        collection::<Document>("bookings").create_index(index).await.unwrap();
        let done = checkout(5).id("done").start().await.unwrap();
        done.signal("rating", &1_u8).await.unwrap();
        assert_eq!(done.result().await.unwrap(), 5);
        checkout(7).id("open").start().await.unwrap();
    })
    .await;
    while app.execution("open").details().await.unwrap().operations().count() < 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app.shutdown().await;
}

fn moved(folder: &Path, name: &str, from: &str, to: &str) {
    let file = folder.join(name);
    let file = file.to_str().unwrap();
    let (code, said) = run(from, &["export", file]);
    assert!(code == 0 && said.contains("2 executions"), "{said}");
    assert_eq!(run(to, &["import", file]).0, 0);
    let (code, said) = run(to, &["import", file]);
    assert!(code == 2 && said.contains("already"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_moves_to_mongodb_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
    let mongo = Mongo::start();
    fill(&embedded("first.db")).await;
    moved(folder.path(), "there", &embedded("first.db"), &mongo.uri());
    moved(folder.path(), "back", &mongo.uri(), &embedded("second.db"));
    let charged = CHARGED.load(Ordering::SeqCst);
    for store in [mongo.uri(), embedded("second.db")] {
        let app = started(&store).await;
        app.scope(async {
            assert_eq!(checkout(5).id("done").await.unwrap(), 5, "its result is there");
            let open = checkout(7).id("open").start().await.unwrap();
            open.signal("rating", &1_u8).await.unwrap();
            assert!(open.result().await.unwrap_err().is_duplicate_key(), "the index came along");
            assert_eq!(outlast::shared::<i64>("tills", "main").get().await.unwrap(), Some(12));
        })
        .await;
        app.shutdown().await;
    }
    assert_eq!(CHARGED.load(Ordering::SeqCst), charged, "a recorded step never runs again");
}
