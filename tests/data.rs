//! Collections, shared values and SQL of the application's own, seen from outside: on the embedded store, in a file.

#![allow(clippy::unwrap_used, clippy::panic, clippy::large_futures)]

#[path = "data/cursors.rs"]
mod cursors;
#[path = "data/durable.rs"]
mod durable;
#[path = "data/large.rs"]
mod large;
#[path = "data/native.rs"]
mod native;
#[path = "data/shared.rs"]
mod shared;

use outlast::{App, Running};

/// An app on a file of its own, which goes with the folder.
async fn app() -> (Running, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let app = App::new().store(format!("sqlite://{}", folder.path().join("data.db").display())).start().await.unwrap();
    (app, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_at_the_limit_are_kept_and_larger_ones_refused() {
    let (app, _folder) = app().await;
    app.scope(large::documents_at_the_limit_are_kept_and_larger_ones_refused(false)).await;
}
