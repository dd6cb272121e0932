//! `serve`: runs what is due until it is told to stop.

use serde::Serialize;

use super::NOT_LINKED;
use crate::app::App;
use crate::error::ErrorKind;
use crate::serve::interrupts::Interrupts;
use crate::serve::output::{Done, Output};

/// The answer under `--json`, once it is ready.
#[derive(Serialize)]
struct Answer<'a> {
    ready: bool,
    store: &'a str,
    functions: Vec<&'a str>,
    pid: u32,
}

pub(crate) async fn run(app: App, output: &mut Output) -> Done {
    let mut interrupts = Interrupts::listen()?;
    let store = app.shown_store();
    let running = tokio::select! {
        running = app.start() => running?,
        interrupt = interrupts.next() => interrupt.end_process(),
    };
    let functions: Vec<_> = running.functions().map(|function| function.name).collect();
    tracing::info!("the store is {store}");
    if store == "memory:" {
        tracing::warn!("a memory: store ends with this process: all executions with it");
    }
    if functions.is_empty() {
        tracing::warn!("{NOT_LINKED}");
    } else {
        tracing::info!("functions: {}", functions.join(", "));
    }
    tracing::info!("ready");
    if output.json {
        output.answer(&Answer { ready: true, store: &store, functions, pid: std::process::id() })?;
        output.flush()?;
    }
    let interrupt = tokio::select! {
        interrupt = interrupts.next() => interrupt,
        // Who started it starts it again, and finds the store that is there now.
        error = running.lost() => return Err(error.with_kind(ErrorKind::Unavailable).into()),
    };
    tracing::info!(
        "{}: stopping; what runs gets its time to be recorded, a second signal ends it at once",
        interrupt.name()
    );
    tokio::select! {
        () = running.shutdown() => {}
        again = interrupts.next() => again.end_process(),
    }
    tracing::info!("stopped");
    Ok(())
}
