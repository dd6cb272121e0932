//! Documents outside transactions: the operations, with MongoDB's results.

use bson::{Bson, doc};

use super::case::{Case, all, find, insert, remove, update};
use crate::data::Reply;
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
    assert!(matches!(reply, Reply::Inserted(ids) if ids == [Bson::from("order-1")]));
    let found = all(case.store.data(find("orders", doc! { "_id": "order-1" })).await?).await?;
    assert!(matches!(&found[..], [found] if found.as_bytes() == bytes.as_bytes()), "{found:?}");
    assert!(case.find("orders", doc! { "_id": "order-2" }).await?.is_empty());
    assert!(case.find("elsewhere", doc! {}).await?.is_empty(), "collections are apart");
    Ok(())
}

pub(super) async fn an_id_stands_for_one_document(case: Case) -> Result<()> {
    case.insert("orders", doc! { "_id": 1, "a": 1 }).await?;
    let again = case.insert("orders", doc! { "_id": 1, "a": 2 }).await;
    let error = again.err().ok_or_else(|| Error::new("inserted twice"))?;
    assert_eq!((error.kind(), error.code(), error.is_duplicate_key()), (ErrorKind::Conflict, Some(11_000), true));
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
    let update = |filter, change| update("orders", filter, change);
    let wrote = |reply: &Reply, matched, modified| matches!(reply, Reply::Wrote(done) if (done.matched, done.modified) == (matched, modified));
    let paid = || doc! { "$set": { "state": "paid" }, "$inc": { "paid.times": 1 } };
    let reply = case.store.data(update(doc! { "state": "new" }, paid())).await?;
    assert!(wrote(&reply, 1, 1), "{reply:?}");
    assert_eq!(
        case.find("orders", doc! { "paid.times": 1 }).await?,
        [doc! { "_id": 1, "state": "paid", "paid": { "times": 1 } }]
    );
    let reply = case.store.data(update(doc! { "_id": 1 }, doc! { "$set": { "state": "paid" } })).await?;
    assert!(wrote(&reply, 1, 0), "{reply:?}");
    let reply = case.store.data(update(doc! { "_id": 9 }, paid())).await?;
    assert!(wrote(&reply, 0, 0), "{reply:?}");
    let wrong = case.store.data(update(doc! { "_id": 1 }, doc! { "$set": { "state": 1, "_id": 7 } })).await;
    assert_eq!(wrong.err().map(|error| error.kind()), Some(ErrorKind::Invalid));
    assert_eq!(case.find("orders", doc! { "state": "paid" }).await?.len(), 1, "nothing is half done");
    Ok(())
}

pub(super) async fn a_removal_takes_one_match(case: Case) -> Result<()> {
    for id in [1, 2, 3] {
        case.insert("orders", doc! { "_id": id, "odd": i32::from(id == 1) }).await?;
    }
    let remove = |filter| remove("orders", filter);
    let removed = |reply: &Reply| if let Reply::Wrote(done) = reply { done.deleted } else { u64::MAX };
    assert_eq!(removed(&case.store.data(remove(doc! { "odd": 1 })).await?), 1);
    assert_eq!(removed(&case.store.data(remove(doc! { "_id": 1 })).await?), 0);
    assert_eq!(case.find("orders", doc! {}).await?.len(), 2);
    case.insert("orders", doc! { "_id": 1 }).await?;
    Ok(())
}

pub(super) async fn what_is_not_offered_is_said(case: Case) -> Result<()> {
    // Bad input is an answer, before anything is looked for; what every store offers is never one.
    let invalid = [
        update("orders", doc! {}, doc! { "state": 1 }),
        update("orders", doc! {}, doc! { "$unheard": { "state": 1 } }),
        find("orders", doc! { "$and": 1 }),
        insert("orders", doc! { "_id": [1] })?,
    ];
    for operation in invalid {
        let error = case.store.data(operation.clone()).await.err();
        let error = error.ok_or_else(|| Error::new(format!("no error: {operation:?}")))?;
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unsupported), "{operation:?}: {error:?}");
        assert!(error.code().is_some(), "{operation:?}: {error:?}");
    }
    assert!(case.find("orders", doc! {}).await?.is_empty());
    Ok(())
}

pub(super) async fn a_document_has_a_limit(case: Case) -> Result<()> {
    let large = |bytes: usize| doc! { "_id": 1, "text": "x".repeat(bytes) };
    let refused = case.insert("orders", large(16 * 1024 * 1024)).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::TooLarge));
    case.insert("orders", large(15 * 1024 * 1024)).await?;
    let grow = update("orders", doc! { "_id": 1 }, doc! { "$set": { "more": "x".repeat(2 * 1024 * 1024) } });
    assert_eq!(case.store.data(grow).await.err().map(|error| error.kind()), Some(ErrorKind::TooLarge));
    assert_eq!(case.find("orders", doc! { "_id": 1 }).await?.len(), 1);
    Ok(())
}
