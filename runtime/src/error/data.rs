//! What a database says of an operation on data that failed, with MongoDB's codes on every store.

use bson::Bson;
use serde::{Deserialize, Serialize};

use super::Error;

/// MongoDB's code for a unique key that is taken.
pub(crate) const DUPLICATE_KEY: i32 = 11_000;

/// What goes with an error of a data operation: recorded, and the same on replay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DataFailure {
    /// The code of the operation as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<i32>,
    /// The writes of several that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) writes: Vec<WriteError>,
    /// What was done all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partial: Option<Partial>,
    /// What else the database says: of a unique key that is taken its fields and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<bson::Document>,
    /// The server's labels, such as `TransientTransactionError`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) labels: Vec<String>,
}

/// A write among several that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WriteError {
    /// Its place among the writes, from 0.
    pub index: usize,
    /// MongoDB's code, such as 11000 for a unique key that is taken.
    pub code: i32,
    /// What was wrong.
    pub message: String,
}

/// What several writes have done before, or beside, those that failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Partial {
    pub(crate) inserted: u64,
    pub(crate) matched: u64,
    pub(crate) modified: u64,
    pub(crate) deleted: u64,
    /// The ids of new documents, with the places of their writes.
    pub(crate) inserted_ids: Vec<(usize, Bson)>,
    pub(crate) upserted_ids: Vec<(usize, Bson)>,
}

impl Error {
    /// MongoDB's code, if the error is of an operation on data: the same on every store. Of several writes, the first
    /// that failed.
    ///
    /// ```no_run
    /// # use outlast::prelude::*;
    /// # async fn register(user: outlast::bson::Document) -> outlast::Result<bool> {
    /// match collection::<outlast::bson::Document>("users").insert_one(user).await {
    ///     Ok(_) => Ok(true),
    ///     Err(error) if error.is_duplicate_key() => Ok(false),
    ///     Err(error) => Err(error),
    /// }
    /// # }
    /// ```
    pub fn code(&self) -> Option<i32> {
        let data = self.0.data.as_deref()?;
        data.code.or_else(|| data.writes.first().map(|write| write.code))
    }

    /// Whether a unique key was taken, by this write or any of several.
    pub fn is_duplicate_key(&self) -> bool {
        self.code() == Some(DUPLICATE_KEY) || self.write_errors().iter().any(|write| write.code == DUPLICATE_KEY)
    }

    /// Which of several writes failed; empty for an error of anything else.
    pub fn write_errors(&self) -> &[WriteError] {
        self.0.data.as_deref().map_or(&[], |data| &data.writes)
    }

    /// What else the database says: of a unique key that is taken `keyPattern` (its fields) and `keyValue` (their values).
    /// Of an insertion on MongoDB there is nothing: its driver doesn't hand it on.
    pub fn details(&self) -> Option<&bson::Document> {
        self.0.data.as_deref().and_then(|data| data.details.as_ref())
    }

    /// Whether the database gave the error this label, such as `TransientTransactionError`.
    pub fn contains_label(&self, label: &str) -> bool {
        self.0.data.as_deref().is_some_and(|data| data.labels.iter().any(|has| has == label))
    }

    /// The error with MongoDB's code.
    #[must_use]
    pub(crate) fn with_code(self, code: i32) -> Self {
        self.with_data(|data| data.code = Some(code))
    }

    /// The error with what a database says of it.
    #[must_use]
    pub(crate) fn with_data(self, change: impl FnOnce(&mut DataFailure)) -> Self {
        self.map(|inner| change(inner.data.get_or_insert_default()))
    }

    /// The error of an operation whose transaction is undone with it: nothing was done all the same.
    #[must_use]
    pub(crate) fn undone(self) -> Self {
        if self.partial().is_some() { self.with_data(|data| data.partial = None) } else { self }
    }

    /// What several writes did all the same.
    pub(crate) fn partial(&self) -> Option<&Partial> {
        self.0.data.as_deref().and_then(|data| data.partial.as_ref())
    }
}
