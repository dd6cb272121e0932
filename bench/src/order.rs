//! What is handed to steps and comes back: 200 bytes of arguments and 200 of results.

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
