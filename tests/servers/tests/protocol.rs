//! What the store in MongoDB relies on, asked of the server that stands here for MongoDB: where it differs, tests of the
//! store would prove nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

use std::time::Duration;

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, doc};
use futures::{StreamExt, TryStreamExt};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{
    Acknowledgment, CollectionOptions, FullDocumentType, IndexOptions, ReadConcern, ReturnDocument, WriteConcern,
};
use mongodb::{Collection, IndexModel};
use outlast_test_servers::{Mongo, RawClient};

const DUPLICATE: i32 = 11000;
const CONFLICT: i32 = 112;
const TRANSIENT: &str = "TransientTransactionError";

async fn collection(mongo: &Mongo) -> Collection<Document> {
    let majority = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    let options = CollectionOptions::builder().write_concern(majority).read_concern(ReadConcern::majority()).build();
    let database = mongo.database().await;
    database.create_collection("c").await.unwrap();
    database.collection_with_options("c", options)
}

fn code(error: &Error) -> i32 {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code,
        ErrorKind::Command(error) => error.code,
        _ => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn an_ordered_insert_stops_at_a_duplicate_and_says_which() {
    let mongo = Mongo::start();
    let documents = collection(&mongo).await;
    documents.insert_one(doc! { "_id": 2 }).await.unwrap();
    let error = documents.insert_many((0..4).map(|id| doc! { "_id": id })).await.unwrap_err();
    let ErrorKind::InsertMany(error) = &*error.kind else { panic!("{error:?}") };
    let [error] = &error.write_errors.as_ref().unwrap()[..] else { panic!("{error:?}") };
    assert_eq!((error.index, error.code), (2, DUPLICATE));
    assert_eq!(documents.count_documents(doc! {}).await.unwrap(), 3);
}

#[tokio::test]
async fn ids_of_two_parts_are_ordered_by_the_first_then_the_second() {
    let mongo = Mongo::start();
    let documents = collection(&mongo).await;
    let ids =
        ["w", "x", "y"].into_iter().flat_map(|e| (0_i64..12).rev().map(move |p| doc! { "_id": { "e": e, "p": p } }));
    documents.insert_many(ids).await.unwrap();
    let range = doc! { "_id": { "$gte": { "e": "x", "p": 3_i64 }, "$lt": { "e": "x", "p": Bson::MaxKey } } };
    let found: Vec<Document> =
        documents.find(range).sort(doc! { "_id": 1 }).await.unwrap().try_collect().await.unwrap();
    let expected: Vec<_> = (3_i64..12).map(|p| doc! { "_id": { "e": "x", "p": p } }).collect();
    assert_eq!(found, expected);
    let error = documents.insert_one(doc! { "_id": { "e": "x", "p": 3_i64 } }).await.unwrap_err();
    assert_eq!(code(&error), DUPLICATE);
}

#[tokio::test]
async fn an_index_may_be_unique_where_a_field_is_there() {
    let mongo = Mongo::start();
    let documents = collection(&mongo).await;
    let where_there = doc! { "m": { "$exists": true } };
    let options = IndexOptions::builder().unique(true).partial_filter_expression(where_there).build();
    documents.create_index(IndexModel::builder().keys(doc! { "e": 1, "m": 1 }).options(options).build()).await.unwrap();
    documents.insert_many([doc! { "_id": 1, "e": "a" }, doc! { "_id": 2, "e": "a" }]).await.unwrap();
    documents.insert_one(doc! { "_id": 3, "e": "a", "m": 1 }).await.unwrap();
    let inserted = documents.insert_one(doc! { "_id": 4, "e": "a", "m": 1 }).await.unwrap_err();
    let updated = documents.update_one(doc! { "_id": 1 }, doc! { "$set": { "m": 1 } }).await.unwrap_err();
    assert_eq!((code(&inserted), code(&updated)), (DUPLICATE, DUPLICATE));
}

#[tokio::test]
async fn an_update_computes_with_the_servers_clock() {
    let mongo = Mongo::start();
    let documents = collection(&mongo).await;
    documents.insert_many([doc! { "_id": 1, "n": 1 }, doc! { "_id": 2 }]).await.unwrap();
    let update = doc! { "$set": {
        "now": "$$NOW",
        "until": { "$add": ["$$NOW", 60_000] },
        "n": { "$add": [{ "$ifNull": ["$n", 0] }, 1] },
        "first": { "$cond": [{ "$eq": ["$_id", 1] }, "yes", "no"] },
    } };
    let updated = documents.update_many(doc! {}, vec![update]).await.unwrap();
    assert_eq!(updated.modified_count, 2);
    for (id, n, first) in [(1, 2, "yes"), (2, 1, "no")] {
        let found = documents.find_one(doc! { "_id": id }).await.unwrap().unwrap();
        assert_eq!((found.get_i32("n").unwrap(), found.get_str("first").unwrap()), (n, first));
        let (now, until) = (*found.get_datetime("now").unwrap(), *found.get_datetime("until").unwrap());
        assert_eq!(until.timestamp_millis() - now.timestamp_millis(), 60_000);
        assert!((DateTime::now().timestamp_millis() - now.timestamp_millis()).abs() < 60_000);
    }
}

#[tokio::test]
async fn a_filter_compares_with_the_servers_clock_in_milliseconds() {
    let mongo = Mongo::start();
    let documents = collection(&mongo).await;
    let later = DateTime::from_millis(DateTime::now().timestamp_millis() + 3_600_000);
    documents
        .insert_many([doc! { "_id": "past", "at": DateTime::from_millis(0) }, doc! { "_id": "later", "at": later }])
        .await
        .unwrap();
    // Not the dates themselves: SecantusDB finds no stored date before or after `$$NOW`.
    let due = doc! { "$expr": { "$lte": [{ "$toLong": "$at" }, { "$toLong": "$$NOW" }] } };
    let found: Vec<Document> = documents.find(due.clone()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get_str("_id").unwrap(), "past");
    assert_eq!(documents.update_many(due.clone(), doc! { "$set": { "n": 1 } }).await.unwrap().matched_count, 1);
    let after =
        documents.find_one_and_update(due.clone(), doc! { "$inc": { "n": 1 } }).return_document(ReturnDocument::After);
    assert_eq!(after.await.unwrap().unwrap().get_i32("n").unwrap(), 2);
    assert_eq!(documents.delete_many(due).await.unwrap().deleted_count, 1);
}

#[tokio::test]
async fn a_guarded_push_happens_once() {
    let mongo = Mongo::start();
    let documents = collection(&mongo).await;
    documents.insert_one(doc! { "_id": 1 }).await.unwrap();
    for matched in [1, 0] {
        let guarded = doc! { "_id": 1, "inbox.id": { "$ne": "m" } };
        let updated = documents.update_one(guarded, doc! { "$push": { "inbox": { "id": "m" } } }).await.unwrap();
        assert_eq!(updated.matched_count, matched);
    }
}

#[tokio::test]
async fn many_updates_of_one_command_count_what_they_match() {
    let mongo = Mongo::start();
    let documents = collection(&mongo).await;
    documents.insert_many((0..3).map(|id| doc! { "_id": id })).await.unwrap();
    let update = |id: i32| doc! { "q": { "_id": id }, "u": { "$set": { "w": 1 } } };
    let command = doc! { "update": "c", "updates": [update(0), update(9), update(2)] };
    let reply = mongo.database().await.run_command(command).await.unwrap();
    assert_eq!((reply.get_i32("n").unwrap(), reply.get_i32("nModified").unwrap()), (2, 2));
}

#[tokio::test]
async fn of_two_transactions_at_a_document_one_conflicts() {
    let mongo = Mongo::start();
    let documents = collection(&mongo).await;
    documents.insert_one(doc! { "_id": 1, "n": 0 }).await.unwrap();
    let client = documents.client();
    let (mut one, mut two) = (client.start_session().await.unwrap(), client.start_session().await.unwrap());
    one.start_transaction().await.unwrap();
    two.start_transaction().await.unwrap();
    let more = || doc! { "$inc": { "n": 1 } };
    documents.find_one_and_update(doc! { "_id": 1 }, more()).session(&mut one).await.unwrap();
    documents.insert_one(doc! { "_id": 2 }).session(&mut one).await.unwrap();
    let updated = documents.update_one(doc! { "_id": 1 }, more()).session(&mut two).await.unwrap_err();
    assert!(code(&updated) == CONFLICT && updated.contains_label(TRANSIENT), "{updated:?}");
    two.abort_transaction().await.unwrap();
    one.commit_transaction().await.unwrap();
    // Once more, as after a lost reply.
    one.commit_transaction().await.unwrap();
    assert_eq!(documents.find_one(doc! { "_id": 1 }).await.unwrap(), Some(doc! { "_id": 1, "n": 1 }));
    two.start_transaction().await.unwrap();
    let inserted = documents.insert_one(doc! { "_id": 2 }).session(&mut two).await.unwrap_err();
    assert_eq!(code(&inserted), DUPLICATE);
    two.abort_transaction().await.unwrap();
}

#[tokio::test]
async fn a_write_outside_waits_for_a_transaction() {
    let mongo = Mongo::start();
    let documents = collection(&mongo).await;
    let mut session = documents.client().start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    documents.insert_one(doc! { "_id": 1 }).session(&mut session).await.unwrap();
    let outside = documents.insert_one(doc! { "_id": 1 }).into_future();
    tokio::pin!(outside);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut outside).await.is_err());
    session.commit_transaction().await.unwrap();
    assert_eq!(code(&outside.await.unwrap_err()), DUPLICATE);
}

