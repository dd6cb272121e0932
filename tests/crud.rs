//! MongoDB's published tests of create, read, update and delete ("unified test format"), run through the public API on the
//! embedded store; `tests/mongodb/tests/crud.rs` runs them on a MongoDB.
//!
//! They come with the source distribution of pymongo, which `./tests/run` downloads; nothing of it is in this repository.
//! A test that can't be run here counts under one of a closed list of reasons, and the list is printed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp)]

#[path = "crud/all.rs"]
mod all;
#[path = "crud/matching.rs"]
mod matching;
#[path = "crud/reasons.rs"]
mod reasons;
#[path = "crud/run.rs"]
mod run;
#[path = "crud/suite.rs"]
mod suite;

/// At least so many must run on the embedded store, and pass.
const EMBEDDED: usize = 252;

#[tokio::test(flavor = "multi_thread")]
async fn mongodbs_own_tests_pass_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("crud.db").display());
    let tally = all::on(&store, None).await;
    println!("{tally}");
    assert!(tally.failures().is_empty(), "{} tests failed", tally.failures().len());
    assert!(tally.passes() >= EMBEDDED, "{} passed", tally.passes());
    assert!(tally.needless().is_empty(), "no test has these reasons any more: {:?}", tally.needless());
}
