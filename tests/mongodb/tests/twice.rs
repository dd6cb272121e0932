//! A network on which each reply comes twice, at once or before the next: every request gets its own.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::time::Duration;

use outlast::prelude::*;
use outlast_test_servers::{Fault, FaultProxy, Mongo, Rule};

const ORDERS: i64 = 40;
/// What a run without faults takes a second for.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    #[serde(rename = "_id")]
    id: i64,
    cents: i64,
    paid: bool,
}

#[step]
async fn price(order: i64) -> Result<i64> {
    Ok(order * 100)
}

#[transaction]
async fn book(order: i64, cents: i64) -> Result<()> {
    let orders = collection::<Order>("orders");
    orders.insert_one(Order { id: order, cents, paid: false }).await?;
    orders.update_one(doc! { "_id": order }, doc! { "$set": { "paid": true } }).await.map(drop)
}

#[durable]
async fn sell(order: i64) -> Result<Order> {
    let cents = price(order).await?;
    book(order, cents).await?;
    let found = collection::<Order>("orders").find_one(doc! { "_id": order }).await?;
    found.ok_or_else(|| outlast::Error::new("the order isn't there"))
}

/// Executions at once, then one operation after the other, each with an answer of its own.
async fn work() -> Result<()> {
    let sold = futures::future::try_join_all((0..ORDERS).map(|order| sell(order).id(format!("order-{order}")))).await?;
    assert!(sold.into_iter().eq((0..ORDERS).map(|id| Order { id, cents: id * 100, paid: true })));
    let orders = collection::<Order>("orders");
    let native = outlast::mongodb::database()?.collection::<Order>("orders");
    for order in 0..ORDERS {
        let is_it = |found: Option<Order>| found.is_some_and(|found| found.id == order);
        assert!(is_it(orders.find_one(doc! { "_id": order }).await?), "{order}");
        assert!(is_it(native.find_one(doc! { "_id": order }).await?), "{order}");
        let changed = orders.update_many(doc! { "_id": { "$lt": order } }, doc! { "$inc": { "cents": 1 } }).await?;
        assert_eq!(changed.modified_count, order.unsigned_abs());
        let again = Order { id: order, cents: 0, paid: false };
        assert!(orders.insert_one(again).await.is_err_and(|error| error.is_duplicate_key()), "{order}");
    }
    assert_eq!(orders.count_documents(doc! {}).await?, ORDERS.unsigned_abs());
    Ok(())
}

async fn with_every_reply(fault: Fault) {
    let mongo = Mongo::start();
    let proxy = FaultProxy::start(mongo.address(), 0).await.unwrap();
    proxy.add(Rule::new(fault).always());
    let app = App::new().store(mongo.uri_through(proxy.address())).start().await.unwrap();
    app.scope(async { tokio::time::timeout(LIMIT, work()).await.unwrap().unwrap() }).await;
    app.shutdown().await;
    assert!(proxy.hits()[0] > 4 * ORDERS.unsigned_abs(), "{:?}", proxy.hits());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_comes_twice_answers_one_request() {
    with_every_reply(Fault::RepeatReply).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_comes_again_before_the_next_answers_one_request() {
    with_every_reply(Fault::RepeatReplyLate).await;
}
