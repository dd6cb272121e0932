//! All tests of a store, and what became of them.

use outlast::App;

use super::reasons::{Tally, Why};
use super::{run, suite};

/// Runs all tests on a store; `server` is its version, if it is a server.
pub(crate) async fn on(store: &str, server: Option<&[u64]>) -> Tally {
    let app = App::new().store(store).start().await.unwrap();
    let mut tally = Tally::default();
    for file in suite::files() {
        for test in &file.tests {
            match run::test(&app, &file, test, server).await {
                Ok(()) => tally.passed(),
                Err(Why::LeftOut(reason)) => tally.left_out(reason),
                Err(Why::Failed(what)) => tally.failed(format!("{}: {}", file.description, test.description), what),
            }
        }
    }
    app.shutdown().await;
    tally
}