#[tokio::test]
async fn changes_are_told_from_where_one_was() {
    let mongo = Mongo::start();
    let documents = collection(&mongo).await;
    let wanted = || vec![doc! { "$match": { "fullDocument.kind": "yes" } }];
    let mut stream = documents.watch().pipeline(wanted()).full_document(FullDocumentType::UpdateLookup).await.unwrap();
    documents
        .insert_many((0..4).map(|id| doc! { "_id": id, "kind": if id % 2 == 0 { "yes" } else { "no" } }))
        .await
        .unwrap();
    documents.update_one(doc! { "_id": 1 }, doc! { "$set": { "kind": "yes" } }).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first.document_key, Some(doc! { "_id": 0 }));
    let token = stream.resume_token();
    drop(stream);
    let mut stream = documents
        .watch()
        .pipeline(wanted())
        .full_document(FullDocumentType::UpdateLookup)
        .resume_after(token)
        .await
        .unwrap();
    for id in [2, 1] {
        assert_eq!(stream.next().await.unwrap().unwrap().document_key, Some(doc! { "_id": id }));
    }
}

#[tokio::test]
async fn a_write_sent_again_is_done_once() {
    let mongo = Mongo::start();
    let documents = collection(&mongo).await;
    documents.insert_one(doc! { "_id": 1, "n": 0 }).await.unwrap();
    let session = Binary { subtype: BinarySubtype::Uuid, bytes: mongo.name().as_bytes()[..16].to_vec() };
    let command = doc! {
        "update": "c", "updates": [{ "q": { "_id": 1 }, "u": { "$inc": { "n": 1 } } }],
        "$db": mongo.name(), "lsid": { "id": session }, "txnNumber": 1_i64,
    };
    for _ in 0..2 {
        let reply = RawClient::connect(mongo.address()).await.unwrap().run(&command).await.unwrap();
        assert_eq!(reply.get_i32("nModified").unwrap(), 1);
    }
    assert_eq!(documents.find_one(doc! {}).await.unwrap(), Some(doc! { "_id": 1, "n": 1 }));
}
