//! A small program for the tests of the command line: a function of every kind that there is something to see of.

use outlast::Error;
use outlast::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    #[serde(rename = "_id")]
    id: String,
    cents: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Receipt {
    charge: String,
    rating: Option<u8>,
}

#[step]
async fn charge(order: &Order) -> Result<String> {
    tracing::info!(cents = order.cents, "charging");
    Ok(format!("charge of {} cents for {}", order.cents, order.id))
}

#[step(retry(max_attempts = 3, initial = "1ms"))]
async fn print_label(order: &Order) -> Result<()> {
    Err(Error::new("the printer is out of paper").context(format!("no label for {}", order.id)))
}

/// Charges an order and waits for its rating.
#[durable(timeout = "2h")]
async fn checkout(order: Order) -> Result<Receipt> {
    let charge = charge(&order).await?;
    outlast::sleep("20ms").await?;
    let rating = outlast::signal::<u8>("rating").timeout("1h").await?;
    Ok(Receipt { charge, rating })
}

/// Doubles a number.
#[durable]
async fn double(n: u64) -> Result<u64> {
    Ok(n * 2)
}

/// Never gets its label.
#[durable]
async fn ship(order: Order) -> Result<()> {
    print_label(&order).await
}

#[step(retry(max_attempts = 20, initial = "1h", max = "1h", limit = "7d"))]
async fn patient() -> Result<()> {
    Err(Error::new("the carrier is closed"))
}

/// Tries again in an hour.
#[durable]
async fn wait_for_carrier() -> Result<()> {
    patient().await
}

#[step(secret(card))]
async fn authorise(card: &str) -> Result<usize> {
    Ok(card.len())
}

/// Pays with a card that nobody sees.
#[durable(secret(card))]
async fn pay(order: String, card: String) -> Result<String> {
    let digits = authorise(&card).await?;
    Ok(format!("{order}: {digits} digits"))
}

/// Sleeps for a year.
#[durable]
async fn hibernate() -> Result<()> {
    outlast::sleep("365d").await
}

/// Panics.
#[durable]
#[allow(clippy::panic, reason = "a test wants to see one")]
async fn topple() -> Result<u64> {
    panic!("on purpose")
}

/// Calls another one.
#[durable]
async fn twice(n: u64) -> Result<u64> {
    double(double(n).await?).await
}

#[step]
async fn slow() -> Result<()> {
    tracing::info!("dawdling");
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    Ok(())
}

/// Fails with an error that is another mistake elsewhere.
#[durable]
async fn quarrel() -> Result<u64> {
    double(1).id("taken").await?;
    double(2).id("taken").await
}

/// Runs for a minute.
#[durable]
async fn dawdle() -> Result<()> {
    slow().await
}

/// Awaits what isn't durable, and is parked for it.
#[durable]
async fn careless() -> Result<()> {
    a_timer_of_its_own().await;
    Ok(())
}

async fn a_timer_of_its_own() {
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
}

#[outlast::main]
async fn main() -> Result<()> {
    // How long steps in flight get when it stops.
    let grace = std::env::var("PROGRAM_GRACE").unwrap_or_else(|_| "300ms".to_owned());
    App::from_env().park_after("50ms").shutdown_grace(grace).run().await
}
