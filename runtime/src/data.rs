//! Documents in collections, in the words of MongoDB's own driver: the operations, and how a transaction's body
//! reaches the store that runs it.
//!
//! This room knows filters, updates and documents; where they lie is a store's business (`store/`), when an operation
//! is recorded is the engine's.
//!
//! The way of a call: [`collection`] (names and types) → [`action`] (options) → [`operation`] (what stores get) → the
//! engine, which asks a store, or records.

use std::cell::RefCell;
use std::sync::Arc;

use crate::error::Result;
use crate::store::BoxFuture;

pub(crate) mod action;
pub(crate) mod collection;
pub(crate) mod cursor;
#[cfg(feature = "mongodb")]
mod driver;
// How documents are understood where no server does it.
#[cfg(feature = "sqlite")]
pub(crate) mod distinct;
#[cfg(feature = "sqlite")]
pub(crate) mod expression;
#[cfg(feature = "sqlite")]
pub(crate) mod filter;
#[cfg(feature = "sqlite")]
pub(crate) mod index;
#[cfg(feature = "sqlite")]
pub(crate) mod keys;
pub(crate) mod models;
#[cfg_attr(not(any(feature = "sqlite", feature = "mongodb")), allow(dead_code, reason = "stores look closer"))]
pub(crate) mod nesting;
pub(crate) mod operation;
#[cfg(feature = "sqlite")]
pub(crate) mod order;
#[cfg(feature = "sqlite")]
pub(crate) mod path;
#[cfg(feature = "sqlite")]
pub(crate) mod projection;
pub(crate) mod results;
pub(crate) mod shared;
#[cfg(feature = "sqlite")]
pub(crate) mod sort;
#[cfg(feature = "sqlite")]
pub(crate) mod update;

pub(crate) use operation::{Operation, Reply};

/// The way from a transaction's body to the store that runs it.
pub(crate) trait Access: Send + Sync {
    /// Runs an operation inside the transaction. On a store that runs bodies on its own thread the future is ready.
    fn data(&self, operation: Operation) -> BoxFuture<'static, Result<Reply>>;
}

thread_local! {
    static TRANSACTION: RefCell<Option<Arc<dyn Access>>> = const { RefCell::new(None) };
}

/// Restores what was before, also when a body panics.
struct Restore(Option<Arc<dyn Access>>);

impl Drop for Restore {
    fn drop(&mut self) {
        TRANSACTION.with(|current| *current.borrow_mut() = self.0.take());
    }
}

/// Runs `poll` with `access` as the transaction at hand: a store wraps each poll of a body in it.
pub(crate) fn within<T>(access: &Arc<dyn Access>, poll: impl FnOnce() -> T) -> T {
    let _restore = Restore(TRANSACTION.with(|current| current.borrow_mut().replace(access.clone())));
    poll()
}

/// The transaction whose body is being polled on this thread.
pub(crate) fn current() -> Option<Arc<dyn Access>> {
    TRANSACTION.with(|current| current.borrow().clone())
}
