//! duroxide: typed activities and orchestrations, run by its runtime, each awaited through its client.
//!
//! Its provider asks SQLite for `synchronous = WAL`, which is no such setting and gives NORMAL: what is committed can be
//! lost in a power cut.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use duroxide::providers::sqlite::SqliteProvider;
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::runtime::{Runtime, RuntimeOptions};
use duroxide::{ActivityContext, Client, ClientError, OrchestrationContext, OrchestrationRegistry};

use crate::work::{Order, Receipt, Sequence, per_second};
use crate::{Result, What};

/// Longer than any measurement takes.
const FOREVER: Duration = Duration::from_secs(3_600);

fn activities() -> ActivityRegistry {
    let step = |what: &'static str| {
        move |_: ActivityContext, order: Order| std::future::ready(Ok::<_, String>(Receipt::of(&order, what)))
    };
    ActivityRegistry::builder()
        .register_typed("charge", step("charge"))
        .register_typed("label", step("label"))
        .register_typed("mail", step("mail"))
        .build()
}

fn orchestrations() -> OrchestrationRegistry {
    OrchestrationRegistry::builder().register_typed("checkout", checkout).register_typed("in_turn", in_turn).build()
}

async fn checkout(ctx: OrchestrationContext, order: Order) -> std::result::Result<Receipt, String> {
    ctx.schedule_activity_typed::<_, Receipt>("charge", &order).await?;
    ctx.schedule_activity_typed::<_, Receipt>("label", &order).await?;
    ctx.schedule_activity_typed("mail", &order).await
}

async fn in_turn(ctx: OrchestrationContext, sequence: Sequence) -> std::result::Result<u64, String> {
    for _ in 0..sequence.steps {
        ctx.schedule_activity_typed::<_, Receipt>("charge", &sequence.order).await?;
    }
    Ok(sequence.steps)
}

pub(crate) async fn measure(file: &Path, what: What, number: u64) -> Result<f64> {
    // It doesn't make the file itself.
    std::fs::File::create(file)?;
    let store = Arc::new(SqliteProvider::new(&format!("sqlite:{}", file.display()), None).await?);
    let runtime = Runtime::start_with_options(store.clone(), activities(), orchestrations(), options(what)).await;
    let client = Client::new(store);
    let value = match what {
        What::Executions => executions(&client, number).await?,
        What::Sequential => sequential(&client, number).await?,
    };
    runtime.shutdown(None).await;
    Ok(value)
}

/// As shipped where there is always work: neither more dispatchers nor a shorter interval made it faster. One workflow
/// alone leaves a queue empty after each turn, and a dispatcher then rests for 100 ms unless told otherwise.
fn options(what: What) -> RuntimeOptions {
    let shipped = RuntimeOptions::default();
    match what {
        What::Executions => shipped,
        What::Sequential => RuntimeOptions { dispatcher_min_poll_interval: Duration::from_millis(1), ..shipped },
    }
}

/// Started all before the first is waited for: fewer in flight were slower. Waiting in the order of starting reads the
/// status about once for each, where waiting for all at the same time would read it for ever.
async fn executions(client: &Client, number: u64) -> Result<f64> {
    let orders: Vec<Order> = (0..number).map(Order::number).collect();
    let begun = Instant::now();
    for order in &orders {
        again(async || client.start_orchestration_typed(&order.id, "checkout", order).await).await?;
    }
    for order in &orders {
        let receipt: Receipt = again(async || client.wait_for_orchestration_typed(&order.id, FOREVER).await).await??;
        receipt.prove(order)?;
    }
    Ok(per_second(number, begun.elapsed()))
}

async fn sequential(client: &Client, steps: u64) -> Result<f64> {
    let sequence = &Sequence { order: Order::number(0), steps };
    let begun = Instant::now();
    again(async || client.start_orchestration_typed("in-turn", "in_turn", sequence).await).await?;
    let done: u64 = again(async || client.wait_for_orchestration_typed("in-turn", FOREVER).await).await??;
    if done != steps {
        return Err(format!("{done} of {steps} steps").into());
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / steps as f64)
}

/// Tries once more while the store says that it is busy: the client gives such errors to its caller.
async fn again<T>(call: impl AsyncFn() -> std::result::Result<T, ClientError>) -> Result<T> {
    loop {
        match call().await {
            Err(error) if error.is_retryable() => tokio::time::sleep(Duration::from_millis(5)).await,
            done => return Ok(done?),
        }
    }
}
