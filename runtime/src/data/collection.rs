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

use super::action::{
    BulkWrite, Core, Count, CreateIndex, CreateIndexes, Delete, Distinct, DropCollection, DropIndexes, EstimatedCount,
    Find, FindOne, FindOneAndDelete, FindOneAndReplace, FindOneAndUpdate, InsertMany, InsertOne, Insertion,
    ListIndexNames, ListIndexes, Modification, Replace, Update, Writes, identity,
};
use super::models::{IndexModel, UpdateModifications, WriteModel};
use super::nesting;
use super::operation::{Query, Target, Write};
use crate::engine;
use crate::error::{Error, ErrorKind, Result};

/// The largest document, as in MongoDB: 16 MiB.
pub(crate) const MAX_DOCUMENT: usize = 16 << 20;

/// How the names of a MongoDB store's own collections begin. On no store may others begin so: a user's writes would go
/// between the store's, and an export couldn't be imported.
pub(crate) const RESERVED: &str = "outlast.";

/// Refuses what no collection can be called.
pub(super) fn check_name(name: &str) -> Result<()> {
    engine::check_name("collection", name)?;
    not_reserved(name)
}

/// Refuses a name of a store's own.
pub(crate) fn not_reserved(name: &str) -> Result<()> {
    if !name.starts_with(RESERVED) {
        return Ok(());
    }
    let message = format!(
        "a collection can't be called `{name}`: what begins with `{RESERVED}` is the store's own; take another name"
    );
    Err(Error::of(ErrorKind::Invalid, message).into_terminal())
}

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

impl<T> Clone for Collection<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), types: PhantomData }
    }
}

impl<T> std::fmt::Debug for Collection<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Collection").field(&self.name).finish()
    }
}

impl<T> Collection<T> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same collection, its documents as another type: what a projection leaves, say.
    pub fn clone_with_type<U>(&self) -> Collection<U> {
        Collection { name: self.name.clone(), types: PhantomData }
    }

    fn checked(&self) -> Result<Arc<str>> {
        check_name(&self.name)?;
        Ok(self.name.clone())
    }

    fn reads(&self, name: &'static str, identity: impl FnOnce() -> Vec<u8>) -> Core {
        Core::new(name, true, self.checked(), identity)
    }

    fn writes(&self, name: &'static str, identity: impl FnOnce() -> Vec<u8>) -> Core {
        Core::new(name, false, self.checked(), identity)
    }

    /// How many documents match.
    pub fn count_documents(&self, filter: Document) -> Count {
        let core = self.reads(".count_documents", || identity(&filter));
        Count::new(core, Query { filter, ..Query::default() })
    }

    /// How many documents there are. On MongoDB from the collection's metadata, and perhaps not exact.
    pub fn estimated_document_count(&self) -> EstimatedCount {
        EstimatedCount::new(self.reads(".estimated_document_count", Vec::new), None)
    }

    /// The different values of a field in the documents that match; of an array its elements.
    pub fn distinct(&self, field_name: impl AsRef<str>, filter: Document) -> Distinct {
        let field = field_name.as_ref().to_owned();
        let core = self.reads(".distinct", || [field.as_bytes(), &[0], &identity(&filter)].concat());
        Distinct::new(core, (field, Query { filter, ..Query::default() }))
    }

    /// Changes the first document that matches, by update operators such as `$set`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for an update that can't be applied to the document; [`ErrorKind::Unsupported`] for an
    /// operator that the embedded store doesn't have; [`ErrorKind::Conflict`] for a unique key that is taken.
    pub fn update_one(&self, query: Document, update: impl Into<UpdateModifications>) -> Update {
        self.update(".update_one", query, update.into(), false)
    }

    /// Changes all documents that match. The embedded store changes all of them or none; MongoDB may stop half-way
    /// outside a transaction.
    pub fn update_many(&self, query: Document, update: impl Into<UpdateModifications>) -> Update {
        self.update(".update_many", query, update.into(), true)
    }

    fn update(&self, name: &'static str, filter: Document, update: UpdateModifications, many: bool) -> Update {
        let core = self.writes(name, || change_identity(&filter, &update));
        let target = Target { filter, ..Target::default() };
        Update::new(core, Write::Update { target, update, array_filters: Vec::new(), many, upsert: false })
    }

    /// Removes the first document that matches.
    pub fn delete_one(&self, query: Document) -> Delete {
        self.delete(".delete_one", query, false)
    }

    /// Removes all documents that match.
    pub fn delete_many(&self, query: Document) -> Delete {
        self.delete(".delete_many", query, true)
    }

    fn delete(&self, name: &'static str, filter: Document, many: bool) -> Delete {
        let core = self.writes(name, || identity(&filter));
        Delete::new(core, Write::Delete { target: Target { filter, ..Target::default() }, many })
    }

    /// Makes an index, or finds it made already.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if it is to be unique and documents have the same keys, or if an index of this name has
    /// other keys or options.
    pub fn create_index(&self, index: IndexModel) -> CreateIndex {
        let core = self.writes(".create_index", || identity(&index.keys));
        CreateIndex::new(core, index)
    }

    /// Makes indexes: all or none on the embedded store.
    pub fn create_indexes(&self, indexes: impl IntoIterator<Item = IndexModel>) -> CreateIndexes {
        let indexes: Vec<_> = indexes.into_iter().collect();
        let core = self
            .writes(".create_indexes", || indexes.iter().flat_map(|index| identity(&index.keys)).collect::<Vec<u8>>());
        CreateIndexes::new(core, indexes)
    }

    /// The indexes that are there.
    pub fn list_indexes(&self) -> ListIndexes {
        ListIndexes::new(self.reads(".list_indexes", Vec::new), ())
    }

    /// The names of the indexes that are there.
    pub fn list_index_names(&self) -> ListIndexNames {
        ListIndexNames::new(self.reads(".list_index_names", Vec::new), ())
    }

    /// Removes an index by its name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none; [`ErrorKind::Invalid`] for that of `_id`.
    pub fn drop_index(&self, name: impl AsRef<str>) -> DropIndexes {
        let name = name.as_ref().to_owned();
        let core = self.writes(".drop_index", || name.clone().into_bytes());
        DropIndexes::new(core, Some(name))
    }

    /// Removes all indexes but that of `_id`.
    pub fn drop_indexes(&self) -> DropIndexes {
        DropIndexes::new(self.writes(".drop_indexes", Vec::new), None)
    }

    /// Removes the collection with its documents and indexes.
    pub fn drop(&self) -> DropCollection {
        DropCollection::new(self.writes(".drop", Vec::new), ())
    }
}

