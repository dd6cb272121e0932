//! Documents at the limit on a MongoDB: as `tests/data/large.rs` has them on the embedded store.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

#[path = "../../data/large.rs"]
mod at_the_limit;

use outlast::App;
use outlast_test_servers::Mongo;

#[tokio::test(flavor = "multi_thread")]
async fn documents_at_the_limit_are_kept_and_larger_ones_refused() {
    let mongo = Mongo::start();
    let app = App::new().store(mongo.uri()).start().await.unwrap();
    app.scope(at_the_limit::documents_at_the_limit_are_kept_and_larger_ones_refused(mongo.is_stand_in().await)).await;
    app.shutdown().await;
}
