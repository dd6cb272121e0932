//! `collection::<T>(name)`: typed documents, in the names of MongoDB's own driver.
//!
//! Inside a `#[transaction]` every operation joins it; in a durable body each is recorded (a write is a transaction of
//! its own); in a step and outside executions it is plain access. In a task that a durable body spawns it is plain
//! access too, and unrecorded: it can't be told apart there.

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::sync::Arc;

use bson::oid::ObjectId;
use bson::{Bson, Document, RawDocumentBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Operation, Reply};
use crate::engine;
use crate::error::{Error, ErrorKind, Result};

/// The largest document, as in MongoDB: 16 MiB.
const MAX_DOCUMENT: usize = 16 << 20;

/// A collection of documents of type `T`.
pub struct Collection<T> {
    name: Arc<str>,
    types: PhantomData<fn() -> T>,
}

/// The collection of this name; it need not exist.
///
/// ```no_run
/// use outlast::prelude::*;
///
/// #[derive(Serialize, Deserialize)]
/// struct Order { #[serde(rename = "_id")] id: String, status: String }
///
/// #[transaction]
/// async fn reserve(id: &str) -> Result<()> {
///     let orders = outlast::collection::<Order>("orders");
///     orders.update_one(doc! { "_id": id }, doc! { "$set": { "status": "reserved" } }).await?;
///     Ok(())
/// }
/// ```
pub fn collection<T>(name: impl AsRef<str>) -> Collection<T> {
    Collection { name: name.as_ref().into(), types: PhantomData }
}

/// What an insertion gave.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InsertOneResult {
    /// The document's `_id`.
    pub inserted_id: Bson,
}

/// What an update did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpdateResult {
    /// Documents that matched.
    pub matched_count: u64,
    /// Documents that are different now.
    pub modified_count: u64,
}

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteResult {
    /// Documents removed.
    pub deleted_count: u64,
}

impl<T> Clone for Collection<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), types: PhantomData }
    }
}

impl<T> Collection<T> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn checked(&self) -> Result<Arc<str>> {
        engine::check_name("collection", &self.name)?;
        Ok(self.name.clone())
    }
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Collection<T> {
    /// Adds a document. Without an `_id` it gets a new `ObjectId`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if the `_id` is taken.
    pub fn insert_one(&self, document: impl Borrow<T>) -> engine::Operation<Result<InsertOneResult>> {
        let operation = self
            .checked()
            .and_then(|collection| Ok(Operation::InsertOne { collection, document: with_id(document.borrow())? }));
        engine::data(".insert_one", operation, |reply| match reply {
            Reply::Inserted(inserted_id) => Ok(InsertOneResult { inserted_id }),
            other => Err(unexpected(&other)),
        })
    }

    /// The first document that matches.
    pub fn find_one(&self, filter: Document) -> engine::Operation<Result<Option<T>>> {
        let operation = self.checked().map(|collection| Operation::FindOne { collection, filter });
        engine::data(".find_one", operation, |reply| match reply {
            Reply::Found(found) => found.map(typed).transpose(),
            other => Err(unexpected(&other)),
        })
    }

    /// All documents that match, in order of `_id`.
    pub fn find(&self, filter: Document) -> engine::Operation<Result<Vec<T>>> {
        let operation = self.checked().map(|collection| Operation::Find { collection, filter });
        engine::data(".find", operation, |reply| match reply {
            Reply::All(found) => found.into_iter().map(typed).collect(),
            other => Err(unexpected(&other)),
        })
    }

    /// Changes the first document that matches: `$set` and `$inc`.
    pub fn update_one(&self, filter: Document, update: Document) -> engine::Operation<Result<UpdateResult>> {
        let operation = self.checked().map(|collection| Operation::UpdateOne { collection, filter, update });
        engine::data(".update_one", operation, |reply| match reply {
            Reply::Updated { matched, modified } => {
                Ok(UpdateResult { matched_count: matched, modified_count: modified })
            }
            other => Err(unexpected(&other)),
        })
    }

    /// Removes the first document that matches.
    pub fn delete_one(&self, filter: Document) -> engine::Operation<Result<DeleteResult>> {
        let operation = self.checked().map(|collection| Operation::DeleteOne { collection, filter });
        engine::data(".delete_one", operation, |reply| match reply {
            Reply::Deleted(deleted_count) => Ok(DeleteResult { deleted_count }),
            other => Err(unexpected(&other)),
        })
    }
}

/// A document with its `_id` first; drawn from the seed in a durable body, so that it is the same on every replay.
fn with_id<T: Serialize>(value: &T) -> Result<RawDocumentBuf> {
    let mut raw = bson::serialize_to_raw_document_buf(value).map_err(not_a_document)?;
    if !matches!(raw.iter().next(), Some(Ok((first, _))) if first.as_str() == "_id") {
        let document = Document::try_from(&raw).map_err(not_a_document)?;
        let mut whole = Document::new();
        let id = document.get("_id").cloned().unwrap_or_else(|| Bson::ObjectId(new_object_id()));
        whole.insert("_id", id);
        whole.extend(document.into_iter().filter(|(key, _)| key != "_id"));
        raw = RawDocumentBuf::try_from(&whole).map_err(not_a_document)?;
    }
    if raw.as_bytes().len() > MAX_DOCUMENT {
        let size = raw.as_bytes().len();
        return Err(Error::of(
            ErrorKind::TooLarge,
            format!("a document takes {size} bytes, the limit is {MAX_DOCUMENT}: split it"),
        )
        .into_terminal());
    }
    Ok(raw)
}

fn new_object_id() -> ObjectId {
    let seconds = u32::try_from(engine::now().as_second()).unwrap_or_default();
    let random = engine::random::<u128>().to_be_bytes();
    let (mut process, mut counter) = ([0; 5], [0; 3]);
    process.copy_from_slice(&random[..5]);
    counter.copy_from_slice(&random[5..8]);
    ObjectId::from_parts(seconds, process, counter)
}

fn not_a_document(error: impl std::fmt::Display) -> Error {
    Error::of(ErrorKind::NotRecordable, format!("the value is not a document: {error}")).into_terminal()
}

fn typed<T: DeserializeOwned>(document: RawDocumentBuf) -> Result<T> {
    bson::deserialize_from_slice(document.as_bytes()).map_err(|error| {
        Error::of(ErrorKind::NotRecordable, format!("a document doesn't fit its type: {error}")).into_terminal()
    })
}

fn unexpected(reply: &Reply) -> Error {
    Error::of(ErrorKind::Damaged, format!("a store answered with another reply than it was asked for: {reply:?}"))
}
