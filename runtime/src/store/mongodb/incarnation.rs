//! Whether the store is still the one that was opened: one that was dropped, restored or filled beneath this handle has
//! another incarnation, and nothing of before may be written into it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::Collection;

use super::failure::Failure;
use super::shared::Shared;
use crate::error::{Error, ErrorKind, Result};

/// For how long the store's own document must not be seen before that is believed: a worker that stops stops for good.
const MISSING: Duration = Duration::from_secs(2);

/// The incarnations that this handle knows the store by: an import gives it a second.
#[derive(Default)]
pub(super) struct Incarnation {
    known: Mutex<Vec<String>>,
    /// Since when the store's own document hasn't been seen.
    missing: Mutex<Option<Instant>>,
    /// The store was found to be another one.
    replaced: AtomicBool,
}

impl Incarnation {
    pub(super) fn new(found: String) -> Self {
        Self { known: Mutex::new(vec![found]), missing: Mutex::default(), replaced: AtomicBool::new(false) }
    }

    /// This handle gives the store another one itself.
    pub(super) fn add(&self, incarnation: String) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).push(incarnation);
    }

    /// Whether the store is another one, by one look at its own document. Another incarnation says so at once; none may
    /// be an answer that isn't one to what was asked.
    fn judge(&self, store: Option<&Document>) -> Result<bool, Failure> {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = store.and_then(|store| store.get_str("incarnation").ok()) {
            *missing = None;
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(!known.iter().any(|known| known == found));
        }
        if missing.get_or_insert_with(Instant::now).elapsed() < MISSING {
            return Err(Failure::Unreachable("the store's own document isn't there".into()));
        }
        Ok(true)
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

    /// Looks whether the store is another one; if so, all that this handle owns is lost, and nothing more is written.
    pub(super) async fn look_at_incarnation(&self, meta: &Collection<Document>) -> Result<bool, Failure> {
        let look = meta.find_one(doc! { "_id": "store" }).projection(doc! { "incarnation": 1 });
        let found = self.command(look).await?;
        if !self.incarnation.judge(found.as_ref())? {
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
