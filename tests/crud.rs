//! MongoDB's published tests of create, read, update and delete ("unified test format"), run through the public API.
//!
//! They come with the source distribution of pymongo, which `./tests/run` downloads; nothing of it is in this repository.
//! A test that can't be run here counts under one of a closed list of reasons, and the list is printed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp)]

#[path = "crud/matching.rs"]
mod matching;
#[path = "crud/reasons.rs"]
mod reasons;
#[path = "crud/run.rs"]
mod run;
#[path = "crud/suite.rs"]
mod suite;

use outlast::App;
use reasons::Tally;

/// At least so many must run on the embedded store, and pass.
const EMBEDDED: usize = 250;

async fn all_on(store: &str, is_embedded: bool) -> Tally {
    let app = App::new().store(store).start().await.unwrap();
    let mut tally = Tally::default();
    for file in suite::files() {
        for test in &file.tests {
            let name = format!("{}: {}", file.description, test.description);
            match run::test(&app, &file, test, is_embedded).await {
                Ok(()) => tally.passed(),
                Err(why) => tally.left_out_or_failed(name, why),
            }
        }
    }
    app.shutdown().await;
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodbs_own_tests_pass_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("crud.db").display());
    let tally = all_on(&store, true).await;
    println!("{tally}");
    assert!(tally.failures().is_empty(), "{} tests failed", tally.failures().len());
    assert!(tally.passes() >= EMBEDDED, "{} passed", tally.passes());
}
