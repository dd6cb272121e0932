//! The work that every peer does: the same arguments, results and steps as in `bench/src/checkout.rs`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Result;

/// About 200 bytes as it is recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    email: String,
    cents: i64,
    note: String,
}

impl Order {
    pub(crate) fn number(number: u64) -> Self {
        let (id, email) = (format!("order-{number:08}"), format!("customer{number:08}@example.com"));
        Self { id, email, cents: 1_990, note: "n".repeat(93) }
    }
}

/// About 200 bytes as it is recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Receipt {
    order: String,
    text: String,
}

impl Receipt {
    pub(crate) fn of(order: &Order, what: &str) -> Self {
        Self { order: order.id.clone(), text: format!("{what:-<150}") }
    }

    /// Whether it is what the last of an order's three steps gave.
    pub(crate) fn prove(&self, order: &Order) -> Result<()> {
        if self.order == order.id && self.text.starts_with("mail-") {
            return Ok(());
        }
        Err(format!("{} has a wrong receipt: {self:?}", order.id).into())
    }
}

/// What the workflow of many steps has for arguments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sequence {
    pub(crate) order: Order,
    pub(crate) steps: u64,
}

/// How many workflows (or steps) there were in a second.
pub(crate) fn per_second(number: u64, took: Duration) -> f64 {
    number as f64 / took.as_secs_f64()
}

/// The middle of some times, in microseconds.
pub(crate) fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}
