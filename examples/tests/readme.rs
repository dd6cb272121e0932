//! The README's code is the examples' code: each Rust block in it stands word for word in a file that is compiled, and
//! this room runs what the examples don't.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

// The README shows what follows.
// readme: begin
use outlast::prelude::*;

/// Waits for a person, a week at most.
#[durable]
async fn approve(order: String) -> Result<bool> {
    let answer = outlast::signal::<bool>("answer").timeout("7d").await?; // `None` when the time is up
    println!("{order}: {answer:?}");
    Ok(answer.unwrap_or(false))
}

async fn ask() -> Result<bool> {
    let run = approve("order-42".into()).id("approval-42").start().await?; // the id is the idempotency key
    run.signal("answer", &true).await?;
    let approved = run.result().await?;
    // Called again with its id, it gives the recorded result; with other arguments that would be an error.
    let again = approve("order-42".into()).id("approval-42").await?;
    Ok(approved && again)
}
// readme: end

#[tokio::test]
async fn the_calls_of_the_readme_do_what_it_says() {
    let running = App::new().store("memory:").start().await.unwrap();
    assert!(ask().await.unwrap());
    let other = approve("order-43".into()).id("approval-42").await.unwrap_err();
    assert_eq!(other.kind(), outlast::ErrorKind::Conflict);
    running.shutdown().await;
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

/// What a file shows in the README.
fn shown(path: &str) -> String {
    let text = read(path);
    let (_, rest) = text.split_once("// readme: begin\n").unwrap();
    let (shown, _) = rest.split_once("// readme: end\n").unwrap();
    shown.to_owned()
}

/// The README's blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let readme = read("README.md");
    let mut blocks = Vec::new();
    let mut rest = readme.as_str();
    while let Some((_, after)) = rest.split_once(&format!("\n```{language}\n")) {
        let (block, after) = after.split_once("```\n").unwrap();
        blocks.push(block.to_owned());
        rest = after;
    }
    blocks
}

#[test]
fn every_rust_block_of_the_readme_is_compiled() {
    let compiled = ["examples/src/shop/checkout.rs", "examples/src/bin/hello.rs", "examples/tests/readme.rs"];
    assert_eq!(blocks("rust"), compiled.map(shown));
    assert_eq!(read("README.md").matches("```rust").count(), compiled.len(), "a block of another form");
}

#[test]
fn the_shop_is_thirty_lines_of_code() {
    let block = blocks("rust").remove(0);
    let code = block.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    assert!(code.count() <= 32);
}
