//! The README's code is the examples' code: each Rust block in it stands word for word in a file that is compiled, and
//! this room runs what the examples don't.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

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

// readme: begin
async fn in_a_test() -> Result<()> {
    let app = App::new().store("memory:").start().await?;
    let run = app.scope(async { approve("order-7".into()).id("a").start().await }).await?;
    run.signal("answer", &false).await?;
    assert!(!run.result().await?);
    app.shutdown().await;
    Ok(())
}
// readme: end

#[tokio::test]
async fn the_calls_of_the_readme_do_what_it_says() {
    let running = App::new().store("memory:").start().await.unwrap();
    assert!(ask().await.unwrap());
    let other = approve("order-43".into()).id("approval-42").await.unwrap_err();
    assert_eq!(other.kind(), outlast::ErrorKind::Conflict);
    running.shutdown().await;
    in_a_test().await.unwrap();
}

/// The README's first program, in a folder of its own.
fn hello(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hello"));
    command.args(["call", "greet", r#"{"name": "Ann"}"#, "--id", "ann"]).current_dir(folder);
    command.env_remove("OUTLAST_STORE").env("RUST_LOG", "off");
    command
}

#[test]
fn the_first_program_goes_on_after_a_kill() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut first = hello(folder.path()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(first.stderr.take().unwrap()).lines();
    assert_eq!(told.next().unwrap().unwrap(), "hello, Ann");
    // The greeting is recorded a moment after it was said; the second one comes five seconds later.
    std::thread::sleep(std::time::Duration::from_secs(2));
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(told.next().is_none(), "it had gone on before it was killed");

    let second = hello(folder.path()).output().unwrap();
    let (out, err) = (String::from_utf8(second.stdout).unwrap(), String::from_utf8(second.stderr).unwrap());
    assert!(second.status.success(), "{err}");
    assert_eq!(out, "\"still here, Ann\"\n");
    assert_eq!(err, "still here, Ann\n", "`hello` was recorded: it isn't said twice");
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

/// What a file shows in the README: each part between the marks.
fn shown(path: &str) -> Vec<String> {
    let text = read(path);
    let parts = text.split("// readme: begin\n").skip(1);
    parts.map(|part| part.split_once("// readme: end\n").unwrap().0.to_owned()).collect()
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
    let compiled = [
        "examples/src/shop/checkout.rs",
        "examples/src/bin/hello.rs",
        "examples/tests/readme.rs",
        "examples/src/bin/crud.rs",
    ];
    let compiled: Vec<String> = compiled.into_iter().flat_map(shown).collect();
    assert_eq!(blocks("rust"), compiled);
    assert_eq!(read("README.md").matches("```rust").count(), compiled.len(), "a block of another form");
}

#[test]
fn the_shop_is_thirty_lines_of_code() {
    let block = blocks("rust").remove(0);
    let code = block.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    assert!(code.count() <= 32);
}

/// The promises' tests stand in the table by name.
#[test]
fn each_promise_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let table = readme.split("## What it promises").nth(1).unwrap().split("**Not promised**").next().unwrap();
    let mut names = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let name = row.trim_end_matches(" |").rsplit('|').next().unwrap().trim().trim_matches('`');
        assert!(is_test(&root.join("tests"), name) || is_test(&root.join("examples/tests"), name), "{name}");
        names += 1;
    }
    assert!(names >= 6, "the table has shrunk to {names} rows");
}

fn is_test(folder: &Path, name: &str) -> bool {
    fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_test(&path, name);
        }
        path.extension().is_some_and(|ending| ending == "rs")
            && fs::read_to_string(&path).unwrap().contains(&format!("fn {name}("))
    })
}
