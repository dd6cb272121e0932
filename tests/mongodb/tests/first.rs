//! A program of the README, with its store in MongoDB.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use outlast::prelude::*;
use outlast_test_servers::Mongo;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    #[serde(rename = "_id")]
    id: String,
    cents: i64,
}

#[step]
async fn draw(cents: i64) -> Result<i64> {
    Ok(cents * 2)
}

#[transaction]
async fn book(account: &str, cents: i64) -> Result<i64> {
    let accounts = collection::<Account>("accounts");
    accounts.update_one(doc! { "_id": account }, doc! { "$inc": { "cents": cents } }).upsert(true).await?;
    Ok(accounts.find_one(doc! { "_id": account }).await?.map_or(0, |account| account.cents))
}

#[durable]
async fn pay(account: String, cents: i64) -> Result<i64> {
    let drawn = draw(cents).await?;
    outlast::sleep("20ms").await?;
    book(&account, drawn).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_function_runs_on_mongodb() {
    let mongo = Mongo::start();
    let app = App::new().store(mongo.uri()).start().await.unwrap();
    app.scope(async {
        assert_eq!(pay("ann".into(), 50).id("first").await.unwrap(), 100);
        assert_eq!(pay("ann".into(), 50).id("first").await.unwrap(), 100, "the same call");
        assert_eq!(pay("ann".into(), 5).await.unwrap(), 110);
    })
    .await;
    app.shutdown().await;
    let found = mongo.database().await.collection::<Account>("accounts").find_one(bson::doc! {}).await.unwrap();
    assert_eq!(found, Some(Account { id: "ann".into(), cents: 110 }));
}
