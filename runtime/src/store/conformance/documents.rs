//! Documents outside transactions: the operations, with MongoDB's results.

use bson::{Bson, doc};

use super::case::{Case, insert};
use crate::data::{Operation, Reply};
use crate::error::{Error, ErrorKind, Result};

pub(super) async fn documents_come_back_byte_for_byte(case: Case) -> Result<()> {
    let document = doc! {
        "_id": "order-1",
        "zero": -0.0,
        "nan": f64::NAN,
        "long": 1_i64,
        "int": 1,
        "list": [1, { "a": null }],
        "when": bson::DateTime::from_millis(-5),
        "decimal": "1.50".parse::<bson::Decimal128>()?,
        "bytes": Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![0, 255] }),
        "": "an empty name",
    };
    let bytes = bson::RawDocumentBuf::try_from(document.clone())?;
    let reply = case.insert("orders", document).await?;
    assert!(matches!(reply, Reply::Inserted(Bson::String(id)) if id == "order-1"));
    let reply = case.store.data(find_one(doc! { "_id": "order-1" })).await?;
    assert!(matches!(&reply, Reply::Found(Some(found)) if found.as_bytes() == bytes.as_bytes()), "{reply:?}");
    let reply = case.store.data(find_one(doc! { "_id": "order-2" })).await?;
    assert!(matches!(reply, Reply::Found(None)));
    assert!(case.find("elsewhere", doc! {}).await?.is_empty(), "collections are apart");
    Ok(())
}

fn find_one(filter: bson::Document) -> Operation {
    Operation::FindOne { collection: "orders".into(), filter }
}

pub(super) async fn an_id_stands_for_one_document(case: Case) -> Result<()> {
    case.insert("orders", doc! { "_id": 1, "a": 1 }).await?;
    let again = case.insert("orders", doc! { "_id": 1, "a": 2 }).await;
    let error = again.err().ok_or_else(|| Error::new("inserted twice"))?;
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("orders") && error.to_string().contains('1'), "{error}");
    assert_eq!(case.find("orders", doc! {}).await?, [doc! { "_id": 1, "a": 1 }]);
    case.insert("others", doc! { "_id": 1 }).await?;
    Ok(())
}

pub(super) async fn equal_numbers_are_one_id(case: Case) -> Result<()> {
    case.insert("orders", doc! { "_id": 1_i64 }).await?;
    for id in [Bson::Int32(1), Bson::Double(1.0)] {
        let again = case.insert("orders", doc! { "_id": id.clone() }).await;
        assert_eq!(again.err().map(|error| error.kind()), Some(ErrorKind::Conflict));
        assert_eq!(case.find("orders", doc! { "_id": id }).await?, [doc! { "_id": 1_i64 }]);
    }
    Ok(())
}

pub(super) async fn documents_are_found_in_order(case: Case) -> Result<()> {
    for id in [Bson::from("b"), 10.into(), 2.5.into(), Bson::Null, "a".into(), (-1_i64).into()] {
        let kind = if matches!(id, Bson::String(_)) { "text" } else { "other" };
        case.insert("orders", doc! { "_id": id, "kind": kind }).await?;
    }
    let ids = |found: Vec<bson::Document>| -> Vec<Bson> {
        found.into_iter().map(|mut document| document.remove("_id").unwrap_or_default()).collect()
    };
    let expected: Vec<Bson> = vec![Bson::Null, (-1_i64).into(), 2.5.into(), 10.into(), "a".into(), "b".into()];
    assert_eq!(ids(case.find("orders", doc! {}).await?), expected);
    assert_eq!(ids(case.find("orders", doc! { "kind": "text" }).await?), expected[4..]);
    Ok(())
}

pub(super) async fn an_update_changes_the_first_match(case: Case) -> Result<()> {
    for id in [3, 1, 2] {
        case.insert("orders", doc! { "_id": id, "state": "new" }).await?;
    }
    let update = |filter, update| Operation::UpdateOne { collection: "orders".into(), filter, update };
    let paid = || doc! { "$set": { "state": "paid" }, "$inc": { "paid.times": 1 } };
    let reply = case.store.data(update(doc! { "state": "new" }, paid())).await?;
    assert!(matches!(reply, Reply::Updated { matched: 1, modified: 1 }), "{reply:?}");
    assert_eq!(
        case.find("orders", doc! { "paid.times": 1 }).await?,
        [doc! { "_id": 1, "state": "paid", "paid": { "times": 1 } }]
    );
    let reply = case.store.data(update(doc! { "_id": 1 }, doc! { "$set": { "state": "paid" } })).await?;
    assert!(matches!(reply, Reply::Updated { matched: 1, modified: 0 }), "{reply:?}");
    let reply = case.store.data(update(doc! { "_id": 9 }, paid())).await?;
    assert!(matches!(reply, Reply::Updated { matched: 0, modified: 0 }), "{reply:?}");
    let wrong = case.store.data(update(doc! { "_id": 1 }, doc! { "$set": { "state": 1, "_id": 7 } })).await;
    assert_eq!(wrong.err().map(|error| error.kind()), Some(ErrorKind::Invalid));
    assert_eq!(case.find("orders", doc! { "state": "paid" }).await?.len(), 1, "nothing is half done");
    Ok(())
}

pub(super) async fn a_removal_takes_the_first_match(case: Case) -> Result<()> {
    for id in [3, 1, 2] {
        case.insert("orders", doc! { "_id": id, "odd": id % 2 }).await?;
    }
    let remove = |filter| Operation::DeleteOne { collection: "orders".into(), filter };
    assert!(matches!(case.store.data(remove(doc! { "odd": 1 })).await?, Reply::Deleted(1)));
    assert!(matches!(case.store.data(remove(doc! { "_id": 1 })).await?, Reply::Deleted(0)));
    assert_eq!(case.find("orders", doc! {}).await?.len(), 2);
    case.insert("orders", doc! { "_id": 1 }).await?;
    Ok(())
}

pub(super) async fn what_is_not_offered_is_said(case: Case) -> Result<()> {
    // Bad input is an answer, before anything is looked for; what every store offers is never one.
    let invalid = [
        Operation::UpdateOne { collection: "orders".into(), filter: doc! {}, update: doc! { "state": 1 } },
        Operation::Find { collection: "orders".into(), filter: doc! { "$and": 1 } },
        insert("orders", doc! { "_id": [1] })?,
        insert("orders", doc! { "a": 1 })?,
    ];
    for operation in invalid {
        let reply = case.store.data(operation.clone()).await;
        assert_eq!(reply.err().map(|error| error.kind()), Some(ErrorKind::Invalid), "{operation:?}");
    }
    assert!(case.find("orders", doc! {}).await?.is_empty());
    Ok(())
}

pub(super) async fn a_document_has_a_limit(case: Case) -> Result<()> {
    let large = |bytes: usize| doc! { "_id": 1, "text": "x".repeat(bytes) };
    let refused = case.insert("orders", large(16 * 1024 * 1024)).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::TooLarge));
    case.insert("orders", large(15 * 1024 * 1024)).await?;
    let update = doc! { "$set": { "more": "x".repeat(2 * 1024 * 1024) } };
    let grow = Operation::UpdateOne { collection: "orders".into(), filter: doc! { "_id": 1 }, update };
    assert_eq!(case.store.data(grow).await.err().map(|error| error.kind()), Some(ErrorKind::TooLarge));
    assert_eq!(case.find("orders", doc! { "_id": 1 }).await?.len(), 1);
    Ok(())
}
