//! The guide's first program, as far as this release goes, word for word.

#![allow(clippy::unwrap_used)]

use outlast::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    #[serde(rename = "_id")]
    id: String,
    email: String,
    cents: i64,
    status: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ChargeId(String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Receipt {
    order: String,
    charge: ChargeId,
    label: String,
    rating: Option<u8>,
}

/// What lives outside.
struct Payments;

impl Payments {
    async fn charge(&self, cents: i64, key: String) -> Result<ChargeId, std::io::Error> {
        tokio::task::yield_now().await;
        Ok(ChargeId(format!("{cents}/{}", key.len())))
    }
}

/// Goes on after its last finished step, whatever kills the container.
#[durable(timeout = "2h")]
async fn checkout(order: Order) -> Result<Receipt> {
    let charge = charge(&order).await?; // a step: recorded once, replayed ever after
    let (label, ()) = tokio::try_join!(print_label(&order), mail_receipt(&order))?; // ordinary combinators
    reserve(&order).await?; // a transaction: writes and checkpoint commit together
    outlast::sleep("24h").await?; // holds no process
    let rating = outlast::signal::<u8>("rating").timeout("7d").await?; // Option<u8>
    Ok(Receipt { order: order.id, charge, label, rating })
}

#[step(retry(max_attempts = 5, initial = "200ms", factor = 2.0, max = "30s"), timeout = "10s")]
async fn charge(order: &Order) -> Result<ChargeId> {
    // borrowed arguments are cloned for it
    let payments = outlast::state::<Payments>();
    Ok(payments.charge(order.cents, outlast::idempotency_key()).await?) // the same key over retries, crashes, restores
}

#[step]
async fn print_label(order: &Order) -> Result<String> {
    Ok(format!("label for {}", order.id))
}

#[step]
async fn mail_receipt(order: &Order) -> Result<()> {
    assert!(order.email.contains('@'));
    Ok(())
}

#[transaction]
async fn reserve(order: &Order) -> Result<()> {
    let orders = collection::<Order>("orders");
    orders.update_one(doc! { "_id": &order.id }, doc! { "$set": { "status": "reserved" } }).await?;
    Ok(())
}

#[tokio::test]
async fn the_guides_program_runs_until_it_sleeps() {
    let running = App::new().store("memory:").park_after("0ms").state(Payments).start().await.unwrap();
    let order = Order { id: "order-42".into(), email: "ann@example.com".into(), cents: 1999, status: "new".into() };
    collection::<Order>("orders").insert_one(&order).await.unwrap();
    let run = checkout(order).id("order-42").start().await.unwrap();
    let details = loop {
        let details = running.execution(run.id()).details().await.unwrap();
        if details.status().name() == "waiting" && details.operations().count() == 4 {
            break details;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let mut names: Vec<_> = details.operations().map(|(name, ..)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["charge", "mail_receipt", "print_label", "reserve"]);
    let order = collection::<Order>("orders").find_one(doc! { "_id": "order-42" }).await.unwrap().unwrap();
    assert_eq!(order.status, "reserved");
    // Its two hours are over before its sleep is.
    assert_eq!(details.function(), "checkout");
    run.cancel().await.unwrap();
    assert!(run.result().await.is_err());
    running.shutdown().await;
}