impl<T: DeserializeOwned + Send + 'static> Collection<T> {
    /// The documents that match.
    ///
    /// ```no_run
    /// # use outlast::prelude::*;
    /// # use outlast::bson::Document;
    /// # async fn newest() -> Result<Vec<Document>> {
    /// let orders = collection::<Document>("orders");
    /// let newest = orders.find(doc! { "status": { "$in": ["new", "paid"] } }).sort(doc! { "at": -1 }).limit(10);
    /// newest.await?.to_vec().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for an operator that the embedded store doesn't have, by its name.
    pub fn find(&self, filter: Document) -> Find<T> {
        let core = self.reads(".find", || identity(&filter));
        Find::new(core, Query { filter, ..Query::default() })
    }

    /// The first document that matches.
    pub fn find_one(&self, filter: Document) -> FindOne<T> {
        let core = self.reads(".find_one", || identity(&filter));
        FindOne::new(core, Query { filter, ..Query::default() })
    }

    /// Changes the first document that matches, and gives it: as it was, unless `return_document` says otherwise.
    pub fn find_one_and_update(&self, filter: Document, update: impl Into<UpdateModifications>) -> FindOneAndUpdate<T> {
        let update = update.into();
        let core = self.writes(".find_one_and_update", || change_identity(&filter, &update));
        let target = Target { filter, ..Target::default() };
        let write = Write::Update { target, update, array_filters: Vec::new(), many: false, upsert: false };
        FindOneAndUpdate::new(core, Modification::new(Ok(write)))
    }

    /// Removes the first document that matches, and gives it.
    pub fn find_one_and_delete(&self, filter: Document) -> FindOneAndDelete<T> {
        let core = self.writes(".find_one_and_delete", || identity(&filter));
        let target = Target { filter, ..Target::default() };
        FindOneAndDelete::new(core, Modification::new(Ok(Write::Delete { target, many: false })))
    }
}

impl<T: Serialize> Collection<T> {
    /// Adds a document. Without an `_id` it gets a new `ObjectId`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if the `_id` or another unique key is taken: [`Error::is_duplicate_key`].
    pub fn insert_one(&self, document: impl Borrow<T>) -> InsertOne {
        let document = with_id(document.borrow());
        let core = self.writes(".insert_one", || bytes(&document));
        InsertOne::new(core, document)
    }

    /// Adds documents. Those without an `_id` get a new `ObjectId`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if a unique key is taken: [`Error::write_errors`] says of which documents,
    /// [`Error::partial_result`] what was inserted all the same: in a step, or outside of executions. In a durable
    /// function (where a write is a transaction) and in a transaction nothing is, `ordered(false)` or not.
    pub fn insert_many(&self, documents: impl IntoIterator<Item = impl Borrow<T>>) -> InsertMany {
        let documents: Result<Vec<_>> = documents.into_iter().map(|document| with_id(document.borrow())).collect();
        let documents = documents.and_then(|documents| not_empty("insert_many", documents));
        let core = self.writes(".insert_many", || match &documents {
            Ok(documents) => documents.iter().flat_map(|document| document.as_bytes().iter().copied()).collect(),
            Err(_) => Vec::new(),
        });
        InsertMany::new(core, Insertion { documents, ordered: true })
    }

