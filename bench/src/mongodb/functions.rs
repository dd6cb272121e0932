//! The durable functions that are measured on MongoDB.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use outlast::prelude::*;

use crate::checkout::charge;
pub(crate) use crate::checkout::{Order, checkout};

/// How long each step took, and what the process computed meanwhile.
pub(crate) struct Times {
    pub(crate) steps: Vec<Duration>,
    pub(crate) computed: Duration,
}

static TIMES: Mutex<Option<Times>> = Mutex::new(None);

/// What the last [`sequence`] of this process has measured.
pub(crate) fn take_times() -> Option<Times> {
    TIMES.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Steps one after the other, each timed.
#[durable]
pub(crate) async fn sequence(order: Order, steps: u64) -> Result<u64> {
    let mut times = Vec::with_capacity(steps as usize);
    let before = crate::computed();
    for _ in 0..steps {
        let begun = crate::clock();
        charge(&order).await?;
        times.push(crate::clock().saturating_sub(begun));
    }
    let computed = crate::computed().saturating_sub(before);
    *TIMES.lock().unwrap_or_else(PoisonError::into_inner) = Some(Times { steps: times, computed });
    Ok(steps)
}

/// When its body began, in nanoseconds of the machine's clock.
#[step]
async fn begun() -> Result<u64> {
    Ok(u64::try_from(crate::clock().as_nanos()).unwrap_or(u64::MAX))
}

/// When its first step began.
#[durable]
pub(crate) async fn noticed() -> Result<u64> {
    begun().await
}
