//! The function that is measured most, on both stores: three steps, each with 200 bytes of arguments and 200 of results.

use std::sync::atomic::{AtomicU64, Ordering};

use outlast::prelude::*;

/// About 200 bytes as it is recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) cents: i64,
    pub(crate) note: String,
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

/// What makes a receipt long enough.
const FILLING: &str = match std::str::from_utf8(&[b'-'; 145]) {
    Ok(text) => text,
    Err(_) => "",
};

impl Receipt {
    pub(crate) fn of(order: &Order, what: &str) -> Self {
        Self { order: order.id.clone(), text: [what, FILLING].concat() }
    }
}

/// How often the bodies of the first two steps began in this process.
pub(crate) static FIRST_STEPS: AtomicU64 = AtomicU64::new(0);

#[step]
pub(crate) async fn charge(order: &Order) -> Result<Receipt> {
    FIRST_STEPS.fetch_add(1, Ordering::Relaxed);
    Ok(Receipt::of(order, "charge"))
}

#[step]
pub(crate) async fn label(order: &Order) -> Result<Receipt> {
    FIRST_STEPS.fetch_add(1, Ordering::Relaxed);
    Ok(Receipt::of(order, "label"))
}

#[step]
async fn mail(order: &Order) -> Result<Receipt> {
    Ok(Receipt::of(order, "mail"))
}

/// Three steps, one after the other.
#[durable]
pub(crate) async fn checkout(order: Order) -> Result<Receipt> {
    charge(&order).await?;
    label(&order).await?;
    mail(&order).await
}
