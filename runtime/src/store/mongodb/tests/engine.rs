//! The engine on this store: a function with steps, a transaction, a signal and a child, killed and taken over.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bson::{Document, doc};

use super::server;
use crate::{App, Result, Running, collection, durable, step, transaction};

/// Bodies that ran.
static RESERVED: AtomicUsize = AtomicUsize::new(0);

#[step]
async fn reserve(item: String) -> Result<u64> {
    RESERVED.fetch_add(1, Ordering::SeqCst);
    Ok(item.len() as u64)
}

#[transaction]
async fn book(order: String, amount: u64) -> Result<u64> {
    let stock = collection::<Document>("stock");
    stock.update_one(doc! { "_id": "books" }, doc! { "$inc": { "left": -(amount as i64) } }).await?;
    collection::<Document>("orders").insert_one(doc! { "_id": order, "amount": amount as i64 }).await?;
    let left = stock.find_one(doc! { "_id": "books" }).await?.unwrap_or_default();
    Ok(left.get_i64("left")? as u64)
}

#[durable]
async fn pack(order: String) -> Result<String> {
    crate::sleep("20ms").await?;
    Ok(format!("{order} is packed"))
}

#[durable]
async fn order_books(order: String) -> Result<(u64, u64, String)> {
    let amount = reserve("four".into()).await?;
    let left = book(order.clone(), amount).await?;
    let rating = crate::signal::<u64>("rating").await?;
    let packed = pack(order.clone()).await?;
    let shared = crate::shared::<u64>("counters", "orders").update(|count| *count += 1).await?;
    assert_eq!(shared, 1);
    Ok((left, rating, packed))
}

async fn app(uri: &str) -> Running {
    App::new().store(uri).hang_limit("300ms").park_after("10ms").start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_taken_over_where_its_worker_died() {
    let uri = server::uri().replace("/?", &format!("/{}?", server::new_database()));
    let first = app(&uri).await;
    let stock = doc! { "_id": "books", "left": 10_i64 };
    first.scope(async { collection::<Document>("stock").insert_one(stock).await }).await.unwrap();
    let arguments = serde_json::json!({ "order": "order-1" });
    let handle = first.call("order_books", arguments, Some("order-1")).await.unwrap();
    // It has come as far as its signal.
    while handle.details().await.unwrap().operations().count() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Like a process that is killed: nobody gives anything back.
    drop((first, handle));
    let second = app(&uri).await;
    let handle = second.execution("order-1");
    handle.signal("rating", &5_u64).await.unwrap();
    let result = tokio::time::timeout(Duration::from_secs(30), handle.result()).await.unwrap().unwrap();
    assert_eq!(result, serde_json::json!([6, 5, "order-1 is packed"]));
    assert_eq!(RESERVED.load(Ordering::SeqCst), 1, "a recorded step never runs again");
    let orders = second.scope(async { collection::<Document>("orders").count_documents(doc! {}).await });
    assert_eq!(orders.await.unwrap(), 1, "the transaction happened once");
    second.shutdown().await;
}
