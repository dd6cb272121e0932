//! Documents in collections, in the words of MongoDB's own driver: the operations, and how a transaction's body
//! reaches the store that runs it.
//!
//! This room knows filters, updates and documents; where they lie is a store's business (`store/`), when an operation
//! is recorded is the engine's.

use std::cell::RefCell;
use std::sync::Arc;

use bson::{Bson, Document, RawDocumentBuf};

use crate::error::Result;
use crate::store::BoxFuture;

pub(crate) mod collection;
// How filters and updates are understood where no server does it.
#[cfg(feature = "sqlite")]
pub(crate) mod filter;
#[cfg(feature = "sqlite")]
pub(crate) mod update;

/// An operation on a collection, as a store gets it. Names and documents have been checked by the caller's side.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Adds a document; its `_id` is in it.
    InsertOne {
        /// The collection.
        collection: Arc<str>,
        /// The document, with `_id` first.
        document: RawDocumentBuf,
    },
    /// The first match.
    FindOne {
        /// The collection.
        collection: Arc<str>,
        /// Which.
        filter: Document,
    },
    /// All matches, in order of `_id` (MongoDB's order over types) on the embedded store.
    Find {
        /// The collection.
        collection: Arc<str>,
        /// Which.
        filter: Document,
    },
    /// Changes the first match.
    UpdateOne {
        /// The collection.
        collection: Arc<str>,
        /// Which.
        filter: Document,
        /// How: a document of update operators.
        update: Document,
    },
    /// Removes the first match.
    DeleteOne {
        /// The collection.
        collection: Arc<str>,
        /// Which.
        filter: Document,
    },
}

impl Operation {
    /// What it is, as a document: what tells two operations apart, and what people see.
    pub(crate) fn described(&self) -> Document {
        match self {
            Self::InsertOne { collection, document } => {
                let document = Document::try_from(document.as_ref()).unwrap_or_default();
                bson::doc! { "collection": &**collection, "document": document }
            }
            Self::FindOne { collection, filter }
            | Self::Find { collection, filter }
            | Self::DeleteOne { collection, filter } => {
                bson::doc! { "collection": &**collection, "filter": filter.clone() }
            }
            Self::UpdateOne { collection, filter, update } => {
                bson::doc! { "collection": &**collection, "filter": filter.clone(), "update": update.clone() }
            }
        }
    }

    /// Whether it changes nothing.
    pub(crate) fn is_read(&self) -> bool {
        match self {
            Self::FindOne { .. } | Self::Find { .. } => true,
            Self::InsertOne { .. } | Self::UpdateOne { .. } | Self::DeleteOne { .. } => false,
        }
    }
}

/// What an operation gave.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// The `_id` of the new document.
    Inserted(Bson),
    /// The document found.
    Found(Option<RawDocumentBuf>),
    /// The documents found.
    All(Vec<RawDocumentBuf>),
    /// How many matched, and how many changed.
    Updated {
        /// Documents that matched the filter: 0 or 1.
        matched: u64,
        /// Documents that are different now: 0 or 1.
        modified: u64,
    },
    /// How many were removed: 0 or 1.
    Deleted(u64),
}

/// The way from a transaction's body to the store that runs it.
pub(crate) trait Access: Send + Sync {
    /// Runs an operation inside the transaction. On a store that runs bodies on its own thread the future is ready.
    fn data(&self, operation: Operation) -> BoxFuture<'static, Result<Reply>>;
}

thread_local! {
    static TRANSACTION: RefCell<Option<Arc<dyn Access>>> = const { RefCell::new(None) };
}

/// Restores what was before, also when a body panics.
#[cfg(feature = "sqlite")]
struct Restore(Option<Arc<dyn Access>>);

#[cfg(feature = "sqlite")]
impl Drop for Restore {
    fn drop(&mut self) {
        TRANSACTION.with(|current| *current.borrow_mut() = self.0.take());
    }
}

/// Runs `poll` with `access` as the transaction at hand: a store wraps each poll of a body in it.
#[cfg(feature = "sqlite")]
pub(crate) fn within<T>(access: &Arc<dyn Access>, poll: impl FnOnce() -> T) -> T {
    let _restore = Restore(TRANSACTION.with(|current| current.borrow_mut().replace(access.clone())));
    poll()
}

/// The transaction whose body is being polled on this thread.
pub(crate) fn current() -> Option<Arc<dyn Access>> {
    TRANSACTION.with(|current| current.borrow().clone())
}
