//! What a durable function logs is logged once, however often it is replayed; one that blocks its thread is told of.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use outlast::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span;

/// Keeps the messages of events, and the names of spans.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}

impl tracing::Subscriber for Kept {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.0.lock().unwrap().push(format!("span {}", attributes.metadata().name()));
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = String::new();
        event.record(&mut Message(&mut message));
        self.0.lock().unwrap().push(message);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[step]
async fn work() -> Result<()> {
    tracing::info!("in the step");
    Ok(())
}

#[durable]
async fn talks() -> Result<()> {
    tracing::info!("first words");
    work().await?;
    tracing::info!("after the step");
    outlast::sleep("5ms").await?;
    tracing::info!("after the sleep");
    outlast::signal::<()>("go").await?;
    tracing::info!("last words");
    Ok(())
}

#[durable]
async fn blocks() -> Result<()> {
    compute();
    Ok(())
}

fn compute() {
    std::thread::sleep(std::time::Duration::from_secs(8));
}

/// Long enough to be told of, and for the end of it to be.
async fn blocks_its_thread() {
    let app = App::new().store("memory:").start().await.unwrap();
    app.scope(async { blocks().await }).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    app.shutdown().await;
}

#[test]
fn what_is_replayed_is_not_logged_again() {
    let kept = Kept::default();
    tracing::subscriber::set_global_default(kept.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let app = App::new().store("memory:").park_after("0ms").start().await.unwrap();
        let run = app.scope(async { talks().id("talk").start().await }).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        run.signal("go", &()).await.unwrap();
        run.result().await.unwrap();
        assert!(app.execution("talk").details().await.unwrap().claims() > 2, "it was never replayed");
        app.shutdown().await;
        blocks_its_thread().await;
    });
    let kept = kept.0.lock().unwrap();
    for words in ["first words", "in the step", "after the step", "after the sleep", "last words"] {
        assert_eq!(kept.iter().filter(|message| *message == words).count(), 1, "{words}: {kept:?}");
    }
    assert!(kept.iter().any(|message| message == "span outlast.step"), "{kept:?}");
    let told = |words: &str| kept.iter().filter(|message| message.contains(words)).count();
    assert_eq!((told("has held its thread"), told("the executions behind it go on")), (1, 1), "{kept:?}");
    assert!(kept.iter().any(|message| message == "span outlast.execution"), "{kept:?}");
}
