//! Cursors beside writes: one snapshot, as much as is asked for, nothing left behind.

use bson::Document;
use outlast::IndexModel;
use outlast::prelude::*;

use crate::app;

async fn filled(count: i32) -> outlast::Collection<Document> {
    let numbers = collection::<Document>("numbers");
    numbers.insert_many((0..count).map(|n| doc! { "_id": n, "pad": "x".repeat(100) })).await.unwrap();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_sees_one_snapshot_whatever_is_written_meanwhile() {
    let (app, _folder) = app().await;
    app.scope(async {
        let numbers = filled(10_000).await;
        let mut cursor = numbers.find(doc! {}).await.unwrap();
        assert_eq!(cursor.try_next().await.unwrap().unwrap().get_i32("_id").unwrap(), 0);
        numbers.delete_many(doc! { "_id": { "$gte": 1_000 } }).await.unwrap();
        numbers.insert_one(doc! { "_id": 50_000 }).await.unwrap();
        assert_eq!(cursor.to_vec().await.unwrap().len(), 9_999, "as it was");
        assert_eq!(numbers.find(doc! {}).await.unwrap().to_vec().await.unwrap().len(), 1_001, "as it is");
    })
    .await;
}

/// The snapshot has the index that the cursor goes by, and the collection itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_goes_on_when_its_index_and_its_collection_are_dropped() {
    let (app, _folder) = app().await;
    app.scope(async {
        let numbers = filled(5_000).await;
        numbers.create_index(IndexModel::builder().keys(doc! { "_id": -1, "pad": 1 }).build()).await.unwrap();
        let all = || numbers.find(doc! { "pad": { "$gt": "" } }).sort(doc! { "_id": -1, "pad": 1 });
        assert_eq!(all().explain().await.unwrap().get_str("stage").unwrap(), "index");
        let (mut by_index, mut by_scan) = (all().await.unwrap(), numbers.find(doc! {}).await.unwrap());
        for (cursor, first) in [(&mut by_index, 4_999), (&mut by_scan, 0)] {
            assert_eq!(cursor.try_next().await.unwrap().unwrap().get_i32("_id").unwrap(), first);
        }
        numbers.drop_indexes().await.unwrap();
        numbers.drop().await.unwrap();
        // What comes under its name is another collection.
        numbers.insert_one(doc! { "_id": 7_000 }).await.unwrap();
        for (cursor, last) in [(by_index, 0), (by_scan, 4_999)] {
            let left = cursor.to_vec().await.unwrap();
            assert_eq!(left.len(), 4_999);
            assert_eq!(left.last().unwrap().get_i32("_id").unwrap(), last);
        }
        assert_eq!(numbers.count_documents(doc! {}).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_cursors_are_open_at_once_and_others_still_read() {
    let (app, _folder) = app().await;
    app.scope(async {
        let numbers = filled(6_000).await;
        let mut cursors = Vec::new();
        for _ in 0..50 {
            let mut cursor = numbers.find(doc! {}).await.unwrap();
            cursor.try_next().await.unwrap();
            cursors.push(cursor);
        }
        assert_eq!(numbers.count_documents(doc! {}).await.unwrap(), 6_000, "readers are free");
        drop(cursors.split_off(25));
        for cursor in cursors {
            assert_eq!(cursor.to_vec().await.unwrap().len(), 5_999);
        }
        // Those that were dropped have let go of their threads.
        for _ in 0..300 {
            let mut cursor = numbers.find(doc! {}).await.unwrap();
            cursor.try_next().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_a_closed_store_says_so() {
    let (app, _folder) = app().await;
    let mut cursor = app
        .scope(async {
            let mut cursor = filled(10_000).await.find(doc! {}).await.unwrap();
            cursor.try_next().await.unwrap();
            cursor
        })
        .await;
    app.shutdown().await;
    let error = loop {
        match cursor.try_next().await {
            Ok(Some(_)) => (),
            Ok(None) => panic!("it ended as if it were whole"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("closed"), "{error}");
}
