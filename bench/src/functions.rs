//! The durable functions that are measured, recorded like any others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use outlast::prelude::*;

pub(crate) use crate::checkout::{FIRST_STEPS, Order, checkout};
use crate::checkout::{Receipt, charge, label};

/// How many executions have taken their last outcome in this process.
pub(crate) static DONE: AtomicU64 = AtomicU64::new(0);
/// How many executions have taken the outcome of their second step.
pub(crate) static HALFWAY: AtomicU64 = AtomicU64::new(0);
/// Where an execution says how long its steps took.
static TIMES: Mutex<Vec<Duration>> = Mutex::new(Vec::new());

pub(crate) fn take_times() -> Vec<Duration> {
    std::mem::take(&mut *TIMES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The time for a benchmark, which a durable function would take from `outlast::now()`.
fn clock() -> Instant {
    Instant::now()
}

/// Steps one after the other, each timed.
#[durable]
pub(crate) async fn sequence(order: Order, steps: u64) -> Result<u64> {
    let mut times = Vec::with_capacity(steps as usize);
    for _ in 0..steps {
        let begun = clock();
        charge(&order).await?;
        times.push(begun.elapsed());
    }
    TIMES.lock().unwrap_or_else(PoisonError::into_inner).append(&mut times);
    Ok(steps)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Booking {
    _id: String,
    order: Order,
}

/// Two writes of documents and its outcome, in one commit.
#[transaction]
async fn post_both(order: &Order) -> Result<u64> {
    for side in ["debit", "credit"] {
        let booking = Booking { _id: format!("{}-{side}", order.id), order: order.clone() };
        collection::<Booking>("bookings").insert_one(&booking).await?;
    }
    Ok(2)
}

#[durable]
pub(crate) async fn book(order: Order) -> Result<u64> {
    post_both(&order).await
}

/// Waits in its third step for ever, where `STOPS` is set; runs through in the process that takes it over.
#[durable]
pub(crate) async fn interrupted(order: Order) -> Result<Receipt> {
    charge(&order).await?;
    label(&order).await?;
    HALFWAY.fetch_add(1, Ordering::Relaxed);
    let receipt = last(&order).await?;
    DONE.fetch_add(1, Ordering::Relaxed);
    Ok(receipt)
}

/// Whether this process is to be killed in the middle.
pub(crate) static STOPS: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

#[step]
async fn last(order: &Order) -> Result<Receipt> {
    if STOPS.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    Ok(Receipt::of(order, "last"))
}

/// A long record, made by steps one after the other or all at once; then a wait, so that it has to be replayed. How long
/// the way through the record took is said with the times.
#[durable]
pub(crate) async fn long(order: Order, steps: u64, at_once: bool) -> Result<u64> {
    let begun = clock();
    if at_once {
        let all = (0..steps).map(|number| async move { charge(&Order::number(number)).await });
        futures::future::try_join_all(all).await?;
    } else {
        for _ in 0..steps {
            charge(&order).await?;
        }
    }
    TIMES.lock().unwrap_or_else(PoisonError::into_inner).push(begun.elapsed());
    HALFWAY.fetch_add(1, Ordering::Relaxed);
    outlast::signal::<u64>("go-on").await?;
    Ok(steps)
}
