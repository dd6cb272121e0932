//! Whether the store is still the one that was opened: one that was dropped, restored or filled beneath this handle has
//! another incarnation, and nothing of before may be written into it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bson::{Document, doc};
use mongodb::Collection;

use super::failure::Failure;
use super::shared::Shared;
use crate::error::{Error, ErrorKind, Result};

/// The pause before the second look.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// The incarnations that this handle knows the store by: an import gives it a second.
#[derive(Default)]
pub(super) struct Incarnation {
    known: Mutex<Vec<String>>,
    /// The store was found to be another one.
    replaced: AtomicBool,
}

impl Incarnation {
    pub(super) fn new(found: String) -> Self {
        Self { known: Mutex::new(vec![found]), replaced: AtomicBool::new(false) }
    }

    /// This handle gives the store another one itself.
    pub(super) fn add(&self, incarnation: String) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).push(incarnation);
    }

    fn knows(&self, store: Option<&Document>) -> bool {
        let found = store.and_then(|store| store.get_str("incarnation").ok());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        found.is_some_and(|found| known.iter().any(|known| known == found))
    }

    pub(super) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Acquire)
    }
}

impl Shared {
    /// Refuses whoever still asks a handle whose store is another one.
    pub(super) fn check_not_replaced(&self) -> Result<()> {
        if self.incarnation.is_replaced() { Err(self.replaced()) } else { Ok(()) }
    }

    /// The error of a handle whose store is another one.
    pub(super) fn replaced(&self) -> Error {
        Error::of(
            ErrorKind::Damaged,
            format!(
                "the store {} is another one than this process opened (it was restored, dropped or filled anew): nothing \
                 more is written into it. Restart the process, which opens what is there now",
                self.name
            ),
        )
    }

    async fn is_known(&self, meta: &Collection<Document>) -> Result<bool, Failure> {
        let look = meta.find_one(doc! { "_id": "store" }).projection(doc! { "incarnation": 1 });
        Ok(self.incarnation.knows(self.command(look).await?.as_ref()))
    }

    /// Looks whether the store is another one; if so, all that this handle owns is lost, and nothing more is written.
    pub(super) async fn look_at_incarnation(&self, meta: &Collection<Document>) -> Result<bool, Failure> {
        if self.is_known(meta).await? {
            return Ok(false);
        }
        // A worker that stops stops for good: not for what one look has seen. There are servers that show nothing in the
        // midst of a change.
        tokio::time::sleep(SECOND_LOOK).await;
        if self.is_known(meta).await? {
            return Ok(false);
        }
        if !self.incarnation.replaced.swap(true, Ordering::AcqRel) {
            tracing::error!(error = %self.replaced(), "the worker stops");
        }
        for worker in self.claims.standing() {
            self.claims.retire(&worker);
        }
        self.give_up();
        self.bump();
        Ok(true)
    }
}
