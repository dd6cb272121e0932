//! A store that is dropped or restored beneath a running handle: nothing of before is written into it.

use super::*;
use crate::store::Refused;
use crate::store::Write;
use crate::store::conformance::case::{call, eventually, insert, request, step};
use crate::{ErrorKind, Result};

/// What each way to the store says, once the handle has noticed.
async fn all_is_refused(case: &conformance::case::Case, store: &Arc<MongoStore>) {
    eventually("the handle notices", || async { Ok(store.shared.incarnation.is_replaced()) }).await.unwrap();
    let refused: [Result<()>; 5] = [
        store.create(call("new", 1)).await.map(drop),
        store.register(1).await.map(drop),
        store.sweep(&case.worker).await.map(drop),
        store.claim(request(&case.worker, 1)).await.map(drop),
        store.data(insert("customers", doc! {}).unwrap()).await.map(drop),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(error.to_string().contains("another one") && error.to_string().contains("Restart"), "{error}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_store_refuses_the_workers_of_before() {
    let (case, store) = case_on(hasty(&server::new_database())).await;
    let claimed = case.owned("a").await.unwrap();
    case.must(&claimed, step("one", 1)).await.unwrap();
    let another = doc! { "$set": { "incarnation": "another" } };
    store.shared.tables.meta.update_one(doc! { "_id": "store" }, another).await.unwrap();
    eventually("the handle notices", || async { Ok(store.shared.incarnation.is_replaced()) }).await.unwrap();
    let refused = case.write(&claimed, step("two", 1)).await;
    assert!(matches!(refused, Err(Refused::Fenced)), "{refused:?}");
    assert_eq!(store.shared.tables.log.count_documents(doc! {}).await.unwrap(), 1, "nothing more was written");
    all_is_refused(&case, &store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_for_a_moment_stops_nobody() {
    let mut options = hasty(&server::new_database());
    options.lease = Duration::from_secs(60);
    let (_case, store) = case_on(options).await;
    let meta = &store.shared.tables.meta;
    let before = meta.find_one(doc! { "_id": "store" }).await.unwrap().unwrap();
    meta.delete_one(doc! { "_id": "store" }).await.unwrap();
    for _ in 0..5 {
        let looked = store.shared.look_at_incarnation(meta).await;
        assert!(matches!(looked, Err(Failure::Unreachable(_))), "{looked:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    meta.insert_one(before).await.unwrap();
    assert!(!store.shared.look_at_incarnation(meta).await.unwrap() && !store.shared.incarnation.is_replaced());
    store.register(1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_store_is_not_begun_anew_by_those_of_before() {
    let (case, store) = case_on(hasty(&server::new_database())).await;
    let claimed = case.owned("a").await.unwrap();
    store.shared.own.drop().await.unwrap();
    all_is_refused(&case, &store).await;
    assert!(case.write(&claimed, Write::Release { wake: None }).await.is_err());
    assert_eq!(store.shared.own.list_collection_names().await.map_or(0, |names| names.len()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_notice_that_a_store_was_filled() {
    let database = server::new_database();
    let caller = MongoStore::open(hasty(&database)).await.unwrap();
    let filling = MongoStore::open(hasty(&database)).await.unwrap();
    filling.begin_import(vec![7; 16]).await.unwrap();
    eventually("the other handle notices", || async { Ok(caller.shared.incarnation.is_replaced()) }).await.unwrap();
    assert!(caller.create(call("a", 1)).await.is_err(), "it would go into the half-filled store, by another key");
    filling.end_import().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!filling.shared.incarnation.is_replaced(), "it gave the store another incarnation itself");
    filling.register(1).await.unwrap();
}
