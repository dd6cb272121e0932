//! A process is killed (`kill -9`) in the middle of an import: nobody takes the part for a whole, everybody is told the way
//! out, and it is one.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outlast::bson::Document;
use outlast::prelude::*;
use outlast_test_servers::Mongo;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const DOCUMENTS: u64 = 100;
/// The program has a function with secrets.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn program(store: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mongodb-shop"));
    command.args(arguments).env("OUTLAST_STORE", store).env_remove("RUST_LOG");
    command.env("OUTLAST_KEY", KEY);
    command
}

/// The exit code, and all that the program said, in one line.
fn run(store: &str, arguments: &[&str]) -> (i32, String) {
    let output = program(store, arguments).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code().unwrap(), said.split_whitespace().collect::<Vec<_>>().join(" "))
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "it took too long until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An export of more than is imported at once.
async fn exported(folder: &Path) -> Vec<u8> {
    let store = format!("sqlite://{}", folder.join("first.db").display());
    let app = App::new().store(&store).caller_only().start().await.unwrap();
    app.scope(async {
        let documents = (0..DOCUMENTS).map(|n| doc! { "n": n as i64, "text": "x".repeat(64 << 10) });
        collection::<Document>("letters").insert_many(documents).await.unwrap();
    })
    .await;
    app.shutdown().await;
    assert_eq!(run(&store, &["call", "double", "21", "--id", "d"]).0, 0);
    let file = folder.join("whole");
    assert_eq!(run(&store, &["export", file.to_str().unwrap()]).0, 0);
    std::fs::read(file).unwrap()
}

/// An import that waits for the rest.
fn importing(store: &str, part: &[u8]) -> Child {
    let mut command = program(store, &["import", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(part).unwrap();
    child
}

/// Kills imports into a store and takes the way out. `holds` says how many bytes or documents are in it.
async fn is_survived(
    store: &str,
    whole: &[u8],
    folder: &Path,
    way_out: &str,
    holds: impl AsyncFn() -> u64,
    cleared: impl AsyncFn(),
) {
    let file = folder.join("whole");
    let import = ["import", file.to_str().unwrap()];
    for (part, some) in [(4096, 0), (whole.len() * 9 / 10, 1)] {
        let mut child = importing(store, &whole[..part]);
        until("the store is marked", async || run(store, &["ls"]).1.contains("import into this store")).await;
        until("something is in it", async || holds().await >= some).await;
        child.kill().unwrap();
        child.wait().unwrap();
        for tries in
            [&["ls"][..], &["show", "d"], &["call", "double", "21", "--id", "d"], &["serve"], &["doctor"], &import]
        {
            let (code, said) = run(store, tries);
            assert!(code != 0 && said.contains("hasn't ended") && said.contains(way_out), "{tries:?}: {code} {said}");
        }
        cleared().await;
        let (code, said) = run(store, &import);
        assert!(code == 0 && said.contains(&format!("{DOCUMENTS} documents")), "{said}");
        assert_eq!(run(store, &["call", "double", "21", "--id", "d"]), (0, "42".into()));
        let app = App::new().store(store).key(KEY).caller_only().start().await.unwrap();
        let counted = app.scope(async { collection::<Document>("letters").count_documents(doc! {}).await });
        assert_eq!(counted.await.unwrap(), DOCUMENTS);
        app.shutdown().await;
        cleared().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_into_mongodb_that_is_killed_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let whole = exported(folder.path()).await;
    let mongo = Mongo::start();
    let database = mongo.database().await;
    let holds = async || database.collection::<Document>("letters").count_documents(doc! {}).await.unwrap();
    let cleared = async || database.drop().await.unwrap();
    let way_out = format!("drop the database {} and import again", mongo.name());
    is_survived(&mongo.uri(), &whole, folder.path(), &way_out, holds, cleared).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_into_a_file_that_is_killed_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let whole = exported(folder.path()).await;
    let file = folder.path().join("copy.db");
    let all = || {
        let entries = std::fs::read_dir(folder.path()).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("copy.db"))
    };
    let holds = async || all().map(|entry| entry.metadata().map_or(0, |metadata| metadata.len())).sum::<u64>() >> 20;
    let cleared = async || {
        for entry in all() {
            if entry.path().is_dir() {
                std::fs::remove_dir_all(entry.path()).unwrap();
            } else {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    };
    let store = format!("sqlite://{}", file.display());
    is_survived(&store, &whole, folder.path(), "import again", holds, cleared).await;
}
