//! duroxide: typed activities and orchestrations, run by its runtime, each awaited through its client.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use duroxide::providers::sqlite::SqliteProvider;
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::runtime::{Runtime, RuntimeOptions};
use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry};

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
    OrchestrationRegistry::builder()
        .register_typed("checkout", checkout)
        .register_typed("in_turn", in_turn)
        .build()
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

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |v| v.parse().unwrap())
}

pub(crate) async fn measure(file: &Path, what: What, number: u64) -> Result<f64> {
    // It doesn't make the file itself.
    std::fs::File::create(file)?;
    let store = Arc::new(SqliteProvider::new(&format!("sqlite:{}", file.display()), None).await?);
    let options = RuntimeOptions {
        dispatcher_min_poll_interval: Duration::from_millis(env("POLL", 100)),
        orchestration_concurrency: env("OC", 2) as usize,
        worker_concurrency: env("WC", 2) as usize,
        ..RuntimeOptions::default()
    };
    let runtime = Runtime::start_with_options(store.clone(), activities(), orchestrations(), options).await;
    let client = Arc::new(Client::new(store));
    let value = match what {
        What::Executions => executions(&client, number).await?,
        What::Sequential => sequential(&client, number).await?,
    };
    runtime.shutdown(None).await;
    Ok(value)
}

async fn executions(client: &Arc<Client>, number: u64) -> Result<f64> {
    let begun = Instant::now();
    let limit = tokio::sync::Semaphore::new(env("IN_FLIGHT", 1_000_000) as usize);
    let (limit, client) = (&limit, &client);
    let start = async {
        for number in 0..number {
            limit.acquire().await?.forget();
            let order = Order::number(number);
            again(async || client.start_orchestration_typed(&order.id, "checkout", order.clone()).await).await?;
        }
        Ok::<(), crate::Failure>(())
    };
    let wait = async {
        for number in 0..number {
            let order = Order::number(number);
            let receipt: Receipt = again(async || client.wait_for_orchestration_typed(&order.id, FOREVER).await).await??;
            receipt.prove(&order)?;
            limit.add_permits(1);
        }
        Ok::<(), crate::Failure>(())
    };
    futures::future::try_join(start, wait).await?;
    Ok(per_second(number, begun.elapsed()))
}

async fn again<T>(call: impl AsyncFn() -> std::result::Result<T, duroxide::client::ClientError>) -> Result<T> {
    loop {
        match call().await {
            Err(error) if error.is_retryable() => tokio::time::sleep(Duration::from_millis(5)).await,
            done => return Ok(done?),
        }
    }
}

async fn sequential(client: &Client, steps: u64) -> Result<f64> {
    let begun = Instant::now();
    let sequence = Sequence { order: Order::number(0), steps };
    client.start_orchestration_typed("in-turn", "in_turn", sequence).await?;
    let done: u64 = client.wait_for_orchestration_typed("in-turn", FOREVER).await??;
    if done != steps {
        return Err(format!("{done} of {steps} steps").into());
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / steps as f64)
}