    /// Puts a document in the place of the first that matches. It keeps that one's `_id`.
    pub fn replace_one(&self, query: Document, replacement: impl Borrow<T>) -> Replace {
        let replacement = as_document(replacement.borrow());
        let core = self.writes(".replace_one", || [identity(&query), bytes(&replacement)].concat());
        Replace::new(core, replace(query, replacement))
    }

    /// Several writes in one: in order, unless `ordered(false)`.
    ///
    /// # Errors
    /// [`Error::write_errors`] says which writes failed, [`Error::partial_result`] what was done all the same:
    /// nothing in a durable function or a transaction, as with [`insert_many`](Self::insert_many).
    pub fn bulk_write(&self, models: impl IntoIterator<Item = WriteModel<T>>) -> BulkWrite {
        let writes: Result<Vec<_>> = models
            .into_iter()
            .map(|model| model.into_write(|document| with_id(document), |new| as_document(new)))
            .collect();
        let writes = writes.and_then(|writes| not_empty("bulk_write", writes));
        let core = self.writes(".bulk_write", || match &writes {
            Ok(writes) => writes.iter().flat_map(write_identity).collect(),
            Err(_) => Vec::new(),
        });
        BulkWrite::new(core, Writes { writes, ordered: true })
    }
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Collection<T> {
    /// Puts a document in the place of the first that matches, and gives that one, unless `return_document` says
    /// otherwise.
    pub fn find_one_and_replace(&self, filter: Document, replacement: impl Borrow<T>) -> FindOneAndReplace<T> {
        let replacement = as_document(replacement.borrow());
        let core = self.writes(".find_one_and_replace", || [identity(&filter), bytes(&replacement)].concat());
        FindOneAndReplace::new(core, Modification::new(replace(filter, replacement)))
    }
}

fn replace(filter: Document, replacement: Result<RawDocumentBuf>) -> Result<Write> {
    Ok(Write::Replace { target: Target { filter, ..Target::default() }, replacement: replacement?, upsert: false })
}

fn bytes(document: &Result<RawDocumentBuf>) -> Vec<u8> {
    document.as_ref().map(|document| document.as_bytes().to_vec()).unwrap_or_default()
}

fn change_identity(filter: &Document, update: &UpdateModifications) -> Vec<u8> {
    let mut bytes = identity(filter);
    match update {
        UpdateModifications::Document(update) => bytes.extend(identity(update)),
        UpdateModifications::Pipeline(stages) => bytes.extend(stages.iter().flat_map(identity)),
    }
    bytes
}

fn write_identity(write: &Write) -> Vec<u8> {
    match write {
        Write::Insert(document) => document.as_bytes().to_vec(),
        Write::Update { target, update, .. } => change_identity(&target.filter, update),
        Write::Replace { target, replacement, .. } => {
            [identity(&target.filter).as_slice(), replacement.as_bytes()].concat()
        }
        Write::Delete { target, .. } => identity(&target.filter),
    }
}

fn not_empty<T>(what: &str, items: Vec<T>) -> Result<Vec<T>> {
    if items.is_empty() {
        return Err(Error::of(ErrorKind::Invalid, format!("{what} needs at least one")).into_terminal());
    }
    Ok(items)
}

fn as_document<T: Serialize>(value: &T) -> Result<RawDocumentBuf> {
    check_size(nesting::document_of(value)?)
}

/// A document with its `_id` first; drawn from the seed in a durable body, so that it is the same on every replay.
pub(super) fn with_id<T: Serialize>(value: &T) -> Result<RawDocumentBuf> {
    let mut raw = nesting::document_of(value)?;
    if !matches!(raw.iter().next(), Some(Ok((first, _))) if first.as_str() == "_id") {
        let document = Document::try_from(&raw).map_err(not_a_document)?;
        let mut whole = Document::new();
        let id = document.get("_id").cloned().unwrap_or_else(|| Bson::ObjectId(new_object_id()));
        whole.insert("_id", id);
        whole.extend(document.into_iter().filter(|(key, _)| key != "_id"));
        raw = RawDocumentBuf::try_from(&whole).map_err(not_a_document)?;
    }
    check_size(raw)
}

fn check_size(document: RawDocumentBuf) -> Result<RawDocumentBuf> {
    let size = document.as_bytes().len();
    if size > MAX_DOCUMENT {
        return Err(Error::of(
            ErrorKind::TooLarge,
            format!("a document takes {size} bytes, the limit is {MAX_DOCUMENT}: split it"),
        )
        .into_terminal());
    }
    Ok(document)
}

fn new_object_id() -> ObjectId {
    let seconds = u32::try_from(engine::now().as_second()).unwrap_or_default();
    let random = engine::random::<u128>().to_be_bytes();
    let (mut process, mut counter) = ([0; 5], [0; 3]);
    process.copy_from_slice(&random[..5]);
    counter.copy_from_slice(&random[5..8]);
    ObjectId::from_parts(seconds, process, counter)
}

pub(super) fn not_a_document(error: impl std::fmt::Display) -> Error {
    Error::of(ErrorKind::NotRecordable, format!("the value is not a document: {error}")).into_terminal()
}
