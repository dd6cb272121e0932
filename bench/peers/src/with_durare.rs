//! durare: steps and workflows by its attributes, started through its engine, each awaited by its own handle.

use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use durare::{DurableContext, DurableEngine, SqliteProvider, WorkflowOptions};
use futures::future::try_join_all;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::work::{Order, Receipt, Sequence, median, per_second};
use crate::{Result, What};

/// Where a workflow says how long its steps took.
static TIMES: Mutex<Vec<Duration>> = Mutex::new(Vec::new());

#[durare::step]
async fn charge(ctx: &DurableContext, order: &Order) -> durare::Result<Receipt> {
    Ok(Receipt::of(order, "charge"))
}

#[durare::step]
async fn label(ctx: &DurableContext, order: &Order) -> durare::Result<Receipt> {
    Ok(Receipt::of(order, "label"))
}

#[durare::step]
async fn mail(ctx: &DurableContext, order: &Order) -> durare::Result<Receipt> {
    Ok(Receipt::of(order, "mail"))
}

#[durare::workflow]
async fn checkout(ctx: DurableContext, order: Order) -> durare::Result<Receipt> {
    charge(&ctx, &order).await?;
    label(&ctx, &order).await?;
    mail(&ctx, &order).await
}

#[durare::workflow]
async fn in_turn(ctx: DurableContext, sequence: Sequence) -> durare::Result<u64> {
    let mut times = Vec::new();
    for _ in 0..sequence.steps {
        let begun = Instant::now();
        charge(&ctx, &sequence.order).await?;
        times.push(begun.elapsed());
    }
    TIMES.lock().unwrap_or_else(PoisonError::into_inner).append(&mut times);
    Ok(sequence.steps)
}

/// As its documentation connects: `synchronous = NORMAL`, so what is committed can be lost in a power cut.
pub(crate) async fn shipped(file: &Path) -> Result<SqliteProvider> {
    Ok(SqliteProvider::connect(&url(file)).await?)
}

/// The same pool as `connect` makes, but for `synchronous = FULL`: what is committed is on the disk.
pub(crate) async fn full(file: &Path) -> Result<SqliteProvider> {
    let options = SqliteConnectOptions::from_str(&url(file))?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5));
    Ok(SqliteProvider::from_pool(SqlitePoolOptions::new().max_connections(5).connect_with(options).await?))
}

fn url(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

pub(crate) async fn measure(provider: SqliteProvider, what: What, number: u64) -> Result<f64> {
    let engine = Arc::new(DurableEngine::new(Arc::new(provider)).await?);
    engine.launch().await?;
    let value = match what {
        What::Executions => executions(&engine, number).await?,
        What::Sequential => sequential(&engine, number).await?,
    };
    engine.shutdown(Duration::from_secs(10)).await?;
    Ok(value)
}

/// All at once, 10,000 too: fewer in flight were no faster, neither with the shipped pool nor with the other.
async fn executions(engine: &Arc<DurableEngine>, number: u64) -> Result<f64> {
    let begun = Instant::now();
    let all = (0..number).map(|number| {
        let engine = Arc::clone(engine);
        tokio::spawn(async move {
            let order = Order::number(number);
            let options = WorkflowOptions::with_id(&order.id);
            engine.start_with(Checkout, order.clone(), options).await?.await?.prove(&order)
        })
    });
    for done in try_join_all(all.collect::<Vec<_>>()).await? {
        done?;
    }
    Ok(per_second(number, begun.elapsed()))
}

async fn sequential(engine: &DurableEngine, steps: u64) -> Result<f64> {
    let sequence = Sequence { order: Order::number(0), steps };
    let done = engine.start_with(InTurn, sequence, WorkflowOptions::with_id("in-turn")).await?.await?;
    let times = std::mem::take(&mut *TIMES.lock().unwrap_or_else(PoisonError::into_inner));
    if done != steps || times.len() as u64 != steps {
        return Err(format!("{done} of {steps} steps, {} of them timed", times.len()).into());
    }
    Ok(median(times))
}
