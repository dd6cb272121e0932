//! Operations by where they stand: in a durable body each is recorded, in a transaction all are one.

use bson::Document;
use futures::{StreamExt, TryStreamExt};
use outlast::prelude::*;
use outlast::{Error, ErrorKind, IndexModel, IndexOptions, ReturnDocument, WriteModel};

use crate::app;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    #[serde(rename = "_id")]
    id: i64,
    status: String,
    cents: i64,
}

fn order(id: i64) -> Order {
    Order { id, status: "new".into(), cents: id * 100 }
}

/// One of each kind, in a durable body.
#[durable]
async fn all_of_them() -> Result<Vec<String>> {
    let orders = collection::<Order>("orders");
    let unique = IndexOptions::builder().unique(true).build();
    orders.create_index(IndexModel::builder().keys(doc! { "cents": 1 }).options(unique).build()).await?;
    let mut said = vec![format!("{:?}", orders.insert_many([order(1), order(2), order(3)]).await?.inserted_ids.len())];
    said.push(orders.insert_one(order(4)).await?.inserted_id.to_string());
    let update = doc! { "$set": { "status": "paid" } };
    said.push(orders.update_many(doc! { "_id": { "$lte": 2 } }, update.clone()).await?.modified_count.to_string());
    let paid = orders.find_one_and_update(doc! { "_id": 3 }, update).return_document(ReturnDocument::After).await?;
    said.push(format!("{:?}", paid.map(|order| order.status)));
    // Side by side, as any future.
    let (count, distinct) =
        tokio::join!(orders.count_documents(doc! { "status": "paid" }), orders.distinct("status", doc! {}));
    said.push(format!("{} {:?}", count?, distinct?.len()));
    let mut found = orders.find(doc! {}).sort(doc! { "cents": -1 }).limit(2).await?;
    while let Some(order) = found.try_next().await? {
        said.push(order.id.to_string());
    }
    let bulk = orders.bulk_write([WriteModel::insert_one(order(5)), WriteModel::delete_one(doc! { "_id": 1 })]).await?;
    said.push(format!("{} {}", bulk.inserted_count, bulk.deleted_count));
    let again = orders.insert_one(order(5)).await.unwrap_err();
    said.push(format!("{:?} {:?} {}", again.kind(), again.code(), again.is_duplicate_key()));
    said.push(orders.delete_many(doc! {}).await?.deleted_count.to_string());
    outlast::sleep("10ms").await?;
    Ok(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_of_a_durable_body_is_recorded_and_replayed() {
    let (app, _folder) = app().await;
    let said = app.scope(async { all_of_them().id("all").await }).await.unwrap();
    let wanted = ["3", "4", "2", "Some(\"paid\")", "3 2", "4", "3", "1 1", "Conflict Some(11000) true", "4"];
    assert_eq!(said, wanted);
}

#[transaction]
async fn goes_on_after_a_failure() -> Result<u32> {
    let orders = collection::<Order>("orders");
    orders.insert_one(order(7)).await?;
    let taken = orders.insert_one(order(7)).await.unwrap_err();
    assert!(taken.is_duplicate_key());
    // As on MongoDB, the transaction has failed with it.
    let after = orders.insert_one(order(8)).await.unwrap_err();
    assert!(after.messages()[0].contains("the transaction has failed"), "{after:?}");
    Ok(1)
}

#[durable]
async fn swallows() -> Result<Vec<String>> {
    match goes_on_after_a_failure().await {
        Ok(_) => Ok(Vec::new()),
        Err(error) => Ok(error.messages()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_operation_failed_commits_nothing() {
    let (app, _folder) = app().await;
    app.scope(async {
        let messages = swallows().await.unwrap();
        assert!(messages.iter().any(|message| message.contains("duplicate key")), "{messages:?}");
        assert_eq!(collection::<Order>("orders").count_documents(doc! {}).await.unwrap(), 0);
    })
    .await;
}

#[transaction]
async fn reads_its_writes() -> Result<(u64, i64)> {
    let orders = collection::<Order>("orders");
    orders.insert_many([order(1), order(2)]).await?;
    orders.update_one(doc! { "_id": 1 }, doc! { "$inc": { "cents": 11 } }).await?;
    let all: Vec<Order> = orders.find(doc! {}).await?.try_collect().await?;
    Ok((orders.count_documents(doc! {}).await?, all.iter().map(|order| order.cents).sum()))
}

#[durable]
async fn reads() -> Result<(u64, i64)> {
    reads_its_writes().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_reads_its_own_writes() {
    let (app, _folder) = app().await;
    assert_eq!(app.scope(async { reads().await }).await.unwrap(), (2, 311));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_writes_it_is_said_which_failed_and_what_was_done() {
    let (app, _folder) = app().await;
    app.scope(async {
        let orders = collection::<Order>("orders");
        orders.insert_one(order(2)).await.unwrap();
        let error = orders.insert_many([order(1), order(2), order(2), order(3)]).ordered(false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.write_errors().iter().map(|write| write.index).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(error.partial_result().unwrap().inserted_count, 2);
        let error = orders.insert_many([order(4), order(2), order(5)]).await.unwrap_err();
        assert_eq!(error.write_errors().iter().map(|write| write.index).collect::<Vec<_>>(), [1]);
        assert_eq!(orders.count_documents(doc! {}).await.unwrap(), 4);
    })
    .await;
}

fn twice_the_same() -> outlast::action::InsertMany {
    collection::<Order>("orders").insert_many([order(1), order(1), order(2)]).ordered(false)
}

#[durable]
async fn inserts_beside_a_duplicate() -> Result<()> {
    twice_the_same().await.map(drop)
}

#[transaction]
async fn inserts_in_a_transaction() -> Result<bool> {
    Ok(twice_the_same().await.unwrap_err().partial_result().is_none())
}

#[durable]
async fn inserts_in_one() -> Result<bool> {
    inserts_in_a_transaction().await
}

#[step]
async fn inserts_in_a_step() -> Result<u64> {
    Ok(twice_the_same().await.unwrap_err().partial_result().unwrap().inserted_count)
}

#[durable]
async fn inserts_plainly() -> Result<u64> {
    inserts_in_a_step().await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_failed_write_is_undone_nothing_is_said_to_be_done() {
    let (app, _folder) = app().await;
    app.scope(async {
        let there = async || collection::<Order>("orders").count_documents(doc! {}).await.unwrap();
        let error = inserts_beside_a_duplicate().await.unwrap_err();
        assert!(error.is_duplicate_key() && error.write_errors().len() == 1, "{error:?}");
        assert_eq!((error.partial_result(), there().await), (None, 0));
        assert!(error.messages()[0].contains("call it in a step"), "{error:?}");
        assert_eq!((inserts_in_one().await.unwrap_err().partial_result(), there().await), (None, 0));
        assert_eq!((inserts_plainly().await.unwrap(), there().await), (2, 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_the_stores_own_are_nobody_elses() {
    let (app, _folder) = app().await;
    app.scope(async {
        let error = collection::<Order>("outlast.log").drop().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("take another name"), "{error:?}");
        assert_eq!(outlast::shared::<i64>("outlast.meta", "a").set(&1).await.unwrap_err().kind(), ErrorKind::Invalid);
        collection::<Order>("outlast").insert_one(order(1)).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_over_an_indexed_field_does_not_look_at_the_others() {
    let (app, _folder) = app().await;
    app.scope(async {
        let orders = collection::<Order>("orders");
        orders.insert_many((0..5_000).map(order)).await.unwrap();
        orders.create_index(IndexModel::builder().keys(doc! { "cents": 1 }).build()).await.unwrap();
        let range = doc! { "cents": { "$gte": 100_000, "$lt": 101_000 } };
        let plan = orders.find(range.clone()).sort(doc! { "cents": -1 }).explain().await.unwrap();
        assert_eq!(plan.get_str("stage").unwrap(), "index", "{plan}");
        assert_eq!(plan.get_i64("documents_examined").unwrap(), 10, "{plan}");
        assert!(!plan.get_bool("sorted_in_memory").unwrap(), "{plan}");
        let found: Vec<Result<Order>> = orders.find(range).sort(doc! { "cents": -1 }).await.unwrap().collect().await;
        assert_eq!(
            found.into_iter().map(|order| order.unwrap().id).collect::<Vec<_>>(),
            (1_000..1_010).rev().collect::<Vec<_>>()
        );
        let names = orders.list_index_names().await.unwrap();
        assert_eq!(names, ["_id_", "cents_1"]);
        orders.drop_index("cents_1").await.unwrap();
        let gone = orders.drop_index("cents_1").await.unwrap_err();
        assert_eq!((gone.kind(), gone.code()), (ErrorKind::NotFound, Some(27)));
    })
    .await;
}

/// What is wrong is said with the name of what is wrong, before anything is written.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_offered_is_named() {
    let (app, _folder) = app().await;
    app.scope(async {
        let any = collection::<Document>("any");
        let named = async |done: Result<()>, word: &str| {
            let error: Error = done.unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        };
        named(any.find(doc! { "a": { "$near": 1 } }).await.map(drop), "$near").await;
        named(any.find(doc! { "$where": "1" }).await.map(drop), "$where").await;
        named(any.find(doc! { "a": { "$regex": "(?=x)" } }).await.map(drop), "(?=").await;
        named(any.find(doc! { "a": { "$nope": 1 } }).await.map(drop), "$nope").await;
        named(any.update_one(doc! {}, doc! { "$nope": { "a": 1 } }).await.map(drop), "$nope").await;
        named(any.update_one(doc! {}, vec![doc! { "$lookup": {} }]).await.map(drop), "$lookup").await;
        named(any.find(doc! {}).sort(doc! { "a": "up" }).await.map(drop), "up").await;
        named(any.insert_one(doc! { "_id": [1] }).await.map(drop), "_id").await;
        assert_eq!(any.estimated_document_count().await.unwrap(), 0);
    })
    .await;
}
