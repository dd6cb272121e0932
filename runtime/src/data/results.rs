//! What operations give, in the names and fields of MongoDB's own driver.

use std::collections::HashMap;

use bson::Bson;

use crate::error::Partial;

/// What an insertion gave.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InsertOneResult {
    /// The document's `_id`.
    pub inserted_id: Bson,
}

/// What an insertion of several gave.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InsertManyResult {
    /// The `_id` of each, by its place.
    pub inserted_ids: HashMap<usize, Bson>,
}

/// What an update did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct UpdateResult {
    /// Documents that matched.
    pub matched_count: u64,
    /// Documents that are different now.
    pub modified_count: u64,
    /// The `_id` of the document that was added, with `upsert`.
    pub upserted_id: Option<Bson>,
}

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteResult {
    /// Documents removed.
    pub deleted_count: u64,
}

/// What several writes did.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct BulkWriteResult {
    /// Documents added, without those that an update added.
    pub inserted_count: u64,
    /// Documents that matched updates and replacements.
    pub matched_count: u64,
    /// Documents that are different now.
    pub modified_count: u64,
    /// Documents removed.
    pub deleted_count: u64,
    /// Documents that updates and replacements added.
    pub upserted_count: u64,
    /// The `_id`s of inserted documents, by the places of their writes.
    pub inserted_ids: HashMap<usize, Bson>,
    /// The `_id`s of documents that updates and replacements added, by the places of their writes.
    pub upserted_ids: HashMap<usize, Bson>,
}

/// The name of a new index.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateIndexResult {
    /// Its name.
    pub index_name: String,
}

/// The names of new indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateIndexesResult {
    /// Their names, in the order of their models.
    pub index_names: Vec<String>,
}

impl From<Partial> for BulkWriteResult {
    fn from(done: Partial) -> Self {
        Self {
            inserted_count: done.inserted,
            matched_count: done.matched,
            modified_count: done.modified,
            deleted_count: done.deleted,
            upserted_count: done.upserted_ids.len() as u64,
            inserted_ids: done.inserted_ids.into_iter().collect(),
            upserted_ids: done.upserted_ids.into_iter().collect(),
        }
    }
}

impl From<Partial> for UpdateResult {
    fn from(done: Partial) -> Self {
        Self {
            matched_count: done.matched,
            modified_count: done.modified,
            upserted_id: done.upserted_ids.into_iter().next().map(|(_, id)| id),
        }
    }
}

impl From<Partial> for DeleteResult {
    fn from(done: Partial) -> Self {
        Self { deleted_count: done.deleted }
    }
}

impl crate::Error {
    /// What several writes did before, or beside, those that failed: of `insert_many` and `bulk_write`. Nothing in a
    /// durable function or a transaction, where they are undone together.
    pub fn partial_result(&self) -> Option<BulkWriteResult> {
        self.partial().cloned().map(Into::into)
    }
}
