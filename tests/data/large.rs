//! Documents at the limit of MongoDB: 16 MiB, and not a byte more.

use bson::{Document, doc};
use outlast::{Error, ErrorKind, collection, shared};

const LIMIT: usize = 16 << 20;

/// A document of exactly so many bytes.
fn of(id: i32, size: usize) -> Document {
    let bare = doc! { "_id": id, "pad": "" }.to_vec().unwrap().len();
    let document = doc! { "_id": id, "pad": "x".repeat(size - bare) };
    assert_eq!(document.to_vec().unwrap().len(), size);
    document
}

/// On the store of the app whose scope this is. The stand-in for MongoDB refuses a find and update in words of its own.
pub(crate) async fn documents_at_the_limit_are_kept_and_larger_ones_refused(stand_in: bool) {
    let documents = collection::<Document>("large");
    let refused = |what: &str, error: Error| assert_eq!(error.kind(), ErrorKind::TooLarge, "{what}: {error:?}");
    documents.insert_one(of(1, LIMIT)).await.unwrap();
    documents.insert_one(of(2, LIMIT - 1)).await.unwrap();
    refused("an insertion", documents.insert_one(of(3, LIMIT + 1)).await.unwrap_err());
    refused("several insertions", documents.insert_many([of(4, 100), of(5, LIMIT + 1)]).await.unwrap_err());
    documents.delete_one(doc! { "_id": 4 }).await.unwrap();

    // What an update would make.
    refused(
        "an update of what is full",
        documents.update_one(doc! { "_id": 1 }, doc! { "$set": { "n": 1 } }).await.unwrap_err(),
    );
    refused(
        "an update of what is nearly full",
        documents.update_one(doc! { "_id": 2 }, doc! { "$set": { "n": 1 } }).await.unwrap_err(),
    );
    refused(
        "a pipeline",
        documents.update_one(doc! { "_id": 2 }, vec![doc! { "$set": { "more": "$pad" } }]).await.unwrap_err(),
    );
    refused("a replacement", documents.replace_one(doc! { "_id": 2 }, of(2, LIMIT + 1)).await.unwrap_err());
    let full = documents.find_one_and_update(doc! { "_id": 1 }, doc! { "$set": { "n": 1 } }).await.unwrap_err();
    if !stand_in {
        refused("a find and update", full);
    }
    assert_eq!(documents.count_documents(doc! {}).await.unwrap(), 2);
    for (id, size) in [(1, LIMIT), (2, LIMIT - 1)] {
        let found = documents.find_one(doc! { "_id": id }).await.unwrap().unwrap();
        assert!(found == of(id, size), "{id} came out otherwise");
    }

    // At the limit a document can still be changed.
    documents.replace_one(doc! { "_id": 2 }, of(2, LIMIT)).await.unwrap();
    let pad = doc! { "$set": { "pad": "y".repeat(100) } };
    assert_eq!(documents.update_many(doc! {}, pad).await.unwrap().modified_count, 2);
    assert_eq!(documents.delete_many(doc! {}).await.unwrap().deleted_count, 2);

    // A value, too.
    let value = shared::<String>("large", "value");
    value.set(&"x".repeat(3 << 20)).await.unwrap();
    assert_eq!(value.get().await.unwrap().map(|value| value.len()), Some(3 << 20));
}
