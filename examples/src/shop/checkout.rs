//! The durable part: what a checkout does, as plain async functions.

use outlast::prelude::*;

use crate::outside::Outside;
use crate::purchases::Purchase;

// The README shows what stands between these two lines.
// readme: begin
/// Goes on after its last finished operation, whatever kills the process.
#[durable(timeout = "1h")]
pub(crate) async fn checkout(purchase: Purchase) -> Result<Receipt> {
    let charge = charge(&purchase).await?; // a step: recorded once, replayed ever after
    let (label, ()) = tokio::try_join!(print_label(&purchase), reserve(&purchase))?; // ordinary combinators
    outlast::sleep("20ms").await?; // until the parcel is collected; "20d" would hold no process either
    mail(&purchase, &charge, &label).await?;
    Ok(Receipt { purchase, charge, label })
}

#[step(retry(max_attempts = 5, initial = "200ms", factor = 2.0, max = "30s"), timeout = "10s")]
async fn charge(purchase: &Purchase) -> Result<String> {
    let outside = outlast::state::<Outside>(); // given to the app, never recorded
    Ok(outside.charge(&outlast::idempotency_key(), purchase).await?) // the same key over retries and crashes
}

#[step]
async fn print_label(purchase: &Purchase) -> Result<String> {
    Ok(outlast::state::<Outside>().print_label(&outlast::idempotency_key(), purchase).await?)
}

#[step]
async fn mail(purchase: &Purchase, charge: &str, label: &str) -> Result<()> {
    Ok(outlast::state::<Outside>().mail(&outlast::idempotency_key(), purchase, charge, label).await?)
}

/// Its writes and its record commit together: exactly once.
#[transaction]
async fn reserve(purchase: &Purchase) -> Result<()> {
    outlast::state::<Outside>().begins("reserve", purchase)?; // for the check at the end
    let sold = doc! { "$inc": { "units": i64::from(purchase.units), "movements": 1_i64 } };
    collection::<Stock>("stock").update_one(doc! { "_id": "records" }, sold).await?;
    collection::<Order>("orders").insert_one(Order::of(purchase)).await?;
    Ok(())
}
// readme: end

/// The operations of a checkout whose bodies begin with a line in the log.
pub(crate) const STEPS: [&str; 4] = ["charge", "print_label", "reserve", "mail"];

/// What a checkout gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) purchase: Purchase,
    pub(crate) charge: String,
    pub(crate) label: String,
}

/// What has gone out of the stock: one document.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stock {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) units: i64,
    pub(crate) movements: i64,
}

/// What was ordered: a document for each purchase.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) customer: i64,
    pub(crate) units: i64,
    pub(crate) cents: i64,
}

impl Order {
    pub(crate) fn of(purchase: &Purchase) -> Self {
        Self {
            id: purchase.id.clone(),
            customer: purchase.customer.into(),
            units: purchase.units.into(),
            cents: purchase.cents.into(),
        }
    }
}
