//! Secrets: encrypted at rest, never shown, in no log and no error; keys can be rotated.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use outlast::prelude::*;
use outlast::{Error, ErrorKind, Running};

const FIRST: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const SECOND: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";
const CARD: &str = "4111-1111-1111-1111";
const TOKEN: &str = "tok_4242_very_secret";

#[step(secret(card), secret)]
async fn tokenize(card: &str, cents: u32) -> Result<String> {
    assert!(cents > 0);
    Ok(format!("{TOKEN}/{}", card.len()))
}

#[step(secret(card), retry(max_attempts = 2, initial = "1ms"))]
async fn fails(card: &str) -> Result<()> {
    Err(Error::new(format!("no such card: {card}")))
}

#[durable(secret(card), secret)]
async fn pay(card: String, cents: u32) -> Result<String> {
    let token = tokenize(&card, cents).await?;
    let failed = fails(&card).await;
    outlast::signal::<()>("go").await?;
    assert!(failed.is_err());
    Ok(token)
}

async fn start(file: &Path, key: &str) -> Result<Running> {
    App::new().store(format!("sqlite://{}", file.display())).key(key).park_after("0ms").start().await
}

fn holds(folder: &Path, words: &str) -> bool {
    std::fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file()).any(|entry| {
        let bytes = std::fs::read(entry.path()).unwrap();
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_sealed_at_rest_hidden_from_views_and_survives_a_new_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.db");
    let app = start(&file, FIRST).await.unwrap();
    let run = app.scope(async { pay(CARD.into(), 5).id("pay").start().await }).await.unwrap();
    while run.status().await.unwrap().name() != "waiting" {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    app.shutdown().await;

    // Another key in front seals what is new, and the old one still opens.
    let app = start(&file, &format!("{SECOND},{FIRST}")).await.unwrap();
    let run = app.scope(async { pay(CARD.into(), 5).id("pay").start().await }).await.unwrap();
    run.signal("go", &()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), format!("{TOKEN}/19"));
    let details = app.execution("pay").details().await.unwrap();
    let shown =
        format!("{} {:?} {:?}", details.arguments(), details.result(), details.operations().collect::<Vec<_>>());
    assert!(shown.contains("•••") && shown.contains("cents"), "{shown}");
    assert!(!shown.contains(CARD) && !shown.contains(TOKEN), "{shown}");
    app.shutdown().await;

    for words in [CARD, TOKEN] {
        assert!(!holds(folder.path(), words), "`{words}` stands in the store's files");
    }
    assert!(holds(folder.path(), "tokenize"), "the search would find what is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_key_a_program_with_secrets_does_not_start() {
    let error = App::new().store("memory:").start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("OUTLAST_KEY") && error.to_string().contains("pay"), "{error}");
    let error = App::new().store("memory:").key("short").start().await.unwrap_err();
    assert!(!error.to_string().contains("short"), "no key material in an error: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_another_key_it_does_not_start_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.db");
    let app = start(&file, FIRST).await.unwrap();
    let run = app.scope(async { pay(CARD.into(), 5).id("pay").start().await }).await.unwrap();
    while run.status().await.unwrap().name() != "waiting" {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    app.shutdown().await;

    let error = start(&file, SECOND).await.unwrap_err();
    assert!(error.to_string().contains("OUTLAST_KEY"), "{error}");

    let app = start(&file, FIRST).await.unwrap();
    app.execution("pay").signal("go", &()).await.unwrap();
    let result = app.scope(async { pay(CARD.into(), 5).id("pay").await }).await.unwrap();
    assert_eq!(result, format!("{TOKEN}/19"));
    app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_digests_is_wrapped_and_a_store_that_had_a_key_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.db");
    start(&file, FIRST).await.unwrap().shutdown().await;
    let kept = || {
        let store = rusqlite::Connection::open(&file).unwrap();
        store
            .query_row("SELECT value FROM outlast_meta WHERE key = 'digest_key'", [], |row| row.get::<_, Vec<u8>>(0))
            .unwrap()
    };
    let first = kept();
    assert!(first.len() > 16, "sealed");
    // Another key in front wraps it anew, and calls are told apart as before.
    start(&file, &format!("{SECOND},{FIRST}")).await.unwrap().shutdown().await;
    assert_ne!(kept(), first);
    start(&file, SECOND).await.unwrap().shutdown().await;
    let error = start(&file, FIRST).await.unwrap_err();
    assert!(error.to_string().contains("OUTLAST_KEY"), "{error}");
}
