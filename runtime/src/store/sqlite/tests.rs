//! Tests of the embedded store.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn smoke() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions::file(directory.path().join("a.db"))).await.unwrap();
    let worker = store.register(1).await.unwrap();
    println!("{worker:?} {:?}", store.sweep(&worker).await.unwrap());
    println!("{:?}", store.report(true).await.unwrap());
    store.close().await;
}
