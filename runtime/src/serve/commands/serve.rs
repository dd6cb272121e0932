//! `serve`: runs what is due until it is told to stop.

use serde::Serialize;

use crate::app::App;
use crate::serve::interrupts::Interrupts;
use crate::serve::output::{Done, Output};

/// The answer under `--json`, once it is ready.
#[derive(Serialize)]
struct Ready<'a> {
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
    match functions.as_slice() {
        [] => {
            tracing::warn!("no durable functions: a crate that is never named isn't linked (`use my_functions as _;`)")
        }
        functions => tracing::info!("functions: {}", functions.join(", ")),
    }
    tracing::info!("ready");
    if output.json {
        output.answer(&Ready { ready: true, store: &store, functions, pid: std::process::id() })?;
        output.flush()?;
    }
    let interrupt = interrupts.next().await;
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
