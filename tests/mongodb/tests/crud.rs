//! MongoDB's published tests of create, read, update and delete, run through the public API on a MongoDB: the tests and
//! their runner are those of `tests/crud.rs`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test says what went wrong by failing")]

#[path = "../../crud/all.rs"]
mod all;
#[path = "../../crud/matching.rs"]
mod matching;
#[path = "../../crud/reasons.rs"]
mod reasons;
#[path = "../../crud/run.rs"]
mod run;
#[path = "../../crud/suite.rs"]
mod suite;

use bson::doc;
use outlast_test_servers::Mongo;

/// At least so many must run on a MongoDB, and pass.
const PASSES: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn mongodbs_own_tests_pass_on_mongodb() {
    let mongo = Mongo::start();
    let built = mongo.database().await.run_command(doc! { "buildInfo": 1 }).await.unwrap();
    let version = built.get_str("version").unwrap();
    let numbers = version.split(['.', '-']).map_while(|part| part.parse().ok()).collect::<Vec<u64>>();
    let tally = all::on(&mongo.uri(), Some(&numbers)).await;
    println!("on a server of version {version}: {tally}");
    assert!(tally.failures().is_empty(), "{} tests failed", tally.failures().len());
    assert!(tally.passes() >= PASSES, "{} passed", tally.passes());
    assert!(tally.needless().is_empty(), "no test has these reasons any more: {:?}", tally.needless());
}
